import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.scales import Status
from textclassify.llm.chat import Chat, ChatFailure, ChatReply, ChatRequest, ConnectedChat, Message, TokenLogprob, Usage

REQUEST = ChatRequest("m", (Message("user", "hi"),))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"messages": (Message("system", "hi"),)},
        {"temperature": 0.5},
        {"max_tokens": 17},
        {"top_logprobs": 5},
        {"response_schema": {"type": "object"}},
        {"seed": 1},
        {"sample_index": 1},
        {"extra": {"top_p": 0.5}},
    ],
)
def test_whatever_shapes_the_answer_changes_the_key(change):
    """Otherwise the cache would hand out the answer to another question."""
    assert replace(REQUEST, **change).key("p", "u") != REQUEST.key("p", "u")


def test_the_key_depends_on_where_the_request_goes_and_on_nothing_else():
    """Two processes must find each other's answers, and two providers must not."""
    again = ChatRequest("m", (Message("user", "hi"),), response_schema=None)

    assert again.key("p", "u") == REQUEST.key("p", "u")
    assert len({REQUEST.key("p", "u"), REQUEST.key("q", "u"), REQUEST.key("p", "v")}) == 3


def test_a_text_with_a_lone_surrogate_has_a_key():
    """Such texts exist in scraped data and must not end a run."""
    assert len(ChatRequest("m", (Message("user", "\ud83d"),)).key("p")) == 64


def test_a_reply_is_read_from_a_completion():
    """Content, reason, log-probabilities and tokens are all that the rest of the library looks at."""
    token = {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": -0.1}]}
    choice = {"message": {"content": "A"}, "finish_reason": "length", "logprobs": {"content": [token]}}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}

    reply = ChatReply.from_raw({"choices": [choice], "usage": usage})

    assert (reply.content, reply.cut_off, reply.usage) == ("A", True, Usage(9, 1, 4))
    assert reply.logprobs == (TokenLogprob("A", -0.1, (("A", -0.1),)),)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (ChatReply("sports"), Status.OK),
        (ChatReply("", refusal="I cannot help"), Status.REFUSED),
        (ChatReply("", finish_reason="content_filter"), Status.FILTERED),
        (ChatReply(" \n"), Status.INVALID),
    ],
)
def test_a_reply_says_why_it_cannot_be_used(reply, status):
    """A row's status is the user's only hint at what went wrong."""
    assert reply.status is status


def test_a_reply_made_by_hand_survives_the_cache():
    """Chats that people write themselves have no raw reply."""
    reply = ChatReply("A", "stop", None, (TokenLogprob("A", -0.5, (("A", -0.5), ("B", -1.0))),), Usage(5, 1, 2))

    again = ChatReply.from_raw(json.loads(json.dumps(reply.to_raw())))

    assert replace(again, raw={}) == reply


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_anything_that_is_no_completion_is_refused_by_name(raw):
    """Servers send HTML, lists, nulls; each must become a status, not a crash."""
    with pytest.raises(ValueError, match="not a chat completion"):
        ChatReply.from_raw(raw)


@given(
    st.recursive(
        st.none() | st.floats() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["content", "token", "logprob", "text", "prompt_tokens"]), x)
        ),
    )
)
def test_wrong_types_inside_a_completion_do_no_harm(junk):
    """Parts that nobody can read count as absent."""
    raw = {"choices": [{"message": {"content": junk}, "logprobs": junk, "finish_reason": junk}], "usage": junk}

    reply = ChatReply.from_raw(raw)

    assert isinstance(reply.content, str)
    assert isinstance(reply.status, Status)


def test_any_object_of_the_right_shape_is_a_chat():
    """Users bring their own models without importing a base class."""

    class Mine:
        name, model = "mine", "m"

        async def complete(self, request):
            return ChatReply(request.model)

    assert isinstance(Mine(), Chat)
    assert not isinstance(Mine(), ConnectedChat)


def test_a_failure_shows_its_status_and_reason():
    """It is what a log or a report prints."""
    assert str(ChatFailure(Status.TOO_LONG, "9000 tokens")) == "TOO_LONG: 9000 tokens"
