"""Which training rows a fusion is learned from, which only train its sources, and which guard it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.types import TrainingData
from textclassify.ensemble.guard import guard_rows
from textclassify.ensemble.out_of_fold import held_out_folds

GUARD = np.int16(-3)
"""`folds` of a row that nothing is learned from."""


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What each of n rows is for.

    Args:
        folds: (n,) the fold that holds a row out; -1 for rows that are in every training part, -3 for the guard.

    """

    folds: NDArray[np.int16]

    @classmethod
    def of(cls, data: TrainingData, *, n_folds: int, one_model: bool, guard: float | None, random_state: int) -> Self:
        """Draw the guard first, then hold out the rest as `held_out_folds` does.

        Rows that may not judge (`TrainingData.honest_rows`) are never drawn and never held out: they only train.

        Args:
            data: the training rows.
            n_folds: folds under 2,000 rows.
            one_model: reserve a fifth with fewer rows, too.
            guard: share of the rows that nothing is learned from; 0 = none.
            random_state: seeds both draws.

        Raises:
            ConfigError: the share is not in [0, 1).

        """
        kept = guard_rows(data.clusters, guard, eligible=data.honest_rows, random_state=random_state)
        folds = np.full(len(data), GUARD)
        learned = np.flatnonzero(~kept)
        folds[learned] = held_out_folds(
            data.take(learned), n_folds=n_folds, one_model=one_model, random_state=random_state
        )
        return cls(folds)

    @property
    def learned(self) -> NDArray[np.intp]:
        """The rows that something is learned from."""
        return np.flatnonzero(self.folds != GUARD)

    @property
    def guard(self) -> NDArray[np.intp]:
        """The rows that nothing is learned from."""
        return np.flatnonzero(self.folds == GUARD)
