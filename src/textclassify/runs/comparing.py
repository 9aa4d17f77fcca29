"""Metrics of one system's answers, and paired tests of two systems on the same texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import NO_LABEL, ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.types import TrainingData
from textclassify.statistics.metrics import correct_per_row, headline_metrics, log_loss_per_row, micro_f1
from textclassify.statistics.resampling import (
    Interval,
    bootstrap_f1,
    bootstrap_mean,
    bootstrap_statistic,
    holm,
    mcnemar_mid_p,
    paired_difference,
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

    """

    metric: str
    difference: float
    standard_error: float
    p_value: float
    p_adjusted: float
    test: str


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
    return Comparison("accuracy", lead.mean, lead.standard_error, p, p, "McNemar mid-p")


def _resampled(data: TrainingData, fusion: Answers, other: Answers, random_state: int) -> Comparison:
    """Return the difference and its bootstrap p value: twice the share of resamples on the other side of 0."""
    gold = np.asarray(data.gold, dtype=np.int64)
    drawn: list[float] = []

    def difference(rows: NDArray[np.int64]) -> float:
        ours, theirs = fusion.codes[rows], other.codes[rows]
        if data.multi_label:
            drawn.append(_micro_f1(gold[rows], ours) - _micro_f1(gold[rows], theirs))
        else:
            drawn.append(float(np.mean(ours == gold[rows]) - np.mean(theirs == gold[rows])))
        return drawn[-1]

    lead = bootstrap_statistic(difference, len(data), data.clusters, n_resamples=N_RESAMPLES, random_state=random_state)
    below, above = float(np.mean(np.array(drawn) <= 0)), float(np.mean(np.array(drawn) >= 0))
    p = min(1.0, 2 * max(min(below, above), 1 / len(drawn)))
    metric = "micro_f1" if data.multi_label else "accuracy"
    return Comparison(metric, lead.estimate, float(np.std(drawn)), p, p, "paired bootstrap by text")


def _micro_f1(gold: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    """Return `micro_f1` with missing answers as wrong, 0 where there is nothing to find and nothing was claimed."""
    return float(np.nan_to_num(micro_f1(gold, codes, abstentions="wrong")))
