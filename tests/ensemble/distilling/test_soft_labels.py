"""A soft label as few weighted hard ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textclassify.ensemble.distilling.soft_labels import LEAST_SHARE, drawn_answers, sharpened, soft_labels


def test_a_sure_answer_is_taught_once_and_an_open_one_twice():
    """Repetitions cost training time: as few as needed."""
    soft = soft_labels(np.array([[0.97, 0.02, 0.01], [0.5, 0.4, 0.1]]), multi_label=False)

    assert soft.rows.tolist() == [0, 1, 1]
    assert soft.answers.tolist() == [0, 0, 1]
    np.testing.assert_allclose(soft.weight, [1.0, 25 / 41, 16 / 41])


@given(st.integers(0, 2**31), st.booleans())
def test_the_weights_of_a_text_add_up_to_one(seed, several):
    """No text counts more than another, and none gets lost."""
    shares = np.random.default_rng(seed).dirichlet(np.ones(4), 20)

    soft = soft_labels(shares, multi_label=several)

    np.testing.assert_allclose(np.bincount(soft.rows, weights=soft.weight, minlength=20), 1.0)
    assert (np.bincount(soft.rows, minlength=20) <= 2).all()
    assert (soft.weight >= LEAST_SHARE / 2).all()


def test_sets_of_labels_keep_the_share_of_an_open_label():
    """A sure label is in every set, an open one in as many as it is probable."""
    soft = soft_labels(np.array([[0.99, 0.6, 0.01]]), multi_label=True)

    assert soft.answers.tolist() == [[1, 0, 0], [1, 1, 0]]
    np.testing.assert_allclose(soft.weight @ soft.answers[:, 1], sharpened(np.array([[0.6]]), multi_label=True))


def test_sharpening_goes_towards_the_likelier_answer_and_leaves_a_tie():
    """Of several labels each for itself."""
    np.testing.assert_allclose(sharpened(np.array([[0.5, 0.5]]), multi_label=False), [[0.5, 0.5]])
    assert sharpened(np.array([[0.7, 0.3]]), multi_label=False)[0, 0] > 0.8
    np.testing.assert_allclose(sharpened(np.array([[0.5, 0.9]]), multi_label=True), [[0.5, 0.81 / 0.82]])


def test_drawn_answers_are_as_frequent_as_they_are_probable():
    """What they calibrate must not be sharpened."""
    shares = np.tile([0.2, 0.5, 0.3], (20_000, 1))

    single = drawn_answers(shares, multi_label=False, random_state=0)
    several = drawn_answers(shares, multi_label=True, random_state=0)

    np.testing.assert_allclose(np.bincount(single) / 20_000, [0.2, 0.5, 0.3], atol=0.02)
    np.testing.assert_allclose(several.mean(axis=0), [0.2, 0.5, 0.3], atol=0.02)
