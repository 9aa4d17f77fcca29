"""What checks found, and what may be read from it."""

from dataclasses import replace

import numpy as np
import pytest

from textclassify.core.scales import Method, Status
from textclassify.errors import DataError
from textclassify.rac.verifying.evidence import Evidence

NAN = np.nan


def evidence(said_yes, log_odds=None, status=None):
    said_yes = np.array(said_yes, dtype=float)
    log_odds = np.where(said_yes == 1, 1.0, -1.0) + 0 * said_yes if log_odds is None else np.array(log_odds)
    n = len(said_yes)
    status = np.full(n, Status.OK, np.uint8) if status is None else np.array(status, np.uint8)
    return Evidence(
        log_odds,
        said_yes,
        np.isfinite(said_yes).sum(axis=1),
        status,
        np.full(n, Method.LOGPROBS, np.uint8),
        np.zeros(n),
    )


def test_only_answers_count_as_no():
    """A question that failed is no "no", and a text that nobody was asked about was not turned down."""
    found = evidence([[0, 0], [0, 1], [0, NAN], [0, NAN], [NAN, NAN]], status=[0, 0, Status.FAILED, 0, 0])

    assert found.all_said_no.tolist() == [True, False, False, True, False]


def test_a_choice_without_none_of_these_said_neither_yes_nor_no():
    found = evidence([[NAN, NAN]], log_odds=[[1.0, -1.0]])

    assert not found.all_said_no.any()
    assert found.answered.all()


def test_taking_rows_keeps_every_column_together():
    found = evidence([[0, 1], [1, 0], [0, 0]]).take([2, 0])

    assert found.said_yes.tolist() == [[0, 0], [0, 1]]
    assert len(found.calls) == len(found.status) == len(found.cost) == len(found) == 2


def test_columns_of_different_length_are_refused():
    with pytest.raises(DataError, match="cost of shape"):
        replace(evidence([[0, 1], [1, 0]]), cost=np.zeros(3))
