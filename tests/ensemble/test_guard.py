"""The guard: rows that nothing is learned from, and what that means for what is learned."""

import numpy as np
import pytest

from textclassify import FusionEnsemble, ScoreFusion, TrainingData
from textclassify.ensemble.guard import MAX_GUARD, guard_rows
from textclassify.errors import ConfigError, DataError
from textclassify.testing import FixedClassifier


def test_it_takes_its_share_and_at_most_a_thousand_rows():
    """More would hardly tighten a bound, and a language model has to be asked about each."""
    assert guard_rows(np.arange(1500), 0.2).sum() == 300
    assert guard_rows(np.arange(20_000), 0.2).sum() == MAX_GUARD
    assert np.array_equal(guard_rows(np.arange(1500)), guard_rows(np.arange(1500)))
    assert not np.array_equal(guard_rows(np.arange(1500)), guard_rows(np.arange(1500), random_state=1))


def test_there_is_none_below_two_hundred_rows():
    """No guarantee is better than one that nothing supports."""
    assert not guard_rows(np.arange(999), 0.2).any()
    assert guard_rows(np.arange(1000), 0.2).sum() == 200
    assert not guard_rows(np.arange(5000), 0.0).any()
    assert not guard_rows(np.zeros(0, dtype=np.int64)).any()


def test_rows_that_belong_together_are_drawn_together():
    """A copy of a guard row in training would make the guard flatter what learned from it."""
    clusters = np.random.default_rng(0).integers(0, 700, 2000)
    drawn = guard_rows(clusters, 0.2)
    assert 350 <= drawn.sum() <= 400
    assert not set(clusters[drawn]) & set(clusters[~drawn])


def test_one_large_group_does_not_cost_the_guard():
    """Five hundred rows of one customer do not fit; the other fifteen hundred do."""
    clusters = np.concatenate([np.zeros(500, dtype=np.int64), np.arange(1, 1501)])
    assert all(guard_rows(clusters, 0.2, random_state=seed).sum() >= 200 for seed in range(40))


def test_only_eligible_rows_are_drawn_and_no_copies_of_others():
    clusters = np.arange(3000) // 2
    eligible = np.arange(3000) % 10 != 0
    drawn = guard_rows(clusters, 0.2, eligible=eligible)
    assert drawn.sum() == 540
    assert eligible[drawn].all()
    assert eligible[np.isin(clusters, clusters[drawn])].all()


@pytest.mark.parametrize("share", [-0.1, 1.0, 3])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ConfigError, match=f"guard={share} is no share"):
        guard_rows(np.arange(2000), share)


@pytest.fixture(scope="module")
def guarded(simulate, pools):
    """A simulation, its sources, and a fusion of them with a guard of 200 rows."""
    simulation = simulate(1000)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.votes(0.7)}
    return simulation, sources, ScoreFusion(rungs=pools, guard=0.2).fit(sources, simulation.gold)


def test_nothing_is_learned_from_its_gold(guarded, pools):
    """Other gold in the guard changes the guarantees and nothing else."""
    simulation, sources, fusion = guarded
    kept = guard_rows(np.arange(1000), 0.2)
    gold = np.array(simulation.gold, dtype=object)
    gold[kept] = np.random.default_rng(0).permutation(gold[kept])
    other = ScoreFusion(rungs=pools, guard=0.2).fit(sources, list(gold))

    assert other.predict_scores(sources).equals(fusion.predict_scores(sources))
    assert other.ladder_report_ == fusion.ladder_report_
    assert np.array_equal(other.rows_to_ask(sources, 0.3), fusion.rows_to_ask(sources, 0.3))
    assert other.predict_set(sources).sizes.mean() > fusion.predict_set(sources).sizes.mean()


def test_nothing_is_learned_from_its_scores(guarded, pools):
    """As if the rows had never been there."""
    simulation, sources, fusion = guarded
    rest = np.flatnonzero(~guard_rows(np.arange(1000), 0.2))
    alone = ScoreFusion(rungs=pools).fit(
        {name: one.take(rest) for name, one in sources.items()}, [simulation.gold[row] for row in rest]
    )
    assert alone.predict_scores(sources).equals(fusion.predict_scores(sources))
    assert alone.guard_ is None
    assert len(fusion.guard_) == 200


def test_without_one_the_error_names_the_rows_it_takes(simulate, pools):
    """A user with 999 rows must learn what would help."""
    simulation = simulate(999)
    sources = {"encoder": simulation.source(1.0)}
    fusion = ScoreFusion(rungs=pools, guard=0.2).fit(sources, simulation.gold)
    for ask in (lambda: fusion.predict(sources, max_risk=0.1), lambda: fusion.predict_set(sources)):
        with pytest.raises(DataError, match=r"guard=0.2 on at least 1,000 rows .* there were 999 rows"):
            ask()


def test_rows_can_be_given_as_guard_later(simulate, pools):
    """Scored by what is deployed, so that they may come from a source fitted on all else."""
    simulation, later = simulate(200, seed=1), simulate(400, seed=2)
    fusion = ScoreFusion(rungs=pools).fit({"encoder": simulation.source(1.5)}, simulation.gold)
    scores = {"encoder": later.source(1.5)}
    before = fusion.predict_scores(scores)
    fusion.guard_with(scores, later.gold)
    assert len(fusion.predict_set(scores)) == 400
    assert fusion.predict_scores(scores).equals(before)


def test_the_guard_of_a_fusion_of_texts_holds_no_row_that_a_ranking_picked(messages):
    """Such rows are hard by design, and would make every promise a wrong one."""
    data = messages(1300)
    chosen_by = np.where(np.arange(1300) % 6 == 0, "ranking", "random")
    rows = TrainingData(data.texts, data.gold, chosen_by=chosen_by)
    fusion = FusionEnsemble({"free": FixedClassifier(data.free, data.labels)}).fit(rows)
    guard = fusion.fusion_.guard_.sources["free"].row_ids
    assert len(guard) >= 200
    assert not np.isin(guard, rows.row_ids[chosen_by == "ranking"]).any()
    assert not np.isin(guard, fusion.training_scores_["free"].row_ids).any()
