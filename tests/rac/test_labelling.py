"""`Labeller`: candidates, the model's bias, and what evidence makes of scores."""

from dataclasses import replace

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.core.scales import Method, Scale, Status
from textclassify.core.scores import Scores
from textclassify.rac.labelling import Labeller, comparable
from textclassify.testing import FixedClassifier

from .checking import Believer

SCHEMA = LabelSchema(("bill", "cat", "dog"))
RANKS = FixedClassifier({"x": [0.2, 0.5, 0.3], "lost": None}, labels=SCHEMA, default=[0.5, 0.3, 0.2])


def labeller(choose=None, **options):
    given = {"decision": "best", "top_k": 2, "weight": 1.0, "min_yes": 0.5, "source": "rac", **options}
    return Labeller(schema=SCHEMA, retriever=RANKS, choose=choose, **given)


def test_a_bias_that_all_answers_share_is_taken_out():
    """A model that adds the same to every answer says nothing with it."""
    fair, eager = (Believer(lambda text, name, a=a: (name in text) + a) for a in (0.0, 3.0))

    one, other = (labeller(model).find(["x"]).scores.values for model in (fair, eager))

    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_first_text_bears_the_cost_of_what_all_share():
    model = Believer(lambda *_: 0.0)

    found = labeller(model).find(["x", "y", "z"])

    assert found.scores.cost[1:].tolist() == [1.0, 1.0]
    assert found.scores.cost.sum() == pytest.approx(0.5 * sum(model.calls))


class Priced(FixedClassifier):
    """A retriever that costs a quarter of a dollar for each text."""

    def _score(self, texts):
        return replace(super()._score(texts), cost=np.full(len(texts), 0.25))


@pytest.mark.parametrize("model", [None, Believer(lambda *_: 0.0)])
def test_what_retrieval_costs_is_counted(model):
    """Costs add up to the ledger, whoever spent them."""
    costly = Priced(RANKS.answers, SCHEMA, default=RANKS.default)
    free, priced = (replace(labeller(model), retriever=ranks) for ranks in (RANKS, costly))

    costs = [one.find(["x", "x", "x"]).scores.cost for one in (free, priced)]

    np.testing.assert_allclose(costs[1] - costs[0], 0.25)


def test_a_text_that_was_not_retrieved_is_not_asked_about():
    model = Believer(lambda *_: 1.0)

    found = labeller(model).find(["lost", "x"])

    assert found.scores.status.tolist() == [Status.FAILED, Status.OK]
    assert found.evidence.calls.tolist() == [0, 2]
    assert found.scores.method[1] == Method.LOGPROBS


def test_without_a_model_the_scores_are_those_of_retrieval():
    found = labeller().find(["x"])

    assert found.evidence is None
    assert found.scores.source == "rac"
    np.testing.assert_array_equal(found.scores.values, found.retrieved.values)


@pytest.mark.parametrize(("weight", "pair"), [(0.0, {"cat", "dog"}), (5.0, {"bill", "cat"})])
def test_the_best_two_are_told_by_retrieval_and_model_together(weight, pair):
    model = Believer(lambda _, name: 1.0 if name == "bill" else 0.0)

    labeller(model, decision="pairwise", top_k=3, weight=weight).find(["x"])

    asked = model.waves[1][0].messages[-1].content
    assert {name for name in SCHEMA.names if f": {name}\n" in asked} == pair


def test_how_sure_a_yes_has_to_be_is_passed_on():
    model = Believer(lambda *_: 1.0)

    assert (labeller(model).find(["x"]).evidence.said_yes == 1).all()
    assert (labeller(model, min_yes=0.9).find(["x"]).evidence.said_yes == 0).all()


def test_no_texts_ask_nothing():
    model = Believer(lambda *_: 1.0)

    assert len(labeller(model).find([]).scores) == 0
    assert labeller(model).questions([]) == []
    assert model.waves == []


def test_other_is_no_candidate():
    assert labeller(other="cat").find(["x"]).candidates.codes.tolist() == [[2, 0]]
    assert labeller(other="cat").candidates(["x"], 3).codes.tolist() == [[2, 0, -1]]


def test_a_model_that_agrees_with_everything_is_told_of(caplog):
    labeller(Believer(lambda *_: 2.0)).find(["x"])

    assert "says yes to 100% of the labels that do not fit" in caplog.text


@pytest.mark.parametrize(("n_texts", "is_told"), [(20, True), (19, False)])
def test_a_model_that_denies_everything_is_told_of(caplog, n_texts, is_told):
    """Its answers change nothing, so that nothing else would show it."""
    labeller(Believer(lambda *_: -2.0)).find([f"text {number}" for number in range(n_texts)])

    assert ("says no to all candidates of 20 of 20 texts" in caplog.text) is is_told


@pytest.mark.parametrize("scale", [Scale.LOG_LIKELIHOOD, Scale.VOTE_SHARE])
def test_scores_on_other_scales_become_log_probabilities(scale):
    values = [[0.2, 0.5, 0.3], [np.nan] * 3]
    scores = Scores.build(
        np.log(values) if scale is Scale.LOG_LIKELIHOOD else values, SCHEMA.names, scale, source="given"
    )

    found = comparable(scores)

    np.testing.assert_allclose(found[0], np.log([0.2, 0.5, 0.3]), atol=1e-6)
    assert np.isneginf(found[1]).all()


def test_several_labels_become_log_odds():
    scores = Scores.from_probabilities([[0.2, 0.9, 0.5]], SCHEMA.names, multi_label=True)

    np.testing.assert_allclose(comparable(scores)[0], np.log([0.2 / 0.8, 9, 1]), atol=1e-6)


@pytest.mark.parametrize("decision", ["listwise", "pairwise", "both"])
def test_where_a_label_is_for_what_fits_no_other_a_list_offers_none_of_these(decision):
    """What the model gives to "none of these" is the share that labels which were not tried are measured by."""
    model = Believer(lambda *_: 0.0)

    found = labeller(model, decision=decision, other="dog").find(["x"])

    assert any("none of these" in choice.messages[-1].content for wave in model.waves for choice in wave)
    assert found.other == SCHEMA.names.index("dog")
    assert not (found.candidates.codes == found.other).any()


def test_a_label_for_what_fits_no_other_stands_for_no_text():
    """Its description is about nothing: neither a bias nor a demonstration can be made of it."""
    model = Believer(lambda *_: 0.0)

    labeller(model, other="dog", demonstrations=3).find(["x"])

    asked = "\n".join(turn.content for wave in model.waves for choice in wave for turn in choice.messages)
    assert "Label: bill" in asked
    assert "<text>\ndog\n</text>" not in asked
    assert not any(choice.text == "dog" for wave in model.waves for choice in wave)
