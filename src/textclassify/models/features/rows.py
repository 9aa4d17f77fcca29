"""Rows of features that are read when they are asked for, as an array would be indexed."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


class RowSource(Protocol):
    """Where features lie."""

    def gather(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features (n, ...) at n places."""


class FeatureRows:
    """Features of n texts in their order, of which only those that are indexed are read into memory.

    Args:
        source: where they lie.
        places: (n,) of each text's features there.
        shape: of one text's features.

    Example:
        >>> rows = FeatureRows.of(np.eye(3))
        >>> rows[[2, 0]]
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)

    """

    def __init__(self, source: RowSource, places: NDArray[np.int64], shape: tuple[int, ...]) -> None:
        self._source = source
        self._places = places
        self.shape: tuple[int, ...] = (len(places), *shape)

    @classmethod
    def of(cls, values: NDArray[Any]) -> FeatureRows:
        """Return rows of an array (n, ...) that is in memory."""
        return cls(_Held(values), np.arange(len(values)), values.shape[1:])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, indices: ArrayLike | slice) -> NDArray[np.float32]:
        """Return the features at some indices: those of one text for a number, (m, ...) for m of them or a slice.

        Raises:
            IndexError: there is no such row.

        """
        places = self._at(indices)
        return self._source.gather(places.reshape(-1)).reshape(*places.shape, *self.shape[1:])

    def take(self, indices: ArrayLike | slice) -> FeatureRows:
        """Return some of the rows, still unread."""
        return FeatureRows(self._source, self._at(indices).reshape(-1), self.shape[1:])

    def __array__(self, dtype: DTypeLike | None = None, *, copy: bool | None = None) -> NDArray[Any]:
        """Return all of them as an array.

        Raises:
            ValueError: numpy was asked not to copy.

        """
        if copy is False:
            raise ValueError("features on disk cannot become an array without a copy; leave copy out")
        return np.asarray(self[:], dtype=dtype)

    def _at(self, indices: ArrayLike | slice) -> NDArray[np.int64]:
        if not isinstance(indices, slice):
            indices = np.asarray(indices)
            indices = indices if indices.size else indices.astype(np.intp)  # an empty list becomes one of floats
        return np.asarray(self._places[indices])


class _Held:
    """An array in memory as a source of rows."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values

    def gather(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._values[places].astype(np.float32, copy=False)
