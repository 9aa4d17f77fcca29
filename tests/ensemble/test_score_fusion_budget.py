"""ScoreFusion under a budget: each text is decided by itself, counts are exact, and answers follow the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclassify import ScoreFusion
from textclassify.core.scales import Status
from textclassify.ensemble.deferring.asking import as_if_asked
from textclassify.errors import ConfigError, ScoresError


def sources_of(simulation):
    return {"encoder": simulation.source(1.0), "llm": simulation.source(1.8)}


@pytest.fixture(scope="module")
def fusion(simulate, pools):
    simulation = simulate(200)
    return ScoreFusion(rungs=pools, random_state=1).fit(sources_of(simulation), simulation.gold)


@pytest.fixture(scope="module")
def new(simulate):
    return simulate(300, seed=1)


@pytest.fixture(scope="module")
def fresh(new):
    return sources_of(new)


shares = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0]))


@settings(max_examples=25)
@given(share=shares, rows=st.lists(st.integers(0, 299), min_size=1, max_size=20))
def test_whether_a_text_is_asked_about_depends_on_its_own_scores_alone(fusion, fresh, share, rows):
    """A share is a threshold: neighbours, their number and their order change nothing."""
    free = {"encoder": fresh["encoder"]}
    some = {"encoder": fresh["encoder"].take(rows)}
    assert np.array_equal(fusion.rows_to_ask(some, share), fusion.rows_to_ask(free, share)[rows])


@settings(max_examples=25)
@given(one=shares, other=shares)
def test_a_larger_share_asks_about_no_text_less(fusion, fresh, one, other):
    """Zero asks about none and one about all."""
    smaller, larger = (fusion.rows_to_ask({"encoder": fresh["encoder"]}, share) for share in sorted((one, other)))
    assert (smaller <= larger).all()
    assert smaller.any() <= (min(one, other) > 0)
    assert not fusion.rows_to_ask(fresh, 0.0).any()
    assert fusion.rows_to_ask(fresh, 1.0).all()


@settings(max_examples=25)
@given(calls=st.integers(0, 400), rows=st.integers(1, 300))
def test_a_number_of_calls_is_spent_exactly(fusion, fresh, calls, rows):
    """On the texts that a share would ask about first."""
    free = {"encoder": fresh["encoder"].take(slice(0, rows))}
    mask = fusion.rows_to_ask(free, calls)
    assert mask.sum() == min(calls, rows)
    assert (mask <= fusion.rows_to_ask(free, calls + 1)).all()


def test_a_share_is_about_that_share_of_texts_like_those_learned_from(fusion, fresh):
    """Fixed at fit time, so that of these very texts it can be a few more or less."""
    for share in (0.1, 0.3, "50%", 0.8):
        expected = 0.5 if share == "50%" else share
        assert fusion.rows_to_ask(fresh, share).mean() == pytest.approx(expected, abs=0.1)


def test_who_is_asked_is_told_by_the_free_scores(fusion, fresh, without):
    """The language model's own scores are not known yet, and must not help."""
    gone = {**fresh, "llm": without(fresh["llm"], np.arange(300))}
    alone = fusion.rows_to_ask({"encoder": fresh["encoder"]}, 0.3)
    assert np.array_equal(fusion.rows_to_ask(fresh, 0.3), alone)
    assert np.array_equal(fusion.rows_to_ask(gone, 0.3), alone)
    with pytest.raises(ScoresError, match="pass those of encoder"):
        fusion.rows_to_ask({"llm": fresh["llm"]}, 0.3)


def test_a_prediction_within_a_budget_passes_over_what_was_not_bought(fusion, fresh):
    """What a language model says of other texts may be there already, and must not leak in."""
    asked = fusion.rows_to_ask(fresh, 0.25)
    result = fusion.predict(fresh, llm_budget=0.25)
    plain = fusion.predict(as_if_asked(fresh, frozenset({"llm"}), asked))
    assert result.scores.equals(plain.scores)
    assert result.metadata["asked"] == asked.sum()
    assert (result.sources["llm"].status[~asked] == Status.NOT_CALLED).all()
    assert "asked" not in plain.metadata


def test_money_is_spent_by_the_price_of_each_call(fusion, fresh):
    """One price for all, or one for each text."""
    prices = np.where(np.arange(300) % 2, 0.01, 0.03)
    assert fusion.rows_to_ask(fresh, "$0.50", cost_per_call=0.01).sum() == 50
    spent = prices[fusion.rows_to_ask(fresh, "$0.50", cost_per_call=prices)].sum()
    assert 0.47 < spent <= 0.50 + 1e-9
    with pytest.raises(ConfigError, match="needs a price"):
        fusion.rows_to_ask(fresh, "$0.50")
    with pytest.raises(ConfigError, match="needs a price"):
        fusion.predict(fresh, llm_budget="$0.50")


def test_asking_under_a_budget_beats_asking_at_random(fusion, new, fresh):
    """Or a coin would do."""
    right = np.array(new.gold)

    def correct(mask):
        return np.mean(np.array(fusion.predict(as_if_asked(fresh, frozenset({"llm"}), mask))) == right)

    chosen = fusion.rows_to_ask(fresh, 90)
    random = [correct(np.random.default_rng(seed).permutation(chosen)) for seed in range(5)]
    assert correct(chosen) > max(random)


def test_the_curve_ends_at_the_quality_without_and_with_the_language_model(fusion, new, fresh):
    """Between them lie the shares that a budget can buy."""
    right = np.array(new.gold)
    curve = fusion.cost_curve(fresh, new.gold, cost_per_call=0.01)
    free = fusion.predict({"encoder": fresh["encoder"]})
    assert curve["quality"].iloc[0] == pytest.approx(np.mean(np.array(free) == right))
    assert curve["quality"].iloc[-1] == pytest.approx(np.mean(np.array(fusion.predict(fresh)) == right))
    assert curve["share"].is_monotonic_increasing
    assert {"kept", "kept_low", "kept_high", "random", "max_entropy"} <= set(curve.columns)


def test_copies_of_a_text_are_one_call_and_get_one_answer(simulate, pools):
    """They are told apart by nothing that the language model sees."""
    from dataclasses import replace

    simulation = simulate(100)
    sources = {
        name: replace(one, row_ids=np.arange(100, dtype=np.uint64)) for name, one in sources_of(simulation).items()
    }
    fusion = ScoreFusion(rungs=pools).fit(sources, simulation.gold)
    twice = {name: one.take(np.tile(np.arange(100), 2)) for name, one in sources.items()}
    mask = fusion.rows_to_ask(twice, 30)
    assert mask.sum() == 60
    assert np.array_equal(mask[:100], mask[100:])


def test_saved_and_loaded_it_asks_about_the_same_texts(fusion, fresh, tmp_path):
    """Also in decisions about money."""
    fusion.save(tmp_path / "fusion")
    loaded = ScoreFusion.load(tmp_path / "fusion")
    for budget in (0.3, 40, "$0.2"):
        given = {"cost_per_call": 0.01}
        assert np.array_equal(loaded.rows_to_ask(fresh, budget, **given), fusion.rows_to_ask(fresh, budget, **given))
    assert loaded.predict(fresh, llm_budget=0.3).scores.equals(fusion.predict(fresh, llm_budget=0.3).scores)
    assert loaded.cost_curve(fresh, ["a"] * 300).equals(fusion.cost_curve(fresh, ["a"] * 300))


@pytest.mark.parametrize("metric", ["micro_f1", "subset_accuracy"])
def test_several_labels_are_asked_about_by_the_same_rules(simulate_multi_label, pools, metric):
    train, test = simulate_multi_label(150), simulate_multi_label(100, seed=1)
    fusion = ScoreFusion(rungs=pools, metric=metric).fit(sources_of(train), train.gold)
    fresh = sources_of(test)
    mask = fusion.rows_to_ask(fresh, 0.4)
    assert 0.2 < mask.mean() < 0.6
    assert np.array_equal(fusion.rows_to_ask({"encoder": fresh["encoder"].take([7])}, 0.4), mask[[7]])
    assert fusion.rows_to_ask(fresh, 13).sum() == 13
    everywhere = fusion.predict(fresh)
    assert np.array_equal(fusion.predict(fresh, llm_budget=0.4).to_indicator()[mask], everywhere.to_indicator()[mask])


def test_where_nobody_is_worth_asking_nobody_is(simulate, pools):
    """Whatever the budget; and the answers are those of the free source."""
    simulation = simulate(150)
    sources = {"encoder": simulation.source(2.0), "llm": simulation.source(0.0)}
    fusion = ScoreFusion(rungs=pools).fit(sources, simulation.gold)
    for budget in (1.0, 100, "$3"):
        assert not fusion.rows_to_ask(sources, budget).any()
    assert fusion.predict(sources, llm_budget=1.0).scores.equals(fusion.predict({"encoder": sources["encoder"]}).scores)
    assert fusion.training_curve() is None
