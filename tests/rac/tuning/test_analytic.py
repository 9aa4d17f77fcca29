"""The analytic model of retrieve-and-verify agrees with what checks of known rates do, and keeps its own laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.errors import ConfigError, DataError
from textclassify.rac.tuning.analytic import AnalyticModel, Prediction, observed

RATES = [(0.9, 0.05), (0.9, 0.2), (0.7, 0.05)]
RECALL = np.array([0.65, 0.1, 0.06, 0.04, 0.03, 0.02, 0.015, 0.01, 0.008, 0.007])
PROBABILITY = st.floats(0, 1, allow_subnormal=False)


@st.composite
def recalls(draw):
    """Recall by rank, in any shape, with something left for gold labels that were not retrieved."""
    shares = np.array(draw(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=8)))
    return shares[:-1] / max(shares.sum(), 1.0)


def loopback(n, true_positive, false_positive, *, stops=False, seed=0):
    """Hits and answers of checks with known rates, (n, 10)."""
    rng = np.random.default_rng(seed)
    rank = rng.choice(len(RECALL) + 1, size=n, p=np.append(RECALL, 1 - RECALL.sum()))
    hits = rank[:, None] == np.arange(len(RECALL))
    said = (rng.random(hits.shape) < np.where(hits, true_positive, false_positive)).astype(float)
    if stops:
        said[(np.cumsum(said, axis=1) - said) > 0] = np.nan
    return hits, said


@pytest.mark.parametrize("top_k", [1, 3, 10])
@pytest.mark.parametrize(("true_positive", "false_positive"), RATES)
def test_checks_of_known_rates_do_what_the_model_says(true_positive, false_positive, top_k):
    """The algorithm apart from any language model's quality; 99.9% because 36 figures are compared."""
    model = AnalyticModel(RECALL, true_positive, false_positive)
    measured = observed(*loopback(3000, true_positive, false_positive), top_k=top_k)

    assert model.range_at(top_k, n_rows=3000, confidence=0.999).outside(measured) == []
    assert model.at(top_k).precision == pytest.approx(measured.precision, abs=0.04)


@pytest.mark.parametrize(("true_positive", "false_positive"), RATES)
def test_a_few_dozen_rows_predict_others_within_bounds(true_positive, false_positive):
    """What is estimated from 60 rows, asked until the first yes, holds for 1,000 more."""
    model = AnalyticModel.estimate(*loopback(60, true_positive, false_positive, stops=True))
    measured = observed(*loopback(1000, true_positive, false_positive, seed=1), top_k=3)

    assert model.range_at(3, n_rows=1000, confidence=0.999).outside(measured) == []


def test_bounds_are_left_no_more_often_than_they_say():
    """100 models of 50 rows each, tried on 300 others: 5% outside are allowed, and some are due."""
    outside = []
    for seed in range(100):
        model = AnalyticModel.estimate(*loopback(50, 0.9, 0.2, stops=True, seed=seed))
        measured = observed(*loopback(300, 0.9, 0.2, seed=1000 + seed), top_k=3)
        outside += [len(model.range_at(3, n_rows=300, n_draws=1000).outside(measured))]

    assert 0.005 < np.mean(outside) / 4 < 0.11


def test_two_candidates_by_hand():
    """Gold first 0.6, second 0.2, none 0.2; t = 0.8, f = 0.1."""
    expected = AnalyticModel([0.6, 0.2], 0.8, 0.1).at(2)

    right = 0.6 * 0.8 + 0.2 * 0.9 * 0.8
    no_yes = 0.6 * 0.2 * 0.9 + 0.2 * 0.9 * 0.2 + 0.2 * 0.9 * 0.9
    calls = 1 + 0.6 * 0.2 + 0.4 * 0.9
    assert vars_of(expected) == pytest.approx([1 - no_yes, right / (1 - no_yes), right, calls])


def vars_of(prediction):
    return [prediction.coverage, prediction.precision, prediction.accuracy, prediction.calls]


@given(recalls(), PROBABILITY, PROBABILITY)
def test_more_candidates_never_label_fewer_texts(recall, true_positive, false_positive):
    """Asking further only adds chances of a yes, and calls, of which there are 1 to k."""
    curve = AnalyticModel(recall, true_positive, false_positive).curve()

    assert (np.diff(curve.coverage) >= -1e-12).all()
    assert (np.diff(curve.calls) >= -1e-12).all()
    assert (curve.calls >= 1 - 1e-12).all()
    assert (curve.calls <= curve.top_k + 1e-12).all()
    assert (curve.accuracy <= curve.recall + 1e-12).all()
    assert (curve.coverage <= 1 + 1e-12).all()


@given(recalls(), PROBABILITY)
def test_checks_that_never_accept_a_wrong_label_are_always_right(recall, true_positive):
    """With f = 0 whatever is labelled is labelled rightly; where nothing is, there is no precision."""
    precision = AnalyticModel(recall, true_positive, 0.0).curve().precision

    assert (precision.isna() | (precision == 1.0)).all()


@given(recalls())
def test_perfect_checks_reach_the_recall_of_retrieval(recall):
    """With t = 1 and f = 0 nothing but retrieval is in the way."""
    curve = AnalyticModel(recall, 1.0, 0.0).curve()

    np.testing.assert_allclose(curve.accuracy, curve.recall)
    np.testing.assert_allclose(curve.coverage, curve.recall)


@given(recalls(), PROBABILITY, PROBABILITY)
def test_asking_about_all_gives_the_same_labels_for_more_calls(recall, true_positive, false_positive):
    """The most related yes wins either way; only the price differs."""
    stopping = AnalyticModel(recall, true_positive, false_positive).curve()
    asking = AnalyticModel(recall, true_positive, false_positive, asks_all=True).curve()

    assert asking.drop(columns="calls").equals(stopping.drop(columns="calls"))
    assert (asking.calls == asking.top_k).all()


def test_a_model_that_always_says_yes_is_retrieval():
    """The first candidate gets the label, and every text one call."""
    assert AnalyticModel(RECALL, 1.0, 1.0).at(10) == Prediction(1.0, 0.65, 0.65, 1.0)


def test_stopping_at_the_first_yes_does_not_bend_the_rates():
    """Rates of many rows are the true ones, although checks after a yes are never made."""
    model = AnalyticModel.estimate(*loopback(20_000, 0.7, 0.2, stops=True))

    assert model.true_positive_rate == pytest.approx(0.7, abs=0.015)
    assert model.false_positive_rate == pytest.approx(0.2, abs=0.015)
    np.testing.assert_allclose(model.recall_by_rank, RECALL, atol=0.01)


def test_few_rows_are_never_sure():
    """Twenty rows without an error are no proof of a perfect check, and their bounds are wide."""
    few = AnalyticModel.estimate([[True, False]] * 20, [[1.0, 0.0]] * 20)
    many = AnalyticModel.estimate([[True, False]] * 2000, [[1.0, 0.0]] * 2000)

    assert 0.9 < few.true_positive_rate < 1
    assert few.range_at(1).coverage.low < 0.9 < many.range_at(1).coverage.low
    assert AnalyticModel([0.5], 0.9, 0.2).range_at(1).coverage.low == pytest.approx(0.55)


def test_what_was_asked_is_what_is_counted():
    """Calls end at the first yes, and a check without an answer is none."""
    hits = [[True, False, False], [False, True, False], [False, False, False]]
    said = [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, np.nan, 0.0]]

    assert observed(hits, said) == Prediction(2 / 3, 1.0, 2 / 3, 5 / 3)
    assert observed(hits, said, asks_all=True).calls == pytest.approx(8 / 3)
    assert np.isnan(observed(hits[2:], said[2:]).precision)


@pytest.mark.parametrize(
    ("recall", "rates", "message"),
    [([0.7, 0.6], (0.9, 0.1), "at most 1"), ([], (0.9, 0.1), "one probability"), ([0.5], (0.9, 1.2), "=1.2 is not")],
)
def test_impossible_rates_are_refused(recall, rates, message):
    """A recall above 1 or a rate outside 0 to 1 is a mistake of the caller's."""
    with pytest.raises(ConfigError, match=message):
        AnalyticModel(recall, *rates)


def test_more_candidates_than_are_known_are_refused():
    """The model does not guess the recall of further ranks."""
    with pytest.raises(ConfigError, match="top_k=4 is out of range"):
        AnalyticModel([0.5, 0.2, 0.1], 0.9, 0.1).at(4)
    with pytest.raises(DataError, match="top_k=4 does not fit rows with 2"):
        observed([[True, False]], [[1.0, 0.0]], top_k=4)
    with pytest.raises(ConfigError, match="n_rows=0"):
        AnalyticModel([0.5], 0.9, 0.1).range_at(1, n_rows=0)
