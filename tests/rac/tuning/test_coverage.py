"""Coverage curves agree with the library's metrics at every threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.errors import ConfigError, DataError
from textclassify.rac.tuning.coverage import MOST_ROWS, coverage_curve, multi_label_coverage_curve
from textclassify.statistics.metrics import accuracy, micro_f1, subset_accuracy
from textclassify.statistics.resampling import wilson_interval


def labelled(n=300, seed=0):
    """Confidences to two digits (so that some are equal), answers of which a tenth is missing, and gold."""
    rng = np.random.default_rng(seed)
    confidence, gold = np.round(rng.random(n), 2), rng.integers(0, 5, n)
    codes = np.where(rng.random(n) < confidence, gold, (gold + 1) % 5)
    codes[rng.random(n) < 0.1] = -1
    return confidence, codes, gold, rng.integers(1, 4, n)


def test_each_row_is_what_the_metrics_say_of_the_rows_above_its_threshold():
    """One table, no second way to count."""
    confidence, codes, gold, calls = labelled()
    curve = coverage_curve(confidence, codes == gold, codes >= 0, calls)

    for row in curve.iloc[::9].itertuples():
        covered = np.where(confidence >= row.threshold, codes, -1)
        assert row.coverage == pytest.approx((covered >= 0).mean())
        assert row.micro_f1 == pytest.approx(accuracy(gold, covered, abstentions="drop"))
        assert row.micro_f1_all == pytest.approx(micro_f1(gold, covered, abstentions="wrong"))
        assert row.accuracy_all == pytest.approx(accuracy(gold, covered, abstentions="wrong"))


def test_the_strictest_threshold_comes_first_and_the_last_covers_all_answers():
    """Rows without an answer are never covered, whatever confidence was given for them."""
    confidence, codes, gold, calls = labelled()
    curve = coverage_curve(confidence, codes == gold, codes >= 0, calls)

    assert (np.diff(curve.threshold) < 0).all()
    assert curve.n_covered.iloc[-1] == (codes >= 0).sum()
    assert curve.calls_per_covered.iloc[-1] == pytest.approx(calls.sum() / (codes >= 0).sum())
    assert (curve.calls == calls.mean()).all()


def test_the_risk_has_a_wilson_interval():
    """Also where none of the covered is wrong, which is no proof that none will be."""
    curve = coverage_curve([0.9, 0.8, 0.7], [True, True, False], [True] * 3, [1] * 3)
    expected = wilson_interval(0, 2)

    assert curve.risk.tolist() == pytest.approx([0, 0, 1 / 3])
    assert curve.risk_high[1] == pytest.approx(expected.high)
    assert curve.risk_high[1] > 0.5


def test_copies_of_a_text_are_not_taken_for_evidence():
    """A text that stands there ten times says no more about the risk than once."""
    rng = np.random.default_rng(0)
    confidence, correct = np.repeat(rng.random(40), 10), np.repeat(rng.random(40) < 0.7, 10)
    copies = np.repeat(np.arange(40), 10)
    alone = coverage_curve(confidence, correct, np.ones(400), np.ones(400)).iloc[-1]
    together = coverage_curve(confidence, correct, np.ones(400), np.ones(400), clusters=copies).iloc[-1]

    assert together.risk_high - together.risk_low > 2 * (alone.risk_high - alone.risk_low)
    assert together.risk == alone.risk


def test_long_curves_are_thinned_without_their_ends():
    """A table for people: 200 thresholds of 5,000, both ends among them."""
    confidence = np.linspace(0.001, 1, 5000)
    curve = coverage_curve(confidence, np.ones(5000), np.ones(5000), np.ones(5000))

    assert len(curve) == MOST_ROWS
    assert (curve.threshold.iloc[0], curve.threshold.iloc[-1]) == (1.0, 0.001)
    assert np.diff(curve.coverage).max() < 0.006


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_coverage_rises_and_shares_are_shares(rows):
    """Whatever the rows: no answer at all gives a table without rows."""
    confidence, correct, answered = (np.array(column) for column in zip(*rows, strict=True))
    curve = coverage_curve(confidence, correct, answered, np.ones(len(rows)))

    assert (np.diff(curve.coverage) > 0).all()
    assert curve[["coverage", "micro_f1", "micro_f1_all", "accuracy_all", "risk"]].stack().between(0, 1).all()
    assert len(curve) == len(np.unique(confidence[answered]))


def test_sets_of_labels_are_pooled_and_judged_whole():
    """Micro-F1 over all labels; a text is right where its whole set is; no label is an answer too."""
    rng = np.random.default_rng(0)
    gold = (rng.random((200, 4)) < 0.3).astype(int)
    codes = np.where(rng.random((200, 4)) < 0.8, gold, 1 - gold)
    confidence, answered = rng.random(200), rng.random(200) < 0.9
    curve = multi_label_coverage_curve(confidence, codes, gold, answered, np.ones(200))

    for row in curve.iloc[[40, 120, -1]].itertuples():
        covered = np.where((answered & (confidence >= row.threshold))[:, None], codes, -1)
        assert row.micro_f1 == pytest.approx(micro_f1(gold, covered, abstentions="drop"))
        assert row.micro_f1_all == pytest.approx(micro_f1(gold, covered, abstentions="wrong"))
        assert row.risk == pytest.approx(1 - subset_accuracy(gold, covered, abstentions="drop"))


def test_arrays_that_do_not_fit_are_refused():
    """The message names every shape."""
    with pytest.raises(DataError, match=r"confidence \(2,\).*do not fit 3 gold rows"):
        coverage_curve([0.1, 0.2], [True] * 3, [True] * 3, [1] * 3)
    with pytest.raises(DataError, match="multi_label_coverage_curve"):
        coverage_curve([0.1], [[True]], [True], [1])
    with pytest.raises(DataError, match="use coverage_curve"):
        multi_label_coverage_curve([0.1], [1], [1], [True], [1])
    with pytest.raises(DataError, match="at least one text"):
        coverage_curve([], [], [], [])
    with pytest.raises(ConfigError, match="confidence_level=95"):
        coverage_curve([0.1], [True], [True], [1], confidence_level=95)
