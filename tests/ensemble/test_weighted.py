"""WeightedEnsemble: weights as they are given, and learned on rows that no member was trained on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclassify import LinearClassifier, VotingEnsemble, WeightedEnsemble, load
from textclassify.core.model_settings import EnsembleConfig
from textclassify.core.scales import Status
from textclassify.ensemble.honest_answers import HonestAnswers
from textclassify.ensemble.member_weights import learned_weights
from textclassify.errors import ConfigError
from textclassify.testing import FixedClassifier, check_classifier

from .given_members import LABELS, PaidClassifier, member, messages, oracle


def honest(*members, gold, weight=None):
    """What members say of rows, given as probabilities (n, K) each."""
    said = np.array(members, dtype=float)
    gold = np.array(gold)
    names = tuple(f"m{number}" for number in range(len(said)))
    return HonestAnswers(names, said, gold, np.ones(len(gold)) if weight is None else np.array(weight), {})


def test_given_weights_are_those_of_the_mean():
    """Three parts of one and one part of the other."""
    members = {"one": member([0.9, 0.1, 0.0]), "other": member([0.1, 0.5, 0.4])}
    for weights in ({"one": 3, "other": 1}, [0.75, 0.25]):
        ensemble = WeightedEnsemble(members, weights=weights)
        assert ensemble.predict_proba(["0"])[0] == pytest.approx([0.7, 0.2, 0.1], abs=1e-6)
        assert ensemble.weights_ == {"one": 0.75, "other": 0.25}


def test_a_member_that_fails_is_left_out_of_the_mean_of_that_text_only():
    """The others' weights are then divided by their own sum: nothing is guessed for it."""
    members = [member([1, 0, 0], None), member([0, 1, 0], [0, 1, 0]), member(None, [0, 0, 1])]
    found = WeightedEnsemble(members, weights=[1, 1, 3]).predict_proba(["0", "1"])
    assert found == pytest.approx(np.array([[0.5, 0.5, 0], [0, 0.25, 0.75]]), abs=1e-6)


def test_where_nobody_answers_the_status_says_why():
    result = WeightedEnsemble([member(None), member(None)], weights=[1, 2]).predict(["0"])
    assert (result.predictions, result.status.tolist()) == ([None], [Status.FAILED])


def test_a_member_without_weight_is_not_asked():
    idle = member([0, 0, 1])
    assert WeightedEnsemble([member([1, 0, 0]), idle], weights=[1, 0]).predict(["0"]).predictions == ["a"]
    assert idle.asked == []


def test_weights_of_a_configuration_are_in_the_order_of_its_models():
    config = EnsembleConfig("weighted", [member([1, 0, 0]), member([0, 1, 0])], weights=[1, 3])
    assert WeightedEnsemble(config).predict_proba(["0"])[0] == pytest.approx([0.25, 0.75, 0], abs=1e-6)


def test_wrong_weights_are_refused_before_anything_is_trained():
    with pytest.raises(ConfigError, match=r"'lienar' in weights is no member.*did you mean 'linear'"):
        WeightedEnsemble([LinearClassifier()], weights={"lienar": 1}).fit(messages(30))


def test_learned_weights_are_a_distribution_that_favours_who_knows():
    """The oracle knows two labels, the linear model the third; the one that always says the same knows nothing."""
    data = messages(90)
    constant = FixedClassifier({}, LABELS, default=[0.5, 0.3, 0.2])
    members = {"constant": constant, "linear": LinearClassifier(), "oracle": oracle(data)}
    ensemble = WeightedEnsemble(members, n_folds=3).fit(data)
    weights = ensemble.weights_
    assert sum(weights.values()) == pytest.approx(1)
    assert 0 < weights["constant"] < 0.01
    assert min(weights["linear"], weights["oracle"]) > 0.2
    assert ensemble.score(data.texts, data.labels) > 0.95


def test_weights_are_learned_from_rows_that_members_were_not_trained_on():
    """In-sample the linear model knows every text by heart, out of fold these labels are noise to it."""
    data = messages(90)
    noise = [LABELS[code] for code in np.random.default_rng(0).integers(0, 3, 90)]
    knows = dict(zip(data.texts, np.where(np.eye(3)[[LABELS.index(one) for one in noise]] == 1, 0.6, 0.2), strict=True))
    members = {"linear": LinearClassifier(), "knows": FixedClassifier(knows, LABELS)}
    ensemble = WeightedEnsemble(members, n_folds=3).fit(data.texts, noise)
    assert ensemble.weights_["knows"] > 0.8


def test_a_language_model_is_asked_about_fusion_rows_only():
    data = messages(90)
    members = {"linear": LinearClassifier(), "llm": oracle(data, PaidClassifier)}
    ensemble = WeightedEnsemble(members, n_folds=3, fusion_rows=30).fit(data)
    assert len(ensemble.sources_["llm"].asked) <= 30
    assert ensemble.weights_["llm"] > 0


def test_a_language_model_that_adds_nothing_is_not_asked_and_others_stand_in_for_it():
    """A call has to change something; a free member of no use still answers where the others fail."""
    data = messages(60)
    fails_later = FixedClassifier(oracle(data).answers | {"new": None}, LABELS)
    constant = FixedClassifier({}, LABELS, default=[0.5, 0.3, 0.2])
    paid = PaidClassifier({}, LABELS, default=[0.4, 0.4, 0.2])
    ensemble = WeightedEnsemble({"oracle": fails_later, "constant": constant, "llm": paid}).fit(data)
    assert ensemble.weights_["llm"] == 0
    assert not ensemble.asks_llm
    assert ensemble.predict(["new"]).predictions == ["billing"]


def test_a_member_that_failed_on_every_row_gets_no_weight():
    """Nothing is known about it."""
    data = messages(60)
    dead = FixedClassifier(dict.fromkeys(data.texts), LABELS)
    ensemble = WeightedEnsemble({"dead": dead, "linear": LinearClassifier()}, n_folds=2).fit(data)
    assert ensemble.weights_ == {"dead": 0.0, "linear": pytest.approx(1.0)}


def test_without_rows_to_hold_out_the_weights_are_equal(caplog):
    """One row per label: what would be learned from them is not worth having, and the log says so."""
    ensemble = WeightedEnsemble([LinearClassifier(), LinearClassifier(C=1.0)]).fit(["good", "bad"], ["a", "b"])
    assert ensemble.weights_ == {"linear": 0.5, "linear_2": 0.5}
    assert "nothing is learned on top" in caplog.text


def test_the_weights_are_those_of_the_largest_likelihood():
    """Found by trying all of them, with the prior that they are shrunk by."""
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 400)
    told = [0.5 + 0.35 * (2 * (rng.random(400) < right) - 1) for right in (0.9, 0.75)]
    said = [np.column_stack([np.where(gold == 0, one, 1 - one), np.where(gold == 0, 1 - one, one)]) for one in told]
    tried = np.linspace(0.001, 0.999, 999)
    losses = [-np.log(w * told[0] + (1 - w) * told[1]).sum() + 2 * (w - 0.5) ** 2 for w in tried]
    assert learned_weights(honest(*said, gold=gold))[0] == pytest.approx(tried[np.argmin(losses)], abs=2e-3)


def test_few_rows_leave_the_weights_near_equal_and_weightless_rows_do_not_count():
    """The prior is worth about a row."""
    one, other = [[0.7, 0.3]] * 4, [[0.4, 0.6]] * 4
    few = learned_weights(honest(one, other, gold=[0, 0, 0, 1], weight=[1, 0, 0, 0]))
    many = learned_weights(honest(np.tile(one, (50, 1)), np.tile(other, (50, 1)), gold=[0] * 200))
    assert 0.5 < few[0] < 0.9
    assert many[0] > 0.99


def test_rows_that_a_member_did_not_score_do_not_count_against_it():
    """A language model that is asked about a few rows only is judged by these."""
    says = np.full((100, 2), np.nan)
    says[:20] = [0.95, 0.05]
    found = learned_weights(honest(np.full((100, 2), [0.6, 0.4]), says, gold=[0] * 100))
    assert found[1] > 0.8
    assert found[0] > 0


def test_several_labels_are_weighed_over_all_pairs_of_row_and_label():
    gold = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 20)
    right, wrong = np.where(gold == 1, 0.8, 0.2), np.full(gold.shape, 0.5)
    assert learned_weights(honest(right, wrong, gold=gold)) == pytest.approx([1, 0], abs=1e-3)


@pytest.mark.parametrize("options", [{}, {"calibrated": True}, {"weights": [1, 2]}])
def test_what_was_saved_answers_as_before(tmp_path, options):
    data = messages(60)
    ensemble = WeightedEnsemble([LinearClassifier(), oracle(data)], n_folds=2, **options).fit(data)
    ensemble.save(tmp_path / "weighted")
    loaded = load(tmp_path / "weighted")
    assert loaded.predict_scores(data.texts).equals(ensemble.predict_scores(data.texts))
    assert loaded.weights_ == ensemble.weights_


@pytest.mark.parametrize("options", [{"n_folds": 2}, {"weights": {"one": 1, "other": 2}}])
def test_it_keeps_the_contract_of_every_classifier(options):
    data = messages(30)
    members = {"one": LinearClassifier(), "other": LinearClassifier(word_ngrams=(1, 1), char_ngrams=(2, 2))}
    check_classifier(lambda: WeightedEnsemble(members, **options), data.texts, data.labels)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3), min_size=1, max_size=4), st.floats(0.1, 9))
def test_equal_weights_are_a_soft_vote(shares, weight):
    """Whatever the weight is."""
    members = {f"m{n}": member(*([p, (1 - p) / 2, (1 - p) / 2] for p in one)) for n, one in enumerate(shares)}
    weighted = WeightedEnsemble(members, weights=dict.fromkeys(members, weight)).predict_proba(["0", "1", "2"])
    assert weighted == pytest.approx(VotingEnsemble(members, voting="soft").predict_proba(["0", "1", "2"]), abs=1e-6)
