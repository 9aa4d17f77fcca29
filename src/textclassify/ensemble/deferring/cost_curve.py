"""What each share of calls buys: quality against the number of texts a language model is asked about.

Beside the policy stand its rivals on the same rows: asking at random (its exact expectation of the sums behind the
metric) and asking the most uncertain first (entropy of the free scores). Intervals are percentiles of a bootstrap over
clusters in which all of them are drawn together. The rows must be such that nothing was learned from them: a test set,
or cross-fitted scores with `deferral.cross_fitted_ranking`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.deferring.both_answers import BothAnswers, mean_of_ratios
from textclassify.ensemble.deferring.cost_report import CostCurve, CurvePoint
from textclassify.ensemble.deferring.deferral_features import entropy
from textclassify.errors import ConfigError, ScoresError
from textclassify.statistics.resampling import Interval, row_groups

SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_AT_ONCE = 4_000_000
"""Numbers held in memory at a time."""


def cost_curve(
    free: ArrayLike,
    fused: ArrayLike,
    value: ArrayLike,
    gold: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    metric: str,
    multi_label: bool,
    thresholds: ArrayLike | None = None,
    free_codes: ArrayLike | None = None,
    fused_codes: ArrayLike | None = None,
    shares: Sequence[float] = SHARES,
    cost_per_call: float | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: int = 0,
) -> CostCurve:
    """Return quality, gain and share of the full gain kept for each share of calls.

    Args:
        free: (n, K) log-probabilities or log-odds without language models; NaN rows = none, which count as wrong.
        fused: (n, K) with them; NaN rows keep the free answer.
        value: (n,) how soon each text is asked about: the highest first, NaN before all; of equals each the same part.
        gold: codes (n,) or 0/1 (n, K).
        clusters: (n,) rows of one number are drawn together; None = every row is its own.
        metric: "accuracy", "macro_f1", "micro_f1", "subset_accuracy" or "log_loss" (smaller is better, gains are above
            0 all the same).
        multi_label: whether labels are judged independently of each other.
        thresholds: probabilities from which on a label is given, (K,), or (2, K) for free and fused scores.
        free_codes: the free answers where they do not follow from scores and thresholds.
        fused_codes: the answers with language models, likewise.
        shares: of the texts, from 0 to 1; both ends are always there.
        cost_per_call: expected US dollars; None = unknown.
        confidence: of the intervals.
        n_resamples: of the bootstrap.
        random_state: seeds it.

    Raises:
        ScoresError: shapes do not fit together.
        ConfigError: the metric, a share or the confidence is out of range.

    """
    given = {"thresholds": thresholds, "free_codes": free_codes, "fused_codes": fused_codes}
    answers = BothAnswers.of(free, fused, gold, clusters, multi_label=multi_label, **given)
    at = _checked_shares(shares)
    ranking = np.asarray(value, dtype=np.float64)
    if ranking.shape != (len(answers),):
        raise ScoresError(f"value has shape {ranking.shape}; pass one number per text, ({len(answers)},)")
    if not 0 < confidence < 1 or n_resamples < 1:
        raise ConfigError(f"confidence={confidence}, n_resamples={n_resamples}: pass one in (0, 1) and at least 1")
    unsure = np.where(answers.has_free, entropy(np.nan_to_num(answers.free), multi_label=multi_label), np.inf)
    policies = [asked(np.where(np.isnan(ranking), np.inf, ranking), at), asked(unsure, at)]
    drawn = _drawn(answers, metric, at, policies, n_resamples, random_state)
    if metric == "log_loss":
        drawn = -drawn  # the parts had their sign turned, so that more is better
    points = _points(drawn, at, len(answers), confidence, sign=-1.0 if metric == "log_loss" else 1.0)
    return CostCurve(metric, len(answers), confidence, points, cost_per_call)


def asked(value: Floats, shares: Floats) -> Floats:
    """Return how much of each row is asked about at each share, (n, S) from 0 to 1: the highest values first.

    Exactly share * n rows in all; where that cuts through rows of equal value, each has the same chance.
    """
    n = len(value)
    ordered = np.sort(value)
    last = np.searchsorted(ordered, value, side="right")
    equal = last - np.searchsorted(ordered, value, side="left")
    before = n - last
    return np.asarray(np.clip((shares * n - before[:, None]) / equal[:, None], 0.0, 1.0))


def _checked_shares(shares: Sequence[float]) -> Floats:
    at = np.unique(np.concatenate([[0.0, 1.0], np.asarray(shares, dtype=np.float64)]))
    if not ((at >= 0) & (at <= 1)).all():
        raise ConfigError(f"shares={list(shares)} must lie between 0 and 1")
    return at


def _drawn(
    answers: BothAnswers, metric: str, at: Floats, policies: list[Floats], n_resamples: int, random_state: int
) -> Floats:
    """Return the metric of the policies and of random asking (3, 1 + B, S): of all rows first, then of B resamples."""
    free, fused = answers.parts(metric)
    gain = fused - free
    inverse, n_clusters = row_groups(answers.clusters, len(answers))
    columns = [free, gain]
    for policy in policies:
        columns += [gain.multiply(step[:, None]) for step in np.diff(policy, axis=1).T]
    membership = sparse.csr_array((np.ones(len(inverse)), (inverse, np.arange(len(inverse)))))
    by_cluster = (membership @ sparse.hstack(columns, format="csr")).T.tocsr()
    width = max(by_cluster.shape[0], n_clusters)
    metrics = []
    for counts in _counts(n_clusters, n_resamples, max(1, _AT_ONCE // width), np.random.default_rng(random_state)):
        sums = (by_cluster @ counts.T).T.reshape(len(counts), -1, free.shape[1])
        start, full, steps = sums[:, :1], sums[:, 1:2], sums[:, 2:]
        sold = [start + at[:, None] * full]
        for part in np.split(steps, len(policies), axis=1):
            sold.insert(-1, np.concatenate([start, start + np.cumsum(part, axis=1)], axis=1))
        metrics.append(mean_of_ratios(np.stack(sold)))
    return np.concatenate(metrics, axis=1)


def _counts(n_clusters: int, n_resamples: int, at_once: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield how often each cluster is drawn, (b, G): each once first, then by chance."""
    yield np.ones((1, n_clusters))
    for start in range(0, n_resamples, at_once):
        b = min(at_once, n_resamples - start)
        draw = rng.integers(0, n_clusters, size=(b, n_clusters)) + np.arange(b)[:, None] * n_clusters
        counts = np.bincount(draw.ravel(), minlength=b * n_clusters)
        yield counts.reshape(b, n_clusters).astype(np.float64)


def _points(drawn: Floats, at: Floats, n_rows: int, confidence: float, *, sign: float) -> tuple[CurvePoint, ...]:
    """Return what is shown at each share; `sign` is -1 where less of the metric is better."""
    quality, by_entropy, by_chance = drawn
    gain = sign * (quality - quality[:, :1]) + 0.0  # no minus before nothing
    full = gain[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.where(full > 0, gain / full, np.nan)
    if not _interval(full[:, 0], confidence).low > 0:
        kept = np.full_like(kept, np.nan)
    columns = {
        "quality": quality,
        "gain": gain,
        "kept": kept,
        "over_random": sign * (quality - by_chance),
        "over_max_entropy": sign * (quality - by_entropy),
    }
    return tuple(
        CurvePoint(
            share=float(share),
            calls=round(float(share) * n_rows),
            random=float(by_chance[0, number]),
            max_entropy=float(by_entropy[0, number]),
            **{name: _interval(column[:, number], confidence) for name, column in columns.items()},
        )
        for number, share in enumerate(at)
    )


def _interval(drawn: NDArray[Any], confidence: float) -> Interval:
    """Return the first number with the percentile interval of the others; those that are not defined are left out."""
    resampled = drawn[1:][~np.isnan(drawn[1:])]
    if not len(resampled):
        return Interval(float(drawn[0]), float("nan"), float("nan"), confidence)
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(drawn[0]), float(low), float(high), confidence)
