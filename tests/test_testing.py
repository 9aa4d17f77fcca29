"""The helpers for users' tests: fakes that remember, and a check that finds what is broken."""

import asyncio

import numpy as np
import pytest

from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.errors import DataError
from textclassify.llm.chat import Chat, ChatFailure, ChatReply, ChatRequest, Message
from textclassify.ml.linear import LinearClassifier
from textclassify.testing import FixedClassifier, ScriptedChat, check_classifier

TEXTS = ["good fine", "fine day", "bad awful", "awful day", "so so", "okay so"]
LABELS = ["good", "good", "bad", "bad", "fair", "fair"]


def fixed(kind=FixedClassifier):
    return kind({text: [0.2, 0.3, 0.5] for text in TEXTS}, ["bad", "fair", "good"], default=[0.6, 0.3, 0.1])


class DependsOnNeighbours(FixedClassifier):
    def _score(self, texts):
        share = 1 / (1 + len(texts))
        return Scores.from_probabilities(np.tile([share, 1 - share, 0], (len(texts), 1)), self._require_schema().names)


class DependsOnOrder(FixedClassifier):
    def _score(self, texts):
        share = np.arange(len(texts)) / max(len(texts), 1)
        rows = np.column_stack([share, 1 - share, 0 * share])
        return Scores.from_probabilities(rows, self._require_schema().names)


class Forgetful(FixedClassifier):
    def _stored_parameters(self):
        return super()._stored_parameters() | {"answers": {}}


class ChangesInputs(FixedClassifier):
    def fit(self, texts, labels=None, **_):
        labels.reverse()
        return super().fit(texts, labels[::-1])


class Unrepeatable(FixedClassifier):
    def _fit(self, _):
        self.share_ = np.random.default_rng().random() / 2

    def _score(self, texts):
        return Scores.from_probabilities([[self.share_, 1 - self.share_, 0]] * len(texts), self._require_schema().names)


class Unpicklable(FixedClassifier):
    def __setstate__(self, state):
        self.__dict__.update(state | {"answers": {}})


class CopiesArguments(FixedClassifier):
    def __init__(self, answers, labels=None, *, default=None):
        super().__init__(dict(answers), labels, default=default)


@pytest.mark.parametrize("labels", [LABELS, [2, 2, 0, 0, 1, 1], [[name] for name in LABELS[:5]] + [["good", "bad"]]])
def test_a_sound_classifier_passes(labels):
    """Strings, numbers and several labels."""
    check_classifier(LinearClassifier, TEXTS, labels)


def test_the_fake_keeps_the_contract_itself():
    """It stands in for real classifiers everywhere."""
    check_classifier(fixed, TEXTS, LABELS)


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (DependsOnNeighbours, "depend on the other texts"),
        (DependsOnOrder, "row order changes scores"),
        (Forgetful, "loading"),
        (ChangesInputs, "changed its inputs"),
        (Unrepeatable, "two fits with one seed differ"),
        (Unpicklable, "pickling changes scores"),
        (CopiesArguments, "changes the argument 'answers'|Cannot clone"),
    ],
)
def test_a_broken_promise_is_found(kind, promise):
    """Each of these would pass a test of its accuracy."""
    with pytest.raises((AssertionError, RuntimeError), match=promise):
        check_classifier(lambda: fixed(kind), TEXTS, LABELS)


def test_a_fixed_classifier_remembers_what_it_was_asked():
    """In order, with repetitions: the calls that would cost money."""
    classifier = FixedClassifier({"clear": [0.9, 0.1], "close": [0.45, 0.55]})

    assert classifier.predict(["close", "clear", "close"]).predictions == ["b", "a", "b"]
    assert classifier.asked == ["close", "clear", "close"]


def test_a_fixed_classifier_can_fail_on_a_text():
    """None as the answer: the text was asked about, but not scored."""
    scores = FixedClassifier({"t": None}, ["a", "b"]).predict_scores(["t"])

    assert scores.status.tolist() == [Status.FAILED]


def test_a_fixed_classifier_refuses_texts_that_it_was_not_told_about():
    """A typo in a test must not become a default answer."""
    with pytest.raises(DataError, match="has no answer for 'other'; add one, or pass default"):
        FixedClassifier({"t": [0.5, 0.5]}).predict(["other"])


def ask(chat, question):
    return asyncio.run(chat.complete(ChatRequest("m", (Message("user", question),))))


def test_a_scripted_chat_replies_by_the_longest_passage_and_remembers():
    """So that 'late refund' can differ from 'refund'."""
    chat = ScriptedChat({"refund": "billing", "late refund": ChatReply("complaint")})

    assert ask(chat, "my late refund").content == "complaint"
    assert ask(chat, "a refund").content == "billing"
    assert [request.messages[-1].content for request in chat.asked] == ["my late refund", "a refund"]
    assert isinstance(chat, Chat)


def test_a_scripted_chat_can_fail_like_a_server():
    """With a row's status, or with an error that stops the run."""
    chat = ScriptedChat({"bomb": Status.FILTERED, "down": ConnectionError("gone")})

    with pytest.raises(ChatFailure, match="FILTERED"):
        ask(chat, "a bomb")
    with pytest.raises(ConnectionError):
        ask(chat, "down")
    with pytest.raises(DataError, match="has no reply to 'else'"):
        ask(chat, "else")


def test_a_scripted_chat_can_be_a_function_of_the_request():
    """For scripts that depend on the prompt's form."""
    assert ask(ScriptedChat(lambda request: request.model), "x").content == "m"
