"""The ladder's rules: cross-fitted losses, the simplest near the best, the price of a source, the gate's objections."""

import numpy as np
import pytest

from textclassify.ensemble.combining.comparison import Comparison, cross_fitted
from textclassify.ensemble.combining.ladder import Ladder
from textclassify.ensemble.combining.rows import fusion_rows
from textclassify.ensemble.mlp import PublishedMLP, ResidualMLP
from textclassify.ensemble.pooling import BestSingle, LogLinearPool, VectorScalingPool
from textclassify.statistics.folds import assign_folds

RUNGS = [LogLinearPool, VectorScalingPool]


def rows_of(simulation, **sources):
    return fusion_rows(sources, simulation.gold)


def ladder(rungs=RUNGS):
    return Ladder(rungs, frozenset({"llm"}), "accuracy")


def test_cross_fitted_scores_come_from_steps_that_did_not_see_the_row(simulate):
    """A step that memorises its rows shows nothing of it."""

    class Memory:
        def fit(self, rows):
            self.seen = set(rows.sources["encoder"].row_ids.tolist())
            return self

        def scores(self, sources, embeddings=None):
            known = np.isin(sources["encoder"].row_ids, list(self.seen))
            return np.where(known[:, None], 1.0, 0.0) * np.ones((len(known), 4))

    simulation = simulate(40)
    from dataclasses import replace

    source = replace(simulation.source(1.0), row_ids=np.arange(40))
    rows = rows_of(simulation, encoder=source)
    folds = assign_folds(rows.gold, 5, rows.clusters)
    assert not cross_fitted(Memory, rows, folds)[folds >= 0].any()


def test_of_rungs_within_one_standard_error_the_simplest_is_taken(simulate):
    simulation = simulate(60)
    rows = rows_of(simulation, encoder=simulation.source(1.0))
    comparison = Comparison(rows, np.zeros(60, dtype=np.int16), "accuracy")
    noise = np.resize([1.0, -1.0], 60)
    comparison.losses = {"simple": 1.0 + 0.2 * noise, "complex": np.full(60, 0.99)}
    assert comparison.simplest_near_best() == "simple"
    comparison.losses["complex"] = 0.5 + 0.2 * noise
    assert comparison.simplest_near_best() == "complex"


def test_the_gate_rarely_opens_for_noise(simulate):
    """A second source without any signal is deployed far less often than a coin toss."""
    opened = 0
    for seed in range(40):
        simulation = simulate(150, seed=seed)
        rows = rows_of(simulation, encoder=simulation.source(1.5), llm=simulation.source(0.0))
        opened += ladder([LogLinearPool]).fit(rows).report.gate.passed
    assert opened <= 8


def test_a_gain_in_log_loss_that_costs_accuracy_does_not_pass(simulate):
    simulation = simulate(200)
    rows = rows_of(simulation, encoder=simulation.source(1.0), llm=simulation.source(1.0))
    comparison = Comparison(rows, np.zeros(200, dtype=np.int16), "accuracy")
    sure = np.log(np.where(np.eye(4)[simulation.codes] == 1, 0.4, 0.2))
    wrong = np.roll(sure, 1, axis=1)
    comparison.add("pooling", wrong)
    comparison.add("reference", sure, as_reference=True)
    comparison.losses["pooling"] = comparison.reference_losses - 0.5
    gate = comparison.gate("pooling", "best_single", wanted="pooling")
    assert not gate.passed
    assert "accuracy falls" in gate.outcome


def test_a_source_that_repeats_another_is_left_out(simulate):
    """One nat is the price of a source (Akaike 1974)."""
    simulation = simulate(200)
    source = simulation.source(1.5)
    pool = LogLinearPool().fit(rows_of(simulation, encoder=source, linear=source))
    assert len(pool.needs) == 1


def test_without_a_gain_the_best_single_source_is_deployed_and_the_pool_reported(simulate):
    """The report still says what the pool would have been."""
    simulation = simulate(200)
    fitted = ladder().fit(rows_of(simulation, encoder=simulation.source(2.0), llm=simulation.source(0.1)))
    assert isinstance(fitted.combiner, BestSingle)
    assert fitted.report.pool_weights["encoder"] > 0.5
    assert fitted.report.gate.outcome.startswith("not passed")


def test_rungs_that_need_more_rows_are_not_tried(simulate):
    simulation = simulate(40)
    report = ladder().fit(rows_of(simulation, encoder=simulation.source(1.0), llm=simulation.source(1.0))).report
    assert [rung.rung for rung in report.rungs] == ["best_single", "pooling"]


def test_the_report_becomes_a_table(simulate):
    simulation = simulate(100)
    report = ladder().fit(rows_of(simulation, encoder=simulation.source(1.0), llm=simulation.source(1.0))).report
    table = report.to_pandas()
    assert list(table["rung"]) == ["best_single", "pooling", "vector_scaling"]
    assert table["log_loss"].min() == pytest.approx(table["log_loss"][table["behind_best"] == 0].iloc[0])


@pytest.mark.parametrize("rung", [BestSingle, LogLinearPool, VectorScalingPool, ResidualMLP, PublishedMLP])
def test_every_rung_scores_in_fitting_as_in_prediction(simulate, rung):
    """What is learned from and what is deployed on must be the same numbers; in-sample, every rung beats chance."""
    simulation = simulate(150)
    rows = rows_of(simulation, encoder=simulation.source(2.0), llm=simulation.votes(0.6))
    scores = rung().fit(rows).scores(rows.sources)
    assert np.mean(scores.argmax(axis=1) == rows.gold) > 0.75
    assert np.allclose(np.exp(scores).sum(axis=1), 1)
