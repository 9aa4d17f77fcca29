"""Labels found by retrieval and checked by a model: what is answered, and why there is no answer."""

import warnings

import numpy as np
import pytest

from textclassify import RACClassifier
from textclassify.core.scales import Method, Status
from textclassify.llm.chat import ChatReply, TokenLogprob
from textclassify.testing import FixedClassifier, ScriptedChat, check_classifier

from .scripted_rac import DECISIONS, KNOWN, LABELS, RETRIEVED, TEXTS, always, knows, question, rac, retriever


@pytest.fixture
def make(tmp_path):
    return lambda chat=None, **options: rac(tmp_path, chat, **options)


@pytest.mark.parametrize("decision", DECISIONS)
def test_it_keeps_the_contract_with_a_model(monkeypatch, tmp_path, decision):
    """Also copies without the chat answer what was asked before: the replies are in the cache."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path))
    model = ScriptedChat(lambda request: "yes" if "delivery" in request.messages[-1].content else "B")
    given = {"labels": list(LABELS), "retriever": retriever(), "decision": decision}

    check_classifier(lambda: RACClassifier(llm=model, **given), [*TEXTS, "a fourth"], [*LABELS, "bill"])


@pytest.mark.parametrize("decision", ["best", "first_yes"])
def test_the_model_overrules_retrieval(make, decision):
    """Retrieval ranks the right label second, third and third."""
    result = make(knows(), decision=decision).predict(TEXTS)

    assert retriever(labels=list(LABELS)).predict(TEXTS).predictions == ["bill", "delivery", "bill"]
    assert result.predictions == list(KNOWN.values())
    assert result.reasons == [None, None, None]
    assert (result.confidence > 0.8).all()
    assert set(result.scores.method.tolist()) == {Method.HARD}


def test_a_choice_among_the_candidates_overrules_retrieval(make):
    """The letter of an option stands before it, whatever the order."""

    def chooses(request):
        lines = request.messages[-1].content.splitlines()
        return next(line[0] for line in lines if line.endswith(": refund"))

    for decision in ("listwise", "pairwise"):
        assert make(ScriptedChat(chooses), decision=decision).predict(["money back"])[0] == "refund"


def test_details_say_what_was_tried(make):
    result = make(knows(), decision="first_yes", top_k=2).predict(["where is it", "", "money back"])

    assert result.details["candidates"].tolist() == [["delivery", "bill"], [], ["refund", "bill"]]
    assert result.details["calls"].tolist() == [2, 0, 2]


def test_first_yes_without_any_yes_says_so(make):
    result = make(knows({}), decision="first_yes").predict(TEXTS)

    assert result.predictions == [None] * 3
    assert result.reasons == ["all answered no"] * 3
    assert (result.status == Status.ABSTAINED).all()


def test_the_first_yes_decides_also_where_retrieval_is_sure_of_another_label(make):
    """The paper's rule: what the candidates before it got is a no."""
    unsure = {"yes": -0.6, "no": -0.8}
    sure_of_bill = FixedClassifier({"x": [0.9, 0.06, 0.04]}, default=[0.9, 0.06, 0.04])

    def reply(request):
        word = "yes" if question(request) == ("x", "refund") else "no"
        return with_logprobs(word, unsure if word == "yes" else {"no": -0.6, "yes": -0.8})

    result = make(ScriptedChat(reply), decision="first_yes", retriever=sure_of_bill).predict(["x"])

    assert result.predictions == ["refund"]


def with_logprobs(word, alternatives):
    return ChatReply(word, logprobs=(TokenLogprob(word, alternatives[word], tuple(alternatives.items())),))


@pytest.mark.parametrize("decision", ["best", "listwise"])
def test_an_always_yes_model_leaves_retrieval_as_it_is(make, caplog, decision):
    """Its yes to labels that do not fit is what its yes to candidates is worth."""
    result = make(always("yes" if decision == "best" else "A"), decision=decision).predict(TEXTS)

    assert result.predictions == retriever(labels=list(LABELS)).predict(TEXTS).predictions
    assert ("says yes to 100%" in caplog.text) == (decision == "best")


def test_an_always_no_model_leaves_retrieval_as_it_is(make):
    result = make(always("no")).predict(TEXTS)

    np.testing.assert_allclose(result.probabilities, [RETRIEVED[text] for text in TEXTS], atol=1e-6)


def test_an_answer_outside_the_list_is_none(make):
    result = make(always("perhaps so")).predict(TEXTS)

    assert result.predictions == [None] * 3
    assert result.reasons == ["invalid"] * 3
    assert (result.status == Status.INVALID).all()


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_text_whose_checks_fail_has_no_label_and_costs_no_other(make, decision):
    """A guess in the place of an answer could not be told from one."""
    chat = ScriptedChat(
        lambda request: (
            Status.REFUSED if question(request)[0] == "money back" else "no" if "yes or no" in str(request) else "A"
        )
    )

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = make(chat, decision=decision).predict([*TEXTS, "unknown"])

    assert result.predictions[2:] == [None, None]
    assert result.status[2:].tolist() == [Status.REFUSED, Status.FAILED]
    assert result.reasons[2:] == ["refused", "failed"]
    assert (result.status[:2] != Status.REFUSED).all()
    assert np.isnan(result.probabilities[2:]).all()


def test_a_failed_check_among_nos_is_no_no(make):
    """First yes: the candidate without an answer might have been the one; `other` is for what fits no label."""
    chat = ScriptedChat(lambda request: Status.FAILED if question(request)[1] == "refund" else "no")

    assert make(chat, decision="first_yes").predict(["money back"]).reasons == ["a check failed"]
    chosen = make(chat, decision="first_yes", other="delivery").predict(["money back"])
    assert (chosen.predictions, chosen.reasons) == ([None], ["a check failed"])


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_text_has_the_same_scores_alone_and_among_others(make, decision):
    """Nothing is learned from the texts of a call."""
    chat = ScriptedChat(lambda request: "yes" if len(str(request)) % 3 else "A")
    texts = [*TEXTS, *(f"text {number}" for number in range(17))]
    for model in (chat, None):
        together = make(model, decision=decision).predict_scores(texts)
        alone = [make(model, decision=decision).predict_scores([text]) for text in texts]

        np.testing.assert_array_equal(together.values, np.concatenate([one.values for one in alone]))
        assert together.status.tolist() == [one.status[0] for one in alone]


def test_labels_that_were_not_tried_keep_their_mass(make):
    """What a model denies two candidates goes to all other labels, in retrieval's proportions."""
    names = ["a", "b", "c", "d"]
    ranks = FixedClassifier({"x": [0.4, 0.3, 0.2, 0.1]}, default=[0.25] * 4)

    def reply(request):
        return "no" if question(request)[0] == "x" else "yes"  # a bias that makes its no count

    result = make(ScriptedChat(reply), labels=names, retriever=ranks, top_k=2).predict(["x"])

    untried = result.probabilities[0, 2:]
    assert untried.sum() > 0.9
    assert untried[0] / untried[1] == pytest.approx(2)
    assert (result.predictions, result.reasons) == ([None], ["all answered no"])


@pytest.mark.parametrize(
    ("bounds", "reasons"),
    [
        ({"min_probability": 0.55}, [None, "not sure enough", "not sure enough"]),
        ({"margin": 0.15}, [None, None, "too close"]),
    ],
)
def test_answers_below_the_bounds_are_withheld(make, bounds, reasons):
    result = make(None, **bounds).predict(TEXTS)

    assert result.reasons == reasons
    assert [label is None for label in result.predictions] == [reason is not None for reason in reasons]
    assert (result.status == np.where(np.equal(reasons, None), Status.OK, Status.ABSTAINED)).all()
    assert not np.isnan(result.probabilities).any()


def test_min_yes_leaves_out_what_the_model_denies(make):
    result = make(knows({"where is it": "refund"}), min_yes=0.5).predict(TEXTS)

    assert result.predictions == ["refund", None, None]
    assert result.reasons == [None, "all answered no", "all answered no"]


def test_other_takes_what_has_no_answer(make):
    result = make(knows({"where is it": "delivery"}), decision="first_yes", other="refund").predict([*TEXTS, ""])

    assert result.predictions == ["delivery", "refund", "refund", None]
    assert result.reasons == [None, None, None, "blank text"]


@pytest.mark.parametrize("decision", ["best", "first_yes"])
def test_several_labels_are_each_checked(make, decision):
    chat = knows({"x": ("bill", "refund"), "y": ()})
    ranks = FixedClassifier({"x": [0.4, 0.4, 0.3], "y": [0.1, 0.1, 0.1]}, default=[0.1] * 3, multi_label=True)

    result = make(chat, retriever=ranks, multi_label=True, decision=decision).predict(["x", "y"])

    assert result.predictions == [["bill", "refund"], []]
    assert result.reasons == [None, "all answered no"]
    assert result.details["calls"].tolist() == [3, 3]


def test_gold_labels_are_measured_and_change_nothing(make):
    result = make(knows(), decision="first_yes").predict([*TEXTS, "z"], [*KNOWN.values(), "bill"])

    assert result.metadata["metrics"]["accuracy"] == 1.0
    assert result.metadata["metrics"]["coverage"] == 0.75


def test_a_slice_keeps_reasons_and_details(make):
    result = make(knows({"where is it": "delivery"}), decision="first_yes").predict([*TEXTS, ""])

    part = result[1:]

    assert part.reasons == ["all answered no", "all answered no", "blank text"]
    assert len(part.details["candidates"]) == 3
    assert result.to_pandas()["status"].tolist() == ["ok", "abstained", "abstained", "invalid"]
    assert result.to_pandas()["label"].tolist() == ["delivery", None, None, None]


def test_one_label_is_answered_and_can_be_denied(make):
    ranks = FixedClassifier({}, default=[1.0])
    for decision, label in (("best", "bill"), ("first_yes", None), ("listwise", "bill"), ("pairwise", "bill")):
        one = make(always("no"), labels=["bill"], retriever=ranks, decision=decision)
        assert one.predict(["x"]).predictions == [label]


@pytest.mark.parametrize(
    "names",
    [("yes", "no"), ("none", "null"), ("card", "card lost", "card lost abroad"), ("退款", "配送"), ("🙂", "🙁")],
)
def test_names_that_could_be_mistaken_are_not(make, names):
    """Names that are answers, prefixes of each other, or of other scripts."""
    text = "我的包裹在哪里 🙂"
    chat = ScriptedChat(lambda request: "yes" if question(request) == (text, names[1]) else "no")
    ranks = FixedClassifier({text: [1 / len(names)] * len(names)}, default=[1 / len(names)] * len(names))

    assert make(chat, labels=list(names), retriever=ranks).predict([text]).predictions == [names[1]]
    listwise = make(always("B"), labels=list(names), retriever=ranks, decision="listwise").predict([text])
    assert listwise.status.tolist() == [Status.OK]
