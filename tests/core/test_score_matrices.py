"""Scores as users have them: tables, masked arrays, and what is neither."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from textclassify.core.scales import Scale, Status
from textclassify.core.scores import Scores
from textclassify.errors import ScoresError


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_the_columns_of_a_table_are_put_in_the_order_of_the_labels(table):
    """Every probability would be the other label's otherwise."""
    scores = Scores.from_probabilities(table({"spam": [0.9, 0.2], "ham": [0.1, 0.8]}), ["ham", "spam"])

    np.testing.assert_allclose(scores.probabilities, [[0.1, 0.9], [0.8, 0.2]], atol=1e-6)


def test_the_columns_of_a_table_without_names_are_in_order_already():
    """Unless the labels are these numbers themselves."""
    frame = pd.DataFrame([[0.9, 0.1]])

    assert Scores.from_probabilities(frame, ["ham", "spam"]).probabilities[0, 0] == pytest.approx(0.9, abs=1e-6)
    assert Scores.from_probabilities(frame, [1, 0]).probabilities[0, 0] == pytest.approx(0.1, abs=1e-6)


def test_a_table_with_columns_of_other_names_is_refused():
    with pytest.raises(ScoresError, match="columns 'ham', 'spa', expected one per label: 'ham', 'spam'; did you mean"):
        Scores.from_probabilities(pd.DataFrame({"ham": [0.9], "spa": [0.1]}), ["ham", "spam"])


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array([[0.5, 0.5], [0.3, 0.7]], mask=[[1, 1], [0, 0]]),
        pd.DataFrame({"a": pd.array([None, 0.3], dtype="Float64"), "b": pd.array([None, 0.7], dtype="Float64")}),
        [[None, None], [0.3, 0.7]],
    ],
)
def test_what_is_masked_or_missing_was_not_scored(values):
    """What stands under a mask is no score."""
    assert Scores.from_probabilities(values, ["a", "b"]).status.tolist() == [Status.NOT_CALLED, Status.OK]


@pytest.mark.parametrize(
    "values", [[["x", "y"]], [[0.5, 0.5], [1.0]], pd.DataFrame({"a": ["x"], "b": [0.5]}), [[{}, 0.5]]]
)
def test_what_is_no_matrix_of_numbers_is_refused_in_words(values):
    """No traceback of numpy, whichever way the scores are made."""
    for make in (
        Scores.from_probabilities,
        lambda values, labels: Scores.build(values, labels, Scale.VOTE_SHARE, source="s"),
    ):
        with pytest.raises(ScoresError, match="no matrix of numbers"):
            make(values, ["a", "b"])


@pytest.mark.parametrize("votes", [(vote for vote in ["a", None]), pd.Series(["a", None], index=[5, 6]), ("a", None)])
def test_votes_come_in_any_sequence(votes):
    assert Scores.from_votes(votes, ["a", "b"]).status.tolist() == [Status.OK, Status.NOT_CALLED]


@pytest.mark.parametrize("votes", ["ab", None, {"a": 1}, np.eye(2)])
def test_votes_that_could_mean_anything_are_refused(votes):
    """A string is no list of its letters, and a matrix of 0 and 1 no list of names."""
    with pytest.raises(ScoresError, match="pass one label, or list of labels, per text"):
        Scores.from_votes(votes, ["a", "b"])
