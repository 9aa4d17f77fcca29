"""Answers to all rows from what was found about those that are not blank."""

import numpy as np

from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.rac.deciding.abstention import Bounds
from textclassify.rac.deciding.answering import decided
from textclassify.rac.labelling import Found

from ..checking import candidates  # noqa: TID252 - a helper of several folders of tests

NAMES = ("a", "b", "c")


def answered(probabilities, *, place, n, tried=((0, 1),), other=None, **bounds):
    some = Scores.from_probabilities(np.array(probabilities, float), NAMES)
    values, status = np.full((n, 3), np.nan), np.full(n, Status.INVALID)
    values[place], status[place] = some.values, some.status
    every = Scores.build(values, NAMES, some.scale, source="x", status=status)
    found = Found(some, candidates(np.array(tried)), None, some, None if other is None else NAMES.index(other))
    return decided(every, found, np.array(place), Bounds(**bounds), first_yes=False)


def test_rows_are_put_where_they_belong():
    result = answered([[0.2, 0.7, 0.1]], place=[1], n=3)

    assert result.predictions == [None, "b", None]
    assert result.reasons == ["blank text", None, "blank text"]
    assert result.details["candidates"].tolist() == [[], ["b", "a"], []]


def test_what_has_scores_and_no_answer_is_abstained():
    result = answered([[0.2, 0.7, 0.1]], place=[0], n=1, min_probability=0.8)

    assert result.status.tolist() == [Status.ABSTAINED]
    assert result.reasons == ["not sure enough"]
    assert np.isnan(result.confidence).all()


def test_other_answers_what_nothing_else_does_and_no_failure():
    result = answered(
        [[0.2, 0.7, 0.1], [np.nan] * 3], place=[0, 1], n=3, tried=[[0, 1], [-1, -1]], other="c", margin=0.9
    )

    assert result.predictions == ["c", None, None]
    assert result.reasons[0] is None
    assert result.status.tolist() == [Status.OK, Status.NOT_CALLED, Status.INVALID]
