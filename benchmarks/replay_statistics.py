"""Paired comparisons on the rows of one cell: every metric is a ratio of sums over rows, resampled all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import Gold
from textclassify.statistics import metrics
from textclassify.statistics.metrics import correct_per_row
from textclassify.statistics.resampling import (
    Interval,
    bootstrap_f1,
    bootstrap_mean,
    holm,
    mcnemar_mid_p,
    wilson_interval,
)

LEVEL = 0.05
FEW = 10
"""Errors (or hits) below which a bootstrap interval of a share is too narrow."""
BY_ROW = ("accuracy", "subset_accuracy")
"""Metrics that are shares of right rows; the others are F1."""

Floats = NDArray[np.float64]
Figures = dict[str, Any]


@dataclass
class Resamples:
    """How often each row is drawn in each resample of clusters; shared by all comparisons, so that they are paired."""

    clusters: NDArray[np.int64]
    n_resamples: int = 4000
    random_state: int = 0
    _drawn: NDArray[np.float32] = field(init=False, repr=False)
    _members: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._members = np.unique(self.clusters, return_inverse=True)[1].ravel()
        n = int(self._members.max()) + 1
        rng = np.random.default_rng(self.random_state)
        self._drawn = np.stack(
            [np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float32) for _ in range(self.n_resamples)]
        )

    def ratios(self, rows: Floats) -> Floats:
        """Return the ratio of sums of (n, 2) rows in each resample, (n_resamples,); NaN where nothing is below."""
        n = self._drawn.shape[1]
        by_cluster = np.stack([np.bincount(self._members, weights=column, minlength=n) for column in rows.T], axis=1)
        above, below = (self._drawn @ by_cluster).T
        return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


def ratio_rows(metric: str, gold: Gold, codes: Gold) -> Floats:
    """Return what each row adds above and below the line of a metric, (n, 2)."""
    if metric in BY_ROW:
        return np.column_stack([correct_per_row(gold, codes), np.ones(len(gold))]).astype(np.float64)
    if metric != "micro_f1":
        raise ValueError(f"{metric!r} is no ratio of sums; known: {', '.join((*BY_ROW, 'micro_f1'))}")
    hits = (codes * gold).sum(axis=1)
    return np.column_stack([2 * hits, codes.sum(axis=1) + gold.sum(axis=1)]).astype(np.float64)


def ratio(rows: Floats) -> float:
    """Return the metric itself."""
    above, below = rows.sum(axis=0)
    return float(above / below) if below else float("nan")


def value_of(metric: str, gold: Gold, codes: Gold) -> float:
    """Return a metric by its name; rows without an answer are wrong."""
    return float(getattr(metrics, metric)(gold, codes, abstentions="wrong"))


def interval_of(metric: str, gold: Gold, codes: Gold, clusters: NDArray[np.int64]) -> Interval:
    """Return a metric with its 95% interval, by clusters of equal text; of a share near 0 or 1 Wilson's."""
    if metric not in BY_ROW:
        return bootstrap_f1(gold, codes, clusters, average="micro" if metric == "micro_f1" else "macro")
    right = correct_per_row(gold, codes)
    hits = int(right.sum())
    if min(hits, len(right) - hits) < FEW:
        return wilson_interval(hits, len(right))
    return bootstrap_mean(right, clusters)


def compared(metric: str, gold: Gold, ours: Gold, other: Gold, resamples: Resamples) -> Figures:
    """Return how far one system's answers are above another's on the same rows, with interval and p value."""
    rows, others = ratio_rows(metric, gold, ours), ratio_rows(metric, gold, other)
    drawn = resamples.ratios(rows) - resamples.ratios(others)
    if metric in BY_ROW:
        p = mcnemar_mid_p(correct_per_row(gold, ours), correct_per_row(gold, other))
    else:
        p = bootstrap_p(drawn)
    return {"difference": ratio(rows) - ratio(others), **bounds(drawn), "p": p}


def bounds(drawn: Floats) -> Figures:
    """Return the 95% percentile bounds of resampled values; NaN where none is defined."""
    defined = drawn[np.isfinite(drawn)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (float("nan"), float("nan"))
    return {"low": float(low), "high": float(high)}


def bootstrap_p(drawn: Floats) -> float:
    """Return the two-sided p value of "the difference is 0": how often resampled differences reach the other side."""
    n = len(drawn) + 1
    below, above = ((drawn <= 0).sum() + 1) / n, ((drawn >= 0).sum() + 1) / n
    return float(min(1.0, 2 * min(below, above)))


def corrected(tests: Sequence[Figures]) -> Figures:
    """Return the significant losses and gains of a family of tests, corrected by Holm and not.

    Args:
        tests: each with `cell`, `difference` and `p`.

    """
    adjusted = holm([test["p"] for test in tests])
    held = [dict(test) | {"p_holm": float(p)} for test, p in zip(tests, adjusted, strict=True)]
    worse = [test for test in held if test["difference"] < 0]
    better = [test for test in held if test["difference"] > 0]
    return {
        "tests": len(held),
        "losses": [test["cell"] for test in worse if test["p_holm"] < LEVEL],
        "gains": [test["cell"] for test in better if test["p_holm"] < LEVEL],
        "uncorrected_losses": [test for test in worse if test["p"] < LEVEL],
        "uncorrected_gains": sum(test["p"] < LEVEL for test in better),
        "below": len(worse),
        "mean_difference": float(np.mean([test["difference"] for test in held])),
    }


def label_wise_oracle(gold: Gold, answers: Sequence[Gold]) -> Gold:
    """Return the best answer that picks from the sources: right where any is, label by label if there are several."""
    right = np.any([np.asarray(each) == gold for each in answers], axis=0)
    return np.where(right, gold, answers[0])


def by_family(cells: Mapping[str, Figures], reference: str) -> dict[str, Figures]:
    """Return `corrected` for each headline metric over all cells, and for all of them in one family."""
    tests: dict[str, list[Figures]] = {}
    for name, cell in cells.items():
        for metric, figures in cell["against"][reference].items():
            kind = "share of right rows" if metric in BY_ROW else metric
            tests.setdefault(kind, []).append({"cell": f"{name} {metric}", **figures})
    pooled = [test for family in tests.values() for test in family]
    return {kind: corrected(family) for kind, family in (tests | {"all": pooled}).items()}
