import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.scales import Status
from textclassify.llm.chat import ChatReply, TokenLogprob, Usage
from textclassify.llm.completions import read_reply, written

_NAMES = re.findall(
    r"\w+",
    "choices message content finish_reason refusal logprobs token logprob top_logprobs usage prompt_tokens error text "
    "prompt_tokens_details cached_tokens candidates parts thought finishReason promptFeedback blockReason "
    "logprobsResult chosenCandidates topCandidates logProbability usageMetadata promptTokenCount",
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=20,
)
_TOKENS = st.builds(
    TokenLogprob,
    st.text(max_size=3),
    st.floats(-99, 0),
    st.lists(st.tuples(st.text(max_size=3), st.floats(-99, 0)), max_size=3).map(tuple),
)


def body(value):
    return json.dumps(value).encode()


def completion(**choice):
    return body({"choices": [{"message": {"content": "A"}, **choice}]})


def native(**fields):
    return body({"candidates": [{"content": {"parts": [{"text": "A"}], "role": "model"}, **fields}]})


def test_a_reply_is_read_from_a_completion():
    """Content, reason, log-probabilities and tokens are all that the rest of the library looks at."""
    token = {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": -0.1}]}
    choice = {"message": {"content": "A"}, "finish_reason": "length", "logprobs": {"content": [token]}}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}
    whole = body({"choices": [choice], "usage": usage})

    reply = read_reply(whole, cached=True)

    assert (reply.content, reply.cut_off, reply.usage, reply.cached) == ("A", True, Usage(9, 1, 4), True)
    assert reply.logprobs == (TokenLogprob("A", -0.1, (("A", -0.1),)),)
    assert reply.body is whole


def test_a_reply_is_read_from_geminis_own_protocol():
    """It is the one that gives log-probabilities; thoughts are no part of the answer, but are paid for."""
    chosen = [{"token": "A", "tokenId": 1, "logProbability": -0.1}]
    tops = [{"candidates": [*chosen, {"token": "B", "logProbability": -2.5}]}]
    candidate = {
        "content": {"parts": [{"text": "hm", "thought": True}, {"text": "A"}], "role": "model"},
        "finishReason": "MAX_TOKENS",
        "logprobsResult": {"chosenCandidates": chosen, "topCandidates": tops},
    }
    usage = {
        "promptTokenCount": 9,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 1,
        "thoughtsTokenCount": 5,
    }

    reply = read_reply(body({"candidates": [candidate], "usageMetadata": usage}))

    assert (reply.content, reply.cut_off, reply.usage) == ("A", True, Usage(9, 6, 4))
    assert reply.logprobs == (TokenLogprob("A", -0.1, (("A", -0.1), ("B", -2.5))),)


@pytest.mark.parametrize(
    "blocked",
    [native(finishReason="SAFETY"), native(finishReason="RECITATION"), body({"promptFeedback": {"blockReason": "X"}})],
)
def test_what_geminis_filter_stops_is_filtered(blocked):
    """A blocked prompt has no candidate at all, and is no broken reply that is worth another try."""
    assert read_reply(blocked).status is Status.FILTERED


def test_content_in_parts_is_put_together():
    """Some servers answer as they may be asked: with a list."""
    parts = [{"type": "text", "text": "spo"}, {"type": "text", "text": "rts"}, {"type": "image"}]
    assert read_reply(body({"choices": [{"message": {"content": parts}}]})).content == "sports"


def test_log_probabilities_that_are_no_numbers_count_as_absent():
    """Python servers write NaN and -Infinity, which are no JSON, into otherwise good answers."""
    odd = {"token": "A", "logprob": float("nan")}
    good = {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "B", "logprob": float("-inf")}]}

    assert read_reply(completion(logprobs={"content": [odd]})).logprobs == ()
    assert read_reply(completion(logprobs={"content": [good]})).logprobs == (TokenLogprob("A", -0.1, ()),)
    assert read_reply(completion(logprobs={"content": [odd]})).content == "A"


def test_a_lone_surrogate_in_an_answer_does_no_harm():
    """Half an emoji is what a cut answer may end with."""
    assert read_reply(b'{"choices": [{"message": {"content": "A\\ud83d"}}]}').content == "A\ud83d"


@pytest.mark.parametrize(
    "unreadable",
    [b"", b"<html>", b"\xff\xfe{", b'{"choices": [{"mess', b"[" * 99_999, b"{}", body({"candidates": []}), b"9" * 9999],
)
def test_a_body_that_holds_no_reply_is_a_value_error(unreadable):
    """It is what the transport tries again after, and the cache asks for anew."""
    with pytest.raises(ValueError, match=r".+"):
        read_reply(unreadable)


@given(st.binary(max_size=60) | _JSON.map(body) | _JSON.map(lambda inner: body({"candidates": [inner]})))
def test_any_body_is_a_reply_or_a_value_error(anything):
    """Servers send HTML, lists, nulls and worse; none may end a run."""
    try:
        reply = read_reply(anything)
    except ValueError:
        return
    assert isinstance(reply.status, Status)


@given(_JSON)
def test_wrong_types_inside_a_completion_do_no_harm(junk):
    """Parts that nobody can read count as absent."""
    choice = {"message": {"content": junk, "refusal": junk}, "logprobs": junk, "finish_reason": junk}
    inner = {"content": junk, "finishReason": junk, "logprobsResult": junk}

    for whole in ({"choices": [choice], "usage": junk}, {"candidates": [inner], "usageMetadata": junk}):
        reply = read_reply(body(whole))
        assert isinstance(reply.content, str)
        assert all(isinstance(count, int) for count in (reply.usage.prompt_tokens, reply.usage.completion_tokens))


@given(st.text(), st.none() | st.text(min_size=1), st.lists(_TOKENS, max_size=3), st.integers(0, 9))
def test_a_reply_made_by_hand_survives_the_cache(content, refusal, tokens, count):
    """Chats that people write themselves have no body."""
    reply = ChatReply(content, "stop", refusal, tuple(tokens), Usage(count, 1, 2))
    assert read_reply(written(reply)) == reply


def test_a_reply_from_the_wire_is_kept_as_it_came():
    """A better reader may one day find more in it."""
    whole = completion(extra="kept")
    assert written(replace(read_reply(whole), content="changed")) is whole


@pytest.mark.parametrize(
    ("given", "counted"),
    [(7, 7), (7.0, 7), (-3, 0), (-0.5, 0), (True, 0), ("7", 0), (None, 0), (float("nan"), 0), (float("inf"), 0),
     (2**64 - 1, 2**53), (10**400, 2**53), (1e300, 2**53)],
)  # fmt: skip
def test_a_number_of_tokens_is_one_that_can_be_counted(given, counted):
    """One that does not fit into the ledger would end a run, and a negative one would be money back."""
    usage = {"prompt_tokens": given, "completion_tokens": given, "prompt_tokens_details": {"cached_tokens": given}}
    whole = {"choices": [{"message": {"content": "A"}}], "usage": usage}
    assert read_reply(body(whole)).usage == Usage(counted, counted, counted)
    native_usage = {"promptTokenCount": given, "candidatesTokenCount": given, "cachedContentTokenCount": given}
    whole = {"candidates": [{}], "usageMetadata": native_usage}
    assert read_reply(body(whole)).usage == Usage(counted, counted, counted)
