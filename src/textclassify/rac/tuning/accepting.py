"""What accepting the surest labels of some labelled rows is worth, for one number of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.rac.tuning.analytic import Prediction
from textclassify.statistics.calibration import IsotonicPerLabel
from textclassify.statistics.resampling import wilson_interval

Floats = NDArray[np.float64]
Answers = tuple[ArrayLike, ArrayLike, ArrayLike]
"""What a number of candidates leads to, each (n,): confidence (NaN = no label), whether right, calls."""

FEWEST_ACCEPTED = 5
"""A threshold that fewer of the rows pass is not offered: it would rest on nothing."""
FEWEST_OF_A_KIND = 30
"""Right and wrong labels from which on confidences may be worth something else than a sigmoid of them says."""
LOWEST_CHANCE = 1e-6
"""Confidences are kept that far from 0 and 1."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of an operating point; None = nothing.

    Args:
        min_precision: share of the labels given that should be right.
        max_calls: calls per text, in the mean.
        min_coverage: share of the texts that should get a label.

    Raises:
        ConfigError: nothing is asked, or something that cannot be.

    """

    min_precision: float | None = None
    max_calls: float | None = None
    min_coverage: float | None = None

    def __post_init__(self) -> None:
        if self.min_precision is None and self.max_calls is None and self.min_coverage is None:
            raise ConfigError("there is no target; pass min_precision=0.9, max_calls=3 or min_coverage=0.7")
        for name in ("min_precision", "min_coverage"):
            share = getattr(self, name)
            if share is not None and not (_is_number(share) and 0 < share <= 1):
                raise ConfigError(f"{name}={share} is not a share; pass above 0 to 1, such as 0.9")
        if self.max_calls is not None and not (_is_number(self.max_calls) and self.max_calls >= 0):
            raise ConfigError(f"max_calls={self.max_calls} is out of range; pass calls per text, such as 3")

    @property
    def takes_all(self) -> bool:
        """Whether only calls are bounded, so that every label is given."""
        return self.min_precision is None and self.min_coverage is None


@dataclass(frozen=True, slots=True, eq=False)
class Accepting:
    """The labels of some rows from the surest on, and how often they are right.

    Args:
        top_k: candidates they were chosen from.
        confidence: (m,) of the rows with a label, falling.
        correct: (m,) whether the label is right.
        chance: (m,) mean chance of being right of the 1, 2, ... surest, as learned from all of them.
        n_rows: rows with or without a label.
        calls: per text.
        analytic: what the analytic model says of all labels; None = nothing.

    """

    top_k: int
    confidence: Floats
    correct: NDArray[np.bool_]
    chance: Floats
    n_rows: int
    calls: float
    analytic: Prediction | None

    @classmethod
    def of(cls, top_k: int, answers: Answers, n_rows: int, analytic: Prediction | None, *, first_yes: bool) -> Self:
        """Return the labels in order; calls are those of the analytic model where it is about the first yes."""
        confidence, correct, calls = (np.asarray(column, dtype=np.float64) for column in answers)
        if not confidence.shape == correct.shape == calls.shape == (n_rows,):
            shapes = f"confidence {confidence.shape}, correct {correct.shape} and calls {calls.shape}"
            raise DataError(f"{shapes} of top_k={top_k} do not fit {n_rows:,} rows; pass one of each per row")
        order = np.argsort(-confidence, kind="stable")[: n_rows - int(np.isnan(confidence).sum())]
        sure, right = confidence[order], correct[order] == 1
        if len(sure) and (sure[-1] < 0 or sure[0] > 1 + 1e-6):
            raise DataError(f"confidences reach from {sure[-1]:.3g} to {sure[0]:.3g}; pass probabilities from 0 to 1")
        chance = np.cumsum(_chances(sure, right)) / np.arange(1, len(sure) + 1)
        mean_calls = analytic.calls if first_yes and analytic else float(calls.mean())
        return cls(top_k, sure, right, chance, n_rows, mean_calls, analytic)

    def size(self, target: Target) -> int:
        """Return how many rows a threshold accepts that meets the target, calls apart; 0 = none does.

        The laxest for a precision, the strictest for a coverage, and all rows where neither is asked for.
        """
        sizes = self._sizes()
        if target.min_coverage is not None:
            sizes = sizes[sizes >= target.min_coverage * self.n_rows - 1e-9]
        if target.min_precision is not None:
            sizes = sizes[self.chance[sizes - 1] >= target.min_precision]
        if not len(sizes):
            return 0
        strictest = target.min_precision is None and target.min_coverage is not None
        return int(sizes[0] if strictest else sizes[-1])

    def predicted(self, size: int) -> Prediction:
        """Return what to expect of the threshold that accepts so many of the rows."""
        coverage, precision = size / self.n_rows, float(self.chance[size - 1])
        return Prediction(coverage, precision, coverage * precision, self.calls)

    def threshold(self, size: int, min_precision: float | None) -> float:
        """Return the confidence from which on so many of the rows are accepted.

        0 where that is all of them, and even labels less sure than any of them, all wrong, would not matter.
        """
        spare = self.chance[size - 1] * size / (size + 1)
        if size == len(self.confidence) and (min_precision is None or spare >= min_precision):
            return 0.0
        return float(self.confidence[size - 1])

    def strictest(self) -> Prediction | None:
        """Return what to expect of the highest threshold that is offered; None where no label is."""
        sizes = self._sizes()
        return self.predicted(int(sizes[0])) if len(sizes) else None

    def seen(self, size: int) -> str:
        """Return a sentence about the accepted rows themselves."""
        right = int(self.correct[:size].sum())
        interval = wilson_interval(right, size)
        return (
            f"Of the rows {size:,} are accepted, {right:,} of them rightly "
            f"({interval.low:.0%} to {interval.high:.0%}, for a threshold that had not been chosen on them)."
        )

    def _sizes(self) -> NDArray[np.int64]:
        """Return how many rows each threshold accepts; equal confidences are accepted together."""
        ends = np.flatnonzero(np.diff(self.confidence, append=-np.inf)) + 1
        return np.asarray(ends[ends >= FEWEST_ACCEPTED], dtype=np.int64)


def _chances(confidence: Floats, right: NDArray[np.bool_]) -> Floats:
    """Return what each confidence is worth, (m,): a sigmoid held to it, and a correction where rows allow one."""
    if not len(confidence):
        return confidence
    odds = special.logit(np.clip(confidence, LOWEST_CHANCE, 1 - LOWEST_CHANCE))[:, None]
    curve = IsotonicPerLabel(min_positives=FEWEST_OF_A_KIND).fit(odds, right[:, None].astype(np.int64))
    return np.asarray(special.expit(curve.transform(odds)[:, 0]))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
