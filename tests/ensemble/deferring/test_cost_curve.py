"""The cost curve: exact ends, honest rivals, a recommendation only where there is something to gain."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax

from textclassify.ensemble.deferring.both_answers import METRICS
from textclassify.ensemble.deferring.cost_curve import asked, cost_curve
from textclassify.errors import ConfigError, DataError, ScoresError
from textclassify.statistics import metrics

SINGLE = {"multi_label": False, "metric": "accuracy"}


def rows(n, *, several=False, helps=4.0, seed=0):
    """Free and fused scores, and gold; the language model adds `helps` to the right label of every other row."""
    rng = np.random.default_rng(seed)
    if several:
        gold = (rng.random((n, 4)) < 0.3).astype(np.int64)
        free, push = rng.normal(size=gold.shape) + (2 * gold - 1) * 0.7, 2 * gold - 1
    else:
        gold = rng.integers(0, 4, n)
        free, push = rng.normal(size=(n, 4)) + np.eye(4)[gold], np.eye(4)[gold]
    fused = free + helps * push * (np.arange(n) % 2 == 0)[:, None]
    return (free, fused, gold) if several else (log_softmax(free, 1), log_softmax(fused, 1), gold)


def measured(metric, scores, gold):
    if metric == "log_loss":
        return metrics.log_loss(gold, expit(scores) if gold.ndim == 2 else np.exp(scores))
    answers = (scores >= 0).astype(np.int64) if gold.ndim == 2 else scores.argmax(axis=1)
    name = "subset_accuracy" if metric == "accuracy" and gold.ndim == 2 else metric
    name = "accuracy" if name == "subset_accuracy" and gold.ndim == 1 else name
    return getattr(metrics, name)(gold, answers)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_the_curve_runs_through_the_metric_of_each_mixed_answer(metric, several):
    """Not an approximation: at each share the metric of the answers that would have been given."""
    free, fused, gold = rows(200, several=several)
    value = np.random.default_rng(1).random(200)
    curve = cost_curve(free, fused, value, gold, metric=metric, multi_label=several, shares=(0.25,), n_resamples=10)
    for point in curve.points:
        first = np.argsort(-value)[: round(point.share * 200)]
        mixed = free.copy()
        mixed[first] = fused[first]
        assert point.quality.estimate == pytest.approx(measured(metric, mixed, gold))


def test_the_random_policy_is_its_exact_expectation():
    """A straight line for a mean over rows; a drawn one would need luck to be fair."""
    free, fused, gold = rows(300)
    curve = cost_curve(free, fused, np.arange(300.0), gold, **SINGLE)
    ends = curve.points[0].quality.estimate, curve.points[-1].quality.estimate
    for point in curve.points:
        assert point.random == pytest.approx(ends[0] + point.share * (ends[1] - ends[0]))


def test_texts_of_equal_value_are_the_random_policy():
    """Ties broken by row order would sell the order of a file as a policy."""
    free, fused, gold = rows(300, several=True)
    curve = cost_curve(free, fused, np.zeros(300), gold, metric="macro_f1", multi_label=True)
    for point in curve.points:
        assert point.over_random.estimate == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.floats(0, 1))
def test_exactly_the_share_is_asked_about_and_the_highest_first(value, share):
    value = np.array(value, dtype=float)
    part = asked(value, np.array([share]))[:, 0]
    assert part.sum() == pytest.approx(share * len(value))
    assert all(part[value > v].min(initial=1.0) >= part[value == v].max(initial=0.0) - 1e-12 for v in set(value))


def test_a_perfect_ranking_keeps_the_gain_with_half_of_the_calls():
    """Only every other row gains anything."""
    free, fused, gold = rows(400)
    curve = cost_curve(free, fused, 1.0 - np.arange(400) % 2, gold, **SINGLE)
    half = next(point for point in curve.points if point.share == 0.5)
    assert half.kept.estimate == pytest.approx(1.0)
    assert half.over_random.low > 0
    assert curve.recommended.share <= 0.5
    assert "ask about" in str(curve.recommended)


def test_without_a_significant_gain_nothing_is_kept_and_no_call_recommended():
    """A share of a gain that may be none is a number without meaning."""
    free, _, gold = rows(200)
    noise = log_softmax(free + 0.3 * np.random.default_rng(0).normal(size=free.shape), axis=1)
    curve = cost_curve(free, noise, np.arange(200.0), gold, cost_per_call=0.01, **SINGLE)
    assert np.isnan([point.kept.estimate for point in curve.points]).all()
    assert curve.recommended.share == 0
    assert "no text" in curve.recommended.words
    assert curve.price_of_last_point.calls == np.inf


def test_less_log_loss_is_a_gain():
    free, fused, gold = rows(200)
    curve = cost_curve(free, fused, np.arange(200.0), gold, metric="log_loss", multi_label=False)
    assert curve.points[-1].quality.estimate < curve.points[0].quality.estimate
    assert curve.points[-1].gain.low > 0


def test_the_price_of_a_point_is_in_calls_and_dollars():
    """Every second call turns a wrong answer right, so a point takes two calls for each hundredth of the texts."""
    n = 200
    gold = np.zeros(n, dtype=int)
    wrong, right = np.log([[0.1, 0.9]] * n), np.log([[0.9, 0.1]] * n)
    fused = np.where((np.arange(n) % 2 == 0)[:, None], right, wrong)
    curve = cost_curve(wrong, fused, np.zeros(n), gold, cost_per_call=0.5, **SINGLE)
    price = curve.price_of_last_point
    assert price.calls == pytest.approx(0.02 * n)
    assert price.dollars == pytest.approx(0.02 * n * 0.5)
    assert "$2.00" in str(price)


def test_an_unknown_price_is_not_nothing():
    free, fused, gold = rows(200)
    assert np.isnan(cost_curve(free, fused, np.arange(200.0), gold, **SINGLE).price_of_last_point.dollars)


def test_clusters_are_drawn_together():
    """Twenty copies of a text are one observation, and the interval says so."""
    free, fused, gold = (np.repeat(one, 20, axis=0) for one in rows(40))
    single = cost_curve(free, fused, np.zeros(800), gold, **SINGLE).points[-1].gain
    together = cost_curve(free, fused, np.zeros(800), gold, np.repeat(np.arange(40), 20), **SINGLE).points[-1].gain
    assert together.high - together.low > 2 * (single.high - single.low)


def test_a_text_without_free_scores_counts_as_wrong_until_it_is_asked_about():
    free, fused, gold = rows(100)
    free = free.copy()
    free[gold == 0] = np.nan
    curve = cost_curve(free, fused, np.where(gold == 0, np.nan, 0.0), gold, **SINGLE)
    assert curve.points[0].quality.estimate <= (gold != 0).mean()
    assert curve.points[1].over_random.estimate > 0  # NaN comes first


def test_a_text_that_gets_no_reply_keeps_its_free_answer():
    free, fused, gold = rows(100)
    silent = cost_curve(free, np.full_like(fused, np.nan), np.zeros(100), gold, **SINGLE)
    assert silent.points[-1].gain.estimate == 0


def test_the_table_has_a_row_per_share_and_every_interval():
    free, fused, gold = rows(100)
    curve = cost_curve(free, fused, np.zeros(100), gold, shares=(0.2, 0.5), **SINGLE)
    table = curve.to_pandas()
    assert table["share"].tolist() == [0.0, 0.2, 0.5, 1.0]
    assert table["calls"].tolist() == [0, 20, 50, 100]
    assert {"quality_low", "kept_high", "random", "max_entropy", "over_max_entropy_low"} <= set(table.columns)
    assert len(str(curve).splitlines()) == 2 + 4 + 2


def test_the_same_seed_draws_the_same_intervals():
    free, fused, gold = rows(100)
    one, same, other = (cost_curve(free, fused, free[:, 0], gold, random_state=s, **SINGLE) for s in (0, 0, 1))
    assert one.to_pandas().equals(same.to_pandas())
    assert not one.to_pandas().equals(other.to_pandas())


def test_five_thousand_rows_take_less_than_a_second_of_work():
    """It is drawn in every training; counted in processor time, which others on the machine do not change."""
    free, fused, gold = rows(5000)
    started = time.process_time()
    cost_curve(free, fused, np.arange(5000.0), gold, **SINGLE)
    assert time.process_time() - started < 1.0


def test_errors_name_the_remedy():
    free, fused, gold = rows(10)
    with pytest.raises(ScoresError, match="one number per text"):
        cost_curve(free, fused, np.zeros(9), gold, **SINGLE)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        cost_curve(free, fused, np.zeros(10), gold, shares=(20,), **SINGLE)
    with pytest.raises(ConfigError, match="confidence=95"):
        cost_curve(free, fused, np.zeros(10), gold, confidence=95, **SINGLE)
    with pytest.raises(DataError, match="no rows"):
        cost_curve(free[:0], fused[:0], np.zeros(0), gold[:0], **SINGLE)
