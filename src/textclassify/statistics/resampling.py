"""How sure a number is: intervals by cluster bootstrap, Wilson intervals, paired differences and tests.

`groups` is any array (n,) of group names (texts that are duplicates, or the user's own groups); rows of one group are
drawn together because they tell the same story. None makes every row a group of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, special

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.metrics import label_table

# How many drawn groups are held in memory at a time (8 bytes each, a few arrays of that size).
CHUNK = 4_000_000
# Up to this many kinds of groups, drawing how often each kind comes up beats drawing the groups.
FEW_KINDS = 64


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the bounds that hold it with the given confidence."""

    estimate: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of a - b over rows, its standard error clustered by group, and how many rows and groups it rests on."""

    mean: float
    standard_error: float
    n_rows: int
    n_groups: int


def bootstrap_mean(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    random_state: int = 0,
) -> Interval:
    """Percentile interval of the mean over rows (accuracy, log loss, ...), from resampled groups.

    With very few errors it is too narrow (it has no width at all when all rows agree): `wilson_interval` is for those.
    Raises DataError for no rows or values that are not finite.
    """
    rows = _finite(values, "values")
    inverse, n_groups = row_groups(groups, len(rows))
    sums = np.bincount(inverse, weights=rows, minlength=n_groups)
    sizes = np.bincount(inverse, minlength=n_groups)
    kinds, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    rng = np.random.default_rng(random_state)
    if len(kinds) <= FEW_KINDS:
        totals = rng.multinomial(n_groups, counts / n_groups, size=n_resamples) @ kinds
        means = totals[:, 0] / totals[:, 1]
    else:
        drawn = _drawn_groups(n_groups, n_resamples, rng)
        means = np.concatenate([sums[draw].sum(axis=1) / sizes[draw].sum(axis=1) for draw in drawn])
    return _interval(float(rows.mean()), means, confidence)


def bootstrap_f1(
    gold: ArrayLike,
    codes: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    average: Literal["macro", "micro"] = "macro",
    confidence: float = 0.95,
    n_resamples: int = 2000,
    random_state: int = 0,
) -> Interval:
    """Percentile interval of `macro_f1` or `micro_f1`; rows without an answer miss their gold labels.

    Each resample counts the labels that occur in it, as the metric does.
    """
    if average not in {"macro", "micro"}:
        raise ConfigError(f"average={average!r} is unknown; choose 'macro' or 'micro'")
    table = label_table(gold, codes, abstentions="wrong")
    contributions = _contributions(np.asarray(gold), np.asarray(codes), len(table.support))
    inverse, n_groups = row_groups(groups, contributions.shape[0])
    by_group = _membership(inverse, n_groups) @ contributions
    rng = np.random.default_rng(random_state)
    f1s = [_f1(_counts(draw) @ by_group, average) for draw in _drawn_groups(n_groups, n_resamples, rng)]
    total = np.concatenate([table.hits, table.support + table.predicted])[None]
    return _interval(float(_f1(total, average)[0]), np.concatenate(f1s), confidence)


def bootstrap_statistic(
    statistic: Callable[[NDArray[np.int64]], float],
    n_rows: int,
    groups: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: int = 0,
) -> Interval:
    """Percentile interval of any number, given as a function of row indices (with repeats); one call per resample.

    Resamples in which the statistic is NaN are left out.
    """
    inverse, n_groups = row_groups(groups, n_rows)
    by_group = np.argsort(inverse, kind="stable")
    sizes = np.bincount(inverse, minlength=n_groups)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(random_state)
    resampled = []
    for draw in _drawn_groups(n_groups, n_resamples, rng):
        resampled += [statistic(by_group[_spans(starts[one], sizes[one])]) for one in draw]
    return _interval(float(statistic(np.arange(n_rows))), np.asarray(resampled), confidence)


def wilson_interval(successes: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927): right also for few rows and for 0 or n successes."""
    if not 0 <= successes <= n:
        raise DataError(f"{successes} successes in {n} rows cannot be; pass 0 <= successes <= n")
    if n == 0:
        return Interval(float("nan"), 0.0, 1.0, confidence)
    z = float(special.ndtri(0.5 + _checked_confidence(confidence) / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # The bounds contain the share by algebra; rounding may miss it by a bit at 0 and 1.
    low, high = max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
    return Interval(share, float(low), float(high), confidence)


def mcnemar_mid_p(correct_a: ArrayLike, correct_b: ArrayLike) -> float:
    """Two-sided mid-p value for "a and b are right equally often" on the same rows; 1 when they never differ.

    Fagerland, Lydersen and Laake 2013, equation 9. Rows are taken as independent: with many duplicate texts use
    `paired_difference`.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape:
        raise DataError(f"correct_a {a.shape} and correct_b {b.shape} differ in shape; pass the same rows for both")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    log_choose = special.gammaln(n + 1) - special.gammaln(fewer + 1) - special.gammaln(n - fewer + 1)
    at_fewer = float(np.exp(log_choose - n * np.log(2.0)))
    if only_a == only_b:
        return 1.0 - at_fewer / 2
    return float(2 * special.bdtr(fewer, n, 0.5)) - at_fewer


def paired_share_interval(correct_a: ArrayLike, correct_b: ArrayLike) -> tuple[float, float]:
    """95% interval of the share of rows that a gets right less that of b, on the same rows, taken as independent.

    Wald's interval after half a row was added to each cell of the table of pairs (Agresti and Min 2005), so that it has
    a width also where a and b never differ.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or not len(a):
        raise DataError(f"correct_a {a.shape} and correct_b {b.shape}: pass the same rows for both, at least one")
    only_a, only_b, n = (a & ~b).sum() + 0.5, (b & ~a).sum() + 0.5, len(a) + 2
    lead = (only_a - only_b) / n
    width = float(special.ndtri(0.975)) * np.sqrt(only_a + only_b - n * lead**2) / n
    return max(-1.0, float(lead - width)), min(1.0, float(lead + width))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P values adjusted for being several, in the given order (Holm 1979): compare each with the level itself."""
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise DataError("p_values must be a flat list of numbers from 0 to 1; leave out tests that were not done")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def paired_difference(loss_a: ArrayLike, loss_b: ArrayLike, groups: ArrayLike | None = None) -> PairedDifference:
    """Mean of loss_a - loss_b over the same rows (above 0: b is better) with its cluster-robust standard error.

    SE^2 = G / (G - 1) * sum over groups of (sum of deviations in the group)^2 / n^2 (Liang and Zeger 1986); with
    every row its own group, the usual s / sqrt(n). One group alone says nothing about spread: its SE is infinite.
    """
    a, b = _finite(loss_a, "loss_a"), _finite(loss_b, "loss_b")
    if len(a) != len(b):
        raise DataError(f"loss_a has {len(a)} rows and loss_b {len(b)}; pass the same rows for both")
    inverse, n_groups = row_groups(groups, len(a))
    difference = a - b
    mean = float(difference.mean())
    deviations = np.bincount(inverse, weights=difference - mean, minlength=n_groups)
    spread = n_groups / (n_groups - 1) * float((deviations**2).sum()) if n_groups > 1 else float("inf")
    return PairedDifference(mean, float(np.sqrt(spread)) / len(a), len(a), n_groups)


def row_groups(groups: ArrayLike | None, n_rows: int) -> tuple[NDArray[np.int64], int]:
    """Each row's group as a number from 0 on, (n,), and how many groups there are."""
    if n_rows == 0:
        raise DataError("there are no rows; pass at least one")
    if groups is None:
        return np.arange(n_rows, dtype=np.int64), n_rows
    names = np.asarray(groups)
    if names.shape != (n_rows,):
        raise DataError(f"groups have shape {names.shape}; pass one group per row, ({n_rows},)")
    unique, inverse = np.unique(names, return_inverse=True)
    return inverse.astype(np.int64), len(unique)


def _drawn_groups(n_groups: int, n_resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    if n_resamples < 1:
        raise ConfigError(f"n_resamples={n_resamples} is too few; pass at least 1, better 1000")
    at_once = max(1, CHUNK // n_groups)
    for start in range(0, n_resamples, at_once):
        yield rng.integers(0, n_groups, size=(min(at_once, n_resamples - start), n_groups))


def _counts(draw: NDArray[np.int64]) -> NDArray[np.float64]:
    n_resamples, n_groups = draw.shape
    shifted = draw + np.arange(n_resamples)[:, None] * n_groups
    counts = np.bincount(shifted.ravel(), minlength=n_resamples * n_groups)
    return counts.reshape(n_resamples, n_groups).astype(np.float64)


def _spans(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def _membership(inverse: NDArray[np.int64], n_groups: int) -> Any:
    n = len(inverse)
    return sparse.csr_array((np.ones(n), (inverse, np.arange(n))), shape=(n_groups, n))


def _contributions(gold: NDArray[Any], codes: NDArray[Any], n_labels: int) -> Any:
    """What each row adds to [hits per label, support + predicted per label], sparse (n, 2 K)."""
    if gold.ndim == 2:
        is_gold, is_claimed = sparse.csr_array(gold > 0), sparse.csr_array(codes > 0)
    else:
        is_gold, is_claimed = _one_hot(gold, n_labels), _one_hot(codes, n_labels)
    is_gold, is_claimed = is_gold.astype(np.float64), is_claimed.astype(np.float64)
    return sparse.hstack([is_gold.multiply(is_claimed), is_gold + is_claimed], format="csr")


def _one_hot(codes: NDArray[Any], n_labels: int) -> Any:
    rows = np.flatnonzero(codes >= 0)
    return sparse.csr_array((np.ones(len(rows)), (rows, codes[rows])), shape=(len(codes), n_labels))


def _f1(totals: NDArray[np.float64], average: str) -> NDArray[np.float64]:
    hits, both = np.split(totals, 2, axis=1)
    if average == "micro":
        hits, both = hits.sum(axis=1, keepdims=True), both.sum(axis=1, keepdims=True)
    present = both > 0
    f1s = np.divide(2 * hits, both, out=np.zeros_like(hits, dtype=np.float64), where=present)
    n_present = present.sum(axis=1)
    means = np.full(len(f1s), np.nan)
    np.divide(f1s.sum(axis=1), n_present, out=means, where=n_present > 0)
    return means


def _interval(estimate: float, resampled: NDArray[np.float64], confidence: float) -> Interval:
    outside = (1 - _checked_confidence(confidence)) / 2
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return Interval(estimate, float("nan"), float("nan"), confidence)
    low, high = np.quantile(defined, [outside, 1 - outside])
    return Interval(estimate, float(low), float(high), confidence)


def _checked_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence={confidence} is not between 0 and 1; 0.95 is usual")
    return confidence


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 1 or not np.isfinite(rows).all():
        raise DataError(f"{name} must be one finite number per row; leave out rows that were not scored")
    return rows
