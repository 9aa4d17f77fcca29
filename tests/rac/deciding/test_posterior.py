"""Retrieval and evidence joined by Bayes' rule; what was not asked about keeps its prior."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.rac.deciding.posterior import TRIED_WEIGHTS, fitted_weight, posterior
from textclassify.rac.verifying.evidence import Evidence

from ..checking import candidates  # noqa: TID252 - a helper of several folders of tests

PRIOR = np.log([[0.5, 0.3, 0.15, 0.05]])


def says(log_odds):
    odds = np.array(log_odds, float)
    n = len(odds)
    return Evidence(
        odds, np.full(odds.shape, np.nan), np.ones(n, int), np.zeros(n, "u1"), np.zeros(n, "u1"), np.zeros(n)
    )


def test_untried_labels_keep_their_proportions():
    found = np.exp(posterior(PRIOR, candidates([[0, 1]]), says([[-2.0, -3.0]]), 1.0, multi_label=False))[0]

    assert found.sum() == pytest.approx(1)
    assert found[2] / found[3] == pytest.approx(3)
    assert found[0] / found[2] == pytest.approx(0.5 / 0.15 * np.exp(-2))


def test_no_answer_and_no_candidate_change_nothing():
    found = posterior(PRIOR, candidates([[0, 1, -1]]), says([[np.nan, 0.0, 5.0]]), 1.0, multi_label=False)

    np.testing.assert_allclose(found, PRIOR)


def test_a_weight_of_nothing_leaves_retrieval_alone():
    np.testing.assert_allclose(posterior(PRIOR, candidates([[0]]), says([[-9.0]]), 0.0, multi_label=False), PRIOR)


def test_several_labels_do_not_compete():
    found = posterior(np.zeros((1, 3)), candidates([[1]]), says([[2.0]]), 0.5, multi_label=True)

    assert found.tolist() == [[0, 1, 0]]


def test_a_row_that_was_not_retrieved_has_no_posterior():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = posterior(np.full((1, 3), -np.inf), candidates([[-1]]), says([[np.nan]]), 1.0, multi_label=False)

    assert np.isnan(found).all()


@given(st.integers(0, 2**31))
def test_rows_do_not_depend_on_each_other(seed):
    rng = np.random.default_rng(seed)
    prior, said = np.log(rng.dirichlet(np.ones(5), 6)), rng.normal(0, 4, (6, 3))
    codes = np.array([rng.permutation(5)[:3] for _ in range(6)])

    whole = posterior(prior, candidates(codes), says(said), 0.7, multi_label=False)
    one = posterior(prior[2:3], candidates(codes[2:3]), says(said[2:3]), 0.7, multi_label=False)

    np.testing.assert_array_equal(whole[2:3], one)


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_weight_follows_what_answers_are_worth(multi_label):
    """Right answers count in full, random ones not at all, and a handful of rows moves nothing."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 300)
    gold = np.eye(3, dtype=int)[codes] if multi_label else codes
    prior = np.full((300, 3), 0.0 if multi_label else -np.log(3))
    right = np.where(np.eye(3, dtype=bool)[codes], 3.0, -3.0)
    tried = candidates(np.tile([0, 1, 2], (300, 1)))

    def weight(said, rows):
        return fitted_weight(prior[rows], tried.take(rows), says(said[rows]), gold[rows], 1.0, multi_label=multi_label)

    assert weight(right, np.arange(300)) > 1.0
    assert weight(rng.permutation(right.ravel()).reshape(300, 3), np.arange(300)) <= 0.1
    assert weight(right, np.arange(1)) == 1.0
    assert 1.0 in TRIED_WEIGHTS
