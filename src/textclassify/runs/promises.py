"""What a fusion promised, held against labelled texts that it was not trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.types import TrainingData
from textclassify.ensemble.guarantees import AcceptanceRule, PredictionSets
from textclassify.statistics.conformal import coverage
from textclassify.statistics.metrics import correct_per_row
from textclassify.statistics.resampling import Interval, wilson_interval


@dataclass(frozen=True)
class RiskCheck:
    """How many of the accepted answers were wrong, beside how many were promised to be.

    Args:
        promised: the guarantee in words.
        max_risk: share of the accepted answers that may be wrong.
        n_texts: texts that were to be answered.
        n_accepted: those whose answer was sure enough.
        risk: share of these that were wrong, with Wilson's interval; NaN where none was accepted.

    """

    promised: str
    max_risk: float
    n_texts: int
    n_accepted: int
    risk: Interval

    @classmethod
    def of(cls, rule: AcceptanceRule, result: ClassificationResult, data: TrainingData) -> RiskCheck:
        """Return the check of a rule on the answers to labelled texts, before any was withheld."""
        kept = rule.accepts(result) & (result.status == Status.OK)
        wrong = int((kept & ~correct_per_row(data.gold, result.codes)).sum())
        n_accepted = int(kept.sum())
        risk = wilson_interval(wrong, n_accepted) if n_accepted else Interval(np.nan, np.nan, np.nan, 0.95)
        return cls(str(rule), rule.bound.max_risk, len(data), n_accepted, risk)

    def __str__(self) -> str:
        share = f"{self.n_accepted:,} of {self.n_texts:,} answers accepted ({self.n_accepted / self.n_texts:.1%})"
        if not self.n_accepted:
            return f"max_risk {self.max_risk:.1%}: no answer is sure enough on these texts"
        risk = self.risk
        return (
            f"max_risk {self.max_risk:.1%}: {share}, {risk.estimate:.1%} of them wrong "
            f"(95% interval {risk.low:.1%} to {risk.high:.1%})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class SetCheck:
    """How many prediction sets held the gold answer, beside how many were promised to.

    Args:
        promised: the guarantee in words.
        alpha: share of misses that was promised.
        held: share of the texts whose set holds the gold label (multi-label: mean share of a text's gold labels that
            its set holds), with its interval.
        mean_size: labels per set.
        n_texts: texts with a set.

    """

    promised: str
    alpha: float
    held: Interval
    mean_size: float
    n_texts: int

    @classmethod
    def of(cls, sets: PredictionSets, data: TrainingData) -> SetCheck:
        """Return the check of the sets of labelled texts."""
        seen = coverage(sets.indicator, data.gold, scored=sets.scores.answered, clusters=data.clusters)
        return cls(str(sets.guarantee), sets.alpha, seen.overall, seen.mean_size, seen.n_rows)

    def __str__(self) -> str:
        held = self.held
        return (
            f"sets at alpha {self.alpha:.1%}: {held.estimate:.1%} hold the right answer "
            f"(95% interval {held.low:.1%} to {held.high:.1%}), {self.mean_size:.2f} labels per set"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
