"""Answers at a broader level of the labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify import Scores
from textclassify.core.result import ClassificationResult, decide
from textclassify.core.scales import Scale, Status
from textclassify.errors import ConfigError, LabelError
from textclassify.testing import FixedClassifier

LABELS = ("drinks", "tea", "green tea", "coffee", "bread")
PARENTS = {"tea": "drinks", "green tea": "tea", "coffee": "drinks"}


def result_of(probabilities, *, parents=PARENTS, **options) -> ClassificationResult:
    scores = Scores.from_probabilities(probabilities, LABELS, **options)
    return ClassificationResult(scores, decide(scores).codes, {"one": scores}, parents=parents)


def test_probabilities_of_a_branch_are_added_up_and_decided_anew():
    """Two kinds of tea together outweigh the bread, which no single one does."""
    result = result_of([[0.0, 0.3, 0.3, 0.0, 0.4]])

    rolled = result.roll_up(0)

    assert result.predictions == ["bread"]
    assert (rolled.predictions, rolled.classes) == (["drinks"], ("drinks", "bread"))
    np.testing.assert_allclose(rolled.probabilities, [[0.6, 0.4]], rtol=1e-5)
    np.testing.assert_allclose(rolled.sources["one"].probabilities, [[0.6, 0.4]], rtol=1e-5)


def test_a_label_above_the_level_stays_itself():
    """Nothing is invented below it."""
    rolled = result_of([[0.5, 0.1, 0.2, 0.1, 0.1]]).roll_up(1)

    assert rolled.classes == ("drinks", "tea", "coffee", "bread")
    assert rolled.predictions == ["drinks"]
    assert rolled.parents == {"tea": "drinks", "coffee": "drinks"}


def test_several_labels_are_answered_by_the_branches_they_stand_in():
    """The most probable label below speaks for a branch: many improbable ones are no evidence for it."""
    rolled = result_of([[0.1, 0.4, 0.45, 0.3, 0.9], [0.1, 0.2, 0.8, 0.1, 0.1]], multi_label=True).roll_up(0)

    assert rolled.predictions == [["bread"], ["drinks"]]
    np.testing.assert_allclose(rolled.probabilities, [[0.45, 0.9], [0.8, 0.1]], rtol=1e-5)


def test_rows_without_an_answer_and_withheld_ones_stay_so():
    """Why there is none is not known any better at the top."""
    scores = Scores.build(
        np.log([[0.2] * 5, [np.nan] * 5]), LABELS, Scale.LOG_PROBABILITY, source="x", status=[0, Status.REFUSED]
    )
    result = ClassificationResult(scores, decide(scores).codes, parents=PARENTS).withheld(np.array([True, False]))

    rolled = result.roll_up(0)

    assert rolled.predictions == [None, None]
    assert rolled.status.tolist() == [Status.ABSTAINED, Status.REFUSED]


def test_a_broader_answer_keeps_its_branch_and_its_confidence():
    """It was not the most probable label, but it stands for those below it."""
    scores = Scores.from_probabilities([[0.0, 0.3, 0.3, 0.0, 0.4]], LABELS)
    result = ClassificationResult(scores, np.array([1]), details={"confidence": np.array([0.6])}, parents=PARENTS)

    assert [result.roll_up(level).predictions for level in (0, 1, 2)] == [["drinks"], ["tea"], ["tea"]]
    assert result.roll_up(2).confidence == pytest.approx([0.6])


def test_labels_without_parents_say_what_to_do():
    """There is nothing to roll up to."""
    with pytest.raises(LabelError, match=r"no label has a parent.*`parent`"):
        result_of([[0.2] * 5], parents={}).roll_up(0)


@pytest.mark.parametrize("level", [-1, 3, True, 0.5, "top"])
def test_a_level_that_is_none_is_named(level):
    """With those that there are."""
    with pytest.raises(ConfigError, match=r"level=.* 0 for the broadest labels, up to 2"):
        result_of([[0.2] * 5]).roll_up(level)


def test_a_classifier_tells_its_results_the_parents_of_its_labels():
    """So that nobody has to carry the schema along, slices included."""
    labels = {"labels": [{"name": "drinks"}, {"name": "tea", "parent": "drinks"}, {"name": "bread"}]}
    classifier = FixedClassifier({"x": [0.3, 0.3, 0.4]}, labels=labels)

    assert classifier.predict(["x", "x"])[1:].roll_up(0).predictions == ["drinks"]


ROWS = st.lists(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), min_size=1, max_size=8)


@given(ROWS, st.integers(0, 2))
def test_rolling_up_keeps_all_probability_and_never_loses_confidence(weights, level):
    """The expected accuracy of right probabilities is the mean confidence: broader answers are right more often."""
    rows = np.array(weights) / np.sum(weights, axis=1, keepdims=True)
    result = result_of(rows)

    rolled = result.roll_up(level)

    np.testing.assert_allclose(rolled.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (rolled.confidence >= result.confidence - 1e-6).all()
    if rolled.parents:
        np.testing.assert_allclose(rolled.roll_up(0).probabilities, result.roll_up(0).probabilities, rtol=1e-4)


@given(ROWS, st.lists(st.integers(0, 31), min_size=8, max_size=8))
def test_a_right_set_of_labels_is_right_at_every_level(rows, gold):
    """So that the accuracy of sets never falls on the way up."""
    result = result_of(rows, multi_label=True)
    true = np.array([[number >> label & 1 for label in range(5)] for number in gold[: len(rows)]])
    truth = ClassificationResult(result.scores, true, parents=PARENTS)

    right = (result.codes == true).all(axis=1)
    right_above = (result.roll_up(0).codes == truth.roll_up(0).codes).all(axis=1)

    assert (right_above >= right).all()
