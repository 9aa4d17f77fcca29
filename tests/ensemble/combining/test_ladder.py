"""The ladder's rules: cross-fitted losses, the simplest near the best, the price of a source, the gate's objections."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from textclassify import Scores
from textclassify.ensemble.combining.comparison import REFERENCE, Comparison, cross_fitted, row_losses
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

        def scores(self, sources, embeddings=None):  # noqa: ARG002 - a step's arguments
            known = np.isin(sources["encoder"].row_ids, list(self.seen))
            return np.where(known[:, None], 1.0, 0.0) * np.ones((len(known), 4))

    simulation = simulate(40)
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
    comparison.losses["pooling"] = comparison.losses[REFERENCE] - 0.5
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


def test_a_source_that_is_noise_is_not_asked_and_one_that_complements_is(simulate):
    """Over several seeds: the gate is there to tell these apart."""
    for seed in range(3):
        simulation = simulate(100, seed=seed)
        encoder = simulation.expert([0, 1])
        noise = rows_of(simulation, encoder=encoder, llm=simulation.source(0.0))
        complement = rows_of(simulation, encoder=encoder, llm=simulation.expert([2, 3]))
        assert ladder(RUNGS[:1]).fit(noise).combiner.needs == ("encoder",)
        assert ladder(RUNGS[:1]).fit(complement).combiner.needs == ("encoder", "llm")


def test_a_small_gain_on_every_row_passes_where_an_unpaired_rule_sees_none(simulate):
    """Losses differ a hundred times more between texts than between candidates: pairing is what shows the gain."""
    simulation = simulate(300)
    rows = rows_of(simulation, encoder=simulation.source(1.0), llm=simulation.source(0.5))
    fitted = ladder([LogLinearPool]).fit(rows)
    gate = fitted.report.gate
    folds = assign_folds(rows.gold, 5, rows.clusters)
    losses = [row_losses(rows, cross_fitted(kind, rows, folds)) for kind in (BestSingle, LogLinearPool)]
    unpaired = np.hypot(*(one.std(ddof=1) for one in losses)) / np.sqrt(300)
    assert gate.passed
    assert gate.gain < unpaired
    assert gate.gain > gate.standard_error


def test_rows_without_a_language_models_scores_teach_what_could_be_had_for_less(simulate):
    """The reference is the fusion of all the rows that cost nothing, not of those that were paid for."""
    simulation = simulate(300)
    free = {"encoder": simulation.source(1.5), "linear": simulation.source(1.2)}
    everything = rows_of(simulation, **free, llm=simulation.source(0.4))
    asked, others = everything.take(np.arange(60)), everything.take(np.arange(60, 300)).only(list(free))
    with_them = replace(ladder(RUNGS[:1]), unasked=others).fit(asked)
    without_them = ladder(RUNGS[:1]).fit(asked)
    assert with_them.without_llm.report.n_rows == 300
    assert without_them.without_llm.report.n_rows == 60
    assert with_them.report.n_rows == 60
    gains = [fitted.report.gate.gain for fitted in (with_them, without_them)]
    assert gains[0] < gains[1]


def test_what_answers_for_less_is_a_fusion_of_the_free_sources(simulate):
    """Not the best single source, where two free ones fuse."""
    simulation = simulate(300)
    sources = {"encoder": simulation.source(1.2), "linear": simulation.source(1.2), "llm": simulation.source(0.0)}
    fitted = ladder(RUNGS[:1]).fit(rows_of(simulation, **sources))
    assert fitted.report.gate.reference == "without_llm"
    assert not fitted.report.gate.passed
    assert fitted.combiner.needs == ("encoder", "linear")


def test_forced_it_deploys_whatever_the_gate_would_say(simulate):
    """A combiner that was asked for by name is what answers."""
    simulation = simulate(150)
    rows = rows_of(simulation, encoder=simulation.source(2.0), llm=simulation.source(0.0))
    fitted = replace(ladder([VectorScalingPool]), forced=True).fit(rows)
    assert fitted.combiner.rung == "vector_scaling"
    assert fitted.report.gate is None
    assert np.isfinite(fitted.held_out).all()


def test_the_seed_and_nothing_else_decides(simulate):
    """Twice the same rows, twice the same combiner and report."""
    simulation = simulate(150)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.votes(0.6)}
    first, second = (ladder().fit(rows_of(simulation, **sources)) for _ in range(2))
    assert first.report == second.report
    assert np.array_equal(first.held_out, second.held_out)


def test_too_few_rows_learn_nothing_and_say_so(simulate):
    """Nine rows, or one label alone, hold nothing out."""
    simulation = simulate(60)
    few = rows_of(simulate(9), encoder=simulate(9).source(1.0), llm=simulate(9).source(1.0))
    one = fusion_rows({"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}, ["a"] * 60)
    for rows in (few, one):
        fitted = ladder().fit(rows)
        assert fitted.combiner.rung == "prior_pool"
        assert fitted.held_out is None
        assert "nothing could be learned" in str(fitted.report)


def test_rows_of_two_groups_are_learned_from_with_all_rungs(simulate):
    """Each network's training part is one group: it cannot be stopped on another, and must not be lost for that."""
    simulation = simulate(240)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}
    rows = fusion_rows(sources, simulation.gold, groups=np.arange(240) % 2)
    assert np.isfinite(ladder([LogLinearPool, ResidualMLP]).fit(rows).report.log_loss)


def test_folds_of_all_free_rows_and_folds_of_the_asked_ones_need_not_agree(monkeypatch):
    """A row that always trains where rare labels come together is held out of nothing there: no reason to fail."""
    rng = np.random.default_rng(5)
    gold = np.zeros((120, 20), dtype=np.int64)
    gold[:, :4] = rng.random((120, 4)) < 0.2
    order = np.r_[np.arange(4), 4 + rng.permutation(16)]
    for triple in range(4):  # three rows with one label in common, each with a rarer one of its own
        rows = rng.choice(120, 6, replace=False)
        common, *own = order[4 + 4 * triple : 8 + 4 * triple]
        gold[rows[:3], common] = 1
        gold[np.concatenate([rows[:3], rows[3:]]), np.tile(own, 2)] = 1
    asked = np.sort(rng.permutation(120)[:90])
    odds = (2 * gold - 1)[None] + np.array([1.0, 1.0, 2.0])[:, None, None] * rng.normal(size=(3, 120, 20))
    names = [f"label {number:02}" for number in range(20)]
    sources = {
        name: Scores.from_probabilities(expit(one), names, multi_label=True)
        for name, one in zip(("encoder", "linear", "llm"), odds, strict=True)
    }
    rows = fusion_rows(sources, gold)
    others = rows.take(np.setdiff1d(np.arange(120), asked)).only(["encoder", "linear"])
    monkeypatch.setattr("textclassify.ensemble.combining.ladder.NESTED_BELOW", 0)  # as with 2,000 rows
    fitted = replace(Ladder([LogLinearPool], frozenset({"llm"}), "log_loss"), unasked=others).fit(rows.take(asked))
    assert np.isfinite(fitted.report.log_loss)
