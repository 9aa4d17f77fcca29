"""Which labels a text gets that may have any number of them."""

import itertools

import numpy as np
import pytest

from textclassify.rac.deciding.label_sets import likeliest_sets


def expected_f1(p, chosen):
    """Return the plug-in estimate that the docstring names."""
    return 2 * p[list(chosen)].sum() / (len(chosen) + p.sum())


@pytest.mark.parametrize("seed", range(8))
def test_no_other_set_is_expected_to_be_better(seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(6)) * 0.98

    chosen = np.flatnonzero(likeliest_sets(p[None])[0])

    sets = (list(some) for size in range(1, 7) for some in itertools.combinations(range(6), size))
    assert expected_f1(p, chosen) == pytest.approx(max(expected_f1(p, some) for some in sets))


def test_a_label_that_is_likelier_than_all_others_is_given_though_it_is_no_even_chance():
    """Thirty labels share one text: at a threshold of one half nearly none would ever get a label."""
    p = np.full((1, 30), 0.02)
    p[0, 7] = 0.4

    assert np.flatnonzero(likeliest_sets(p)[0]).tolist() == [7]


def test_a_text_that_probably_fits_no_label_gets_none():
    assert not likeliest_sets(np.array([[0.05, 0.03, 0.02]])).any()
    assert not likeliest_sets(np.array([[np.nan, np.nan]])).any()


def test_sure_labels_are_all_given():
    assert likeliest_sets(np.array([[0.95, 0.9, 0.02]])).tolist() == [[1, 1, 0]]
