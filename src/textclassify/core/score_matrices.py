"""Scores as they come from users: arrays, masked arrays and tables as one matrix of floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textclassify.core.labels import Label
from textclassify.core.tables import is_table, to_frame
from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import ScoresError


def score_matrix(values: Any, labels: Sequence[Label], source: str) -> NDArray[np.float64]:
    """Return numbers as floats, the columns of a table in the order of the labels; NaN where masked or missing.

    Raises:
        ScoresError: something is no number, rows differ in length, or a table has columns of other names.

    """
    if is_table(values):
        values = _in_label_order(values, labels, source)
    try:
        if isinstance(values, pd.DataFrame):
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        if isinstance(values, np.ma.MaskedArray):
            return np.asarray(values.astype(np.float64).filled(np.nan))
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ScoresError(
            f"scores of {source!r} are no matrix of numbers ({error}); pass {len(labels)} numbers per text"
        ) from error


def _in_label_order(table: Any, labels: Sequence[Label], source: str) -> pd.DataFrame:
    """Return a table with its columns in the order of the labels; columns 0 to K-1 are in it already."""
    numbered = list(getattr(table, "columns", ())) == list(range(len(labels)))
    frame = to_frame(table)
    known, found = [str(label) for label in labels], list(map(str, frame.columns))
    if sorted(found) == sorted(known):
        frame = frame[[frame.columns[found.index(name)] for name in known]]
    elif not numbered:
        unknown = [name for name in found if name not in known]
        hint = did_you_mean(unknown[0], known) if unknown else ""
        raise ScoresError(
            f"scores of {source!r} have the columns {listed(map(repr, found), 12)}, expected one per label: "
            f"{listed(map(repr, known), 12)}{hint}"
        )
    return frame
