import asyncio
import hashlib
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.scales import Status
from textclassify.errors import ConfigError
from textclassify.llm.chat import (
    AbsentChat,
    Chat,
    ChatFailure,
    ChatReply,
    ChatRequest,
    ConnectedChat,
    Message,
    PacedChat,
    Usage,
)

REQUEST = ChatRequest("m", (Message("user", "hi"),))

# Few values, so that two requests often differ in one place only, and texts that look like the key's own separators.
_WORDS = st.text(alphabet="1 a\0\ud800", max_size=4)
_NUMBERS = st.none() | st.integers(0, 2)
_MAPPINGS = st.dictionaries(_WORDS, st.none() | st.integers(0, 1) | _WORDS | st.lists(_WORDS, max_size=2), max_size=2)
_REQUESTS = st.builds(
    ChatRequest,
    model=_WORDS,
    messages=st.lists(st.builds(Message, _WORDS, _WORDS), max_size=3).map(tuple),
    temperature=st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    max_tokens=_NUMBERS,
    top_logprobs=_NUMBERS,
    response_schema=st.none() | _MAPPINGS,
    seed=_NUMBERS,
    sample_index=st.integers(0, 2),
    extra=_MAPPINGS,
)


@given(_REQUESTS, _REQUESTS)
def test_two_requests_have_one_key_only_if_they_are_the_same(one, other):
    """Otherwise the cache would hand out the answer to another question."""
    assert (one.key("p", "u") == other.key("p", "u")) is (one == other)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"messages": (Message("system", "hi"),)},
        {"messages": (Message("user", "h"), Message("", "i"))},
        {"temperature": 0.5},
        {"temperature": None},
        {"max_tokens": 17},
        {"top_logprobs": 5},
        {"response_schema": {"type": "object"}},
        {"response_schema": {}},
        {"seed": 1},
        {"sample_index": 1},
        {"extra": {"top_p": 0.5}},
    ],
)
def test_whatever_shapes_the_answer_changes_the_key(change):
    """One by one, as the values drawn at random may leave one out."""
    assert replace(REQUEST, **change).key("p", "u") != REQUEST.key("p", "u")


def test_the_key_depends_on_where_the_request_goes_and_on_nothing_else():
    """Two processes must find each other's answers, and two providers must not."""
    again = ChatRequest("m", (Message("user", "hi"),), temperature=0, response_schema=None)

    assert again.key("p", "u") == REQUEST.key("p", "u")
    assert len({REQUEST.key("p", "u"), REQUEST.key("q", "u"), REQUEST.key("p", "v")}) == 3
    one, other = replace(REQUEST, extra={"a": 1, "b": 2}), replace(REQUEST, extra={"b": 2, "a": 1})
    assert one.key("p") == other.key("p")


def test_a_key_is_the_same_in_every_process_and_version():
    """A key that depended on the hash seed, or changed by accident, would make people pay again."""
    shape = b'["p","u","m",0,16,null,null,0,null,{}]\n'
    assert REQUEST.key("p", "u") == hashlib.sha256(shape + b"4 2 userhi").digest()


def test_the_providers_own_parameters_count_unless_the_request_overrides_them():
    """They are sent along and shape the answer."""
    defaults = {"effort": "none"}
    overriding = replace(REQUEST, extra={"effort": "high"})

    assert REQUEST.key("p", "u", defaults) != REQUEST.key("p", "u")
    assert REQUEST.key("p", "u", defaults) == replace(REQUEST, extra=defaults).key("p", "u")
    assert overriding.key("p", "u", defaults) == overriding.key("p", "u")


def test_a_mapping_that_was_changed_changes_the_key():
    """Users fill one dictionary again and again."""
    extra = {"top_p": 0.5}
    request = replace(REQUEST, extra=extra)
    before = request.key("p")
    extra["top_p"] = 0.9

    assert request.key("p") != before


def test_a_text_with_a_lone_surrogate_has_a_key():
    """Such texts exist in scraped data and must not end a run."""
    halves, whole = (replace(REQUEST, model=name) for name in ("\ud83d\ude00", "\U0001f600"))
    assert len(ChatRequest("m", (Message("user", "\ud83d"),)).key("p")) == 32
    assert halves.key("p") != whole.key("p")


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


def test_any_object_of_the_right_shape_is_a_chat():
    """Users bring their own models without importing a base class."""

    class Mine:
        name, model = "mine", "m"

        async def complete(self, request):
            return ChatReply(request.model)

    assert isinstance(Mine(), Chat)
    assert not isinstance(Mine(), ConnectedChat)
    assert not isinstance(Mine(), PacedChat)


def test_tokens_of_several_tries_add_up():
    """Each kind by itself, as each has its price."""
    assert Usage(10, 2, 4) + Usage(1, 3, 5) == Usage(11, 5, 9)


def test_a_failure_shows_its_status_and_reason():
    """It is what a log or a report prints."""
    assert str(ChatFailure(Status.TOO_LONG, "9000 tokens")) == "TOO_LONG: 9000 tokens"
    assert not ChatFailure(Status.TOO_LONG, "9000 tokens").may_be_billed
    assert pickle.loads(pickle.dumps(ChatFailure(Status.FAILED, "lost", may_be_billed=True))).may_be_billed


def test_a_chat_that_was_not_saved_says_how_to_go_on():
    """A loaded classifier answers from its cache until a text is new."""
    with pytest.raises(ConfigError, match=r"no file and no pickle holds the chat 'mine'.*pass the chat again"):
        asyncio.run(AbsentChat("mine", "m").complete(REQUEST))
