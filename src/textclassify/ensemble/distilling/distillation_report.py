"""How far a student is from its teacher: how often they agree, and how often each is right where gold labels tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import NO_LABEL, ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.types import TrainingData
from textclassify.statistics.metrics import correct_per_row
from textclassify.statistics.resampling import Interval, bootstrap_mean, wilson_interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GoldFigure:
    """How often one system is right on n rows, and how far the student is ahead there (None for the student itself)."""

    system: str
    right: Interval
    lead: Interval | None
    n: int


@dataclass(frozen=True)
class DistillationReport:
    """What was taught, and the gap that is left.

    Args:
        teacher: what taught.
        student: the kind of classifier that was taught.
        n_texts: texts that were given.
        n_taught: of these, texts that the student was trained on.
        n_calibrated: texts that it was calibrated on.
        n_gold_taught: gold rows that it was trained on.
        unanswered: texts that the teacher had no answer to, by reason; they are not used.
        n_measured: texts that were kept to measure on.
        agreement: share of these to which student and teacher give the same answer (multi-label: the same set).
        n_gold_measured: gold rows that neither was trained on.
        gold: how often each is right on these; empty without gold.
        notes: what else to know, in sentences.

    """

    teacher: str
    student: str
    n_texts: int
    n_taught: int
    n_calibrated: int
    n_gold_taught: int
    unanswered: dict[str, int]
    n_measured: int
    agreement: Interval
    n_gold_measured: int
    gold: tuple[GoldFigure, ...]
    notes: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per figure: figure, system, value, low, high and n."""
        import pandas as pd

        rows: list[dict[str, Any]] = [_row("agreement with the teacher", "student", self.agreement, self.n_measured)]
        for one in self.gold:
            rows.append(_row("share right", one.system, one.right, one.n))
            if one.lead is not None:
                rows.append(_row("lead of the student", one.system, one.lead, one.n))
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        counts = ("n_texts", "n_taught", "n_calibrated", "n_gold_taught", "n_measured", "n_gold_measured")
        return {
            "teacher": self.teacher,
            "student": self.student,
            **{name: getattr(self, name) for name in counts},
            "unanswered": dict(self.unanswered),
            "figures": self.to_pandas().to_dict("records"),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        taught = f"{self.student}, taught by {self.teacher} on {self.n_taught:,} of {self.n_texts:,} texts"
        taught += f" and {self.n_gold_taught:,} gold rows" if self.n_gold_taught else ""
        lines = [
            f"{taught}, calibrated on {self.n_calibrated:,} others",
            f"gives its teacher's answer to {_shares(self.agreement)} of {self.n_measured:,} other texts",
        ]
        if self.gold:
            lines.append(f"right on {self.n_gold_measured:,} gold rows that none of them was trained on:")
            width = max(len(one.system) for one in self.gold)
            lines += [f"  {one.system:<{width}}  {_shares(one.right)}{_lead(one.lead)}" for one in self.gold]
        if self.unanswered:
            reasons = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in self.unanswered.items())
            lines.append(f"not used, because the teacher has no answer: {sum(self.unanswered.values()):,} ({reasons})")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def agreement_of(student: ClassificationResult, teacher: Sequence[Any]) -> Interval:
    """Return the share of texts to which both give the same answer, with Wilson's interval.

    Args:
        student: its answers to n texts.
        teacher: n label codes, or n rows of 0/1.

    """
    same = correct_per_row(np.asarray(teacher), _codes(student))
    return wilson_interval(int(same.sum()), len(same))


def figure_of(
    name: str, answers: ClassificationResult, test: TrainingData, *, against: ClassificationResult | None = None
) -> GoldFigure:
    """Return how often a system is right on gold rows, and how far another one is ahead of it on the same rows."""
    right = correct_per_row(test.gold, _codes(answers)).astype(np.float64)
    lead = None
    if against is not None:
        lead = bootstrap_mean(correct_per_row(test.gold, _codes(against)) - right, test.clusters)
    return GoldFigure(name, wilson_interval(int(right.sum()), len(right)), lead, len(right))


def _codes(result: ClassificationResult) -> NDArray[np.int64]:
    """Return answers as codes, -1 where there is none."""
    codes = result.codes.astype(np.int64)
    codes[result.status != Status.OK] = NO_LABEL
    return codes


def _row(figure: str, system: str, value: Interval, n: int) -> dict[str, Any]:
    return {"figure": figure, "system": system, "value": value.estimate, "low": value.low, "high": value.high, "n": n}


def _shares(value: Interval) -> str:
    return f"{value.estimate:.1%} [{value.low:.1%}, {value.high:.1%}]"


def _lead(lead: Interval | None) -> str:
    if lead is None:
        return ""
    return f"  student {lead.estimate:+.1%} [{lead.low:+.1%}, {lead.high:+.1%}]"
