"""Deferral: who is asked about, under which budget, and that it is worth more than asking the most uncertain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from textclassify.core.storage import read_arrays, write_arrays
from textclassify.ensemble.deferral import Deferral, cross_fitted_ranking
from textclassify.ensemble.deferring.both_answers import BothAnswers
from textclassify.ensemble.deferring.cost_curve import cost_curve
from textclassify.ensemble.deferring.deferral_features import entropy
from textclassify.errors import ConfigError, NotFittedError, ScoresError

SINGLE = {"multi_label": False, "metric": "accuracy"}
MULTI = {"multi_label": True, "metric": "micro_f1"}


def single_label(n, *, seed=0, helps=(0, 1, 2, 3), n_labels=4):
    """A free source, and a language model that knows the texts of some labels only."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, n_labels, n)
    free = rng.normal(size=(n, n_labels))
    free[np.arange(n), gold] += 1.0
    shown = np.isin(free.argmax(axis=1), helps)  # it helps where the free answer is one of these
    fused = free + 4.0 * np.eye(n_labels)[gold] * shown[:, None]
    return log_softmax(free, axis=1), log_softmax(fused, axis=1), gold


def multi_label(n, *, seed=0):
    rng = np.random.default_rng(seed)
    gold = (rng.random((n, 5)) < 0.3).astype(np.int64)
    free = (2 * gold - 1) * 0.7 + rng.normal(size=gold.shape)
    return free, free + (2 * gold - 1) * 3.0 * (np.arange(5) < 2), gold


def test_texts_are_asked_about_where_the_language_model_helps():
    """Uncertain about labels that the language model knows no better: not worth a call."""
    free, fused, gold = single_label(600, helps=(0, 1))
    deferral = Deferral().fit(free, fused, gold, **SINGLE)
    unseen, _, _ = single_label(400, seed=1)
    asked = deferral.mask(unseen, 0.3)
    assert np.isin(unseen[asked].argmax(axis=1), (0, 1)).mean() > 0.9
    assert deferral.learned_weight_ > 0.8


@pytest.mark.parametrize("seed", range(3))
def test_it_keeps_more_of_the_gain_than_asking_the_most_uncertain(seed):
    """Cross-fitted and paired: what the learned ranking adds is beyond its interval."""
    free, fused, gold = single_label(600, seed=seed, helps=(0, 1))
    ranking = cross_fitted_ranking(free, fused, gold, **SINGLE)
    at = cost_curve(free, fused, ranking, gold, shares=(0.3,), **SINGLE).points[1]
    assert at.over_max_entropy.low > 0
    assert at.over_random.low > 0


@pytest.mark.parametrize("seed", range(4))
def test_with_shuffled_gold_nothing_is_gained_over_the_most_uncertain(seed):
    """What is learned from noise must not look like a gain on rows that it was not learned from."""
    free, fused, gold = single_label(400, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(gold)
    ranking = cross_fitted_ranking(free, fused, shuffled, **SINGLE)
    at = cost_curve(free, fused, ranking, shuffled, shares=(0.3,), **SINGLE).points[1]
    assert at.over_max_entropy.low <= 0


@pytest.mark.parametrize("n", [1, 3, 9])
def test_few_rows_leave_the_ranking_by_entropy(n):
    """Nothing can be learned from them, and the most uncertain first is a good guess."""
    free, fused, gold = single_label(n)
    deferral = Deferral().fit(free, fused, gold, **SINGLE)
    unseen, _, _ = single_label(50, seed=1)
    assert deferral.learned_weight_ == 0
    if n > 1:
        assert (deferral.value(unseen).argsort() == entropy(unseen, multi_label=False).argsort()).all()


def test_thirty_rows_are_mostly_entropy():
    free, fused, gold = single_label(30, helps=(0,))
    deferral = Deferral().fit(free, fused, gold, **SINGLE)
    assert 0 < deferral.learned_weight_ < 30 / 80 + 1e-9


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "micro_f1", "subset_accuracy", "log_loss"])
@pytest.mark.parametrize("make", [single_label, multi_label])
def test_the_value_is_the_gain_in_the_metric_on_average(make, metric):
    """A value in the metric's own units can be held against a price."""
    free, fused, gold = make(500)
    several = gold.ndim == 2
    deferral = Deferral().fit(free, fused, gold, multi_label=several, metric=metric)
    curve = cost_curve(free, fused, np.zeros(500), gold, multi_label=several, metric=metric, n_resamples=1)
    assert deferral.value(free).mean() == pytest.approx(curve.points[-1].gain.estimate, rel=0.1)


def test_an_unknown_metric_is_refused():
    with pytest.raises(ConfigError, match="unknown metric 'f2'; known: accuracy"):
        Deferral().fit(*single_label(20), multi_label=False, metric="f2")


FITTED = {
    False: (Deferral().fit(*single_label(300, helps=(0, 2)), **SINGLE), single_label(300, helps=(0, 2))[0]),
    True: (Deferral().fit(*multi_label(300), **MULTI), multi_label(300)[0]),
}
UNSEEN = {False: single_label(80, seed=5)[0], True: multi_label(80, seed=5)[0]}
shares = st.floats(0, 1)


@settings(max_examples=25)
@given(st.booleans(), shares)
def test_a_share_is_kept_on_the_rows_it_was_fitted_on(several, share):
    """Never more than one row off, whatever the share; new rows vary around it by chance."""
    deferral, free = FITTED[several]
    assert deferral.mask(free, share).mean() == pytest.approx(share, abs=2 / 300)


@settings(max_examples=25)
@given(st.booleans(), shares, shares, st.integers(0, 80), st.integers(0, 80))
def test_a_larger_budget_asks_about_all_that_a_smaller_one_asked(several, one, other, few, many):
    """Otherwise spending more could lose what was already answered."""
    deferral, free = FITTED[several][0], UNSEEN[several]
    for budgets in (sorted((one, other)), sorted((few, many))):
        less, more = (deferral.mask(free, budget) for budget in budgets)
        assert not (less & ~more).any()


@settings(max_examples=25)
@given(st.booleans(), shares, st.permutations(range(80)), st.integers(1, 80))
def test_under_a_share_no_text_depends_on_its_neighbours(several, share, order, n):
    """Another order, fewer texts: the same text, the same answer."""
    deferral, free = FITTED[several][0], UNSEEN[several]
    some = np.array(order)[:n]
    assert (deferral.mask(free, share)[some] == deferral.mask(free[some], share)).all()


@settings(max_examples=25)
@given(st.booleans(), st.integers(0, 80), st.permutations(range(80)))
def test_a_number_of_calls_is_spent_to_the_last_in_any_order_of_rows(several, calls, order):
    deferral, free = FITTED[several][0], UNSEEN[several]
    asked = deferral.mask(free, calls)
    assert asked.sum() == calls
    assert (deferral.mask(free[order], calls) == asked[order]).all()


def test_nought_asks_about_none_and_one_about_all():
    """Also texts beyond all that the fit has seen, and those without free scores."""
    deferral, free = FITTED[False]
    odd = np.vstack([free[:5], np.log(np.full((1, 4), 0.25)), np.full((1, 4), np.nan)])
    assert not deferral.mask(odd, 0.0).any()
    assert deferral.mask(odd, 1.0).all()
    assert not deferral.mask(odd, 0).any()


@pytest.mark.parametrize("budget", [0.01, 1, "$0.01"])
def test_texts_without_free_scores_are_asked_about_first(budget):
    """There is nothing else to answer them with."""
    deferral, free = FITTED[False]
    free = free[:20].copy()
    free[13] = np.nan
    asked = deferral.mask(free, budget, cost_per_call=0.01)
    assert asked[13]
    assert np.isinf(deferral.value(free)[13])


def test_money_asks_about_what_it_can_pay_for():
    deferral, free = FITTED[False]
    assert deferral.mask(free, "$0.50", cost_per_call=0.01).sum() == 50
    with pytest.raises(ConfigError, match="cost_per_call"):
        deferral.mask(free, "$0.50")


def test_duplicates_are_one_call():
    deferral, free = FITTED[False]
    twice = np.repeat(free[:10], 2, axis=0)
    asked = deferral.mask(twice, 3, row_ids=np.repeat(np.arange(10), 2))
    assert asked.sum() == 6
    assert (asked[::2] == asked[1::2]).all()


def test_texts_that_score_the_same_share_a_budget_by_their_ids():
    """A free source that says the same of every text: a share of them is asked about, the same ones each time."""
    free = np.log(np.full((400, 4), 0.25))
    deferral = Deferral().fit(free, free, np.arange(400) % 4, **SINGLE)
    ids = np.random.default_rng(0).integers(0, 2**63, 400)
    asked = deferral.mask(free, 0.3, row_ids=ids)
    assert asked.mean() == pytest.approx(0.3, abs=0.08)
    assert (deferral.mask(free[50:60], 0.3, row_ids=ids[50:60]) == asked[50:60]).all()
    assert not deferral.mask(free, 0.3).any()  # without ids, rather none than all


def test_rows_that_were_not_asked_count_for_the_threshold_only():
    """The language model is asked about some training rows; the share is one of all texts."""
    free, fused, gold = single_label(600)
    fused[100:] = np.nan
    deferral = Deferral().fit(free, fused, gold, **SINGLE)
    assert deferral.n_rows_ == 100
    assert deferral.mask(free, 0.2).mean() == pytest.approx(0.2, abs=0.01)


def test_no_fused_scores_at_all_leave_the_entropy():
    free, fused, gold = single_label(50)
    deferral = Deferral().fit(free, np.full_like(fused, np.nan), gold, **SINGLE)
    assert (deferral.value(free).argsort() == entropy(free, multi_label=False).argsort()).all()


def test_clusters_are_held_out_whole():
    """Copies in two folds would make what was learned by heart look like knowledge."""
    free, fused, gold = (np.repeat(one, 20, axis=0) for one in single_label(30, helps=()))
    clusters = np.repeat(np.arange(30), 20)
    alone = Deferral().fit(free, fused, gold, clusters, **SINGLE)
    assert alone.learned_weight_ == pytest.approx(0.5 * 600 / 650, abs=0.01)  # nothing gained anywhere: undecided
    assert len(np.unique(cross_fitted_ranking(free, fused, gold, clusters, **SINGLE))) <= 30


def test_thresholds_decide_what_multi_label_rows_gain():
    """With a threshold that every label reaches, nothing is gained by asking."""
    free, fused, gold = multi_label(200)
    rows = BothAnswers.of(free, fused, gold, None, multi_label=True, thresholds=np.full(5, 1e-12))
    assert not rows.gains("micro_f1").any()
    assert BothAnswers.of(free, fused, gold, None, multi_label=True).gains("micro_f1").any()


def test_given_answers_replace_those_of_the_scores():
    """Thresholds tuned per fold, or no empty answers, cannot be told from scores."""
    free, fused, gold = multi_label(200)
    rows = BothAnswers.of(free, fused, gold, None, multi_label=True, free_codes=gold, fused_codes=gold)
    assert not rows.gains("subset_accuracy").any()


@pytest.mark.parametrize("several", [False, True])
def test_what_was_learned_comes_back_from_a_file(several, tmp_path):
    deferral, free = FITTED[several]
    write_arrays(tmp_path / "deferral.safetensors", deferral.state())
    restored = Deferral().load_state(read_arrays(tmp_path / "deferral.safetensors"))
    assert (restored.value(free) == deferral.value(free)).all()
    assert (restored.mask(free, "20%") == deferral.mask(free, "20%")).all()


def test_errors_name_the_remedy():
    free, fused, gold = single_label(20)
    with pytest.raises(NotFittedError, match="call fit"):
        Deferral().value(free)
    with pytest.raises(ScoresError, match="4 labels"):
        FITTED[False][0].mask(free[:, :2], 0.2)
    with pytest.raises(ScoresError, match="do not fit"):
        Deferral().fit(free[:5], fused, gold, **SINGLE)
    with pytest.raises(ScoresError, match="no row has free scores"):
        Deferral().fit(np.full_like(free, np.nan), fused, gold, **SINGLE)
    with pytest.raises(ScoresError, match="one per text"):
        FITTED[False][0].mask(free, 5, row_ids=[1, 2])
    with pytest.raises(ConfigError, match="probabilities"):
        BothAnswers.of(*multi_label(20), None, multi_label=True, thresholds=np.full(5, 2.0))
