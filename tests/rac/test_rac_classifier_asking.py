"""Who is asked about what, what that costs, and what is asked once only."""

import asyncio
import threading

import numpy as np
import pytest

from textclassify import LLMClassifier
from textclassify.core.scales import Status
from textclassify.errors import BudgetError, DataError
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
