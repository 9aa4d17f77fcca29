"""Metrics of one system's answers, and paired tests of two systems on the same texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import NO_LABEL, ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.types import TrainingData
from textclassify.statistics.metrics import correct_per_row, headline_metrics, log_loss_per_row
from textclassify.statistics.resampling import (
    Interval,
    bootstrap_f1,
    bootstrap_mean,
    bootstrap_statistic,
    holm,
    mcnemar_mid_p,
    paired_difference,
    paired_share_interval,
    wilson_interval,
)

N_RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Answers:
    """One system's answers, row by row.

    Args:
        codes: (n,) label codes, -1 = no answer; multi-label: (n, K) of 0 and 1, a row of -1 = no answer.
        probabilities: (n, K); rows of NaN where there is no answer.

    """

    codes: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, result: ClassificationResult) -> Self:
        """Return the answers of a result; rows whose status is not OK have none."""
        codes = result.codes.astype(np.int64)
        codes[result.status != Status.OK] = NO_LABEL
        return cls(codes, result.probabilities)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Where there is an answer; shape (n,)."""
        return np.asarray(self.codes != NO_LABEL if self.codes.ndim == 1 else (self.codes != NO_LABEL).all(axis=1))

    @property
    def coverage(self) -> float:
        """Share of the rows that have an answer."""
        return float(self.answered.mean())


@dataclass(frozen=True)
class Comparison:
    """The fusion against another system on the same texts.

    Args:
        metric: what is compared: accuracy, or micro_f1 for multi-label.
        difference: the fusion's lead.
        standard_error: of the difference, clustered by text and group.
        p_value: two-sided, of "no difference".
        p_adjusted: the same for being one of several comparisons (Holm).
        test: how the p value was computed.
        low: lower bound of the difference's 95% interval.
        high: upper bound.

    """

    metric: str
    difference: float
    standard_error: float
    p_value: float
    p_adjusted: float
    test: str
    low: float = math.nan
    high: float = math.nan


def figures(data: TrainingData, answers: Answers, random_state: int) -> tuple[dict[str, float], dict[str, Interval]]:
    """Return the metrics of answers, and 95% intervals of those for which there is one; no answer counts as wrong.

    Shares have Wilson's interval where every row stands for itself; all else is resampled by text and group.
    """
    metrics = headline_metrics(data.gold, answers.codes, answers.probabilities, data.multi_label, abstentions="wrong")
    clusters, correct = data.clusters, correct_per_row(data.gold, answers.codes)
    share = "subset_accuracy" if data.multi_label else "accuracy"
    intervals = {
        share: bootstrap_mean(correct, clusters, random_state=random_state)
        if _has_repeats(data)
        else wilson_interval(int(correct.sum()), len(correct)),
        "macro_f1": bootstrap_f1(data.gold, answers.codes, clusters, random_state=random_state),
    }
    if data.multi_label:
        intervals["micro_f1"] = bootstrap_f1(
            data.gold, answers.codes, clusters, average="micro", random_state=random_state
        )
    losses = log_loss_per_row(data.gold, answers.probabilities, abstentions="wrong")
    intervals["log_loss"] = bootstrap_mean(losses, clusters, random_state=random_state)
    return metrics, intervals


def compared(data: TrainingData, fusion: Answers, others: Sequence[Answers], random_state: int) -> list[Comparison]:
    """Return the fusion against each other system, with p values adjusted for all of them.

    One label per text and no repeated texts: McNemar's mid-p test. Otherwise the paired difference (in micro-F1 for
    multi-label) is resampled by text and group.
    """
    compare = _resampled if data.multi_label or _has_repeats(data) else _mcnemar
    found = [compare(data, fusion, other, random_state) for other in others]
    adjusted = holm([one.p_value for one in found])
    return [replace(one, p_adjusted=float(p)) for one, p in zip(found, adjusted, strict=True)]


def _has_repeats(data: TrainingData) -> bool:
    return len(np.unique(data.clusters)) < len(data)


def _mcnemar(data: TrainingData, fusion: Answers, other: Answers, random_state: int) -> Comparison:
    del random_state  # nothing is drawn
    ours, theirs = correct_per_row(data.gold, fusion.codes), correct_per_row(data.gold, other.codes)
    lead = paired_difference(ours, theirs, data.clusters)
    p = mcnemar_mid_p(ours, theirs)
    low, high = paired_share_interval(ours, theirs)
    return Comparison("accuracy", lead.mean, lead.standard_error, p, p, "McNemar mid-p", low, high)


def _resampled(data: TrainingData, fusion: Answers, other: Answers, random_state: int) -> Comparison:
    """Return the difference and its bootstrap p value: twice the share of resamples on the other side of 0."""
    ours, theirs = _counts(data, fusion), _counts(data, other)
    drawn: list[float] = []

    def difference(rows: NDArray[np.int64]) -> float:
        drawn.append(_share(ours[:, rows]) - _share(theirs[:, rows]))
        return drawn[-1]

    lead = bootstrap_statistic(difference, len(data), data.clusters, n_resamples=N_RESAMPLES, random_state=random_state)
    below, above = float(np.mean(np.array(drawn) <= 0)), float(np.mean(np.array(drawn) >= 0))
    p = min(1.0, 2 * max(min(below, above), 1 / len(drawn)))
    metric = "micro_f1" if data.multi_label else "accuracy"
    error, test = float(np.std(drawn)), "paired bootstrap by text"
    return Comparison(metric, lead.estimate, error, p, p, test, lead.low, lead.high)


def _counts(data: TrainingData, answers: Answers) -> NDArray[np.int64]:
    """Return what the metric of each row is the share of, and in what, (2, n): sums of both make the whole's.

    Multi-label, micro-F1: twice the labels found, in the gold labels and those claimed; a missing answer claims none.
    """
    gold = np.asarray(data.gold, dtype=np.int64)
    if not data.multi_label:
        return np.stack([gold == answers.codes, np.ones(len(data), dtype=np.bool_)]).astype(np.int64)
    claimed = answers.codes == 1
    return np.stack([2 * (claimed & (gold == 1)).sum(axis=1), gold.sum(axis=1) + claimed.sum(axis=1)])


def _share(counts: NDArray[np.int64]) -> float:
    """Return the metric of some rows; 0 where there is nothing to find and nothing was claimed."""
    part, whole = counts.sum(axis=1)
    return float(part / whole) if whole else 0.0
