"""Confident learning finds the labels that were flipped on purpose."""

import numpy as np
import pytest
from scipy.special import softmax

from textclassify.errors import DataError
from textclassify.statistics.label_errors import conflicting, find_label_errors


def flipped(n=1000, n_labels=4, rate=0.1, seed=0, signal=3.0):
    """Gold of which a share is wrong, honest probabilities, and which rows are wrong."""
    rng = np.random.default_rng(seed)
    right = rng.integers(0, n_labels, n)
    logits = rng.normal(size=(n, n_labels))
    logits[np.arange(n), right] += signal
    wrong = rng.random(n) < rate
    gold = np.where(wrong, (right + rng.integers(1, n_labels, n)) % n_labels, right)
    return gold, softmax(logits, axis=1), wrong, right


def test_flipped_labels_are_found_and_set_right():
    """A tenth of the labels is wrong: most of them are listed, and most of the list is wrong."""
    gold, shares, wrong, right = flipped()

    found = find_label_errors(gold, shares)

    assert wrong[found.suspect].mean() > 0.8
    assert found.suspect[wrong].mean() > 0.8
    assert (found.suggested == right)[found.suspect & wrong].mean() > 0.9


def test_the_first_rows_of_the_list_are_the_surest():
    """Nobody looks at the whole list."""
    gold, shares, wrong, _ = flipped(signal=1.5)

    order = find_label_errors(gold, shares).order

    assert wrong[order[:30]].mean() > 0.9
    assert wrong[order[:30]].mean() > wrong[order[-30:]].mean()


def test_the_joint_says_which_label_stands_for_which():
    """All wrong rows of label 0 are of label 1: the noise has a direction."""
    gold, shares, _, right = flipped(n=2000, rate=0.0)
    gold = np.where((right == 1) & (np.arange(2000) % 4 == 0), 0, gold)

    joint = find_label_errors(gold, shares).joint

    assert joint.sum() == pytest.approx(1.0)
    assert joint[0, 1] == pytest.approx(((gold == 0) & (right == 1)).mean(), abs=0.03)
    assert joint[1, 0] < 0.01


def test_clean_labels_are_hardly_suspected():
    """A list of false alarms costs a person's day."""
    gold, shares, _, _ = flipped(rate=0.0)

    assert find_label_errors(gold, shares).suspect.mean() < 0.02


def test_each_label_of_several_is_a_question_of_its_own():
    """One label added, one taken away: both are found, and only these change."""
    rng = np.random.default_rng(0)
    right = (rng.random((400, 3)) < 0.4).astype(int)
    shares = np.where(right == 1, 0.9, 0.1)
    gold = right.copy()
    gold[7, 0], gold[9, 2] = 1 - gold[7, 0], 1 - gold[9, 2]

    found = find_label_errors(gold, shares)

    assert set(found.order) == {7, 9}
    assert found.suggested.tolist() == right.tolist()
    assert found.joint.shape == (3, 2, 2)


def test_rows_without_probabilities_are_not_judged():
    """Nothing is known of them, and they must not move the averages of the others."""
    gold, shares, _, _ = flipped()
    shares[::10] = np.nan
    rest = np.arange(1000) % 10 != 0

    found = find_label_errors(gold, shares)

    assert not found.suspect[~rest].any()
    assert np.isnan(found.self_confidence[~rest]).all()
    assert (found.suspect[rest] == find_label_errors(gold[rest], shares[rest]).suspect).all()


def test_a_label_without_rows_is_never_suggested_by_its_threshold():
    """There is no average to compare with."""
    gold, shares, _, _ = flipped(n_labels=3)
    found = find_label_errors(np.where(gold == 2, 0, gold), np.column_stack([shares, np.full(1000, 1e-6)]))

    assert found.joint[:, 3].sum() == 0


def test_equal_texts_with_different_answers_conflict():
    """One of them is wrong, whatever a model says."""
    assert conflicting([5, 7, 5, 7, 9], [0, 1, 1, 1, 0]).tolist() == [True, False, True, False, False]
    assert conflicting([5, 5], np.array([[0, 1], [1, 1]])).tolist() == [True, True]
    assert conflicting([], []).tolist() == []


def test_probabilities_of_other_rows_are_refused():
    """A shift by one row makes every label suspect."""
    with pytest.raises(DataError, match=r"probabilities \(2, 2\) do not fit gold \(3,\)"):
        find_label_errors([0, 1, 0], np.full((2, 2), 0.5))


def test_a_label_that_nobody_gave_can_still_be_the_right_one():
    """A file in which every label was overwritten by one of them must not look clean."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 120)
    probabilities = np.full((120, 3), 0.1)
    probabilities[np.arange(120), truth] = 0.8
    found = find_label_errors(np.zeros(120, dtype=np.int64), probabilities)
    assert found.suspect[truth != 0].mean() > 0.9
    assert not found.suspect[truth == 0].any()
