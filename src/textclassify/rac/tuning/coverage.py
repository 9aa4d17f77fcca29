"""Quality against coverage: what the labels above each confidence are worth, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.metrics import correct_per_row
from textclassify.statistics.resampling import Interval, bootstrap_mean, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

MOST_ROWS = 200
"""Thresholds that are shown; more are thinned to evenly spaced coverages."""
N_RESAMPLES = 1000
"""Of the bootstrap over clusters, at each threshold."""


def coverage_curve(
    confidence: ArrayLike,
    correct: ArrayLike,
    answered: ArrayLike,
    calls: ArrayLike,
    *,
    confidence_level: float = 0.95,
    clusters: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return one row per threshold on the confidence, the strictest first, for one label per text.

    Columns: `threshold`; `n_covered` and `coverage`, the texts at or above it; `micro_f1` among them, which is their
    accuracy; `micro_f1_all`, 2 right / (covered + all), where a text without a label misses its gold one;
    `accuracy_all`, the share of all texts labelled rightly; `calls` per text (made before any threshold is applied, so
    the same in every row) and `calls_per_covered`, per text that is labelled; `risk`, the share of wrong labels among
    the covered, from `risk_low` to `risk_high` (Wilson 1927). With clusters the interval is also as wide as a
    bootstrap over them. Equal confidences are covered together; at most `MOST_ROWS` thresholds are kept, the first and
    the last among them.

    Args:
        confidence: (n,) in the answer; NaN = no answer.
        correct: (n,) whether the answer is right; whatever is given for rows without one.
        answered: (n,) whether there is an answer.
        calls: (n,) questions asked about each text.
        confidence_level: of the interval.
        clusters: (n,) rows that belong together; None = none do.

    Raises:
        DataError: shapes differ, or there are no rows.
        ConfigError: the confidence level is out of range.

    """
    right = np.asarray(correct, dtype=bool)
    if right.ndim != 1:
        raise DataError(f"correct has shape {right.shape}; pass (n,), or multi_label_coverage_curve for sets of labels")
    sure, asked, groups = _checked(confidence, answered, calls, clusters, len(right))
    one = np.ones(len(right), dtype=np.int64)
    return _curve(_Rows(sure, right, right.astype(np.int64), one, one, asked, groups), confidence_level)


def multi_label_coverage_curve(
    confidence: ArrayLike,
    codes: ArrayLike,
    gold: ArrayLike,
    answered: ArrayLike,
    calls: ArrayLike,
    *,
    confidence_level: float = 0.95,
    clusters: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the same table for texts with any number of labels.

    `micro_f1` pools all labels of the covered texts and `micro_f1_all` those of all texts, the gold labels of texts
    that are not covered being missed. A text counts as right (`accuracy_all`, `risk`) where its whole set is.

    Args:
        confidence: (n,) in the whole answer, as in `ClassificationResult.confidence`.
        codes: (n, K) 0/1 answers; whatever is given for rows without one. No label at all is an answer too.
        gold: (n, K) 0/1.
        answered: (n,) whether there is an answer.
        calls: (n,) questions asked about each text.
        confidence_level: of the interval.
        clusters: (n,) rows that belong together; None = none do.

    Raises:
        DataError: shapes differ, or there are no rows.
        ConfigError: the confidence level is out of range.

    """
    is_claimed, is_gold = np.asarray(codes) > 0, np.asarray(gold) > 0
    if is_gold.ndim != 2:
        raise DataError(f"gold of shape {is_gold.shape} is not (n, K); for one label per text use coverage_curve")
    right = correct_per_row(is_gold, is_claimed)
    sums = (is_claimed & is_gold).sum(axis=1), is_claimed.sum(axis=1), is_gold.sum(axis=1)
    sure, asked, groups = _checked(confidence, answered, calls, clusters, len(right))
    return _curve(_Rows(sure, right, *sums, asked, groups), confidence_level)


@dataclass(frozen=True, slots=True)
class _Rows:
    """All n rows, each (n,): confidence (NaN = no answer), whether right, hits, labels given, gold labels, calls."""

    confidence: Floats
    correct: NDArray[np.bool_]
    hits: NDArray[np.int64]
    given: NDArray[np.int64]
    gold: NDArray[np.int64]
    calls: Floats
    clusters: NDArray[Any] | None


def _checked(
    confidence: ArrayLike, answered: ArrayLike, calls: ArrayLike, clusters: ArrayLike | None, n_rows: int
) -> tuple[Floats, Floats, NDArray[Any] | None]:
    """Return confidences with NaN where there is no answer, calls and clusters, all known to be (n,)."""
    sure, asked = np.asarray(confidence, dtype=np.float64), np.asarray(calls, dtype=np.float64)
    has_answer = np.asarray(answered, dtype=bool)
    groups = None if clusters is None else np.asarray(clusters)
    shapes = {"confidence": sure.shape, "answered": has_answer.shape, "calls": asked.shape}
    if groups is not None:
        shapes["clusters"] = groups.shape
    if not n_rows or any(shape != (n_rows,) for shape in shapes.values()):
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(f"{found} do not fit {n_rows} gold rows; pass one of each per text, for at least one text")
    return np.where(has_answer, sure, np.nan), asked, groups


def _curve(rows: _Rows, level: float) -> pd.DataFrame:
    import pandas as pd

    if not 0 < level < 1:
        raise ConfigError(f"confidence_level={level} is not between 0 and 1; 0.95 is usual")
    n = len(rows.confidence)
    order = np.argsort(-rows.confidence, kind="stable")[: n - int(np.isnan(rows.confidence).sum())]
    sizes = _sizes(rows.confidence[order])
    sums = {name: np.cumsum(getattr(rows, name)[order])[sizes - 1] for name in ("correct", "hits", "given", "gold")}
    risks = [_risk(rows, order[:size], level) for size in sizes]
    columns = {
        "threshold": rows.confidence[order][sizes - 1],
        "n_covered": sizes,
        "coverage": sizes / n,
        "micro_f1": _f1(sums["hits"], sums["given"] + sums["gold"]),
        "micro_f1_all": _f1(sums["hits"], sums["given"] + rows.gold.sum()),
        "accuracy_all": sums["correct"] / n,
        "calls": np.full(len(sizes), rows.calls.mean()),
        "calls_per_covered": rows.calls.sum() / sizes,
        "risk": np.asarray([risk.estimate for risk in risks]),
        "risk_low": np.asarray([risk.low for risk in risks]),
        "risk_high": np.asarray([risk.high for risk in risks]),
    }
    return pd.DataFrame(columns)


def _sizes(descending: Floats) -> NDArray[np.int64]:
    """Return how many rows each threshold covers that is shown: equal confidences together, at most MOST_ROWS."""
    ends = np.flatnonzero(np.diff(descending, append=-np.inf)) + 1
    if len(ends) <= MOST_ROWS:
        return np.asarray(ends, dtype=np.int64)
    wanted = np.linspace(ends[0], ends[-1], MOST_ROWS)
    return np.unique(ends[np.searchsorted(ends, np.floor(wanted))])


def _risk(rows: _Rows, covered: NDArray[np.intp], level: float) -> Interval:
    """Return the share of covered rows that are wrong, with the wider of the two intervals on either side."""
    wrong = ~rows.correct[covered]
    alone = wilson_interval(int(wrong.sum()), len(wrong), confidence=level)
    if rows.clusters is None:
        return alone
    together = bootstrap_mean(wrong, rows.clusters[covered], confidence=level, n_resamples=N_RESAMPLES)
    return Interval(alone.estimate, min(alone.low, together.low), max(alone.high, together.high), level)


def _f1(hits: NDArray[np.int64], given_and_gold: NDArray[np.int64]) -> Floats:
    f1 = np.full(len(hits), np.nan)
    np.divide(2 * hits, given_and_gold, out=f1, where=given_and_gold > 0)
    return f1
