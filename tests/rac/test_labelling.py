"""`Labeller`: candidates, the model's bias, and what evidence makes of scores."""

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
