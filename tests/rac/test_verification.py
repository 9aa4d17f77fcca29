"""Checks of candidates, whatever the decision: waves over all texts, failures that cost their row only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclassify import LabelSchema
from textclassify.core.scales import Method, Status
from textclassify.errors import ConfigError, DataError
from textclassify.rac.verification import DECISIONS, YES_NO_DECISIONS, verify
from textclassify.rac.verifying.questions import Questions

from .checking import Believer, candidates

LABELS = LabelSchema(("bill", "cat", "dog", "parcel"))


def knows(text, name):
    return 2.0 if name in text else -2.0


@pytest.mark.parametrize(
    ("decision", "calls"),
    [("first_yes", [30, 20, 10]), ("best", [90]), ("listwise", [60]), ("pairwise", [60, 60])],
)
def test_many_texts_cost_as_many_rounds_as_one(decision, calls):
    """A thousand texts wait as often as one does; who has a yes is not asked about again."""
    texts = [f"{name} {number}" for number in range(10) for name in ("bill", "cat", "dog")]
    model = Believer(knows)

    found = verify(texts, candidates([[0, 1, 2]] * 30), Questions(LABELS), model, decision)

    assert model.calls == calls
    assert found.calls.sum() == sum(calls)
    assert found.cost.sum() == pytest.approx(0.5 * sum(calls))
    assert (found.method == Method.LOGPROBS).all()
    assert (found.log_odds.shape, found.status.max()) == ((30, 3), Status.OK)


@pytest.mark.parametrize("decision", DECISIONS)
def test_evidence_favours_the_label_that_the_model_believes_in(decision):
    texts = ["the dog runs", "my parcel", "a bill"]

    found = verify(texts, candidates([[1, 2, 3], [2, 3, 1], [3, 2, 0]]), Questions(LABELS), Believer(knows), decision)

    right = np.nanargmax(found.log_odds, axis=1)
    assert right.tolist() == [1, 1, 2]
    assert (found.log_odds[[0, 1, 2], right] > 0).all()


@pytest.mark.parametrize("decision", DECISIONS)
def test_places_without_a_candidate_are_passed_over(decision):
    model = Believer(knows)

    found = verify(
        ["cat", "dog", "bill"], candidates([[0, 1, -1], [2, 1, 0], [-1, -1, -1]]), Questions(LABELS), model, decision
    )

    assert np.isnan(found.log_odds[0, 2])
    assert np.isnan(found.log_odds[2]).all()
    assert found.calls[2] == 0
    assert (found.status == Status.OK).all()


@pytest.mark.parametrize("decision", DECISIONS)
def test_nothing_to_ask_asks_nothing(decision):
    model = Believer(knows)

    assert len(verify([], candidates(np.zeros((0, 3))), Questions(LABELS), model, decision)) == 0
    assert np.isnan(verify(["cat"], candidates([[-1, -1]]), Questions(LABELS), model, decision).log_odds).all()
    assert model.waves == []


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_failed_question_costs_its_row_alone(decision):
    model = Believer(knows, silent_about=[("a dog", "")])

    found = verify(["a cat", "a dog"], candidates([[0, 1], [0, 2]]), Questions(LABELS), model, decision)

    assert found.status.tolist() == [Status.OK, Status.REFUSED]
    assert np.isnan(found.log_odds[1]).all()
    assert np.isfinite(found.log_odds[0]).all()
    assert found.method.tolist() == [Method.LOGPROBS, Method.GIVEN]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), decision=st.sampled_from(DECISIONS), none_option=st.booleans())
def test_a_text_has_the_same_evidence_wherever_it_stands(seed, decision, none_option):
    """Permuting texts permutes evidence, and one text alone has what it has among others."""
    rng = np.random.default_rng(seed)
    texts = [f"text {number}" for number in range(6)]
    belief = {(text, name): rng.normal(0, 3) for text in texts for name in (*LABELS.names, "none of these")}
    codes = np.array([rng.permutation(4)[:3] for _ in texts])
    codes[rng.random(6) < 0.3, 2] = -1
    order = rng.permutation(6)[: rng.integers(1, 7)]

    def evidence(rows):
        model = Believer(lambda text, name: belief[text, name])
        asked = [texts[row] for row in rows]
        return verify(asked, candidates(codes[rows]), Questions(LABELS), model, decision, none_option=none_option)

    whole, some = evidence(np.arange(6)).take(order), evidence(order)
    for name in ("log_odds", "said_yes", "calls", "status", "cost"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(some, name))


@pytest.mark.parametrize("decision", ["listwise", "pairwise"])
def test_a_choice_of_one_label_is_refused_where_several_may_fit(decision):
    with pytest.raises(ConfigError, match="decision='best'"):
        verify(
            ["cat"],
            candidates([[0]]),
            Questions(LabelSchema(LABELS.names, multi_label=True)),
            Believer(knows),
            decision,
        )


@pytest.mark.parametrize("decision", YES_NO_DECISIONS)
def test_where_several_labels_may_fit_every_candidate_is_asked_about(decision):
    """A first yes ends the search for the one label; it says nothing about the other labels of a text."""
    model = Believer(knows)

    found = verify(
        ["cat and dog"],
        candidates([[1, 0, 2]]),
        Questions(LabelSchema(LABELS.names, multi_label=True)),
        model,
        decision,
    )

    assert found.said_yes.tolist() == [[1, 0, 1]]
    assert model.calls == [3]


def test_an_unknown_decision_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'first_yes'"):
        verify(["cat"], candidates([[0]]), Questions(LABELS), Believer(knows), "firstyes")


@pytest.mark.parametrize(("options", "message"), [({"orders": 0}, "orders is 0"), ({"min_yes": 1.5}, "min_yes is 1.5")])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        verify(["cat"], candidates([[0]]), Questions(LABELS), Believer(knows), "best", **options)


@pytest.mark.parametrize(("texts", "prior"), [(["one", "two"], None), (["one"], [[0.0]])])
def test_texts_candidates_and_prior_belong_together(texts, prior):
    with pytest.raises(DataError, match="do not fit together"):
        verify(texts, candidates([[0, 1]]), Questions(LABELS), Believer(knows), "pairwise", prior=prior)
