"""What labelled rows say of retrieval and of a check: where the gold label ranks, and how often a check says yes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import DataError

Floats = NDArray[np.float64]

HALF = 0.5
"""What a rate starts from, in yes and in no alike (Jeffreys): a few rows alone never make it 0 or 1."""
SURE_ENOUGH = 0.95
"""Probability, given the rows, with which a check must tell right labels from wrong ones not to be flagged."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckCounts:
    """Counts of single-label rows: the gold label's rank, and the answers of checks on right and on wrong labels.

    Args:
        gold_at: (k + 1,) rows whose gold label is the first, second, ... candidate; last: those where it is none.
        yes_to_right: checks of the gold label that said yes.
        asked_right: checks of the gold label.
        yes_to_wrong: checks of other labels that said yes.
        asked_wrong: checks of other labels.

    """

    gold_at: NDArray[np.int64]
    yes_to_right: int
    asked_right: int
    yes_to_wrong: int
    asked_wrong: int

    @classmethod
    def of(cls, candidate_hits: ArrayLike, said_yes: ArrayLike) -> Self:
        """Return the counts of n rows with k candidates each.

        That asking may have stopped at the first yes does no harm: what is not asked is left out of both counts, and
        whether it is asked depends on answers that are counted.

        Args:
            candidate_hits: (n, k) whether a candidate is the gold label, the most related first.
            said_yes: (n, k) 1 or 0; NaN = not asked, or no answer.

        Raises:
            DataError: shapes differ, there are no rows, an answer is neither 1, 0 nor NaN, or a row has two hits.

        """
        hits, said = checked_answers(candidate_hits, said_yes)
        per_row = hits.sum(axis=1)
        if per_row.max() > 1:
            row = int(np.argmax(per_row > 1))
            raise DataError(f"row {row} has {per_row[row]} right candidates; pass the checks of texts with one label")
        asked = ~np.isnan(said)
        right, wrong = said[asked & hits], said[asked & ~hits]
        gold_at = np.append(hits.sum(axis=0), len(hits) - per_row.sum())
        return cls(gold_at, int(right.sum()), len(right), int(wrong.sum()), len(wrong))

    @property
    def n_rows(self) -> int:
        """Rows that were counted."""
        return int(self.gold_at.sum())

    @property
    def recall_by_rank(self) -> Floats:
        """(k,) smoothed share of the texts whose gold label is the j-th candidate."""
        return np.asarray((self._ranks() / self._ranks().sum())[:-1])

    @property
    def true_positive_rate(self) -> float:
        """Smoothed share of yes among checks of right labels; 0.5 where there was none."""
        return smoothed(self.yes_to_right, self.asked_right)

    @property
    def false_positive_rate(self) -> float:
        """Smoothed share of yes among checks of wrong labels; 0.5 where there was none."""
        return smoothed(self.yes_to_wrong, self.asked_wrong)

    def drawn(self, n_draws: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Return recall by rank (B, k) and both rates (B,) as they may be, given the counts."""
        recall = rng.dirichlet(self._ranks(), size=n_draws)[:, :-1]
        yes, no = self.yes_to_right, self.asked_right - self.yes_to_right
        true_positive = rng.beta(yes + HALF, no + HALF, size=n_draws)
        yes, no = self.yes_to_wrong, self.asked_wrong - self.yes_to_wrong
        return recall, true_positive, rng.beta(yes + HALF, no + HALF, size=n_draws)

    def flag(self, *, n_draws: int = 4000, random_state: int = 0) -> str | None:
        """Return a sentence where the rows do not show that a check says yes to right labels more often; else None."""
        _, true_positive, false_positive = self.drawn(n_draws, np.random.default_rng(random_state))
        if (true_positive > false_positive).mean() >= SURE_ENOUGH:
            return None
        return (
            f"checks say yes to {self.true_positive_rate:.0%} of {self.asked_right:,} right and to "
            f"{self.false_positive_rate:.0%} of {self.asked_wrong:,} wrong labels: their answers are not shown to tell "
            "them apart (their log-odds may still rank); use decision='listwise', another model, or llm=None"
        )

    def _ranks(self) -> Floats:
        """Return counts by rank with one row spread evenly over all ranks (Perks 1947), (k + 1,)."""
        return np.asarray(self.gold_at + 1 / len(self.gold_at))


def smoothed(successes: float, n: float) -> float:
    """Return a rate with half a success and half a failure added (Jeffreys)."""
    return (successes + HALF) / (n + 2 * HALF)


def checked_answers(candidate_hits: ArrayLike, said_yes: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Return both as arrays (n, k); raises DataError where they do not fit together or hold something else."""
    hits, said = np.asarray(candidate_hits, dtype=bool), np.asarray(said_yes, dtype=np.float64)
    if hits.ndim != 2 or hits.shape != said.shape or not hits.size:
        raise DataError(
            f"candidate_hits {hits.shape} and said_yes {said.shape} do not fit; pass both (n, k) for the same rows, "
            "with at least one row and one candidate"
        )
    odd = said[~np.isnan(said) & (said != 0) & (said != 1)]
    if odd.size:
        raise DataError(f"said_yes holds {odd[0]:g}; pass 1 (yes), 0 (no) or NaN (not asked), such as log_odds > 0")
    return hits, said
