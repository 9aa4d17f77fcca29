"""`read_reply`: what a server's reply says, in OpenAI's chat completions protocol or in Gemini's own."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

import orjson

from textclassify.llm.chat import ChatReply, TokenLogprob, Usage

_NATIVE_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "BLOCKLIST": "content_filter",
    "RECITATION": "content_filter",
    "SPII": "content_filter",
}
"""Why Gemini ends an answer -> what OpenAI's protocol calls it."""
_MOST_TOKENS = 2**53
"""A server that counts more is not believed; sums of it would not fit into the ledger."""
_UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


def read_reply(body: bytes, *, cached: bool = False) -> ChatReply:
    """The reply that a body holds, fresh from the wire or kept.

    >>> read_reply(b'{"choices": [{"message": {"content": "sports"}, "finish_reason": "stop"}]}').content
    'sports'

    Raises:
        ValueError: it holds none: it is cut short, or no JSON, or JSON of another kind.

    """
    return reply_in(parsed(body), body, cached=cached)


def parsed(body: bytes) -> Any:
    """The JSON value that a body holds, also one with NaN or a lone surrogate, which some servers send.

    Raises:
        ValueError: it is no JSON.

    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def reply_in(value: Any, body: bytes, *, cached: bool = False) -> ChatReply:
    """The reply that a parsed body holds.

    Raises:
        ValueError: it holds none.

    """
    try:
        choice = value["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        return _native_reply(value, body, cached=cached)
    logprobs, reason = choice.get("logprobs"), choice.get("finish_reason")
    return ChatReply(
        content if type(content) is str else _text_of(content),
        str(reason) if reason else "stop",
        str(refusal) if refusal else None,
        _logprobs_in(logprobs) if logprobs else (),
        _usage_in(value.get("usage")),
        body,
        cached,
    )


def written(reply: ChatReply) -> bytes:
    """The body of a reply, or for one made by hand, a chat completion that `read_reply` reads back as the same."""
    if reply.body:
        return reply.body
    tokens = [
        {
            "token": each.token,
            "logprob": each.logprob,
            "top_logprobs": [{"token": token, "logprob": logprob} for token, logprob in each.alternatives],
        }
        for each in reply.logprobs
    ]
    choice = {
        "message": {"role": "assistant", "content": reply.content, "refusal": reply.refusal},
        "finish_reason": reply.finish_reason,
        "logprobs": {"content": tokens},
    }
    usage = asdict(reply.usage) | {"prompt_tokens_details": {"cached_tokens": reply.usage.cached_tokens}}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def _text_of(content: Any) -> str:
    """The text of a message that is no string: of a list of parts, or none."""
    if not isinstance(content, list):
        return ""
    return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))


def _logprobs_in(given: Any) -> tuple[TokenLogprob, ...]:
    """The tokens' log-probabilities; none where the server sent them in another shape."""
    try:
        return tuple([_token(each, each.get("top_logprobs"), "logprob") for each in given.get("content") or ()])
    except _UNREADABLE:
        return ()


def _token(token: Any, others: Any, value: str) -> TokenLogprob:
    """A token with its alternatives, less those without a finite log-probability, which stands under `value`.

    Raises:
        ValueError: its own is not finite.

    """
    own = float(token[value])
    if not isfinite(own):
        raise ValueError(f"log-probability {own}")
    alternatives = [(str(other["token"]), float(other[value])) for other in others or ()]
    return TokenLogprob(str(token["token"]), own, tuple([pair for pair in alternatives if isfinite(pair[1])]))


def _usage_in(given: Any) -> Usage:
    """The tokens that were counted; 0 where the server does not say."""
    if not isinstance(given, dict):
        return Usage()
    details = given.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else given.get("prompt_cache_hit_tokens")
    return Usage(_count(given.get("prompt_tokens")), _count(given.get("completion_tokens")), _count(cached))


def _count(given: Any) -> int:
    """A number of tokens from 0 to `_MOST_TOKENS`; 0 where it is none."""
    if type(given) is int or (type(given) is float and isfinite(given)):
        return min(max(int(given), 0), _MOST_TOKENS)
    return 0


def _native_reply(value: Any, body: bytes, *, cached: bool) -> ChatReply:
    """The reply of Gemini's generateContent; a prompt that its filter stopped has no candidate.

    Raises:
        ValueError: the value is no such reply either.

    """
    fields = _mapping(value)
    candidates = fields.get("candidates")
    if isinstance(candidates, list) and candidates and isinstance(candidates[0], dict):
        candidate = candidates[0]
        reason = str(candidate.get("finishReason") or "STOP")
    elif _mapping(fields.get("promptFeedback")).get("blockReason"):
        candidate, reason = {}, "SAFETY"
    else:
        raise ValueError("not a chat completion: it has no choices[0].message")
    parts = _mapping(candidate.get("content")).get("parts")
    said = [part for part in parts if not _mapping(part).get("thought")] if isinstance(parts, list) else []
    return ChatReply(
        _text_of(said),
        _NATIVE_REASONS.get(reason, reason.lower()),
        None,
        _native_logprobs(candidate.get("logprobsResult")),
        _native_usage(_mapping(fields.get("usageMetadata"))),
        body,
        cached,
    )


def _native_logprobs(given: Any) -> tuple[TokenLogprob, ...]:
    try:
        chosen = given["chosenCandidates"]
        tops = given.get("topCandidates") or [{}] * len(chosen)
        pairs = zip(chosen, tops, strict=True)
        return tuple([_token(each, top.get("candidates"), "logProbability") for each, top in pairs])
    except _UNREADABLE:
        return ()


def _native_usage(given: dict[str, Any]) -> Usage:
    """The tokens that were counted; thoughts are billed as answers are."""
    answered = _count(given.get("candidatesTokenCount")) + _count(given.get("thoughtsTokenCount"))
    return Usage(_count(given.get("promptTokenCount")), _count(answered), _count(given.get("cachedContentTokenCount")))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
