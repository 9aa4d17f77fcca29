"""Free text: conversations out, replies in, each paid once."""

import numpy as np
import pytest

from textclassify import LLMClassifier
from textclassify.core.scales import Status
from textclassify.llm.chat import ChatReply, Message, Usage
from textclassify.testing import ScriptedChat


@pytest.fixture
def over(tmp_path):
    """A classifier over a chat, with a cache of its own and without labels."""
    return lambda replies, **options: LLMClassifier(chat=ScriptedChat(replies), cache_dir=tmp_path, **options)


def about(*labels):
    return [(Message("system", "You describe."), Message("user", f"Describe {label}.")) for label in labels]


def test_replies_come_in_the_order_of_the_conversations_and_equal_ones_are_paid_once(over):
    """Within a call and across calls; another length is another question."""
    classifier = over({"cards": "Plastic.", "loans": "<think>hm</think> Borrowed money."})
    written = classifier.write(about("cards", "loans", "cards"), max_tokens=50)
    classifier.write(about("loans"), max_tokens=50)

    assert written.texts == ["Plastic.", "Borrowed money.", "Plastic."]
    assert [request.max_tokens for request in classifier.chat.asked] == [50, 50]
    assert written.cost[2] == 0.0
    assert all(request.top_logprobs is None for request in classifier.chat.asked)


def test_a_conversation_that_fails_stops_no_other(over):
    replies = {"cards": Status.FILTERED, "loans": "Money.", "taxes": ChatReply("", usage=Usage(9, 0))}
    written = over(replies).write(about("cards", "loans", "taxes"))

    assert written.texts == [None, "Money.", None]
    assert written.status.tolist() == [Status.FILTERED, Status.OK, Status.INVALID]


def test_a_redaction_runs_over_every_message(over):
    """Nobody knows which part of a conversation is a text."""
    classifier = over(lambda _: "ok", redact=lambda text: text.replace("secret", "***"))
    classifier.write([(Message("system", "a secret rule"), Message("user", "a secret text"))])

    assert [message.content for message in classifier.chat.asked[0].messages] == ["a *** rule", "a *** text"]


def test_from_the_cache_alone_nothing_is_asked(over):
    over(lambda _: "ok").write(about("cards"))
    written = over({}, cache_only=True).write(about("cards", "loans"))

    assert written.texts == ["ok", None]
    assert written.status.tolist() == [Status.OK, Status.NOT_CALLED]


def test_no_conversations_need_no_model(over):
    written = over({}).write([])
    assert (written.texts, np.shape(written.status)) == ([], (0,))
