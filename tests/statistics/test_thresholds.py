import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.metrics import label_table, macro_f1, micro_f1
from textclassify.statistics.thresholds import tune_thresholds


def rows(seed=0, n=400, n_labels=5):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(loc=-2, scale=1.5, size=(n, n_labels))
    return special.expit(log_odds), (rng.random((n, n_labels)) < special.expit(log_odds)) * 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_micro_f1_is_the_highest_there_is(seed):
    """Checked against every combination of thresholds of a small table."""
    rng = np.random.default_rng(seed)
    p, gold = rng.integers(0, 5, (12, 3)) / 4, rng.integers(0, 2, (12, 3))
    gold[0] = 1
    tuned = tune_thresholds(p, gold, min_positives=1)

    places = [-0.1, 0.1, 0.3, 0.6, 0.9, 1.1]
    best = max(micro_f1(gold, (p >= np.array(combination)) * 1) for combination in itertools.product(places, repeat=3))
    assert micro_f1(gold, tuned.decide(p)) == pytest.approx(best)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_macro_f1_is_the_highest_there_is_for_each_label(seed):
    p, gold = rows(seed, n=60)
    gold[0] = 1
    reached = label_table(gold, tune_thresholds(p, gold, objective="macro_f1", min_positives=1).decide(p)).f1

    for place in np.linspace(0, 1, 101):
        assert (label_table(gold, (p >= place) * 1).f1 <= reached + 1e-12).all()


@pytest.mark.parametrize(("objective", "metric"), [("micro_f1", micro_f1), ("macro_f1", macro_f1)])
def test_tuning_gains_on_rows_it_has_not_seen(objective, metric):
    p, gold = rows(n=4000)
    tuned = tune_thresholds(p[:2000], gold[:2000], objective=objective)

    assert metric(gold[2000:], tuned.decide(p[2000:])) > metric(gold[2000:], (p[2000:] >= 0.5) * 1) + 0.02


@pytest.mark.parametrize("objective", ["micro_f1", "macro_f1"])
def test_labels_with_few_positives_share_one_threshold(objective):
    """Three positives would be learned by heart."""
    p, gold = rows()
    gold[:, 2] = 0
    gold[:3, 2] = 1
    tuned = tune_thresholds(p, gold, objective=objective, min_positives=10)

    assert tuned.tuned.tolist() == [True, True, False, True, True]
    assert tuned.values[2] == tuned.shared != 0.5


def test_labels_that_are_not_tuned_count_in_the_joint_optimum():
    """Micro-F1 pools all labels, also those whose threshold is fixed."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        p, gold = rng.integers(0, 5, (14, 3)) / 4, rng.integers(0, 2, (14, 3))
        gold[:4, :2], gold[:, 2] = 1, 0
        gold[:3, 2], p[:5, 2] = 1, 1.0
        tuned = tune_thresholds(p, gold, min_positives=4)

        places = itertools.product([-0.1, 0.1, 0.3, 0.6, 0.9, 1.1], repeat=2)
        best = max(micro_f1(gold, (p >= np.array([*place, tuned.shared])) * 1) for place in places)
        assert micro_f1(gold, tuned.decide(p)) == pytest.approx(best)


def test_of_equally_good_thresholds_the_one_nearest_the_default_is_taken():
    """Positives at places 1, 5 and 12: claiming the first one or the first five gives F1 = 0.5 either way."""
    p = np.linspace(0.95, 0.4, 12)[:, None]
    gold = np.zeros((12, 1), dtype=int)
    gold[[0, 4, 11]] = 1

    assert tune_thresholds(p, gold, min_positives=1).values == pytest.approx([0.725])
    assert tune_thresholds(p, gold, min_positives=1, default=0.99).values == pytest.approx([0.925])


def test_too_few_positives_in_all_leave_the_default():
    p, gold = rows(n=3)
    tuned = tune_thresholds(p, gold, min_positives=20, default=0.4)

    assert tuned.values.tolist() == [0.4] * 5
    assert not tuned.tuned.any()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["micro_f1", "macro_f1"]))
def test_order_of_rows_and_labels_does_not_matter(seed, objective):
    rng = np.random.default_rng(seed)
    p, gold = rows(seed, n=80)
    order, labels = rng.permutation(80), rng.permutation(5)

    before = tune_thresholds(p, gold, objective=objective)
    after = tune_thresholds(p[order][:, labels], gold[order][:, labels], objective=objective)

    np.testing.assert_allclose(after.values, before.values[labels])


def test_rows_without_scores_teach_nothing_and_get_no_answer():
    p, gold = rows()
    holed = np.vstack([p, np.full((2, 5), np.nan)])
    tuned = tune_thresholds(holed, np.vstack([gold, np.ones((2, 5), dtype=int)]))

    np.testing.assert_array_equal(tuned.values, tune_thresholds(p, gold).values)
    assert (tuned.decide(holed)[-2:] == -1).all()
    assert (tuned.decide(holed, at_least_one=True)[-2:] == -1).all()


def test_at_least_one_label_on_request():
    p, gold = rows()
    tuned = tune_thresholds(p, gold)
    plain, filled = tuned.decide(p), tuned.decide(p, at_least_one=True)

    assert (plain.sum(axis=1) == 0).any()
    assert (filled.sum(axis=1) == np.maximum(plain.sum(axis=1), 1)).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tune_thresholds([[0.5]], [[1]], objective="samples_f1"), ConfigError, "'samples_f1'"),
        (lambda: tune_thresholds([[0.5]], [[1]], min_positives=0), ConfigError, "min_positives=0"),
        (lambda: tune_thresholds([[0.5]], [1]), DataError, "do not fit gold"),
        (lambda: tune_thresholds([[1.5]], [[1]]), DataError, "1.5"),
        (lambda: tune_thresholds([[0.5]], [[1]]).decide([[0.5, 0.5]]), DataError, "do not fit 1 thresholds"),
    ],
)
def test_wrong_use_is_refused_with_the_remedy(call, error, message):
    with pytest.raises(error, match=message):
        call()
