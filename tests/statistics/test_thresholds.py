import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.metrics import label_table, macro_f1, micro_f1, subset_accuracy
from textclassify.statistics.thresholds import Thresholds, tune_thresholds


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
    tuned = tune_thresholds(p, gold, min_positives=1, strength=0)

    places = [-0.1, 0.1, 0.3, 0.6, 0.9, 1.1]
    best = max(micro_f1(gold, (p >= np.array(combination)) * 1) for combination in itertools.product(places, repeat=3))
    assert micro_f1(gold, tuned.decide(p)) == pytest.approx(best)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_macro_f1_is_the_highest_there_is_for_each_label(seed):
    p, gold = rows(seed, n=60)
    gold[0] = 1
    reached = label_table(
        gold, tune_thresholds(p, gold, objective="macro_f1", min_positives=1, strength=0).decide(p)
    ).f1

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
        tuned = tune_thresholds(p, gold, min_positives=4, strength=0)

        places = itertools.product([-0.1, 0.1, 0.3, 0.6, 0.9, 1.1], repeat=2)
        best = max(micro_f1(gold, (p >= np.array([*place, tuned.shared])) * 1) for place in places)
        assert micro_f1(gold, tuned.decide(p)) == pytest.approx(best)


def test_of_equally_good_thresholds_the_one_nearest_the_default_is_taken():
    """Positives at places 1, 5 and 12: claiming the first one or the first five gives F1 = 0.5 either way."""
    p = np.linspace(0.95, 0.4, 12)[:, None]
    gold = np.zeros((12, 1), dtype=int)
    gold[[0, 4, 11]] = 1

    assert tune_thresholds(p, gold, min_positives=1, strength=0).values == pytest.approx([0.725])
    far = tune_thresholds(p, gold, min_positives=1, strength=0, default=0.99)
    assert far.values == pytest.approx([0.925])


def test_too_few_positives_in_all_leave_the_default():
    p, gold = rows(n=3)
    tuned = tune_thresholds(p, gold, min_positives=20, default=0.4)

    assert tuned.values.tolist() == [0.4] * 5
    assert not tuned.tuned.any()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["micro_f1", "macro_f1", "subset_accuracy"]))
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


def test_thresholds_of_few_positives_are_not_learned_by_heart():
    """300 rows, 20 labels with some 15 positives each: gold alone loses to one shared threshold on other rows."""
    gains = {0.0: [], 100.0: []}
    for seed in range(8):
        p, gold = rows(seed, n=2300, n_labels=20)
        train, test = slice(0, 300), slice(300, None)
        for strength, gain in gains.items():
            tuned = tune_thresholds(p[train], gold[train], strength=strength)
            shared = (p[test] >= tuned.shared).astype(int)
            gain.append(micro_f1(gold[test], tuned.decide(p[test])) - micro_f1(gold[test], shared))

    assert np.mean(gains[0.0]) < 0
    assert np.mean(gains[100.0]) > np.mean(gains[0.0]) + 0.005


def test_smoothed_thresholds_still_differ_where_labels_do():
    """One label's probabilities are twice too low: its threshold must follow."""
    p, gold = rows(n=2000)
    p[:, 1] /= 2
    tuned = tune_thresholds(p, gold)

    assert tuned.values[1] == pytest.approx(tuned.values[0] / 2, rel=0.3)


def test_whole_sets_are_tuned_where_that_is_more_than_chance():
    """Probabilities that are all too low by half: 0.25 is where a label is as likely as not."""
    p, gold = rows(n=2000)
    tuned = tune_thresholds(p / 2, gold, objective="subset_accuracy")

    assert 0.2 < tuned.shared < 0.35
    assert subset_accuracy(gold, tuned.decide(p / 2)) > subset_accuracy(gold, (p / 2 >= 0.5).astype(int)) + 0.03


def test_one_label_is_moved_for_whole_sets_if_it_alone_is_off():
    p, gold = rows(n=2000)
    p[:, 3] /= 3
    tuned = tune_thresholds(p, gold, objective="subset_accuracy")

    assert tuned.tuned.tolist() == [False, False, False, True, False]
    assert tuned.values[3] < 0.25


def test_calibrated_probabilities_keep_their_threshold_for_whole_sets():
    """Of independent calibrated labels 0.5 is the best; noise in 150 rows must not move it."""
    tuned = [tune_thresholds(*rows(seed, n=150), objective="subset_accuracy") for seed in range(20)]

    assert np.mean([one.shared == 0.5 for one in tuned]) > 0.8
    assert np.mean([one.tuned.any() for one in tuned]) < 0.3


@pytest.mark.parametrize("objective", ["micro_f1", "macro_f1", "subset_accuracy"])
def test_thresholds_are_tuned_for_the_answers_that_will_be_given(objective):
    """Where every row gets a label, none has to be claimed at a low probability only to find one."""
    rng = np.random.default_rng(0)
    p, gold = rows(n=1000)
    gold[np.arange(1000), np.where(gold.any(axis=1), gold.argmax(axis=1), rng.integers(0, 5, 1000))] = 1
    plain, filled = (tune_thresholds(p, gold, objective=objective, at_least_one=flag) for flag in (False, True))

    assert (filled.decide(p).sum(axis=1) >= 1).all()
    assert (plain.decide(p).sum(axis=1) == 0).any()
    assert filled.shared >= plain.shared
    assert not filled.tuned.any()


def test_thresholds_are_saved_as_arrays():
    p, gold = rows()
    tuned = tune_thresholds(p, gold, objective="macro_f1")
    again = Thresholds.from_state(tuned.state())

    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in tuned.state().values())
    np.testing.assert_array_equal(again.values, tuned.values)
    np.testing.assert_array_equal(again.tuned, tuned.tuned)
    assert (again.shared, again.objective, again.at_least_one) == (tuned.shared, "macro_f1", False)


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
