"""Who is asked under a budget: exactly the texts of the mask, nobody in vain, and nothing before it can be paid."""

from dataclasses import replace
from types import MethodType

import numpy as np
import pytest

from textclassify import FusionEnsemble, LLMClassifier, ScoreFusion
from textclassify.core.scales import Status
from textclassify.errors import ConfigError, DataError
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.token_counts import Range
from textclassify.testing import FixedClassifier, ScriptedChat


@pytest.fixture(scope="module")
def new(messages):
    return messages(60, seed=1)


@pytest.fixture(scope="module")
def fitted(messages, new):
    return messages(90).fusion(new)


@pytest.fixture
def fusion(fitted):
    fitted.sources_["llm"].asked.clear()
    return fitted


def mask(fusion, texts, budget):
    return fusion.fusion_.rows_to_ask(fusion.source_scores(texts, ["free"]), budget)


@pytest.mark.parametrize("budget", [0.3, "40%", 7, "12 calls", 0.0, 1.0, 0])
def test_the_language_model_is_asked_about_the_masks_texts_and_no_others(fusion, new, budget):
    """A call that the mask does not grant would be paid for."""
    fusion.predict(new.texts, llm_budget=budget)
    granted = mask(fusion, new.texts, budget)
    assert fusion.sources_["llm"].asked == [text for text, one in zip(new.texts, granted, strict=True) if one]


def test_asked_texts_get_the_fused_answer_and_the_others_the_one_without_the_language_model(fusion, new):
    """Bit for bit: not an average, not a third combiner."""
    everywhere, nowhere = fusion.predict(new.texts), fusion.predict(new.texts, llm_budget=0.0)
    result, asked = fusion.predict(new.texts, llm_budget=0.3), mask(fusion, new.texts, 0.3)
    assert 0 < asked.sum() < 60
    assert np.array_equal(result.scores.values[asked], everywhere.scores.values[asked])
    assert np.array_equal(result.scores.values[~asked], nowhere.scores.values[~asked])
    assert result.metadata["asked"] == asked.sum()
    assert (result.sources["llm"].status[~asked] == Status.NOT_CALLED).all()


def test_a_number_of_calls_is_spent_to_the_last_one(fusion, new):
    """Exactly so many, whatever the texts; never more than there are."""
    for calls in (1, 17, 60, 1000):
        fusion.sources_["llm"].asked.clear()
        fusion.predict(new.texts, llm_budget=calls)
        assert len(fusion.sources_["llm"].asked) == min(calls, 60)


def test_blank_texts_take_nothing_from_a_number_of_calls(fusion, new):
    """They are never asked about, so they must not use up what was granted."""
    fusion.predict(["", " ", "\n", *new.texts], llm_budget=5)
    assert len(fusion.sources_["llm"].asked) == 5


def test_copies_of_a_text_are_one_call(fusion, new):
    """The answers of a language model are kept; only different texts cost."""
    fusion.predict(new.texts[:3] * 10, llm_budget=2)
    assert len(set(fusion.sources_["llm"].asked)) == 2


def test_calls_go_where_the_free_source_fails(fusion, new):
    """The free source is nearly always right on easy texts."""
    fusion.predict(new.texts, llm_budget=20)
    assert np.mean([text.startswith("hard") for text in fusion.sources_["llm"].asked]) > 0.9


def test_nobody_is_asked_where_the_gate_found_no_value(messages, new):
    """Not under the largest budget either: what is said would change no answer."""
    fusion = messages(90, right_if_hard=0.0).fusion(new)
    fusion.sources_["llm"].answers = {}  # any question would count
    assert fusion.fusion_.needs_ == ("free",)
    for budget in (1.0, 1000, "$5"):
        assert fusion.predict(new.texts, llm_budget=budget).metadata["asked"] == 0
    assert fusion.sources_["llm"].asked == []


def test_money_without_a_price_is_refused_before_anything_is_asked(fusion, new):
    """A cap that cannot be kept must not be half spent when that is found out."""
    with pytest.raises(ConfigError, match="'llm' cannot say what a call costs; pass llm_budget as a share"):
        fusion.predict(new.texts, llm_budget="$1.50")
    assert fusion.sources_["llm"].asked == []


def test_money_for_a_model_of_unknown_price_is_refused_before_anything_is_asked(messages, new, tmp_path):
    """The message names the model whose price is missing."""
    train = messages(90)
    codes = {text: "AB"[int(answer[1] > 0.5)] for text, answer in {**train.paid, **new.paid}.items()}
    chat = ScriptedChat(codes, name="nobody", model="unheard-of")
    llm = LLMClassifier(train.labels, chat=chat, method="hard", cache_dir=tmp_path)
    free = FixedClassifier({**train.free, **new.free}, train.labels, default=[0.5, 0.5])
    fusion = FusionEnsemble({"free": free, "llm": llm}, guard=0, n_folds=2).fit(train.texts, train.gold)
    asked = len(chat.asked)

    with pytest.raises(ConfigError, match="the price of nobody/unheard-of is unknown"):
        fusion.predict(new.texts, llm_budget="$1.50")
    assert len(chat.asked) == asked == 90
    fusion.predict(new.texts, llm_budget=4)
    assert len(chat.asked) == 94


def with_prices(fusion, **estimate):
    """The fusion with a language model that expects its calls to cost a cent each."""

    def expected(_, texts):
        columns = {"cached": 0, "blank": 0, "distinct": len(texts), **estimate}
        cents = 0.01 * (len(texts) - columns["cached"])
        base = Estimate.free(provider="p", model="m", rows=len(texts), blank=columns["blank"])
        return replace(base, cost=Range(0.0, cents, cents), **columns)

    fusion.sources_["llm"].estimate = MethodType(expected, fusion.sources_["llm"])
    return fusion


def test_money_buys_as_many_calls_as_it_pays_for(messages, new):
    fusion = with_prices(messages(90).fusion(new))
    result = fusion.predict(new.texts, llm_budget="$0.25")
    assert len(fusion.sources_["llm"].asked) == 25
    assert np.nansum(result.scores.cost) == pytest.approx(0.25)


def test_money_is_not_overspent_because_some_answers_are_kept(messages, new):
    """Fifty of sixty are free: the other ten still cost a cent each, not a sixth of one."""
    fusion = with_prices(messages(90).fusion(new), cached=50)
    fusion.predict(new.texts, llm_budget="$0.03")
    assert len(fusion.sources_["llm"].asked) <= 3


def test_where_every_source_asks_a_budget_cannot_be_kept(messages, new, paid_classifier):
    """There is nothing else to answer with."""
    train = messages(30)
    llm = paid_classifier({**train.paid, **new.paid}, train.labels)
    fusion = FusionEnsemble({"llm": llm}, guard=0).fit(train.texts, train.gold)
    fusion.sources_["llm"].asked.clear()
    with pytest.raises(ConfigError, match="every source of this fusion asks a language model"):
        fusion.predict(new.texts, llm_budget=0.5)
    assert fusion.sources_["llm"].asked == []


def test_a_budget_is_kept_by_a_fusion_that_learned_nothing(messages, new):
    """Six rows teach nobody whom to ask; the most uncertain are, and no more than was granted."""
    fusion = messages(6).fusion(new)
    fusion.predict(new.texts, llm_budget=5)
    assert fusion.selected_ == "prior_pool"
    assert len(fusion.sources_["llm"].asked) == 5
    assert all(text.startswith("hard") for text in fusion.sources_["llm"].asked)


@pytest.mark.parametrize("budget", ["much", -0.1, 1.5, True, "$-1", [0.2]])
def test_what_is_no_budget_is_refused_before_anything_is_asked(fusion, new, budget):
    """A budget that is read wrongly is money spent."""
    with pytest.raises(ConfigError, match=r"budget|share|calls|money"):
        fusion.predict(new.texts, llm_budget=budget)
    assert fusion.sources_["llm"].asked == []


@pytest.mark.parametrize("options", [{"max_risk": 0.1}, {"max_risk": 0.1, "llm_budget": 0.5}])
def test_a_guarantee_that_nothing_supports_is_refused_before_anything_is_asked(fusion, new, options):
    """Sixty calls are not the price of an error message."""
    with pytest.raises(DataError, match="at least 1,000 rows"):
        fusion.predict(new.texts, **options)
    assert fusion.sources_["llm"].asked == []


@pytest.mark.parametrize("llm_budget", [None, 0.5, 10])
def test_sets_that_nothing_supports_are_refused_before_anything_is_asked(fusion, new, llm_budget):
    with pytest.raises((DataError, ConfigError)):
        fusion.predict_set(new.texts, llm_budget=llm_budget)
    assert fusion.sources_["llm"].asked == []


def test_the_training_curve_knows_the_free_quality_when_only_some_rows_were_asked_about(simulate, pools, without):
    """Rows and their cross-fitted scores must not get out of step: the curve decides what is paid."""
    simulation = simulate(160)
    free = {"encoder": simulation.source(1.2), "linear": simulation.source(1.0)}
    some = without(simulation.source(1.8), np.flatnonzero(simulation.rng.random(160) < 0.5))
    curve = ScoreFusion(rungs=pools[:1]).fit({**free, "llm": some}, simulation.gold).training_curve()
    alone = ScoreFusion(rungs=pools[:1]).fit(free, simulation.gold).predict(free)
    accuracy = np.mean(np.array(alone) == np.array(simulation.gold))
    assert curve.points[0].quality.estimate == pytest.approx(accuracy, abs=0.12)


def test_the_curve_of_a_saved_fusion_is_not_denied(simulate, pools, tmp_path):
    """None would say that nobody is worth asking."""
    simulation = simulate(100)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.source(2.0)}
    fusion = ScoreFusion(rungs=pools).fit(sources, simulation.gold)
    fusion.save(tmp_path / "fusion")
    assert fusion.training_curve() is not None
    assert ScoreFusion.load(tmp_path / "fusion").training_curve() is not None
