"""Candidates on the same held-out rows: what shuffled gold shows of each of them, what is paired, what passes."""

import numpy as np
import pytest
from scipy.special import logit

from textclassify.ensemble.combining.comparison import REFERENCE, Comparison, cross_fitted, row_losses
from textclassify.ensemble.combining.cross_label import CrossLabelPool
from textclassify.ensemble.combining.network import NetworkSettings
from textclassify.ensemble.combining.rows import fusion_rows
from textclassify.ensemble.deferral import cross_fitted_ranking
from textclassify.ensemble.deferring.cost_curve import cost_curve
from textclassify.ensemble.mlp import EmbeddingsMLP, PublishedMLP, ResidualMLP
from textclassify.ensemble.pooling import BestSingle, LogLinearPool, VectorScalingPool
from textclassify.statistics.calibration import CALIBRATORS
from textclassify.statistics.folds import assign_folds
from textclassify.statistics.resampling import paired_difference

QUICK = NetworkSettings(epochs=8)
NETWORKS = {
    "published": lambda: PublishedMLP(settings=QUICK),
    "residual": lambda: ResidualMLP(settings=QUICK),
    "embeddings": lambda: EmbeddingsMLP(settings=QUICK),
}
SINGLE = {"pooling": LogLinearPool, "vector_scaling": VectorScalingPool, **NETWORKS}
SEVERAL = {"pooling": LogLinearPool, "vector_scaling": VectorScalingPool, "cross_label": CrossLabelPool, **NETWORKS}
SEEDS = range(3)


def shuffled(simulation, seed, *, votes=False):
    """Rows whose gold has nothing to do with their scores or vectors, and folds."""
    gold = getattr(simulation, "indicator", None)
    gold = simulation.gold if gold is None else gold
    order = np.random.default_rng(seed).permutation(simulation.n)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.votes(0.7) if votes else simulation.source(1.0)}
    rows = fusion_rows(sources, [gold[row] for row in order], embeddings=simulation.rng.normal(size=(simulation.n, 8)))
    return rows, assign_folds(rows.gold, 5, rows.clusters)


def gain(rows, worse, better):
    """How much log loss the second scores save per row."""
    kept = ~np.isnan(worse).any(axis=1)
    return paired_difference(row_losses(rows, worse)[kept], row_losses(rows, better)[kept], rows.clusters[kept])


def label_shares(rows, folds):
    """Scores of a step that knows how frequent labels are, and nothing of the texts."""
    known = np.empty((len(rows), len(rows.labels)))
    for fold in np.unique(folds):
        others = rows.gold[folds != fold]
        counts = others.sum(axis=0) if rows.multi_label else np.bincount(others, minlength=len(rows.labels))
        share = (counts + 0.5) / (len(others) + 0.5 * len(rows.labels))
        known[folds == fold] = logit(share) if rows.multi_label else np.log(share / share.sum())
    return known


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rung", SINGLE)
def test_with_shuffled_gold_no_rung_gains_anything(simulate, rung, seed):
    """Over the best single source, on rows that it was not fitted on, beyond two standard errors."""
    rows, folds = shuffled(simulate(120, seed=seed), seed, votes=seed == 1)
    found = gain(rows, cross_fitted(BestSingle, rows, folds), cross_fitted(SINGLE[rung], rows, folds))
    assert found.mean <= 2 * found.standard_error


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rung", SEVERAL)
def test_with_shuffled_gold_of_several_labels_no_rung_gains_anything(simulate_multi_label, rung, seed):
    """What a bias per label gains is in the best single source, too."""
    rows, folds = shuffled(simulate_multi_label(120, seed=seed), seed, votes=seed == 1)
    found = gain(rows, cross_fitted(BestSingle, rows, folds), cross_fitted(SEVERAL[rung], rows, folds))
    assert found.mean <= 2 * found.standard_error


def calibrated(name):
    def make():
        rung = BestSingle()
        rung.calibrator = name
        return rung

    return make


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [None, "temperature", "vector"])
def test_with_shuffled_gold_no_calibrator_gains_anything(simulate, name, seed):
    """Over knowing nothing but how frequent the labels are."""
    rows, folds = shuffled(simulate(120, seed=seed), seed)
    found = gain(rows, label_shares(rows, folds), cross_fitted(calibrated(name), rows, folds))
    assert found.mean <= 2 * found.standard_error


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [None, *CALIBRATORS])
def test_with_shuffled_gold_of_several_labels_no_calibrator_gains_anything(simulate_multi_label, name, seed):
    rows, folds = shuffled(simulate_multi_label(120, seed=seed), seed)
    found = gain(rows, label_shares(rows, folds), cross_fitted(calibrated(name), rows, folds))
    assert found.mean <= 2 * found.standard_error


@pytest.mark.parametrize("seed", SEEDS)
def test_with_shuffled_gold_deferral_gains_nothing_over_asking_at_random(simulate, seed):
    """A ranking that was learned from noise asks no better than chance."""
    rows, folds = shuffled(simulate(150, seed=seed), seed)
    free = cross_fitted(BestSingle, rows.only(["encoder"]), folds)
    fused = cross_fitted(LogLinearPool, rows, folds)
    options = {"multi_label": False, "metric": "accuracy"}
    ranking = cross_fitted_ranking(free, fused, rows.gold, rows.clusters, **options)
    curve = cost_curve(free, fused, ranking, rows.gold, rows.clusters, shares=(0.2, 0.5), **options)
    assert [point.over_random.low <= 0 for point in curve.points[1:-1]] == [True, True]


def test_differences_are_paired(simulate):
    """Two candidates that err on the same rows are told apart where their means are not."""
    simulation = simulate(200)
    rows = fusion_rows({"encoder": simulation.source(1.0)}, simulation.gold)
    comparison = Comparison(rows, np.zeros(200, dtype=np.int16), "accuracy")
    losses = simulation.rng.exponential(size=200)
    comparison.losses = {"simple": losses, "better": losses - 0.02}
    unpaired = np.hypot(losses.std(ddof=1), losses.std(ddof=1)) / np.sqrt(200)
    assert unpaired > 0.02
    assert comparison.difference("simple", "better").standard_error < 0.001
    assert comparison.simplest_near_best() == "better"


def test_copies_of_a_text_are_one_piece_of_evidence(simulate):
    """A hundred rows of ten texts know as much as ten."""
    simulation = simulate(200)
    rows = fusion_rows({"encoder": simulation.source(1.0)}, simulation.gold, groups=np.arange(200) // 10)
    comparison = Comparison(rows, np.zeros(200, dtype=np.int16), "accuracy")
    each = np.repeat(simulation.rng.normal(size=20), 10)
    comparison.losses = {"simple": np.zeros(200), "better": -each}
    apart = paired_difference(np.zeros(200), -each)
    assert comparison.difference("simple", "better").standard_error > 2.5 * apart.standard_error


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "micro_f1", "log_loss"])
def test_the_headline_that_the_gate_guards_is_the_metric(simulate, metric):
    """For one label per text, accuracy and micro-F1 are the same."""
    simulation = simulate(200)
    rows = fusion_rows({"encoder": simulation.source(1.0), "llm": simulation.source(2.0)}, simulation.gold)
    comparison = Comparison(rows, assign_folds(rows.gold, 5), metric)
    comparison.add("pooling", cross_fitted(LogLinearPool, rows, comparison.folds))
    comparison.add("reference", cross_fitted(BestSingle, rows.only(["encoder"]), comparison.folds), as_reference=True)
    gate = comparison.gate("pooling", "best_single", wanted="pooling")
    assert gate.passed
    assert gate.metric == metric
    assert (gate.metric_gain > 0.1) or metric == "log_loss"
    assert (gate.metric_gain == pytest.approx(gate.gain)) == (metric == "log_loss")
    assert REFERENCE in comparison.losses


def test_rows_that_no_fold_holds_out_decide_nothing(simulate):
    """They were learned from every time."""
    simulation = simulate(60)
    rows = fusion_rows({"encoder": simulation.source(1.0)}, simulation.gold)
    folds = assign_folds(rows.gold, 5)
    folds[:10] = -1
    comparison = Comparison(rows, folds, "accuracy")
    comparison.add("best_single", cross_fitted(BestSingle, rows, folds))
    assert len(comparison.losses["best_single"]) == 50
    assert np.isnan(comparison.held_out["best_single"][:10]).all()
