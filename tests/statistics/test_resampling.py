import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from textclassify.errors import ConfigError, DataError
from textclassify.statistics import metrics, resampling

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_bootstrap_interval_of_a_mean_covers_as_promised():
    """400 samples of 80 rows: 95% promised, less what 400 repeats and percentiles leave open."""
    rng = np.random.default_rng(0)
    covered = 0
    for repeat in range(400):
        interval = resampling.bootstrap_mean(rng.exponential(size=80), n_resamples=400, random_state=repeat)
        covered += interval.low <= 1.0 <= interval.high

    assert 0.90 <= covered / 400 <= 0.98


def test_cluster_bootstrap_covers_where_rows_are_copies():
    """Each text occurs five times; taking the copies for evidence would promise 95% and cover about 60%."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    covered = np.zeros(2)
    for repeat in range(200):
        values = np.repeat(rng.random(60) < 0.7, 5)
        for which, grouping in enumerate([groups, None]):
            interval = resampling.bootstrap_mean(values, grouping, n_resamples=300, random_state=repeat)
            covered[which] += interval.low <= 0.7 <= interval.high

    assert covered[0] / 200 > 0.89
    assert covered[1] / 200 < 0.75


def test_the_two_ways_of_drawing_groups_agree():
    """Few kinds of groups are drawn by how often each comes up: the same distribution, much faster."""
    rows = (np.arange(300) % 3 == 0) * 1.0
    few_kinds = resampling.bootstrap_mean(rows, n_resamples=8000)
    many_kinds = resampling.bootstrap_mean(rows + np.linspace(0, 1e-9, 300), n_resamples=8000)

    assert few_kinds.low == pytest.approx(many_kinds.low, abs=0.005)
    assert few_kinds.high == pytest.approx(many_kinds.high, abs=0.005)


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_fast_f1_bootstrap_equals_the_plain_one(average, many, grouped):
    """Summed counts and recomputed metrics are the same numbers for the same draws."""
    rng = np.random.default_rng(2)
    shape = (150, 4) if many else 150
    gold, codes = rng.integers(0, 2 if many else 4, shape), rng.integers(0, 2 if many else 4, shape)
    groups = rng.integers(0, 60, 150) if grouped else None
    metric = {"macro": metrics.macro_f1, "micro": metrics.micro_f1}[average]

    fast = resampling.bootstrap_f1(gold, codes, groups, average=average, n_resamples=200, random_state=5)
    plain = resampling.bootstrap_statistic(
        lambda rows: metric(gold[rows], codes[rows]), 150, groups, n_resamples=200, random_state=5
    )

    assert (fast.estimate, fast.low, fast.high) == pytest.approx((plain.estimate, plain.low, plain.high))


def test_f1_bootstrap_counts_abstentions_as_missed():
    interval = resampling.bootstrap_f1([0, 0, 1, 1], [0, 0, 1, -1])

    assert interval.estimate == pytest.approx(metrics.macro_f1([0, 0, 1, 1], [0, 0, 1, -1], abstentions="wrong"))


def test_resamples_take_whole_groups():
    """A statistic never sees half of a group."""
    groups = np.array(["a", "b", "a", "c", "b", "a"])

    def complete(rows):
        counts = np.bincount(rows, minlength=6)
        return float(counts[0] == counts[2] == counts[5] and counts[1] == counts[4])

    assert resampling.bootstrap_statistic(complete, 6, groups, n_resamples=50).low == 1.0


def test_same_seed_same_interval():
    values = np.random.default_rng(0).random(50)

    assert resampling.bootstrap_mean(values, random_state=3) == resampling.bootstrap_mean(values, random_state=3)
    assert resampling.bootstrap_mean(values, random_state=3) != resampling.bootstrap_mean(values, random_state=4)


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_interval_contains_the_share_and_stays_within_0_and_1(n, share, confidence):
    successes = round(share * n)
    interval = resampling.wilson_interval(successes, n, confidence=confidence)

    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    assert interval.low < interval.high


def test_wilson_interval_equals_scipys():
    expected = stats.binomtest(7, 50).proportion_ci(method="wilson")
    interval = resampling.wilson_interval(7, 50)

    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert resampling.wilson_interval(20, 20).low < 0.85
    assert resampling.wilson_interval(0, 0).high == 1.0


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_mid_p_equals_the_exact_sum(only_a, only_b):
    """All tables at least as uneven as the seen one, those equally uneven counted half."""
    a = np.repeat([True, False, True, False], [only_a, only_b, 7, 4])
    b = np.repeat([False, True, True, False], [only_a, only_b, 7, 4])
    n = only_a + only_b
    possible = np.arange(n + 1)
    uneven, seen = np.abs(2 * possible - n), abs(only_a - only_b)
    chance = stats.binom.pmf(possible, n, 0.5)
    expected = chance[uneven > seen].sum() + chance[uneven == seen].sum() / 2 if n else 1.0

    assert resampling.mcnemar_mid_p(a, b) == pytest.approx(expected)
    assert resampling.mcnemar_mid_p(b, a) == pytest.approx(expected)


def test_the_interval_of_a_paired_share_holds_the_true_one_as_often_as_it_says():
    """Simulated: of 2,000 pairs of answers to 80 texts, at least 94% of the intervals hold the true lead of 0.1."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(4, p=[0.15, 0.05, 0.7, 0.1], size=(2000, 80))  # only a, only b, both, none
    found = [resampling.paired_share_interval(np.isin(row, (0, 2)), np.isin(row, (1, 2))) for row in drawn]

    assert 0.94 <= np.mean([low <= 0.1 <= high for low, high in found]) <= 0.98


def test_equal_answers_have_an_interval_with_a_width():
    """That two systems never differed on 20 texts does not show that they never will."""
    low, high = resampling.paired_share_interval([True] * 20, [True] * 20)

    assert low == -high < 0


@given(probabilities)
def test_holm_keeps_the_order_and_never_lowers(p):
    adjusted = resampling.holm(p)
    order = np.argsort(p, kind="stable")

    assert (adjusted >= np.asarray(p)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[order]) >= 0).all()


def test_holm_by_hand():
    np.testing.assert_allclose(resampling.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert resampling.holm([]).tolist() == []


def test_paired_difference_without_groups_is_the_textbook_one():
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(40)
    difference = resampling.paired_difference(a, b)

    assert difference.mean == pytest.approx((a - b).mean())
    assert difference.standard_error == pytest.approx((a - b).std(ddof=1) / np.sqrt(40))


def test_copies_of_a_text_add_no_certainty():
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(40)
    once = resampling.paired_difference(a, b)
    thrice = resampling.paired_difference(np.repeat(a, 3), np.repeat(b, 3), np.repeat(np.arange(40), 3))

    assert thrice.standard_error == pytest.approx(once.standard_error)
    assert (thrice.n_rows, thrice.n_groups) == (120, 40)


def test_one_group_alone_supports_no_difference():
    """An infinite standard error keeps every gate shut."""
    assert resampling.paired_difference([1.0, 2.0], [0.0, 0.0], ["a", "a"]).standard_error == np.inf


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: resampling.bootstrap_mean([]), DataError, "no rows"),
        (lambda: resampling.bootstrap_mean([1.0, np.nan]), DataError, "not scored"),
        (lambda: resampling.bootstrap_mean([1.0], ["a", "b"]), DataError, "one group per row"),
        (lambda: resampling.bootstrap_mean([1.0, 2.0], confidence=95), ConfigError, "confidence=95"),
        (lambda: resampling.bootstrap_f1([0], [0], average="samples"), ConfigError, "'samples'"),
        (lambda: resampling.bootstrap_f1([0], [0], n_resamples=0), ConfigError, "n_resamples=0"),
        (lambda: resampling.wilson_interval(3, 2), DataError, "3 successes in 2"),
        (lambda: resampling.mcnemar_mid_p([True], [True, False]), DataError, "same rows"),
        (lambda: resampling.paired_share_interval([], []), DataError, "at least one"),
        (lambda: resampling.holm([0.2, np.nan]), DataError, "from 0 to 1"),
        (lambda: resampling.paired_difference([1.0, 2.0], [1.0]), DataError, "same rows"),
    ],
)
def test_impossible_input_is_refused_with_the_remedy(call, error, message):
    with pytest.raises(error, match=message):
        call()
