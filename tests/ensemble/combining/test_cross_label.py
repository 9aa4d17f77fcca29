"""The rung for labels that depend on each other: what it learns from one label about another, and what it leaves."""

import numpy as np
import pytest
from scipy.special import expit

from textclassify import ScoreFusion, Scores
from textclassify.ensemble.combining.comparison import cross_fitted, row_losses
from textclassify.ensemble.combining.cross_label import CrossLabelPool
from textclassify.ensemble.combining.rows import fusion_rows
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.statistics.folds import assign_folds
from textclassify.statistics.resampling import paired_difference


def related(n, seed=0):
    """Gold in which c comes with a, and sources that know a and b but nothing of c."""
    rng = np.random.default_rng(seed)
    gold = (rng.random((n, 3)) < 0.4).astype(int)
    gold[:, 2] = np.where(rng.random(n) < 0.95, gold[:, 0], gold[:, 2])

    def source():
        odds = 2.0 * (2 * gold - 1) + rng.normal(size=gold.shape)
        odds[:, 2] = rng.normal(size=n)
        return Scores.from_probabilities(expit(odds), "abc", multi_label=True)

    return fusion_rows({"encoder": source(), "llm": source()}, gold)


@pytest.fixture(scope="module")
def fitted():
    return CrossLabelPool().fit(related(400))


def test_a_label_that_comes_with_another_is_read_off_it(fitted):
    """No weight of a label's own scores could: they say nothing."""
    fresh = related(1000, seed=1)
    alone = LogLinearPool().fit(related(400)).scores(fresh.sources)
    scores = fitted.scores(fresh.sources)
    assert ((scores[:, 2] > 0) == fresh.gold[:, 2]).mean() > 0.9
    assert ((alone[:, 2] > 0) == fresh.gold[:, 2]).mean() < 0.7
    assert row_losses(fresh, scores).mean() < row_losses(fresh, alone).mean() - 0.1


@pytest.mark.parametrize("seed", range(3))
def test_with_shuffled_gold_it_gains_nothing_over_the_pool(simulate_multi_label, seed):
    """Forty-eight weights learned from noise must cost nothing on rows that they were not learned from."""
    simulation = simulate_multi_label(150, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(simulation.indicator)
    rows = fusion_rows({"encoder": simulation.source(1.0), "llm": simulation.votes(0.8)}, shuffled)
    folds = assign_folds(rows.gold, 5)
    losses = [row_losses(rows, cross_fitted(kind, rows, folds)) for kind in (LogLinearPool, CrossLabelPool)]
    gain = paired_difference(*losses)
    assert gain.mean <= 2 * gain.standard_error


def test_labels_that_have_nothing_to_do_with_each_other_keep_to_their_own_scores(simulate_multi_label):
    """The strength is chosen on held-out rows: the firmest one here."""
    simulation = simulate_multi_label(300)
    rows = fusion_rows({"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}, simulation.indicator)
    weights = CrossLabelPool().fit(rows).weights_
    across = weights * (1 - np.eye(4))
    assert np.abs(across).max() < 0.1 * weights[:, np.arange(4), np.arange(4)].min()


def test_what_the_pool_leaves_out_stays_out(simulate_multi_label):
    """A source without a weight need not be asked, whatever its scores of other labels would fit."""
    simulation = simulate_multi_label(200)
    noise = Scores.from_probabilities(expit(simulation.rng.normal(size=(200, 4))), simulation.labels, multi_label=True)
    rows = fusion_rows({"encoder": simulation.source(1.5), "llm": noise}, simulation.indicator)
    fitted = CrossLabelPool().fit(rows)
    assert fitted.needs == ("encoder",)
    assert not fitted.weights_[1].any()
    assert fitted.weights()["llm"] == 0
    assert np.array_equal(fitted.scores({"encoder": rows.sources["encoder"]}), fitted.scores(rows.sources))


def test_what_each_source_adds_adds_up(fitted):
    rows = related(50, seed=2)
    parts = fitted.contributions(rows.sources)
    assert set(parts) == {"encoder", "llm", "label bias"}
    assert np.allclose(sum(parts.values()), fitted.scores(rows.sources))


def test_its_state_brings_it_back(fitted):
    rows = related(50, seed=2)
    again = CrossLabelPool().load_state(rows.sources, fitted.state())
    assert np.array_equal(again.scores(rows.sources), fitted.scores(rows.sources))


def test_it_competes_for_multi_label_scores_of_a_hundred_rows_only(simulate, simulate_multi_label):
    def compared(simulation):
        sources = {"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}
        return list(ScoreFusion(rungs=[CrossLabelPool]).fit(sources, simulation.gold).ladder_report_.to_pandas().rung)

    assert compared(simulate_multi_label(100)) == ["best_single", "cross_label"]
    assert compared(simulate_multi_label(99)) == ["best_single"]
    assert compared(simulate(100)) == ["best_single"]


def test_a_fusion_selects_it_where_labels_depend_on_each_other():
    """And what it answers is what was selected."""
    rows, fresh = related(400), related(300, seed=1)
    fusion = ScoreFusion(rungs=[LogLinearPool, CrossLabelPool]).fit(rows.sources, rows.gold)
    assert fusion.selected_ == "cross_label"
    assert (fusion.predict(fresh.sources).to_indicator()[:, 2] == fresh.gold[:, 2]).mean() > 0.9
