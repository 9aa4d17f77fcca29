"""Candidates: the best labels first, equal ones in the order of the labels, and nothing where there is nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from textclassify import LabelSchema
from textclassify.errors import ConfigError, ScoresError
from textclassify.rac.retrieving.candidates import Candidates, best_of, highest

ROWS = Candidates([[2, 0], [1, -1]], [[1.5, 0.5], [0.1, -np.inf]])


def test_candidates_have_names_and_leave_out_empty_places():
    assert ROWS.names(LabelSchema(("a", "b", "c"))) == [["c", "a"], ["b"]]
    assert ROWS.found.tolist() == [[True, True], [True, False]]


def test_rows_and_first_labels_can_be_taken():
    assert ROWS.take([1]).codes.tolist() == [[1, -1]]
    assert ROWS.top(1).codes.tolist() == [[2], [1]]


@pytest.mark.parametrize(
    ("codes", "scores", "told"),
    [
        ([[0]], [[0.5, 0.2]], "shape"),
        ([[0, -1]], [[0.5, 0.2]], "code -1 goes with score -inf"),
        ([[0, 1]], [[0.5, -np.inf]], "code -1 goes with score -inf"),
        ([[0, 1]], [[0.5, np.nan]], "every other code with a number"),
        ([[0, 1]], [[0.2, 0.5]], "put the best first"),
    ],
)
def test_candidates_that_contradict_themselves_are_refused(codes, scores, told):
    with pytest.raises(ScoresError, match=told):
        Candidates(codes, scores)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 0.5, 1, 2])))
def test_the_highest_are_those_of_a_stable_sort(scores):
    """Many equal scores: which of them argpartition takes must not be seen."""
    for k in range(1, scores.shape[1] + 1):
        codes, values = highest(scores, k)
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]

        assert codes.tolist() == expected.tolist()
        assert values.tolist() == np.take_along_axis(scores, expected, axis=1).tolist()


def test_labels_without_a_score_are_no_candidates():
    found = best_of(np.array([[0.1, -np.inf, 0.3], [np.nan, np.nan, np.nan]]), 2)

    assert found.codes.tolist() == [[2, 0], [-1, -1]]
    assert np.isneginf(found.scores[1]).all()


def test_more_labels_than_there_are_means_all():
    assert best_of(np.array([[0.1, 0.3]]), 5).codes.tolist() == [[1, 0]]


@pytest.mark.parametrize("k", [0, -1, 2.0, True, "3"])
def test_k_is_a_whole_number_of_one_or_more(k):
    with pytest.raises(ConfigError, match="candidates per text"):
        best_of(np.zeros((1, 2)), k)
