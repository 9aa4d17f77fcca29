"""Accepted answers: a bound on their risk that holds as often as promised, and an honest no where there is none."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import special, stats

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.risk_bounds import HIDDEN_ERRORS, bounded_risk, fewest_rows, upper_error_bound

ERROR_RATES = {
    "calibrated": lambda sure: 1 - sure,
    "label noise": lambda sure: 0.03 + 0.94 * (1 - sure),
    "overconfident where it is surest": lambda sure: np.where(sure > 0.97, 0.06, 1.1 * (1 - sure)),
    "in steps": lambda sure: np.where(np.round(sure, 1) > 0.9, 0.04, 0.3),
}


@dataclass
class Answers:
    """A population of answers whose risk above every threshold is known."""

    kind: str
    n: int = 400_000

    def __post_init__(self):
        self.rng = np.random.default_rng(0)
        sure = np.sort(special.expit(self.rng.gamma(1.5, 2, self.n)))[::-1]
        self.sure = np.sort(np.round(sure, 1))[::-1] if self.kind == "in steps" else sure
        self.chance = ERROR_RATES[self.kind](self.sure)
        self.risk = np.cumsum(self.chance) / np.arange(1, self.n + 1)

    def guard(self, n, copies=1):
        rows = np.repeat(self.rng.integers(0, self.n, n), copies)
        wrong = np.repeat(self.rng.random(n), copies) < self.chance[rows]
        return self.sure[rows], wrong, np.repeat(np.arange(n), copies)

    def true_risk(self, threshold):
        accepted = np.searchsorted(-self.sure, -threshold, side="right")
        return self.risk[accepted - 1]


def share_broken(answers, bound, *, repeats=500, n=400, copies=1, max_risk=0.1):
    """How often a threshold is handed out whose true risk is above the promise, and how often none is."""
    broken = refused = 0
    for _ in range(repeats):
        try:
            threshold = bound(*answers.guard(n, copies), max_risk)
        except DataError:
            refused += 1
        else:
            broken += answers.true_risk(threshold) > max_risk
    return broken / repeats, refused / repeats


def promised(sure, wrong, of_text, max_risk):
    return bounded_risk(sure, wrong, max_risk=max_risk, clusters=of_text).threshold


def naive(sure, wrong, _of_text, max_risk):
    """The lowest threshold whose observed risk is within the promise."""
    order = np.argsort(-sure, kind="stable")
    observed = np.cumsum(wrong[order]) / np.arange(1, len(sure) + 1)
    below = np.flatnonzero(observed <= max_risk)
    if not len(below):
        raise DataError("none")
    return sure[order][below[-1]]


@pytest.mark.parametrize("kind", ERROR_RATES)
def test_the_bound_is_broken_no_more_often_than_promised(kind):
    """500 guards, 5% promised: at most 8% is within what 500 repeats leave open."""
    broken, refused = share_broken(Answers(kind), promised)

    assert broken < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)
    assert refused < 0.95


@pytest.mark.parametrize("kind", ["calibrated", "label noise"])
def test_the_largest_set_that_looks_good_breaks_the_promise(kind):
    """So the simulation can tell: this rule fails in about half of all draws."""
    assert share_broken(Answers(kind), naive)[0] > 0.35


def test_copies_are_no_evidence():
    """Each text five times: as rows, ten errors become fifty and chance becomes certainty."""
    by_text = share_broken(Answers("calibrated"), promised, n=100, copies=5)[0]
    by_row = share_broken(
        Answers("calibrated"), lambda sure, wrong, _, risk: promised(sure, wrong, None, risk), n=100, copies=5
    )[0]

    assert by_text < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)
    assert by_row > 0.15


def test_much_is_accepted_where_much_can_be():
    """A bound that held by accepting next to nothing would be worth nothing: the ideal threshold accepts 89%."""
    answers = Answers("calibrated")
    shares = [bounded_risk(*answers.guard(800)[:2], max_risk=0.1).share_accepted.estimate for _ in range(50)]

    assert np.mean(shares) > 0.75


def test_what_is_reported_fits_together():
    sure, wrong, _ = Answers("calibrated").guard(800)
    sure[:20] = np.nan
    bound = bounded_risk(sure, wrong, max_risk=0.1)
    accepted = bound.accepts(sure)

    assert (bound.n_rows, bound.n_unanswered) == (800, 20)
    assert bound.n_accepted == accepted.sum()
    assert bound.n_errors == wrong[accepted].sum()
    assert bound.upper_bound == pytest.approx(
        stats.binomtest(bound.n_errors, bound.n_accepted, alternative="less").proportion_ci(0.95).high
    )
    assert bound.upper_bound <= 0.1
    assert bound.share_accepted.estimate == accepted.sum() / 800
    assert not bound.accepts([np.nan, 0.0]).any()


def test_the_sequence_ends_at_the_first_threshold_that_fails():
    """Laxer ones may look better: picking among all that pass would be picking by luck."""
    sure = np.linspace(1, 0.5, 500)
    assert bounded_risk(sure, np.zeros(500), max_risk=0.05).n_accepted == 500
    assert bounded_risk(sure, np.arange(500) >= 300, max_risk=0.05).n_accepted < 330
    with pytest.raises(DataError):
        bounded_risk(np.linspace(1, 0.999, 3000), np.arange(3000) < 80, max_risk=0.05)


def test_confidences_that_promise_too_much_only_cost_power():
    """Where errors hide behind full confidence, the sequence still begins with rows enough to stand a few."""
    sure = np.ones(1000)
    wrong = np.arange(1000) % 40 == 0
    bound = bounded_risk(sure - np.linspace(0, 1e-6, 1000), wrong, max_risk=0.05)

    assert bound.n_accepted == 1000
    assert HIDDEN_ERRORS > 0


def test_equal_confidences_are_accepted_together():
    sure = np.repeat([0.9, 0.6], [150, 150])
    bound = bounded_risk(sure, np.arange(300) >= 150, max_risk=0.1)

    assert (bound.threshold, bound.n_accepted, bound.n_errors) == (0.9, 150, 0)


def test_the_binomial_bounds_errors_of_unequal_chances():
    """What the argument rests on (Hoeffding 1956): it takes a count at least one below its mean."""
    for max_risk in (0.01, 0.05, 0.3, 0.9):
        n = np.arange(fewest_rows(max_risk), 3000)
        allowed = stats.binom.ppf(0.05, n, max_risk) - 1
        assert (allowed <= n * max_risk - 1).all()


@pytest.mark.parametrize("max_risk", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_the_fewest_rows_are_as_many_as_it_takes(max_risk, confidence):
    n = fewest_rows(max_risk, confidence=confidence)

    assert upper_error_bound(0, n, confidence=confidence) <= max_risk
    assert upper_error_bound(0, n - 1, confidence=confidence) > max_risk
    assert bounded_risk(np.ones(n), np.zeros(n), max_risk=max_risk, confidence=confidence).n_accepted == n


def test_too_few_rows_are_an_error_that_says_how_many_and_what_they_can_do():
    """And what it says is true."""
    sure, wrong = np.linspace(1, 0.9, 50), np.zeros(50)
    with pytest.raises(DataError, match=r"50 guard rows: it takes 59 .* max_risk=0\.06 is the smallest"):
        bounded_risk(sure, wrong, max_risk=0.05)

    assert bounded_risk(sure, wrong, max_risk=0.06).n_accepted == 50


def test_too_many_errors_are_an_error_that_says_how_many_rows_it_takes():
    """Two errors in 100 rows may mean that 5% are wrong; the same share of twice as many rows as named does not."""

    def rows(n):
        return np.linspace(1, 0.96, n), np.arange(n) % 50 == 25

    with pytest.raises(DataError, match=r"1 of the 59 surest are wrong; .* at least about") as refusal:
        bounded_risk(*rows(100), max_risk=0.05)
    needed = int(str(refusal.value).split("about ")[1].split()[0])

    assert 100 < needed < 400
    assert bounded_risk(*rows(2 * needed), max_risk=0.05).n_accepted > 0
    with pytest.raises(DataError, match="a few more guard rows may do"):
        bounded_risk(np.linspace(1, 0.999, 3000), np.arange(3000) < 80, max_risk=0.05)
    with pytest.raises(DataError, match="more rows alone would not help"):
        bounded_risk(np.linspace(1, 0.5, 400), np.ones(400), max_risk=0.05)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"max_risk": 0}, ConfigError, "max_risk=0"),
        ({"confidence": 0.2}, ConfigError, "confidence=0.2"),
        ({"wrong": [0, 1]}, DataError, "differ"),
        ({"row_confidence": [3.0, 0.5, 0.5]}, DataError, "from 0 to 1"),
        ({"clusters": [1, 2]}, DataError, "groups"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, words):
    rows = {"row_confidence": [0.9, 0.8, 0.7], "wrong": [0, 0, 1], "max_risk": 0.5} | options

    with pytest.raises(error, match=words):
        bounded_risk(rows.pop("row_confidence"), rows.pop("wrong"), **rows)


def test_nothing_to_accept_is_said():
    with pytest.raises(DataError, match="0 have one"):
        bounded_risk(np.full(100, np.nan), np.zeros(100), max_risk=0.1)
