"""Yes/no checks: when they stop, what counts as yes, and what a failed one leaves."""

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.core.scales import Status
from textclassify.rac.verification import CheckBias, verify
from textclassify.rac.verifying.questions import Questions

from .checking import Believer, candidates

LABELS = LabelSchema(("bill", "cat", "dog", "parcel"))


def knows(text, name):
    return 2.0 if name in text else -2.0


def test_checks_stop_at_the_first_yes():
    found = verify(["cat and dog"], candidates([[0, 1, 2]]), Questions(LABELS), Believer(knows), "first_yes")

    np.testing.assert_allclose(found.log_odds, [[-2, 2, np.nan]])
    np.testing.assert_array_equal(found.said_yes, [[0, 1, np.nan]])
    assert found.calls.tolist() == [2]


def test_a_text_that_nothing_fits_says_so():
    found = verify(["rain", "cat"], candidates([[0, 1], [0, 1]]), Questions(LABELS), Believer(knows), "first_yes")

    assert found.all_said_no.tolist() == [True, False]


def test_a_candidate_whose_check_failed_is_passed_over():
    model = Believer(knows, silent_about=[("cat and dog", "Label: cat")])

    found = verify(["cat and dog"], candidates([[1, 2, 3]]), Questions(LABELS), model, "first_yes")

    np.testing.assert_allclose(found.log_odds, [[np.nan, 2, np.nan]])
    assert found.status.tolist() == [Status.REFUSED]
    np.testing.assert_array_equal(found.said_yes, [[np.nan, 1, np.nan]])


@pytest.mark.parametrize(("min_yes", "yes"), [(0.5, [1, 0]), (0.9, [0, 0]), (0.1, [1, 1])])
def test_how_sure_a_yes_has_to_be_is_an_option(min_yes, yes):
    """P(yes) is 0.88 and 0.12; the log-odds keep what was said."""
    found = verify(["cat"], candidates([[1, 0]]), Questions(LABELS), Believer(knows), "best", min_yes=min_yes)

    assert found.said_yes.tolist() == [yes]
    np.testing.assert_allclose(found.log_odds, [[2, -2]])


def test_certain_answers_stay_finite():
    """Some servers report a probability of 1, whose log-odds have no end."""
    found = verify(["cat"], candidates([[1, 0]]), Questions(LABELS), Believer(lambda *_: 1e4), "best")

    assert (np.abs(found.log_odds) < 25).all()


def test_a_bias_is_taken_out_of_the_evidence_and_not_of_the_answer():
    bias = CheckBias(2.0, 0.5, 0, 0.0)

    found = verify(["cat"], candidates([[1, 0, -1]]), Questions(LABELS), Believer(knows), "best", bias=bias)

    np.testing.assert_allclose(found.log_odds, [[0, -4, np.nan]])
    assert found.said_yes[0, 0] == 1


@pytest.mark.parametrize(("true_rate", "false_rate"), [(0.9, 0.05), (0.9, 0.2), (0.7, 0.05)])
def test_first_yes_stops_as_often_as_its_error_rates_say(true_rate, false_rate):
    """With the right label in second place: a false yes before it, a true yes at it, or all no."""
    rng = np.random.default_rng(0)
    rates = {"cat": true_rate, "bill": false_rate, "dog": false_rate}
    model = Believer(lambda _, name: 3.0 if rng.random() < rates[name] else -3.0)
    n = 4000

    found = verify(
        [f"text {row}" for row in range(n)], candidates([[0, 1, 2]] * n), Questions(LABELS), model, "first_yes"
    )

    expected = [false_rate, (1 - false_rate) * true_rate]
    assert np.mean(found.said_yes[:, 0] == 1) == pytest.approx(expected[0], abs=0.02)
    assert np.mean(found.said_yes[:, 1] == 1) == pytest.approx(expected[1], abs=0.03)
    assert found.calls.mean() == pytest.approx(3 - 2 * expected[0] - expected[1], abs=0.05)
