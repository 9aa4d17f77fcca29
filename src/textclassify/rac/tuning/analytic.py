"""What retrieve-and-verify can be expected to do, from how retrieval ranks and how a check errs.

The model: the gold label is the j-th candidate with probability r_j (not among them with the rest); a check says yes
to the right label with the true-positive rate t, to a wrong one with the false-positive rate f, each independently of
the others given the text. Of k candidates, asked from the most related on until one is said yes to, with q = 1 - f and
R_i = r_1 + ... + r_i:

    right     sum over i of  r_i t q^(i-1)
    wrong     sum over i of  f (R_(i-1) (1 - t) q^(i-2) + (1 - R_i) q^(i-1))
    no yes after i checks    R_i (1 - t) q^(i-1) + (1 - R_i) q^i
    calls     sum over i from 0 to k - 1 of  no yes after i checks

Real checks of one text err together, so a prediction is a target, not a promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from textclassify.errors import ConfigError, DataError
from textclassify.rac.tuning.check_counts import CheckCounts, Floats, checked_answers
from textclassify.statistics.resampling import Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Prediction:
    """What becomes of texts: labelled, rightly so, and at which price.

    Args:
        coverage: share of the texts that get a label.
        precision: share of those labels that are right; NaN where no text gets one.
        accuracy: share of all texts that get the right label.
        calls: checks per text, in the mean.

    """

    coverage: float
    precision: float
    accuracy: float
    calls: float


@dataclass(frozen=True, slots=True)
class PredictionRange:
    """The same four figures, each with the bounds that hold it with the given confidence."""

    coverage: Interval
    precision: Interval
    accuracy: Interval
    calls: Interval

    def outside(self, measured: Prediction) -> list[str]:
        """Return the names of the figures of a measurement that lie outside their bounds; NaN never does."""
        names = [field.name for field in fields(self)]
        bounds = {name: getattr(self, name) for name in names}
        found = {name: getattr(measured, name) for name in names}
        return [name for name in names if found[name] < bounds[name].low or found[name] > bounds[name].high]


@dataclass(frozen=True, slots=True, eq=False)
class AnalyticModel:
    """Predicts coverage, precision and calls for every number of candidates.

    Args:
        recall_by_rank: (k,) probability that the j-th candidate is the gold label; they add up to at most 1.
        true_positive_rate: P(yes | right label).
        false_positive_rate: P(yes | wrong label).
        asks_all: whether all candidates are asked about (decision "best" on bare answers: of those said yes to the
            most related one wins) rather than until the first yes. The labels are the same, at k calls a text.
        counts: the labelled rows that these were estimated from; None = they are known.

    Raises:
        ConfigError: a probability is out of range.

    >>> model = AnalyticModel([0.7, 0.1, 0.05], true_positive_rate=0.9, false_positive_rate=0.05)
    >>> round(model.at(3).precision, 3), round(model.at(3).calls, 2)
    (0.951, 1.61)

    """

    recall_by_rank: Sequence[float] | Floats
    true_positive_rate: float
    false_positive_rate: float
    asks_all: bool = False
    counts: CheckCounts | None = None

    def __post_init__(self) -> None:
        recall = np.asarray(self.recall_by_rank, dtype=np.float64)
        if recall.ndim != 1 or not len(recall) or not (recall >= 0).all() or not recall.sum() <= 1 + 1e-9:
            raise ConfigError(f"recall_by_rank={recall.tolist()} must be one probability per rank, together at most 1")
        for name in ("true_positive_rate", "false_positive_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not a probability; pass 0 to 1")

    @classmethod
    def estimate(cls, candidate_hits: ArrayLike, said_yes: ArrayLike, *, asks_all: bool = False) -> Self:
        """Return the model of labelled rows; a few dozen will do, and `range_at` says how little they say.

        Rates are smoothed by half a yes and half a no, ranks by one row spread over all of them.

        Args:
            candidate_hits: (n, k) whether a candidate is the gold label, the most related first.
            said_yes: (n, k) 1 or 0; NaN = not asked, or no answer.
            asks_all: as for the model.

        Raises:
            DataError: the rows do not fit together, or one has two right candidates.

        """
        counts = CheckCounts.of(candidate_hits, said_yes)
        rates = counts.true_positive_rate, counts.false_positive_rate
        return cls(counts.recall_by_rank, *rates, asks_all=asks_all, counts=counts)

    @property
    def most_candidates(self) -> int:
        """How many candidates the model knows the recall of."""
        return len(self.recall_by_rank)

    def at(self, top_k: int) -> Prediction:
        """Return what to expect of `top_k` candidates per text."""
        outcomes = self._outcomes(top_k)
        right, wrong = float(outcomes.right[0]), float(outcomes.wrong[0])
        covered = right + wrong
        calls = float(outcomes.calls[0] @ np.arange(1, top_k + 1))
        return Prediction(covered, right / covered if covered else float("nan"), right, calls)

    def curve(self) -> pd.DataFrame:
        """Return one row per number of candidates: top_k, recall, coverage, precision, accuracy, calls."""
        import pandas as pd

        recall = np.cumsum(np.asarray(self.recall_by_rank))
        figures = [self.at(top_k) for top_k in range(1, self.most_candidates + 1)]
        columns = {field.name: [getattr(figure, field.name) for figure in figures] for field in fields(Prediction)}
        return pd.DataFrame({"top_k": np.arange(1, self.most_candidates + 1), "recall": recall} | columns)

    def range_at(
        self,
        top_k: int,
        *,
        n_rows: int | None = None,
        confidence: float = 0.95,
        n_draws: int = 4000,
        random_state: int = 0,
    ) -> PredictionRange:
        """Return what to expect of `top_k` candidates, with bounds.

        They hold what the rates may be, given the rows that they were estimated from, and, with `n_rows`, what chance
        does to that many new texts: what is then measured on them should lie inside. Percentiles of `n_draws` draws;
        rates that are known, with no `n_rows`, have bounds without width.

        Raises:
            ConfigError: an option is out of range.

        """
        if not 0 < confidence < 1 or n_draws < 1 or (n_rows is not None and n_rows < 1):
            raise ConfigError(
                f"confidence={confidence}, n_draws={n_draws}, n_rows={n_rows}: pass one in (0, 1) and at least 1"
            )
        rng = np.random.default_rng(random_state)
        outcomes = (
            self._outcomes(top_k) if self.counts is None else self._outcomes(top_k, *self.counts.drawn(n_draws, rng))
        )
        drawn = outcomes.figures() if n_rows is None else outcomes.of_rows(n_rows, n_draws, rng).figures()
        expected = self.at(top_k)
        outside = (1 - confidence) / 2
        bounds = {}
        for name, column in drawn.items():
            defined = column[~np.isnan(column)]
            low, high = np.quantile(defined, [outside, 1 - outside]) if len(defined) else (np.nan, np.nan)
            bounds[name] = Interval(getattr(expected, name), float(low), float(high), confidence)
        return PredictionRange(**bounds)

    def _outcomes(
        self,
        top_k: int,
        recall: Floats | None = None,
        true_positive: Floats | None = None,
        false_positive: Floats | None = None,
    ) -> _Outcomes:
        """Return the chances of what becomes of a text, by the model's rates or by B others."""
        if not 1 <= top_k <= self.most_candidates:
            raise ConfigError(
                f"top_k={top_k} is out of range; the model knows the recall of 1 to {self.most_candidates} candidates"
            )
        r = np.asarray(self.recall_by_rank, dtype=np.float64)[None] if recall is None else recall
        t = np.atleast_1d(self.true_positive_rate if true_positive is None else true_positive)[:, None]
        f = np.atleast_1d(self.false_positive_rate if false_positive is None else false_positive)[:, None]
        return _outcomes(r[:, :top_k], t, f, asks_all=self.asks_all)


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """Chances (or shares of rows) of a right and a wrong label (B,), and of 1, ..., k calls (B, k)."""

    right: Floats
    wrong: Floats
    calls: Floats

    def figures(self) -> dict[str, Floats]:
        """Return the figures of a `Prediction`, each (B,)."""
        covered = self.right + self.wrong
        precision = np.full(len(covered), np.nan)
        np.divide(self.right, covered, out=precision, where=covered > 0)
        calls = self.calls @ np.arange(1, self.calls.shape[1] + 1)
        return {"coverage": covered, "precision": precision, "accuracy": self.right, "calls": calls}

    def of_rows(self, n_rows: int, n_draws: int, rng: np.random.Generator) -> _Outcomes:
        """Return the shares that n_rows texts may show, one draw for each chance or n_draws of the only one."""
        repeats = n_draws if len(self.right) == 1 else 1
        chances = np.repeat(np.stack([self.right, self.wrong], axis=1), repeats, axis=0)
        left = np.maximum(0.0, 1 - chances.sum(axis=1, keepdims=True))
        shares = rng.multinomial(n_rows, np.concatenate([chances, left], axis=1)) / n_rows
        calls = rng.multinomial(n_rows, np.repeat(self.calls, repeats, axis=0)) / n_rows
        return _Outcomes(shares[:, 0], shares[:, 1], calls)


def _outcomes(recall: Floats, t: Floats, f: Floats, *, asks_all: bool) -> _Outcomes:
    """Return the formulas of the module for recall by rank (B, k) and rates (B, 1)."""
    k = recall.shape[1]
    before = np.arange(k)
    all_no = (1 - f) ** before  # of i - 1 wrong candidates
    found = np.minimum(np.cumsum(recall, axis=1), 1.0)
    found_before = np.concatenate([np.zeros((len(found), 1)), found[:, :-1]], axis=1)
    missed_before = found_before * (1 - t) * (1 - f) ** np.maximum(before - 1, 0)
    right = (recall * t * all_no).sum(axis=1)
    wrong = (f * (missed_before + (1 - found) * all_no)).sum(axis=1)
    calls = np.zeros(np.broadcast_shapes(recall.shape, t.shape))
    if asks_all:
        calls[:, -1] = 1.0
        return _Outcomes(right, wrong, calls)
    reached = missed_before + (1 - found_before) * all_no
    calls[:, :-1] = np.maximum(reached[:, :-1] - reached[:, 1:], 0.0)
    calls[:, -1] = reached[:, -1]
    return _Outcomes(right, wrong, calls)


def observed(
    candidate_hits: ArrayLike, said_yes: ArrayLike, *, top_k: int | None = None, asks_all: bool = False
) -> Prediction:
    """Return what the answers of checks did on labelled rows: the figures that the model predicts.

    The label of a row is its most related candidate with a yes. Checks that were made of candidates after it count as
    calls only with `asks_all`.

    Args:
        candidate_hits: (n, k) whether a candidate is the gold label, the most related first.
        said_yes: (n, k) 1 or 0; NaN = not asked, or no answer.
        top_k: how many of the candidates count; None = all.
        asks_all: whether all of them are asked about.

    Raises:
        DataError: the rows do not fit together, or there are fewer candidates.

    """
    hits, said = checked_answers(candidate_hits, said_yes)
    k = hits.shape[1] if top_k is None else top_k
    if not 1 <= k <= hits.shape[1]:
        raise DataError(f"top_k={top_k} does not fit rows with {hits.shape[1]} candidates; pass 1 to that many")
    hits, said = hits[:, :k], said[:, :k]
    yes = said == 1
    labelled, first = yes.any(axis=1), yes.argmax(axis=1)
    right = labelled & hits[np.arange(len(hits)), first]
    last = np.where(labelled & (not asks_all), first, k - 1)
    calls = (~np.isnan(said) & (np.arange(k) <= last[:, None])).sum(axis=1)
    precision = float(right.sum() / labelled.sum()) if labelled.any() else float("nan")
    return Prediction(float(labelled.mean()), precision, float(right.mean()), float(calls.mean()))
