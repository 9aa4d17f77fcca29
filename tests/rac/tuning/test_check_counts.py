"""What labelled rows say of checks, and when answers say nothing."""

import numpy as np
import pytest

from textclassify.errors import DataError
from textclassify.rac.tuning.check_counts import CheckCounts


def test_ranks_and_answers_are_counted_apart_for_right_and_wrong_labels():
    """A check that was not made counts nowhere."""
    hits = [[True, False], [False, True], [False, False]]
    counts = CheckCounts.of(hits, [[1, np.nan], [0, 1], [1, np.nan]])

    assert counts.gold_at.tolist() == [1, 1, 1]
    assert (counts.yes_to_right, counts.asked_right) == (2, 2)
    assert (counts.yes_to_wrong, counts.asked_wrong) == (1, 2)
    assert counts.n_rows == 3


def test_rates_are_drawn_to_the_middle_by_one_check():
    """Two of two is not certainty, and nothing asked is a coin's toss."""
    counts = CheckCounts.of([[True], [True]], [[1], [1]])

    assert counts.true_positive_rate == pytest.approx(2.5 / 3)
    assert counts.false_positive_rate == 0.5
    assert counts.recall_by_rank == pytest.approx([2.5 / 3])


def test_two_right_candidates_in_a_row_are_refused():
    """The single-label model cannot describe them, and the message names the one that can."""
    with pytest.raises(DataError, match=r"row 1 has 2 right candidates.*one label"):
        CheckCounts.of([[True, False], [True, True]], np.ones((2, 2)))


@pytest.mark.parametrize(
    ("hits", "said", "message"),
    [
        ([[True]], [[1.0, 0.0]], "do not fit"),
        (np.zeros((0, 3), dtype=bool), np.zeros((0, 3)), "at least one row"),
        ([[True]], [[0.7]], "said_yes holds 0.7"),
    ],
)
def test_answers_that_do_not_fit_are_refused(hits, said, message):
    """Probabilities instead of answers would be counted as something else."""
    with pytest.raises(DataError, match=message):
        CheckCounts.of(hits, said)


def test_calibration_rows_flag_checks_that_tell_nothing_apart():
    """A model that says yes to all labels of every other text has no telling yes-rate; labelled rows show it."""
    rng = np.random.default_rng(0)
    hits = np.arange(5) == rng.integers(0, 5, 60)[:, None]
    guessing = CheckCounts.of(hits, np.broadcast_to(np.arange(60)[:, None] % 2, hits.shape))
    telling = CheckCounts.of(hits, rng.random(hits.shape) < np.where(hits, 0.8, 0.3))

    assert "not shown to tell them apart" in guessing.flag()
    assert telling.flag() is None
