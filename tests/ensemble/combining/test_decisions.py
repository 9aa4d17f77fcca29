"""From log-odds to sets of labels: thresholds move for a gain that lasts, and nothing else moves them."""

import numpy as np
import pytest
from scipy.special import expit, logit

from textclassify.ensemble.combining.decisions import Decision, held_out_answers, row_hits, tuned_decision
from textclassify.statistics.metrics import macro_f1, micro_f1, subset_accuracy
from textclassify.statistics.resampling import paired_difference
from textclassify.statistics.thresholds import tune_thresholds


def scored(n=300, *, seed=0, shift=0.0, share=0.3, n_labels=4):
    """Calibrated log-odds moved by `shift`, gold (n, K), and a fold for each row."""
    rng = np.random.default_rng(seed)
    gold = (rng.random((n, n_labels)) < share).astype(np.int64)
    odds = 3.0 * (gold - 0.5) + 1.5 * rng.normal(size=gold.shape) + logit(share)
    return odds + shift, gold, (np.arange(n) % 5).astype(np.int16)


def test_scores_that_can_be_taken_at_their_word_keep_one_half():
    """Every threshold that moves is a chance to be wrong."""
    for seed in range(3):
        odds, gold, folds = scored(seed=seed, shift=0.4)
        decision = tuned_decision(odds, gold, folds, "subset_accuracy")
        assert np.array_equal(decision.thresholds, np.full(4, 0.5))
        assert decision.objective == ""


@pytest.mark.parametrize("metric", ["micro_f1", "macro_f1", "subset_accuracy"])
def test_thresholds_move_where_that_pays(metric):
    """A source that is far too shy gives no label at one half."""
    odds, gold, folds = scored(shift=-4.0)
    decision = tuned_decision(odds, gold, folds, metric)
    assert decision.objective == metric
    assert decision.thresholds.max() < 0.3
    untuned = row_hits(Decision.untuned(4).answers(odds), gold, metric)
    assert row_hits(decision.answers(odds), gold, metric).mean() > untuned.mean() + 0.1


@pytest.mark.parametrize("seed", range(5))
def test_with_shuffled_gold_tuning_gains_nothing(seed):
    """Beyond two standard errors, on folds that the thresholds were not tuned on."""
    odds, gold, folds = scored(seed=seed)
    unrelated = logit(0.3) + 0.3 * odds
    shuffled = np.random.default_rng(seed).permutation(gold)
    tuned = row_hits(held_out_answers(unrelated, shuffled, folds, "subset_accuracy"), shuffled, "subset_accuracy")
    usual = row_hits(Decision.untuned(4).answers(unrelated), shuffled, "subset_accuracy")
    gain = paired_difference(tuned, usual)
    assert gain.mean <= 2 * gain.standard_error


def test_thresholds_move_only_for_a_cross_fitted_gain_above_one_standard_error():
    """The rule itself, recomputed by hand for one threshold of one label, on both sides of it."""
    moved = []
    for seed in range(8):
        odds, gold, folds = scored(60, seed=seed, shift=-0.5, n_labels=1)
        answers = np.empty_like(gold)
        for fold in range(5):
            own = folds == fold
            found = tune_thresholds(expit(odds[~own]), gold[~own], objective="micro_f1")
            answers[own] = expit(odds[own]) >= found.shared
        gains = row_hits(answers, gold, "micro_f1") - row_hits(odds >= 0, gold, "micro_f1")
        moved.append(tuned_decision(odds, gold, folds, "micro_f1", non_empty=False).objective != "")
        assert moved[-1] == (gains.mean() > gains.std() / np.sqrt(60))
    assert 0 < sum(moved) < 8


def test_answers_are_given_by_thresholds_that_the_row_did_not_move():
    """A fold's own gold must not reach its answers."""
    odds, gold, folds = scored(shift=-3.0)
    other = gold.copy()
    other[folds == 2] = 1 - other[folds == 2]
    before, after = (held_out_answers(odds, one, folds, "micro_f1") for one in (gold, other))
    assert np.array_equal(before[folds == 2], after[folds == 2])
    assert not np.array_equal(before[folds != 2], after[folds != 2])


def test_a_label_with_few_positives_shares_its_threshold():
    """Nine rows place no threshold of their own."""
    odds, gold, folds = scored(600, shift=-3.0)
    rare = np.flatnonzero(gold[:, 3])[9:]
    gold[rare, 3], odds[rare, 3] = 0, -6.0
    odds[:, 0] += 5.0  # labels differ, so that they do get thresholds of their own
    thresholds = tuned_decision(odds, gold, folds, "micro_f1").thresholds
    own = tuned_decision(odds[:, :3], gold[:, :3], folds, "micro_f1").thresholds
    assert len(np.unique(own)) == 3
    assert thresholds[3] not in own


def test_log_loss_tunes_nothing():
    """It does not depend on answers."""
    odds, gold, folds = scored(shift=-3.0)
    assert np.array_equal(tuned_decision(odds, gold, folds, "log_loss").thresholds, np.full(4, 0.5))


def shy():
    """Rows with exactly one label each, whose log-odds rarely reach a half: an empty answer is always wrong."""
    rng = np.random.default_rng(0)
    gold = np.eye(4, dtype=np.int64)[rng.integers(0, 4, 200)]
    return 3.0 * gold - 3.5 + 0.5 * rng.normal(size=gold.shape), gold, (np.arange(200) % 5).astype(np.int16)


def test_no_answer_is_empty_where_no_gold_is():
    """Every text has a label, so the nearest one is better than none."""
    odds, gold, folds = shy()
    decision = tuned_decision(odds, gold, folds, "subset_accuracy")
    assert decision.non_empty
    assert decision.answers(odds).any(axis=1).all()


def test_one_text_without_any_label_allows_empty_answers():
    """Then emptiness is an answer, and filling it up would be a guess."""
    odds, gold, folds = shy()
    gold[0] = 0
    assert not tuned_decision(odds, gold, folds, "subset_accuracy").non_empty


@pytest.mark.parametrize("non_empty", [True, False])
def test_what_the_user_settles_about_empty_answers_is_obeyed(non_empty):
    """Against what the rows would have said, too."""
    odds, gold, folds = shy()
    gold[:20] = 0 if non_empty else gold[:20]
    decision = tuned_decision(odds, gold, folds, "micro_f1", non_empty=non_empty)
    assert decision.non_empty == non_empty
    assert held_out_answers(odds, gold, folds, "micro_f1", non_empty=True).any(axis=1).all()


def test_rows_without_scores_teach_nothing_and_get_no_answer():
    odds, gold, folds = scored(shift=-3.0)
    gaps = odds.copy()
    gaps[::4] = np.nan
    kept = np.arange(300) % 4 != 0
    decision = tuned_decision(gaps, gold, folds, "micro_f1")
    alone = tuned_decision(odds[kept], gold[kept], folds[kept], "micro_f1")
    assert np.array_equal(decision.thresholds, alone.thresholds)
    assert (decision.answers(gaps)[::4] == -1).all()
    nothing = tuned_decision(np.full((9, 4), np.nan), gold[:9], folds[:9], "micro_f1", non_empty=True)
    assert nothing.non_empty
    assert nothing.objective == ""


@pytest.mark.parametrize(
    ("metric", "measure"), [("micro_f1", micro_f1), ("macro_f1", macro_f1), ("subset_accuracy", subset_accuracy)]
)
def test_what_rows_add_is_the_metric_on_average(metric, measure):
    """The gate compares means of these; a row's part in an F1 is its influence on it."""
    odds, gold, _ = scored()
    answers = Decision.untuned(4).answers(odds)
    assert row_hits(answers, gold, metric).mean() == pytest.approx(measure(gold, answers))
