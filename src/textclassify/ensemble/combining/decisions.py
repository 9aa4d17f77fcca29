"""From fused log-odds to sets of labels: thresholds tuned on held-out rows, and whether an answer may be empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textclassify.core.labels import Gold
from textclassify.ensemble.combining.readings import Arrays, Floats
from textclassify.statistics.resampling import paired_difference
from textclassify.statistics.thresholds import Objective, Thresholds, tune_thresholds

MIN_POSITIVES = 10
"""Rows that must have a label before it gets a threshold of its own."""

TUNINGS = ("none", "shared", "per_label")
"""How much of a decision is tuned, from simple to complex."""

_DEFAULT = 0.5


@dataclass(frozen=True, eq=False)
class Decision:
    """How log-odds become sets of labels; for single-label scores the most probable label needs none of this.

    Args:
        thresholds: (K,) probability from which on a label is given.
        non_empty: whether a text without any such label gets the one that comes nearest to its threshold.
        objective: the metric that the thresholds were tuned for; "" = they were not.

    """

    thresholds: Floats
    non_empty: bool = False
    objective: str = ""

    @classmethod
    def untuned(cls, n_labels: int, *, non_empty: bool = False) -> Decision:
        """Return the thresholds of calibrated probabilities: one half each."""
        return cls(np.full(n_labels, _DEFAULT), non_empty)

    def answers(self, scores: Floats) -> NDArray[np.int8]:
        """Return 0/1 answers (n, K) for log-odds; rows that are NaN are -1."""
        tuned = np.ones(len(self.thresholds), dtype=bool)
        applied = Thresholds(self.thresholds, _DEFAULT, tuned, cast("Objective", self.objective or "micro_f1"))
        return applied.decide(expit(scores), at_least_one=self.non_empty)

    def state(self) -> Arrays:
        """Return the thresholds as an array by name."""
        return {"thresholds": self.thresholds}

    def described(self) -> dict[str, Any]:
        """Return the rest of it, for JSON."""
        return {"non_empty": self.non_empty, "objective": self.objective}


def tuned_decision(
    scores: Floats,
    gold: Gold,
    folds: NDArray[np.int16],
    metric: str,
    *,
    clusters: NDArray[np.int64] | None = None,
    non_empty: bool | None = None,
) -> Decision:
    """Return the decision for cross-fitted log-odds (n, K), gold (n, K), and the fold and cluster of each row.

    From simple to complex: one half everywhere, one tuned threshold for all labels, one for each label that has
    `MIN_POSITIVES` rows. The simplest within one paired standard error of the best is taken, each judged on folds that
    it was not tuned on: thresholds tuned to a metric on a few hundred rows often cost what they promise. Where no gold
    answer is empty, none of the answers is, unless that costs more than one standard error.

    `non_empty` settles whether a text always gets a label; None = by this rule.
    """
    kept = (folds >= 0) & ~np.isnan(scores).any(axis=1)
    scores, gold, folds = scores[kept], gold[kept], folds[kept]
    clusters = None if clusters is None else clusters[kept]
    fills = {bool(gold.any(axis=1).all()), False} if non_empty is None else {non_empty}
    if not len(scores):
        return Decision.untuned(scores.shape[1], non_empty=bool(non_empty))
    judged_by = "subset_accuracy" if metric == "log_loss" else metric
    ways = _ways(fills, metric)
    hits = [row_hits(way.held_out(scores, gold, folds, metric), gold, judged_by) for way in ways]
    best = max(hits, key=lambda one: float(one.mean()))
    behind = [paired_difference(best, one, clusters) for one in hits]
    chosen = next(way for way, gap in zip(ways, behind, strict=True) if gap.mean <= gap.standard_error)
    return chosen.tuned(scores, gold, metric)


def held_out_answers(
    scores: Floats,
    gold: Gold,
    folds: NDArray[np.int16],
    metric: str,
    *,
    clusters: NDArray[np.int64] | None = None,
    non_empty: bool | None = None,
) -> NDArray[np.int8]:
    """Return answers (n, K) to cross-fitted log-odds, each by a decision that was tuned on the other folds' rows."""
    answers = np.full(scores.shape, -1, dtype=np.int8)
    for fold in np.unique(folds):
        own = folds == fold
        others = None if clusters is None else clusters[~own]
        decision = tuned_decision(scores[~own], gold[~own], folds[~own], metric, clusters=others, non_empty=non_empty)
        answers[own] = decision.answers(scores[own])
    return answers


@dataclass(frozen=True)
class _Way:
    """One way to tune a decision."""

    tuning: str
    fill: bool

    def tuned(self, scores: Floats, gold: Gold, metric: str) -> Decision:
        untuned = Decision.untuned(scores.shape[1], non_empty=self.fill)
        if self.tuning == "none":
            return untuned
        found = tune_thresholds(
            expit(scores),
            gold,
            objective=cast("Objective", metric),
            min_positives=MIN_POSITIVES,
            default=_DEFAULT,
            at_least_one=self.fill,
        )
        values = found.values if self.tuning == "per_label" else np.full(scores.shape[1], found.shared)
        return Decision(values, non_empty=self.fill, objective=metric)

    def held_out(self, scores: Floats, gold: Gold, folds: NDArray[np.int16], metric: str) -> NDArray[np.int8]:
        answers = np.empty(scores.shape, dtype=np.int8)
        for fold in np.unique(folds):
            own = folds == fold
            answers[own] = self.tuned(scores[~own], gold[~own], metric).answers(scores[own])
        return answers


def _ways(fills: set[bool], metric: str) -> list[_Way]:
    """Return the ways to decide, from simple to complex; answers that are kept from being empty share a threshold."""
    tunings = TUNINGS if metric != "log_loss" else TUNINGS[:1]
    ways = [_Way(tuning, fill) for tuning in tunings for fill in sorted(fills, reverse=True)]
    return [way for way in ways if not (way.fill and way.tuning == "per_label")]


def row_hits(answers: NDArray[Any], gold: NDArray[Any], metric: str) -> Floats:
    """Return (n,) contributions whose mean is the metric of 0/1 answers and gold (n, K).

    Accuracy and subset accuracy are means over rows; an F1 is not, and a row's part in it is taken to the first order
    (its influence on the ratio).
    """
    if metric in {"accuracy", "subset_accuracy"}:
        return np.asarray((answers == gold).all(axis=1), dtype=np.float64)
    hits, both = 2.0 * answers * gold, answers + 1.0 * gold
    if metric == "micro_f1":
        hits, both = hits.sum(axis=1, keepdims=True), both.sum(axis=1, keepdims=True)
    size = np.maximum(both.mean(axis=0), 1e-9)
    f1 = hits.mean(axis=0) / size
    return np.asarray((f1 + (hits - f1 * both) / size).mean(axis=1))
