"""What is drawn and listed of a run's rows: calibration, confidence against errors, confusions, levels of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.hierarchy import LabelLevel, depth
from textclassify.core.result import NO_LABEL
from textclassify.core.scales import Status
from textclassify.runs.comparing import Answers
from textclassify.runs.recording.prediction_table import result_of
from textclassify.runs.run_view import Floats, RunView, has_answer
from textclassify.statistics.metrics import confusion_counts, correct_per_row, equal_bins, headline_metrics
from textclassify.statistics.resampling import Interval, wilson_interval

SHOWN_LABELS = 12
"""Labels of a confusion matrix; the others are counted together."""
OTHER, NO_ANSWER = "other labels", "no answer"
_BINS = 15
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Of the texts that are answered, the surest first."""


@dataclass(frozen=True)
class Reliability:
    """How often probabilities came true, in bins of equal numbers; each tuple has one entry per bin.

    Args:
        claimed: mean probability.
        came_true: share of the claims that are right, with Wilson's interval.
        counts: claims.

    """

    claimed: tuple[float, ...]
    came_true: tuple[Interval, ...]
    counts: tuple[int, ...]

    @property
    def gap(self) -> float:
        """Mean distance between what was claimed and what came true (expected calibration error)."""
        off = [abs(claimed - true.estimate) for claimed, true in zip(self.claimed, self.came_true, strict=True)]
        return float(np.average(off, weights=self.counts))


def reliability(view: RunView) -> Reliability | None:
    """Return it for the answers of the reported system, or, multi-label, for all its label probabilities.

    None where no gold answer or no probability is known.
    """
    if view.schema.multi_label:
        rows = view.known & ~np.isnan(view.probabilities).any(axis=1)
        claims, hits = view.probabilities[rows].ravel(), view.gold[rows].ravel() > 0
    else:
        rows = view.known & view.first.answered & ~np.isnan(view.first.confidence)
        claims, hits = view.first.confidence[rows], view.correct[rows]
    if not len(claims):
        return None
    bins, sizes = equal_bins(claims, _BINS)
    full = np.flatnonzero(sizes)
    means = (np.bincount(bins, claims)[full] / sizes[full]).tolist()
    true = np.bincount(bins, hits)[full]
    counts = sizes[full].tolist()
    intervals = tuple(wilson_interval(float(n), count) for n, count in zip(true, counts, strict=True))
    return Reliability(tuple(means), intervals, tuple(counts))


@dataclass(frozen=True)
class CoveragePoint:
    """What comes of answering only where the confidence reaches a bound.

    Args:
        coverage: share of the texts that are answered.
        answered: how many that are.
        confidence: the bound.
        risk: share of these answers that are wrong, with Wilson's interval.

    """

    coverage: float
    answered: int
    confidence: float
    risk: Interval


def coverage_risk(view: RunView, shares: Sequence[float] = _SHARES) -> list[CoveragePoint]:
    """Return a point for each share of the texts with a known gold answer that has answers; the surest come first."""
    rows = np.flatnonzero(view.known & view.first.answered & ~np.isnan(view.first.confidence))
    order = rows[np.argsort(-view.first.confidence[rows], kind="stable")]
    errors = np.cumsum(~view.correct[order])
    n_known = int(view.known.sum())
    sizes = sorted({min(max(1, round(share * n_known)), len(order)) for share in shares if len(order)})
    return [
        CoveragePoint(
            size / n_known,
            size,
            float(view.first.confidence[order[size - 1]]),
            wilson_interval(float(errors[size - 1]), size),
        )
        for size in sizes
    ]


@dataclass(frozen=True, eq=False)
class Confusions:
    """How often each gold label got each answer.

    Args:
        gold: names of the rows.
        answers: names of the columns: the same, and perhaps no answer.
        counts: (rows, columns).

    """

    gold: tuple[str, ...]
    answers: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def shares(self) -> Floats:
        """Counts as shares of their row; 0 in rows without texts."""
        return np.asarray(self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1))


def confusions(view: RunView, limit: int = SHOWN_LABELS) -> Confusions | None:
    """Return the confusion matrix, of the labels with most errors where there are more than a limit.

    None for multi-label answers, and where no gold answer is known.
    """
    if view.schema.multi_label or not view.has_gold:
        return None
    names = [str(name) for name in view.schema.names]
    counts = confusion_counts(view.gold[view.known], view.first.codes[view.known], n_labels=len(names))
    if len(names) > limit + 1:
        errors = counts[:, :-1].sum(axis=0) + counts.sum(axis=1) - 2 * counts[:, :-1].diagonal()
        chosen = np.sort(np.argsort(-errors, kind="stable")[:limit])
        counts = _merged(_merged(counts, chosen, 0), chosen, 1)
        names = [*(names[k] for k in chosen), OTHER]
    answers = [*names, NO_ANSWER]
    if not counts[:, -1].any():
        counts, answers = counts[:, :-1], names
    return Confusions(tuple(names), tuple(answers), counts)


def _merged(counts: NDArray[np.int64], chosen: NDArray[Any], axis: int) -> NDArray[np.int64]:
    """Return counts of the chosen labels, with all others added up behind them; what is not a label stays last."""
    n_labels = counts.shape[0] if axis == 0 else counts.shape[1] - 1
    others = np.setdiff1d(np.arange(n_labels), chosen)
    rest = np.arange(n_labels, counts.shape[axis])
    parts = [counts.take(chosen, axis), counts.take(others, axis).sum(axis, keepdims=True), counts.take(rest, axis)]
    return np.concatenate(parts, axis=axis)


def missed_and_added(view: RunView, limit: int = SHOWN_LABELS) -> list[tuple[int, int, int]]:
    """Return (gold label that was missed, label that was added, texts) of multi-label answers, most texts first."""
    rows = view.known & view.first.answered
    gold, codes = view.gold[rows] > 0, view.first.codes[rows] > 0
    pairs = (gold & ~codes).astype(np.int64).T @ (codes & ~gold).astype(np.int64)
    order = np.argsort(-pairs, axis=None, kind="stable")[:limit]
    places = zip(*np.unravel_index(order, pairs.shape), strict=True)
    return [(int(k), int(j), int(pairs[k, j])) for k, j in places if pairs[k, j]]


@dataclass(frozen=True)
class LevelFigures:
    """How good answers are at a level of the label hierarchy.

    Args:
        level: 0 = the broadest labels.
        labels: how many there are.
        right: share of the texts whose answer is wholly right, with Wilson's interval.
        macro_f1: of the labels of the level.
        confidence: mean confidence of the answers.

    """

    level: int
    labels: int
    right: Interval
    macro_f1: float
    confidence: float


def level_figures(view: RunView) -> list[LevelFigures]:
    """Return the figures of each level, the broadest first; none where labels have no parents or gold is unknown."""
    parents, names = view.schema.parents, view.schema.names
    if not parents or not view.has_gold:
        return []
    rows = view.known
    shares = view.probabilities[rows]
    if not view.schema.multi_label:
        shares = np.where(np.abs(shares.sum(axis=1, keepdims=True) - 1) > 0.01, np.nan, shares)
    answers = Answers(np.where(_scored(shares, view.first.codes[rows]), view.first.codes[rows], NO_LABEL), shares)
    leaves = replace(result_of(answers, view.schema, source=view.first.name), parents=parents)
    found = []
    for level in range(depth(names, parents)):
        result = leaves.roll_up(level)
        gold, codes = LabelLevel.of(names, parents, level).gold(view.gold[rows]), result.codes.astype(np.int64)
        codes[result.status != Status.OK] = NO_LABEL
        right = wilson_interval(float(correct_per_row(gold, codes).sum()), len(gold))
        metrics = headline_metrics(gold, codes, result.probabilities, view.schema.multi_label, abstentions="wrong")
        there = ~np.isnan(result.confidence)
        confidence = float(result.confidence[there].mean()) if there.any() else float("nan")
        found.append(LevelFigures(level, len(result.classes), right, metrics["macro_f1"], confidence))
    return found


def _scored(shares: Floats, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    scored = ~np.isnan(shares).any(axis=1) & has_answer(codes)
    return np.asarray(scored[:, None] if codes.ndim == 2 else scored)
