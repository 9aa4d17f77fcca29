"""What is promised is kept, under the policy that it was promised for, or refused before anybody is asked."""

from contextlib import suppress
from copy import copy

import numpy as np
import pytest

from textclassify import ScoreFusion, load
from textclassify.core.scales import Status
from textclassify.ensemble.answering import without_rows
from textclassify.ensemble.policy import Policy, guarded, n_asked, shift_of
from textclassify.errors import ConfigError, DataError


def sources_of(simulation):
    return {"encoder": simulation.source(1.0), "llm": simulation.source(1.8)}


@pytest.fixture(scope="module")
def fusion(simulate, pools):
    simulation, guard = simulate(200), simulate(400, seed=4)
    fitted = ScoreFusion(rungs=pools).fit(sources_of(simulation), simulation.gold)
    fitted.guard_with(sources_of(guard), guard.gold)
    return fitted


@pytest.fixture(scope="module")
def new(simulate):
    return simulate(600, seed=2)


@pytest.fixture(scope="module")
def fresh(new):
    return sources_of(new)


@pytest.mark.parametrize("options", [{}, {"method": "aps"}, {"class_conditional": True}, {"llm_budget": 0.3}])
def test_sets_hold_the_right_label_as_often_as_promised(fusion, simulate, options):
    """On average over guards; one guard of 200 rows alone may be off by several points."""
    held = []
    for seed in range(20):
        guard, test = simulate(200, seed=100 + seed), simulate(300, seed=500 + seed)
        one = copy(fusion)
        one.guard_with(sources_of(guard), guard.gold)
        sets = one.predict_set(sources_of(test), 0.1, **options)
        held.append(sets.indicator[np.arange(300), test.codes].mean())
    error = np.std(held, ddof=1) / np.sqrt(20)
    assert 0.9 - 2.5 * error <= np.mean(held) <= (0.93 if options.get("method") != "aps" else 1.0)


def test_the_risk_among_accepted_answers_is_bounded_as_often_as_promised(fusion, simulate):
    """With 90% confidence at most one guard in ten may break the promise, give or take chance."""
    broken, shares = 0, []
    for seed in range(30):
        guard, test = simulate(250, seed=100 + seed), simulate(2000, seed=500 + seed)
        one = copy(fusion)
        one.guard_with(sources_of(guard), guard.gold)
        result = one.predict(sources_of(test), max_risk=0.1, confidence=0.9)
        accepted = result.status == Status.OK
        broken += np.mean(result.codes[accepted] != test.codes[accepted]) > 0.1
        shares.append(accepted.mean())
    assert broken <= 6
    assert np.mean(shares) > 0.3


def test_a_promise_made_with_the_language_model_is_not_given_for_texts_that_lack_its_scores(fusion, new, fresh):
    """An outage must not turn 90% into 60% in silence: such texts get what the guard shows without it, or nothing."""
    alone = {"encoder": fresh["encoder"]}
    with suppress(DataError, ConfigError):
        sets = fusion.predict_set(alone, 0.1)
        assert sets.indicator[np.arange(600), new.codes].mean() > 0.86
    with suppress(DataError, ConfigError):
        result = fusion.predict(alone, max_risk=0.15)
        accepted = result.status == Status.OK
        assert not accepted.any() or np.mean(result.codes[accepted] != new.codes[accepted]) <= 0.15


def test_what_is_withheld_has_no_label_and_says_that_it_was_withheld(fusion, new, fresh):
    """Its scores stay; what is accepted is as before."""
    plain, result = fusion.predict(fresh), fusion.predict(fresh, max_risk=0.05)
    withheld = result.status == Status.ABSTAINED
    assert 0 < withheld.sum() < 600
    assert [answer is None for answer in result.predictions] == withheld.tolist()
    assert (result.codes[~withheld] == plain.codes[~withheld]).all()
    assert result.scores.equals(plain.scores)
    assert result.confidence[~withheld].min() > plain.confidence[withheld].max()
    assert "At most 5.0% of the accepted answers are wrong, promised with 95%" in result.metadata["guarantee"]
    assert np.mean(plain.codes[~withheld] != new.codes[~withheld]) <= 0.05


def test_a_guarantee_is_made_under_the_budget_that_it_is_sold_with(fusion, fresh):
    """Without the language model answers are less sure: its guard rows must lack it, too."""
    rows = guarded(fusion, Policy(0.3))
    asked = fusion.rows_to_ask(fusion.guard_.sources, 0.3)
    assert np.array_equal(rows.sources["llm"].answered, asked)
    assert guarded(fusion, Policy()) is fusion.guard_
    risk = {"max_risk": 0.15, "confidence": 0.9}
    nowhere, everywhere = (fusion.predict(fresh, llm_budget=share, **risk) for share in (0.0, 1.0))
    assert (nowhere.status == Status.ABSTAINED).mean() > (everywhere.status == Status.ABSTAINED).mean() + 0.2
    assert fusion.predict_set(fresh, llm_budget=0.0).sizes.mean() > fusion.predict_set(fresh).sizes.mean() + 0.3


@pytest.mark.parametrize("budget", [50, "50 calls", "$1"])
def test_no_promise_is_made_under_a_budget_that_depends_on_the_other_texts(fusion, fresh, budget):
    """The guard's rows and the texts would be asked about by different rules."""
    with pytest.raises(ConfigError, match="give llm_budget as a share"):
        fusion.predict(fresh, llm_budget=budget, max_risk=0.1, cost_per_call=0.01)
    with pytest.raises(ConfigError, match="give it as a share"):
        fusion.predict_set(fresh, llm_budget=budget)


def test_no_promise_is_made_for_other_label_shares(fusion, fresh):
    with pytest.raises(ConfigError, match="max_risk and label_shift exclude each other"):
        fusion.predict(fresh, max_risk=0.1, label_shift=True)


def test_what_the_guard_cannot_support_names_the_rows_that_could(fusion, fresh, simulate, pools):
    """One wrong answer in two hundred thousand cannot be shown on four hundred rows."""
    with pytest.raises(DataError, match=r"[0-9,]+ .*rows"):
        fusion.predict(fresh, max_risk=0.000005)
    with pytest.raises(DataError, match="at least 1,000 rows"):
        ScoreFusion(rungs=pools).fit(fresh, simulate(600, seed=2).gold).predict(fresh, max_risk=0.1)


@pytest.fixture(scope="module")
def ensemble(messages):
    """Of 1,050 messages 210 guard; the language model was asked about 90 of the others."""
    return messages(1050).fusion(messages(200, seed=1), guard=0.2, fusion_rows=90)


def test_metrics_are_of_accepted_answers_and_name_their_share(ensemble, messages):
    """An accuracy that leaves out half of the texts must say so."""
    new = messages(200, seed=1)
    result = ensemble.predict(new.texts, new.gold, max_risk=0.05, llm_budget=0.2)
    accepted = result.status == Status.OK
    figures = result.metadata["metrics"]
    right = [answer == gold for answer, gold in zip(result.predictions, new.gold, strict=True)]
    assert 0.3 < accepted.mean() < 1
    assert figures["coverage"] == pytest.approx(accepted.mean())
    assert figures["accuracy"] == pytest.approx(np.mean(np.array(right)[accepted]))


def test_a_count_is_refused_with_a_guarantee_before_anything_is_asked(ensemble, messages):
    ensemble.sources_["llm"].asked.clear()
    texts = messages(200, seed=1).texts
    with pytest.raises(ConfigError, match="give llm_budget as a share"):
        ensemble.predict(texts, llm_budget=50, max_risk=0.1)
    with pytest.raises(ConfigError, match="as a share"):
        ensemble.predict_set(texts, llm_budget=50)
    with pytest.raises(ConfigError, match="exclude each other"):
        ensemble.predict(texts, label_shift=True, max_risk=0.1)
    assert ensemble.sources_["llm"].asked == []


def test_saved_and_loaded_it_promises_the_same(ensemble, messages, tmp_path):
    """The guard is saved: nobody has to be asked about it again."""
    new = messages(200, seed=1)
    ensemble.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    for options in ({"max_risk": 0.1}, {"max_risk": 0.1, "llm_budget": 0.4}, {"llm_budget": 30}):
        before, after = (one.predict(new.texts, **options) for one in (ensemble, loaded))
        assert np.array_equal(after.scores.values, before.scores.values)
        assert np.array_equal(after.status, before.status)
        assert after.metadata.get("guarantee") == before.metadata.get("guarantee")
    assert list(loaded.predict_set(new.texts)) == list(ensemble.predict_set(new.texts))


def test_sets_of_texts_hold_the_right_label(ensemble, messages):
    """From texts to sets, within a budget, which asks about no text more than the prediction does."""
    new = messages(200, seed=1)
    ensemble.sources_["llm"].asked.clear()
    sets = ensemble.predict_set(new.texts, 0.1, llm_budget=0.4)
    assert np.mean([gold in one for gold, one in zip(new.gold, sets, strict=True)]) > 0.85
    asked = list(ensemble.sources_["llm"].asked)
    ensemble.sources_["llm"].asked.clear()
    ensemble.predict(new.texts, llm_budget=0.4)
    assert ensemble.sources_["llm"].asked == asked


def test_label_shares_are_re_estimated_on_request(fusion, simulate):
    """Where one label fills most of the corpus, knowing so helps; nobody is told unasked."""
    corpus = simulate(800, seed=3)
    rare = np.isin(corpus.codes, [0, 1]) & (np.arange(800) % 10 != 0)
    kept = np.flatnonzero(~rare)
    fresh = {name: one.take(kept) for name, one in sources_of(corpus).items()}
    plain, shifted = fusion.predict(fresh), fusion.predict(fresh, label_shift=True)
    gold = corpus.codes[kept]
    assert np.mean(shifted.codes == gold) > np.mean(plain.codes == gold) + 0.01
    assert "label shares estimated on" in shifted.metadata["label_shift"]
    assert "label_shift" not in plain.metadata
    shares = shift_of(fusion, plain.scores).priors
    assert shares[:2].sum() == pytest.approx(np.isin(gold, [0, 1]).mean(), abs=0.05)


def test_label_shares_can_be_re_estimated_where_a_label_has_no_training_row(simulate, pools):
    """With 77 labels and 400 rows one often has none; that must not deny it to the other 76."""
    simulation = simulate(120)
    sources, gold = {"encoder": simulation.source(1.5)}, ["a" if one == "d" else one for one in simulation.gold]
    fusion = ScoreFusion(rungs=pools).fit(sources, gold)
    result = fusion.predict(sources, label_shift=True)
    assert np.isfinite(result.probabilities).all()


def test_texts_that_a_language_model_was_asked_about_are_counted_once(fresh):
    """However many language models were asked, and whatever they said."""
    row = np.arange(600)
    first, second = without_rows(fresh["llm"], row < 300), without_rows(fresh["llm"], row >= 100)
    assert n_asked({"encoder": fresh["encoder"], "x": first, "y": second}, frozenset({"x", "y"})) == 400
    assert n_asked({"encoder": fresh["encoder"]}, frozenset({"x"})) == 0
