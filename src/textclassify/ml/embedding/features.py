"""Features of texts from several sources, batch by batch, and what they are standardised with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from textclassify.errors import DataError, ModelError
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

Shape = tuple[int, ...]
"""Of one text's features: (d,), or (layers, d)."""

_BYTES_HELD = 2**30
"""Up to this many bytes all features are held in memory; reading single rows from files takes longer."""
_ROWS_AT_ONCE = 1024
_SMALLEST_SPREAD = 1e-6


class Rows(Protocol):
    """Features of n texts that are read when they are indexed."""

    shape: Shape

    def __len__(self) -> int:
        """Count the texts."""
        ...

    def __getitem__(self, indices: Any) -> NDArray[np.float32]:
        """Return the features of some of them."""
        ...


class Features:
    """Features of n texts from each of several sources.

    Args:
        rows: of each source; all of the same texts.
        names: of the sources, for messages.
        bytes_held: up to how many bytes they are held in memory.

    Raises:
        DataError: a source gives another number of rows than the first one, or features of a form that has no use here.

    """

    def __init__(self, rows: Sequence[Rows], names: Sequence[str], *, bytes_held: int = _BYTES_HELD) -> None:
        self.shapes: tuple[Shape, ...] = tuple(tuple(source.shape[1:]) for source in rows)
        self._names = tuple(names)
        self._n = len(rows[0])
        for name, source in zip(names, rows, strict=True):
            _check_form(name, source, self._n)
        in_all = sum(4 * self._n * int(np.prod(shape)) for shape in self.shapes)
        self._rows: list[Any] = [source[:] for source in rows] if in_all <= bytes_held else list(rows)

    def __len__(self) -> int:
        return self._n

    def at(self, rows: NDArray[np.intp]) -> list[torch.Tensor]:
        """Return the float32 features of some texts, (rows, *shape) of each source.

        Raises:
            ModelError: a value is no finite number.

        """
        found = [np.asarray(source[rows], dtype=np.float32) for source in self._rows]
        for name, values in zip(self._names, found, strict=True):
            if not np.isfinite(values).all():
                raise ModelError(f"{name} gives values that are no numbers; extract its features in float32")
        return [torch.from_numpy(values) for values in found]

    def batches(
        self, rows: NDArray[np.intp], size: int = _ROWS_AT_ONCE
    ) -> Iterator[tuple[NDArray[np.intp], list[torch.Tensor]]]:
        """Give the rows some at a time, with their features."""
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            yield some, self.at(some)


def _check_form(name: str, rows: Rows, n: int) -> None:
    if len(rows) != n or len(rows.shape) not in (2, 3):
        raise DataError(
            f"{name} gives features of shape {tuple(rows.shape)} of {n} texts; a source gives (texts, width) or "
            "(texts, layers, width), a row for each text"
        )


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of each number of the features of one source."""

    mean: torch.Tensor
    deviation: torch.Tensor


class _Sums:
    """Running sums of columns, around the first rows' mean: squares of large numbers would lose their differences."""

    def __init__(self) -> None:
        self.n = 0
        self.around: torch.Tensor | None = None
        self.first: Any = 0.0
        self.second: Any = 0.0

    def add(self, values: torch.Tensor) -> None:
        values = values.double()
        if self.around is None:
            self.around = values.mean(dim=0)
        values = values - self.around
        self.n += len(values)
        self.first = self.first + values.sum(dim=0)
        self.second = self.second + (values**2).sum(dim=0)

    def spread(self) -> Spread:
        assert self.around is not None  # noqa: S101 - there is no training without rows
        mean = self.first / self.n
        deviation = (self.second / self.n - mean**2).clamp(min=0).sqrt()
        constant = deviation < _SMALLEST_SPREAD
        deviation[constant] = 1.0
        return Spread((mean + self.around).float(), deviation.float())


def spreads(features: Features, rows: NDArray[np.intp]) -> tuple[list[Spread], list[Spread]]:
    """Return the spread of each source's features, (*shape), and of its mean over layers, (d,); from some rows."""
    whole = [_Sums() for _ in features.shapes]
    over_layers = [_Sums() for _ in features.shapes]
    for _, found in features.batches(rows):
        for of_whole, of_mean, values in zip(whole, over_layers, found, strict=True):
            of_whole.add(values)
            of_mean.add(one_vector(values))
    return [sums.spread() for sums in whole], [sums.spread() for sums in over_layers]


def one_vector(values: torch.Tensor) -> torch.Tensor:
    """Return one vector per text, (rows, d), of features (rows, d) or (rows, layers, d): the mean of the layers."""
    return values.mean(dim=1) if values.ndim == 3 else values
