"""Labels that are more frequent elsewhere: how frequent, how sure that is, and scores corrected for it."""

import logging
import time

import numpy as np
import pytest
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.statistics import label_shift
from textclassify.statistics.label_shift import LabelShift

SOURCE = np.array([0.5, 0.3, 0.2])


def texts(rng, n, shares, *, signal=1.5):
    """Gold codes, and probabilities that are exactly right where the labels have the shares of SOURCE."""
    gold = rng.choice(3, n, p=shares)
    seen = rng.normal(size=(n, 3))
    seen[np.arange(n), gold] += signal
    return gold, special.softmax(signal * seen + np.log(SOURCE), axis=1)


@pytest.mark.parametrize("shares", [[0.5, 0.3, 0.2], [0.9, 0.07, 0.03], [0.98, 0.01, 0.01]])
@pytest.mark.parametrize("n", [100, 1000])
def test_intervals_hold_the_true_shares_as_often_as_promised(shares, n):
    held = np.zeros(3)
    for seed in range(300):
        shift = LabelShift.estimate(texts(np.random.default_rng(seed), n, shares)[1], SOURCE)
        held += (shift.low <= shares) & (shares <= shift.high)

    assert (held / 300 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)).all()


def test_no_shift_is_seldom_taken_for_one_and_a_clear_one_is_seen():
    def share_significant(shares):
        found = [LabelShift.estimate(texts(np.random.default_rng(s), 300, shares)[1], SOURCE) for s in range(300)]
        return np.mean([one.p_value[0] < 0.05 for one in found])

    assert share_significant(SOURCE) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert share_significant([0.3, 0.3, 0.4]) > 0.95


def test_corrected_scores_answer_better_and_at_their_word():
    gold, p = texts(np.random.default_rng(0), 4000, [0.05, 0.15, 0.8])
    shift = LabelShift.estimate(p, SOURCE)
    corrected = shift.transform(np.log(p))

    assert special.logsumexp(corrected, axis=1) == pytest.approx(0)
    assert (corrected.argmax(axis=1) == gold).mean() > (p.argmax(axis=1) == gold).mean() + 0.05
    assert np.exp(corrected).mean(axis=0) == pytest.approx(shift.priors, abs=1e-3)


def test_the_correction_is_bayes_rule():
    shift = LabelShift.estimate(texts(np.random.default_rng(0), 500, [0.2, 0.2, 0.6])[1], SOURCE)
    p = np.array([0.5, 0.4, 0.1])
    expected = p * shift.priors / SOURCE

    assert np.exp(shift.transform(np.log(p)[None]))[0] == pytest.approx(expected / expected.sum())


def many_labels(n, n_labels, signal, evenness):
    """Probabilities of a corpus whose labels are as even as told, and the shares that they are right for."""
    rng = np.random.default_rng(0)
    before, now = rng.dirichlet(np.full(n_labels, 5.0)), rng.dirichlet(np.full(n_labels, evenness))
    gold, seen = rng.choice(n_labels, n, p=now), rng.normal(size=(n, n_labels))
    seen[np.arange(n), gold] += signal
    return special.softmax(signal * seen + np.log(before), axis=1), before


@pytest.mark.parametrize(
    ("n", "n_labels", "signal", "evenness"),
    [(2000, 20, 0.7, 1), (200, 40, 1, 0.1), (300, 10, 0.2, 0.05), (20, 50, 3, 1)],
)
def test_the_shares_are_those_that_expectation_maximisation_ends_in(n, n_labels, signal, evenness):
    """The published algorithm, run until nothing moves: thousands of rounds."""
    p, before = many_labels(n, n_labels, signal, evenness)
    new, last = before, np.zeros(n_labels)
    while np.abs(new - last).max() > 1e-12:
        claimed = p * (new / before)
        last, new = new, ((claimed / claimed.sum(axis=1, keepdims=True)).sum(axis=0) + before) / (n + 1)
    shift = LabelShift.estimate(p, before)

    assert shift.priors == pytest.approx(new, abs=1e-7)
    assert shift.converged


def test_many_texts_with_many_labels_take_few_rounds():
    """Labels that are hard to tell apart; expectation-maximisation alone needs over 3,000 rounds, ten seconds."""
    p, before = many_labels(50_000, 77, 1, 1)
    started = time.process_time()
    shift = LabelShift.estimate(p, before)

    assert shift.converged
    assert shift.iterations < 30
    assert time.process_time() - started < 3  # a slow machine's share of one second


def test_shares_that_have_not_settled_are_reported(monkeypatch, caplog):
    monkeypatch.setattr(label_shift, "MAX_ITERATIONS", 2)
    with caplog.at_level(logging.WARNING):
        shift = LabelShift.estimate(texts(np.random.default_rng(0), 500, [0.05, 0.15, 0.8])[1], SOURCE)

    assert not shift.converged
    assert "not settled after 2 rounds" in caplog.text
    assert "2 rounds, too few to settle" in str(shift)


def test_several_labels_per_text_shift_one_by_one():
    """The first label goes from 20% to 60% of the texts, the second stays at 30%."""
    rng = np.random.default_rng(0)
    before, now = np.array([0.2, 0.3]), np.array([0.6, 0.3])
    gold = rng.random((2000, 2)) < now
    evidence = 2 * (2 * gold - 1) + 2 * rng.normal(size=gold.shape)
    odds = evidence + special.logit(before)
    shift = LabelShift.estimate(special.expit(odds), before, multi_label=True)

    assert (shift.low <= now).all()
    assert (now <= shift.high).all()
    assert shift.p_value[0] < 1e-6
    assert shift.p_value[1] > 0.01
    assert shift.transform(odds) == pytest.approx(odds + special.logit(shift.priors) - special.logit(before))


def test_rows_without_scores_are_left_out_and_stay_without():
    p = texts(np.random.default_rng(0), 200, SOURCE)[1]
    gaps = p.copy()
    gaps[::2] = np.nan
    shift, alone = LabelShift.estimate(gaps, SOURCE), LabelShift.estimate(p[1::2], SOURCE)

    assert np.array_equal(shift.priors, alone.priors)
    assert (shift.n_rows, shift.n_unscored) == (100, 100)
    assert np.isnan(shift.transform(np.log(gaps))[::2]).all()


def test_few_texts_rule_no_label_out():
    """Ten texts of one label: the others become rare, not impossible, and scores stay finite."""
    shift = LabelShift.estimate([[0.98, 0.01, 0.01]] * 10, SOURCE)

    assert (shift.priors > 0).all()
    assert shift.high[1] > 0.05
    assert np.isfinite(shift.transform(np.log([[0.2, 0.2, 0.6]]))).all()
    assert LabelShift.estimate([[0.6, 0.3, 0.1]], SOURCE).p_value[0] > 0.2


def test_source_shares_come_back_from_probabilities_that_say_nothing():
    shift = LabelShift.estimate(np.tile(SOURCE, (50, 1)), SOURCE)

    assert shift.priors == pytest.approx(SOURCE)
    assert shift.p_value[0] == pytest.approx(1)
    assert (shift.high - shift.low > 0.7).all()


def test_one_label_cannot_shift():
    shift = LabelShift.estimate([[1.0], [1.0]], [1.0])

    assert (shift.priors, shift.low, shift.high, shift.p_value) == (1, 1, 1, 1)


def test_the_estimate_can_be_read_and_tabulated():
    shift = LabelShift.estimate(texts(np.random.default_rng(0), 500, [0.2, 0.2, 0.6])[1], SOURCE)

    assert "500 texts" in str(shift)
    assert "label 2 from 20.0%" in str(shift)
    assert list(shift.to_pandas(["a", "b", "c"])["source_share"]) == pytest.approx(SOURCE)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"source_priors": [0.0, 0.5, 0.5]}, DataError, "label 0 has the source prior 0"),
        ({"source_priors": [0.5, 0.5, 0.5]}, DataError, "add up to 1.5"),
        ({"source_priors": [0.5, 0.5]}, DataError, "do not fit"),
        ({"source_priors": [1.0, 0.5, 0.5], "multi_label": True}, DataError, "label 0 has the source prior 1"),
        ({"probabilities": [[np.nan] * 3]}, DataError, "none of the 1 rows"),
        ({"probabilities": np.log([[0.5, 0.3, 0.2]])}, DataError, "scores.probabilities"),
        ({"confidence": 0}, ConfigError, "confidence=0"),
        ({"strength": 0}, ConfigError, "strength=0"),
    ],
)
def test_what_cannot_be_estimated_is_refused(options, error, words):
    given_rows = {"probabilities": [[0.5, 0.3, 0.2]], "source_priors": SOURCE} | options

    with pytest.raises(error, match=words):
        LabelShift.estimate(given_rows.pop("probabilities"), given_rows.pop("source_priors"), **given_rows)
    with pytest.raises(DataError, match="3 labels"):
        LabelShift.estimate([[0.5, 0.3, 0.2]], SOURCE).transform([[0.5, 0.5]])
