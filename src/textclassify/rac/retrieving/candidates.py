"""`Candidates`: the labels that retrieval ranks highest for each text, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.labels import Label, LabelSchema
from textclassify.core.number_checks import is_count
from textclassify.errors import ConfigError, ScoresError

NO_CANDIDATE = -1
"""Code of a place that no label holds: the text is blank, or fewer labels exist than were asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The k labels that retrieval ranks highest for each of n texts.

    Args:
        codes: (n, k) int32 label codes, best first; -1 = none, only at the end of a row.
        scores: (n, k) float32, falling along a row, -inf where there is none. Within a row the difference of two is the
            difference of their log-probabilities; rows are not normalised.

    Raises:
        ScoresError: shapes differ, a score stands where no label does or the other way round, or a row rises.

    >>> Candidates([[2, 0]], [[1.5, 0.5]]).names(LabelSchema(("a", "b", "c")))
    [['c', 'a']]

    """

    codes: NDArray[np.int32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, dtype in (("codes", np.int32), ("scores", np.float32)):
            array = np.array(getattr(self, name), dtype=dtype)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.codes.ndim != 2 or self.codes.shape != self.scores.shape:
            raise ScoresError(
                f"candidates have codes of shape {self.codes.shape} and scores of shape {self.scores.shape}; "
                "pass both as (texts, k)"
            )
        _check_rows(self.codes, self.scores)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def k(self) -> int:
        """How many labels a text has at most."""
        return int(self.codes.shape[1])

    @property
    def found(self) -> NDArray[np.bool_]:
        """Where there is a label; shape (n, k)."""
        return np.asarray(self.codes != NO_CANDIDATE)

    def take(self, rows: ArrayLike | slice) -> Self:
        """Return the texts that an index array, slice or boolean mask selects."""
        chosen = np.arange(len(self))[rows]  # type: ignore[index]
        return type(self)(self.codes[chosen], self.scores[chosen])

    def top(self, k: int) -> Self:
        """Return the first k labels of each text.

        Raises:
            ConfigError: k is below 1.

        """
        return type(self)(self.codes[:, : checked_k(k)], self.scores[:, :k])

    def names(self, schema: LabelSchema) -> list[list[Label]]:
        """Return the labels of each text by name, best first."""
        return [[schema.names[code] for code in row if code != NO_CANDIDATE] for row in self.codes.tolist()]


def best_of(scores: NDArray[Any], k: int) -> Candidates:
    """Return the k labels with the highest of (n, K) scores; equal ones in the order of the labels.

    Scores of -inf or NaN are no candidates: a row without any other has none.

    Raises:
        ConfigError: k is no whole number of 1 or more.

    """
    numbers = np.where(np.isnan(scores), -np.inf, scores)
    codes, values = highest(numbers, min(checked_k(k), numbers.shape[1]))
    return Candidates(np.where(np.isneginf(values), NO_CANDIDATE, codes), values)


def highest(scores: NDArray[Any], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return codes and values (n, k) of the k highest of (n, K) scores, best first; equal ones by code, K >= k."""
    n_labels = scores.shape[1]
    if k < n_labels:
        codes = np.argpartition(scores, n_labels - k, axis=1)[:, n_labels - k :]
        cut = np.take_along_axis(scores, codes, axis=1).min(axis=1)
        # Which of several equal scores at the cut were taken is chance.
        for row in np.flatnonzero(np.count_nonzero(scores >= cut[:, None], axis=1) > k).tolist():
            above = np.flatnonzero(scores[row] > cut[row])
            level = np.flatnonzero(scores[row] == cut[row])
            codes[row] = np.concatenate([above, level])[:k]
    else:
        codes = np.tile(np.arange(n_labels), (len(scores), 1))
    return in_order(codes, np.take_along_axis(scores, codes, axis=1))


def in_order(codes: NDArray[Any], scores: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return codes and scores (n, k) with each row put in order: best first, equal ones by code."""
    order = np.lexsort((codes, -scores), axis=1)
    codes, scores = np.take_along_axis(codes, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return codes.astype(np.int32), scores.astype(np.float32)


def checked_k(k: Any) -> int:
    """Return how many labels are asked for.

    Raises:
        ConfigError: it is no whole number of 1 or more.

    """
    if not is_count(k):
        raise ConfigError(f"k={k!r} candidates per text are asked for; pass a whole number of 1 or more")
    return int(k)


def _check_rows(codes: NDArray[np.int32], scores: NDArray[np.float32]) -> None:
    none = codes == NO_CANDIDATE
    if (none != np.isneginf(scores)).any() or np.isnan(scores).any() or (codes < NO_CANDIDATE).any():
        row = int(np.flatnonzero(((none != np.isneginf(scores)) | np.isnan(scores) | (codes < NO_CANDIDATE)).any(1))[0])
        raise ScoresError(
            f"candidates of row {row} have codes {codes[row].tolist()} and scores {scores[row].tolist()}; "
            "code -1 goes with score -inf, every other code with a number"
        )
    rising = ~(scores[:, 1:] <= scores[:, :-1])
    if rising.any():
        row = int(np.flatnonzero(rising.any(axis=1))[0])
        raise ScoresError(f"candidates of row {row} have scores {scores[row].tolist()}; put the best first")
