"""Who gets no label, and the reason that is given: the first thing that stands in the way."""

import numpy as np
import pytest

from textclassify.core.scales import Status
from textclassify.rac.deciding.abstention import Bounds, multi_answers, single_answers
from textclassify.rac.verifying.evidence import Evidence

from ..checking import candidates  # noqa: TID252 - a helper of several folders of tests

TRIED = candidates([[0, 1]])
YES, NO, SILENT = 1.0, 0.0, np.nan


def said(*answers, status=Status.OK):
    yes = np.array([answers])
    log_odds = np.where(np.isnan(yes), np.nan, 2 * yes - 1)
    one = np.array([status], dtype=np.uint8)
    return Evidence(log_odds, yes, np.array([len(answers)]), one, one, np.zeros(1))


def single(probabilities, evidence=None, *, tried=TRIED, first_yes=False, **bounds):
    codes, reasons = single_answers(np.array([probabilities]), tried, evidence, Bounds(**bounds), first_yes=first_yes)
    return int(codes[0]), reasons[0]


def test_the_most_probable_candidate_is_the_answer():
    assert single([0.3, 0.6, 0.1]) == (1, None)


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [({"min_probability": 0.6}, None), ({"min_probability": 0.61}, "not sure enough"), ({"margin": 0.31}, "too close")],
)
def test_bounds_are_reached_or_not(bounds, reason):
    assert single([0.3, 0.6, 0.1], **bounds) == (1 if reason is None else -1, reason)


def test_a_label_that_was_not_tried_is_no_answer():
    """It was never checked; where the model denied all others, neither is one of them."""
    assert single([0.3, 0.2, 0.5]) == (0, None)
    assert single([0.3, 0.2, 0.5], margin=0.01) == (-1, "too close")
    assert single([0.3, 0.2, 0.5], said(NO, NO)) == (-1, "all answered no")


def test_the_first_yes_decides_whatever_is_more_probable():
    assert single([0.7, 0.2, 0.1], said(NO, YES), first_yes=True) == (1, None)
    assert single([0.7, 0.2, 0.1], said(YES, YES), first_yes=True) == (0, None)
    assert single([0.7, 0.2, 0.1], said(NO, YES), first_yes=True, margin=0.1) == (-1, "too close")
    assert single([0.7, 0.2, 0.1], said(NO, YES), first_yes=True, min_probability=0.3) == (-1, "not sure enough")


def test_no_yes_is_a_no_only_where_all_were_answered():
    assert single([0.7, 0.2, 0.1], said(NO, NO), first_yes=True) == (-1, "all answered no")
    failed = said(NO, SILENT, status=Status.FAILED)
    assert single([0.7, 0.2, 0.1], failed, first_yes=True) == (-1, "a check failed")


def test_a_bound_on_yes_leaves_out_what_is_denied():
    assert single([0.5, 0.4, 0.1], said(NO, YES), min_yes=0.5) == (1, None)
    assert single([0.4, 0.5, 0.1], said(NO, YES), min_yes=0.5) == (1, None)
    assert single([0.4, 0.5, 0.1], said(NO, NO), min_yes=0.5) == (-1, "all answered no")


def test_nothing_retrieved_is_said_first():
    nothing = candidates([[-1, -1]])
    assert single([np.nan] * 3, tried=nothing, min_probability=0.9) == (-1, "nothing retrieved")


def test_no_rows_have_no_answers():
    codes, reasons = single_answers(np.zeros((0, 3)), candidates(np.zeros((0, 2))), None, Bounds(), first_yes=False)
    assert (codes.tolist(), reasons.tolist()) == ([], [])


def multi(probabilities, evidence=None, *, first_yes=False, **bounds):
    codes, reasons = multi_answers(np.array([probabilities]), TRIED, evidence, Bounds(**bounds), first_yes=first_yes)
    return np.flatnonzero(codes[0]).tolist(), reasons[0]


def test_every_label_above_its_threshold_is_an_answer():
    assert multi([0.6, 0.2, 0.7]) == ([0, 2], None)
    assert multi([0.6, 0.2, 0.7], min_probability=0.65) == ([2], None)
    assert multi([0.1, 0.2, 0.1]) == ([], "not sure enough")
    assert multi([0.1, 0.2, 0.1], said(NO, NO)) == ([], "all answered no")


def test_several_labels_without_a_yes_are_denied_only_where_all_were_answered():
    """Where a yes is needed, a question without an answer might have been one."""
    failed = said(NO, SILENT, status=Status.FAILED)

    assert multi([0.1, 0.2, 0.1], failed, first_yes=True) == ([], "a check failed")
    assert multi([0.1, 0.9, 0.1], failed, min_yes=0.5) == ([], "a check failed")
    assert multi([0.1, 0.9, 0.1], failed) == ([1], None)


def test_every_yes_is_an_answer():
    assert multi([0.1, 0.2, 0.9], said(YES, YES), first_yes=True) == ([0, 1], None)
    assert multi([0.1, 0.9, 0.9], said(YES, YES), first_yes=True, min_probability=0.5) == ([1], None)
    assert multi([0.9, 0.9, 0.9], said(NO, YES), min_yes=0.5) == ([1], None)
