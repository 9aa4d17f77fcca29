"""Who is asked about what, what that costs, and what is asked once only."""

import asyncio
import threading

import numpy as np
import pytest

from textclassify import LLMClassifier
from textclassify.core.scales import Status
from textclassify.errors import BudgetError, ConfigError, DataError
from textclassify.llm.chat import ChatReply, Usage
from textclassify.testing import FixedClassifier, ScriptedChat

from .scripted_rac import (
    DECISIONS,
    KNOWN,
    TEXTS,
    knows,
    question,
    rac,
    texts_asked,
)


@pytest.fixture
def make(tmp_path):
    return lambda chat=None, **options: rac(tmp_path, chat, **options)


def test_only_the_candidates_are_asked_about(make):
    chat = knows()

    make(chat, top_k=1).predict(["where is it", "money back"])

    about = [question(request) for request in chat.asked if question(request)[0] in KNOWN]
    assert sorted(about) == [("money back", "bill"), ("where is it", "bill")]


def test_what_is_not_in_the_cache_is_not_called(make, tmp_path):
    asked, silent = knows(), knows()
    make(asked).predict(TEXTS[:1])

    alone = LLMClassifier(chat=silent, cache_only=True, cache_dir=tmp_path / "replies")
    result = make(alone).predict(TEXTS)

    assert silent.asked == []
    assert result.predictions == ["delivery", None, None]
    assert result.status.tolist() == [Status.OK, Status.NOT_CALLED, Status.NOT_CALLED]
    assert result.reasons[1:] == ["not called", "not called"]


def priced(folder, monkeypatch, dollars):
    """Give the scripted model a price, for a million tokens."""
    (folder / "prices.yaml").write_text(f"scripted/scripted: {{input: {dollars}, output: {dollars}}}\n")
    monkeypatch.setenv("TEXTCLASSIFY_PRICES", str(folder / "prices.yaml"))


def test_money_that_runs_out_loses_no_answer(make, tmp_path, monkeypatch):
    """What was answered before is kept: a second run asks for the rest only."""
    priced(tmp_path, monkeypatch, 1000)
    chat = ScriptedChat(lambda _: ChatReply("no", usage=Usage(300, 1)))
    texts = [f"text {number}" for number in range(30)]
    model = LLMClassifier(chat=chat, cache_dir=tmp_path / "replies", max_cost=5.0, concurrency=1)

    with pytest.raises(BudgetError):
        make(model).predict(texts)
    before = len(chat.asked)
    result = make(model.set_params(max_cost=None)).predict(texts)

    assert 0 < before < 90
    assert len({request.key("scripted") for request in chat.asked}) == len(chat.asked)
    assert (result.status == Status.OK).all()


def test_examples_leave_the_process_redacted_alone(make, tmp_path):
    """They stand in the place of a text where the model's bias is learned."""
    chat = knows()
    model = LLMClassifier(chat=chat, cache_dir=tmp_path, redact=lambda text: text.replace("Ann", "***"))

    make(model, examples={"bill": ["Ann was billed"], "refund": ["pay Ann back"]}).predict(["for Ann"])

    sent = {message.content for request in chat.asked for message in request.messages}
    assert any("*** was billed" in words for words in sent)
    assert not any("Ann" in words for words in sent)


def test_no_label_is_no_answer_where_a_question_failed(make):
    """It might have been a yes."""
    ranks = FixedClassifier({}, default=[0.4, 0.3, 0.2], multi_label=True)
    chat = ScriptedChat(lambda request: Status.REFUSED if question(request)[1] == "bill" else "no")

    result = make(chat, retriever=ranks, multi_label=True, decision="first_yes").predict(["x"])

    assert result.status.tolist() == [Status.ABSTAINED]
    assert result.reasons == ["a check failed"]


def test_all_rounds_of_a_prediction_share_one_budget(make, tmp_path, monkeypatch):
    """A cap holds for what is called once, not for each of the rounds in which a model is asked."""
    priced(tmp_path, monkeypatch, 1000)
    chat = ScriptedChat(lambda _: ChatReply("no", usage=Usage(1000, 1)))
    model = LLMClassifier(chat=chat, cache_dir=tmp_path / "replies", max_cost=10.0, concurrency=1)

    with pytest.raises(BudgetError):
        make(model, decision="first_yes", top_k=3).predict([f"text {number}" for number in range(5)])

    assert len(chat.asked) <= 10


def test_a_second_prediction_asks_nothing(make):
    chat = knows()
    first = make(chat).predict(TEXTS)
    n_asked = len(chat.asked)

    second = make(chat).predict(TEXTS)

    assert len(chat.asked) == n_asked
    np.testing.assert_array_equal(second.scores.values, first.scores.values)


def test_equal_texts_are_asked_about_once(make):
    chat = knows()

    result = make(chat).predict(["money back"] * 5)

    assert result.predictions == ["refund"] * 5
    assert texts_asked(chat).count("money back") == 3


def test_blank_texts_ask_nothing(make):
    chat = knows()

    result = make(chat).predict(["", " \n"])

    assert chat.asked == []
    assert result.reasons == ["blank text", "blank text"]
    assert (result.status == Status.INVALID).all()
    assert make(chat).predict([]).predictions == []


def test_two_thousand_labels_cost_five_questions_a_text(make):
    names = [f"label {number}" for number in range(2000)]
    chat = knows({"x": "label 1999"})
    shares = np.full(2000, 0.5 / 1999)
    shares[1999] = 0.5
    ranks = FixedClassifier({"x": shares}, default=np.full(2000, 1 / 2000))

    result = make(chat, labels=names, retriever=ranks).predict(["x"] * 3)

    assert result.predictions == ["label 1999"] * 3
    assert texts_asked(chat).count("x") == 5


def test_rank_labels_asks_nobody(make):
    chat = knows()

    assert make(chat).rank_labels(["where is it", "", "money back"], 2) == [
        ["bill", "delivery"],
        [],
        ["bill", "refund"],
    ]
    assert make(chat, top_k=1).rank_labels(["where is it"]) == [["bill"]]
    assert chat.asked == []


def test_recall_is_reported_before_anything_is_asked(make):
    chat = knows()

    table = make(chat).recall_report(TEXTS, list(KNOWN.values()), ks=(1, 2, 3))

    assert table["recall"].tolist() == pytest.approx([0, 2 / 3, 1])
    assert chat.asked == []


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_estimate_is_what_is_asked_at_most(make, decision):
    """With a model that never says yes, it is exactly that."""
    chat = ScriptedChat(lambda request: "no" if "yes or no" in str(request) else "A")
    classifier = make(chat, decision=decision)

    estimate = classifier.estimate([*TEXTS, "", TEXTS[0]])
    assert chat.asked == []
    classifier.predict(TEXTS)

    assert estimate.requests == len(chat.asked)
    assert make(None).estimate(TEXTS).requests == 0


def test_two_threads_get_the_same_answers(make):
    classifier, found = make(knows()), []
    threads = [threading.Thread(target=lambda: found.append(classifier.predict(TEXTS).predictions)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [list(KNOWN.values())] * 2


def test_a_running_event_loop_is_not_blocked(make):
    classifier = make(knows())

    scores = asyncio.run(classifier.apredict_scores(TEXTS))

    np.testing.assert_array_equal(scores.values, classifier.predict_scores(TEXTS).values)


def test_costs_add_up(make, tmp_path, monkeypatch):
    """What all texts share is on the first one's bill; what is kept costs nothing."""
    priced(tmp_path, monkeypatch, 1)
    chat = ScriptedChat(lambda _: ChatReply("no", usage=Usage(1_000_000, 0)))

    first = make(chat).predict_scores(TEXTS)
    again = make(chat).predict_scores(TEXTS)

    assert first.cost.sum() == pytest.approx(len(chat.asked))
    assert first.cost[1:].tolist() == [3, 3]
    assert again.cost.sum() == 0


def test_rows_to_measure_on_have_to_be_texts(make):
    with pytest.raises(DataError, match="row 1 is blank"):
        make(None).coverage_curve(["where is it", ""], ["bill", "bill"])


@pytest.mark.parametrize(("decision", "kinds"), [("best", 1), ("listwise", 1), ("pairwise", 2), ("both", 2)])
def test_the_first_question_of_each_kind_is_shown_and_not_asked(make, decision, kinds):
    """What a user wants to read before money is spent; control tokens of the text are broken up, as when it is sent."""
    chat = knows()

    shown = make(chat, decision=decision).preview("where is it <|im_end|>")

    assert shown.count("--- user ---") == kinds
    assert "where is it < |im_end| >" in shown
    assert "at most" in shown
    assert chat.asked == []


def test_a_question_that_nobody_is_asked_cannot_be_shown(make):
    with pytest.raises(ConfigError, match="no language model is asked; pass llm="):
        make().preview("where is it")
    with pytest.raises(DataError, match="nobody is asked about the text ' ', which is blank"):
        make(knows()).preview(" ")


def test_a_row_that_was_not_called_has_no_calls(make, tmp_path):
    alone = LLMClassifier(chat=knows(), cache_only=True, cache_dir=tmp_path / "replies")

    assert make(alone).predict(TEXTS).details["calls"].tolist() == [0, 0, 0]
