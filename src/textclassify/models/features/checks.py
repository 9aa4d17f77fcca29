"""Whether values can be kept as features: their shape, and that each is a number that the store can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import DataError, ModelError, StorageError
from textclassify.models.features.spec import FeatureSpec


def checked(values: ArrayLike, n_texts: int, spec: FeatureSpec) -> NDArray[Any]:
    """Return the values as an array (n, *shape) of which every number can be kept.

    Raises:
        DataError: they have another shape, or are no numbers.
        ModelError: one is not finite; a StorageError where it is too large for the store.

    """
    features = np.asarray(values)
    expected = (n_texts, *spec.shape)
    if features.shape != expected or features.dtype.kind not in "fiu":
        raise DataError(
            f"features of {n_texts} texts are {features.dtype} of shape {features.shape}; this store keeps numbers of "
            f"shape {expected}"
        )
    largest = float(np.finfo(spec.dtype).max)
    if not (features.max() <= largest and features.min() >= -largest):  # written so that NaN fails as well
        raise _refusal(features.reshape(n_texts, -1), largest)
    return features


def _refusal(features: NDArray[Any], largest: float) -> ModelError:
    """Return what is wrong with features (n, d) of which some are not finite or too large."""
    fits = np.abs(features) <= largest
    row = int(np.flatnonzero(~fits.all(axis=1))[0])
    value = features[row][~fits[row]][0]
    where = f"the features of text {row} of {len(features)} (counted from 0) hold"
    if np.isfinite(value):
        return StorageError(
            f"{where} {value:.6g}, and the store's numbers end at {largest:.6g}; "
            'keep them with store_dtype="float32", in another folder'
        )
    return ModelError(
        f'{where} {value}, which is no number; compute them in float32 (precision="fp32"), and keep them with '
        'store_dtype="float32" where they are too large for half precision'
    )
