"""From which confidence on answers may be accepted, so that at most a promised share of the accepted ones is wrong."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.resampling import Interval, row_groups, wilson_interval

Floats = NDArray[np.float64]
# Confidences are expected to hide errors as frequent as this part of `max_risk`: label noise does not show in them.
# It decides where the sequence of tests begins, never whether the bound holds.
HIDDEN_ERRORS = 1 / 3
# The sequence begins at the strictest threshold that passes with this chance, if the confidences are right.
LIKELY = 0.9999
# Steps in which the smallest attainable risk is sought.
RISK_STEP = 0.005


@dataclass(frozen=True, slots=True)
class RiskBound:
    """A threshold on the confidence, and what is known of the answers at or above it.

    Args:
        threshold: accept from this confidence on.
        max_risk: the promise: at most this share of the accepted answers is wrong.
        confidence: how often such a promise is kept, over draws of guard rows.
        n_rows: guard rows it rests on (one of each cluster), accepted or not.
        n_unanswered: those of them without an answer; they count as not accepted.
        n_accepted: those of them that were accepted.
        n_errors: those of the accepted that were wrong.
        upper_bound: Clopper-Pearson bound on the accepted answers' risk at this threshold; at most `max_risk`.
        share_accepted: share of the guard rows that were accepted, with a Wilson interval.

    """

    threshold: float
    max_risk: float
    confidence: float
    n_rows: int
    n_unanswered: int
    n_accepted: int
    n_errors: int
    upper_bound: float
    share_accepted: Interval

    def accepts(self, row_confidence: ArrayLike) -> NDArray[np.bool_]:
        """Which answers are accepted, (n,); none of a row without confidence (NaN)."""
        return np.asarray(np.asarray(row_confidence, dtype=np.float64) >= self.threshold)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Guard rows from the surest on: confidences and errors among the first 1, 2, ... of them, (m,)."""

    confidences: Floats
    errors: NDArray[np.int64]
    claimed: Floats
    n_rows: int

    def __len__(self) -> int:
        return len(self.confidences)


def bounded_risk(
    row_confidence: ArrayLike,
    wrong: ArrayLike,
    *,
    max_risk: float,
    confidence: float = 0.95,
    clusters: ArrayLike | None = None,
    random_state: int = 0,
) -> RiskBound:
    """The lowest threshold found for which the guard rows show that the accepted answers' risk is at most `max_risk`.

    Learn-then-test by a fixed sequence (Angelopoulos et al. 2021): from the strictest threshold on, "more than
    `max_risk` of the accepted are wrong" is tested at level 1 - confidence with the exact binomial tail, and the last
    threshold before the first failure is taken. A test at every size would add nothing but chances to fail, so there is
    one where the number of accepted rows first allows another error.

    Thresholds and where the sequence begins depend on the guard's confidences and never on its errors. Given the
    confidences, errors are independent of each other, and few of them are no likelier than under a binomial with their
    mean chance (Hoeffding 1956). So the promise can only be broken by the first test in the sequence that should fail,
    and that passes with a chance of at most 1 - confidence. Strictly, this is about texts as sure as the guard's
    accepted ones; that it holds for new draws of texts as well is simulated in the tests. Picking instead the largest
    set whose observed risk is below `max_risk` breaks the promise in about half of all draws.

    Rows of one cluster are no independent evidence: one of each is drawn, and the promise is for a random text of a
    new cluster.

    Args:
        row_confidence: (n,) confidence in each answer, 0 to 1; NaN = no answer, which is never accepted.
        wrong: (n,) whether the answer is wrong; whatever is given for rows without one.
        max_risk: the share of wrong answers among the accepted.
        confidence: how often the promise is kept, from 0.5 on.
        clusters: (n,) rows that belong together; None = none do.
        random_state: seeds the draw from clusters.

    Raises:
        DataError: the rows cannot support the bound; the message names how many could, and what these can.

    """
    if not 0 < max_risk < 1:
        raise ConfigError(f"max_risk={max_risk} is not between 0 and 1; 0.05 lets one accepted answer in 20 be wrong")
    if not 0.5 <= confidence < 1:
        raise ConfigError(f"confidence={confidence} is out of range; pass 0.5 to below 1, 0.95 is usual")
    rows = _ranked(row_confidence, wrong, clusters, random_state)
    level = 1 - confidence
    accepted = _search(rows, max_risk, level)
    if not accepted:
        raise DataError(_what_would_do(rows, max_risk, level))
    errors = int(rows.errors[accepted - 1])
    return RiskBound(
        float(rows.confidences[accepted - 1]),
        max_risk,
        confidence,
        rows.n_rows,
        rows.n_rows - len(rows),
        accepted,
        errors,
        upper_error_bound(errors, accepted, confidence=confidence),
        wilson_interval(accepted, rows.n_rows, confidence=confidence),
    )


def upper_error_bound(n_errors: int, n_rows: int, *, confidence: float = 0.95) -> float:
    """One-sided upper bound on an error rate (Clopper and Pearson 1934)."""
    if n_errors >= n_rows:
        return 1.0
    return float(special.betaincinv(n_errors + 1, n_rows - n_errors, confidence))


def fewest_rows(max_risk: float, *, confidence: float = 0.95) -> int:
    """The fewest accepted rows, none of them wrong, that show a risk of at most `max_risk`."""
    return int(_sizes(None, max_risk, 1 - confidence)[0])


def _ranked(row_confidence: ArrayLike, wrong: ArrayLike, clusters: ArrayLike | None, random_state: int) -> _Ranked:
    confidences, is_wrong = np.asarray(row_confidence, dtype=np.float64), np.asarray(wrong, dtype=bool)
    if confidences.ndim != 1 or is_wrong.shape != confidences.shape:
        raise DataError(
            f"confidences {confidences.shape} and errors {is_wrong.shape} differ; pass both for the same rows"
        )
    known = confidences[~np.isnan(confidences)]
    if known.size and (known.min() < 0 or known.max() > 1 + 1e-6):
        raise DataError(
            f"confidences reach from {known.min():.3g} to {known.max():.3g}; pass probabilities from 0 to 1"
        )
    drawn = _one_of_each(clusters, len(confidences), random_state)
    confidences, is_wrong = confidences[drawn], is_wrong[drawn]
    answered = ~np.isnan(confidences)
    order = np.argsort(-confidences[answered], kind="stable")
    sure = confidences[answered][order]
    claimed = np.cumsum(1 - sure) / np.arange(1, len(sure) + 1)
    return _Ranked(sure, np.cumsum(is_wrong[answered][order], dtype=np.int64), claimed, len(drawn))


def _one_of_each(clusters: ArrayLike | None, n_rows: int, random_state: int) -> NDArray[np.intp]:
    """A row of each cluster, all equally likely."""
    inverse, n_clusters = row_groups(clusters, n_rows)
    if n_clusters == n_rows:
        return np.arange(n_rows)
    shuffled = np.random.default_rng(random_state).permutation(n_rows)
    _, first = np.unique(inverse[shuffled], return_index=True)
    return np.asarray(np.sort(shuffled[first]))


def _search(rows: _Ranked, max_risk: float, level: float) -> int:
    """How many rows the last threshold accepts that passed; 0 if none did."""
    sizes = _sizes(len(rows), max_risk, level)
    if not len(sizes):
        return 0
    chances = special.bdtr(
        _allowed(sizes, max_risk, level), sizes, np.minimum(rows.claimed[sizes - 1] + HIDDEN_ERRORS * max_risk, 1.0)
    )
    sizes = sizes[int(np.argmax(chances >= min(LIKELY, chances.max()))) :]
    # Equal confidences are accepted together.
    accepted = np.searchsorted(-rows.confidences, -rows.confidences[sizes - 1], side="right")
    passed = special.bdtr(rows.errors[accepted - 1], accepted, max_risk) <= level
    n_passed = len(passed) if passed.all() else int(np.argmin(passed))
    return int(accepted[n_passed - 1]) if n_passed else 0


def _sizes(n_rows: int | None, max_risk: float, level: float) -> NDArray[np.int64]:
    """How many rows to accept at each test: where one more error is allowed, and all rows; only the first if None.

    The fewest m with P(Binomial(m, max_risk) <= errors) <= level, by the trials that errors + 1 of them take.
    """
    errors = np.arange(1 if n_rows is None else int(n_rows * max_risk) + 1)
    between = np.ceil(np.maximum(special.nbdtrik(1 - level, errors + 1, max_risk), 0))
    sizes = np.asarray(errors + 1 + between, dtype=np.int64)
    sizes += special.bdtr(errors, sizes, max_risk) > level
    if n_rows is None:
        return sizes
    sizes = sizes[sizes <= n_rows]
    return np.unique(np.append(sizes, n_rows)) if len(sizes) else sizes


def _allowed(sizes: NDArray[np.int64], max_risk: float, level: float) -> NDArray[np.int64]:
    """How many errors each test of `_sizes` allows; the last, of all rows, as many as the one before or one more."""
    allowed = np.arange(len(sizes))
    allowed[-1] -= special.bdtr(allowed[-1], sizes[-1], max_risk) > level
    return allowed


def _what_would_do(rows: _Ranked, max_risk: float, level: float) -> str:
    """What the rows lack, in words: how many there should be, and what can be promised with those there are."""
    fewest = fewest_rows(max_risk, confidence=1 - level)
    if len(rows) < fewest:
        lack = f"it takes {fewest:,} with an answer even if none is wrong, and {len(rows):,} have one; label more rows"
    else:
        lack = _errors_seen(rows, fewest, max_risk, level)
    attainable = _attainable(rows, max_risk, level)
    if attainable is None:
        reach = "they support no max_risk"
    else:
        reach = f"max_risk={attainable:g} is the smallest that they support (found with a look at their errors)"
    return (
        f"max_risk={max_risk} at confidence={1 - level:g} cannot be promised from {rows.n_rows:,} guard rows: {lack}. "
        f"As they are, {reach}"
    )


def _errors_seen(rows: _Ranked, fewest: int, max_risk: float, level: float) -> str:
    """How many rows would do if errors stayed as frequent as they are among the surest ones."""
    sizes = np.arange(fewest, len(rows) + 1)
    rates = rows.errors[sizes - 1] / sizes
    seen = f"{rows.errors[fewest - 1]:,} of the {fewest:,} surest are wrong"
    low = rates < max_risk
    if not low.any():
        return f"{seen}, and more rows alone would not help; improve the sources or accept more risk"
    # Normal approximation of the binomial test: enough rows for the margin between the rate seen and the promise.
    z = float(special.ndtri(1 - level))
    accepted = np.maximum(fewest, z**2 * max_risk * (1 - max_risk) / (max_risk - rates[low]) ** 2)
    needed = float((accepted * rows.n_rows / sizes[low]).min())
    if needed <= rows.n_rows:  # a laxer threshold would pass, but a stricter one, tested before it, does not
        return f"{seen}; a few more guard rows may do"
    return f"{seen}; with errors as frequent it takes at least about {_rounded_up(needed):,} guard rows"


def _attainable(rows: _Ranked, max_risk: float, level: float) -> float | None:
    """The smallest risk, in steps of RISK_STEP, that the same search finds a threshold for; None below 1."""
    low, high = int(np.floor(max_risk / RISK_STEP + 1e-9)), round(1 / RISK_STEP)
    while high - low > 1:
        middle = (low + high) // 2
        if _search(rows, middle * RISK_STEP, level):
            high = middle
        else:
            low = middle
    return round(high * RISK_STEP, 6) if high * RISK_STEP < 1 else None


def _rounded_up(number: float) -> int:
    """The number with two digits, not below itself."""
    unit = 10 ** max(0, int(np.floor(np.log10(number))) - 1)
    return int(np.ceil(number / unit) * unit)
