"""`Chat`: one question to a language model, one reply, and the reasons why a reply cannot be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, runtime_checkable

import orjson

from textclassify.core.scales import Status
from textclassify.errors import ConfigError, TextClassifyError

_FILTER_REASONS = frozenset({"content_filter", "content_filtered", "safety", "prohibited_content", "blocklist"})
_NO_DEFAULTS: Mapping[str, Any] = {}
_SHAPES_REMEMBERED = 1024


class ChatFailure(TextClassifyError):  # noqa: N818 - not an error of the run
    """One request that got no usable reply; concerns its row alone, never the run.

    A `Chat` raises it, and the row has its status. Anything else that a `Chat` raises stops the run.

    Args:
        status: of the row.
        reason: what went wrong, for people.
        may_be_billed: whether the server may have worked for the last try all the same: its reply was lost on the way
            or cannot be read.

    """

    def __init__(self, status: Status, reason: str, *, may_be_billed: bool = False) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.may_be_billed = may_be_billed

    def __str__(self) -> str:
        return f"{self.status.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything that shapes one answer.

    Args:
        model: the model's name at its provider.
        messages: the conversation so far, the question last.
        temperature: 0 = the most likely answer; None = the server's default.
        max_tokens: longest answer, in tokens; None = the server's limit.
        top_logprobs: how many alternatives of each token to report with their log-probabilities; None = none.
        response_schema: JSON schema that the answer must follow, where the server supports it.
        seed: of the sampling, where the server supports it.
        sample_index: tells several samples of one prompt apart; never sent.
        extra: further parameters of the protocol, sent as they are.

    """

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = 0.0
    max_tokens: int | None = 16
    top_logprobs: int | None = None
    response_schema: Mapping[str, Any] | None = field(default=None, hash=False)
    seed: int | None = None
    sample_index: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def key(self, provider: str, base_url: str = "", defaults: Mapping[str, Any] = _NO_DEFAULTS) -> bytes:
        """Sha256 (32 bytes) of this request and of where it goes: the cache's key.

        Args:
            provider: who is asked.
            base_url: where.
            defaults: parameters that are sent along where `extra` does not hold them.

        """
        digest = _digest_of_shape(
            provider,
            base_url,
            _as_json(defaults) if defaults else b"{}",
            self.model,
            self.temperature,
            self.max_tokens,
            self.top_logprobs,
            b"null" if self.response_schema is None else _as_json(self.response_schema),
            self.seed,
            self.sample_index,
            _as_json(self.extra) if self.extra else b"{}",
        ).copy()
        turns = [f"{len(each.role)} {len(each.content)} {each.role}{each.content}" for each in self.messages]
        digest.update("".join(turns).encode("utf-8", "surrogatepass"))  # the lengths tell where each part ends
        return digest.digest()


@lru_cache(_SHAPES_REMEMBERED)
def _digest_of_shape(*shape: Any) -> hashlib._Hash:
    """The digest so far of everything but the messages, which few requests of a run have of their own."""
    provider, base_url, defaults, model, *numbers = shape
    extra = {**json.loads(defaults), **json.loads(numbers.pop())}
    schema = json.loads(numbers.pop(3))
    whole = [provider, base_url, model, *map(_canonical, numbers), schema, extra]
    written = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass") + b"\n")


def _canonical(number: float | None) -> float | None:
    """The number in one spelling, so that 0 and 0.0 are one request in every process."""
    return int(number) if number is not None and number == number // 1 else number


def _as_json(value: Mapping[str, Any]) -> bytes:
    """The value as JSON; keys stand in the order in which it holds them."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, a key that is no string, a mapping that is no dict
        return json.dumps(dict(value), ensure_ascii=False).encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; `cached_tokens` is the part of the prompt that the provider bills at its cache price."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )


class TokenLogprob(NamedTuple):
    """One token of an answer, its natural log-probability, and its likeliest alternatives (itself among them)."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What a model answered; made of a body by `completions.read_reply`.

    Args:
        content: the answer itself.
        finish_reason: why it ends there, in the words of OpenAI's protocol.
        refusal: what the model says instead of an answer.
        logprobs: the answer's tokens, where they were asked for and given.
        usage: the tokens that were counted, `discarded` ones included.
        body: the reply as it came over the wire, which the cache keeps; empty when it was made by hand.
        cached: whether it was kept from an earlier run.
        discarded: the part of `usage` that an earlier, empty reply to the same request took, which was thrown away.

    """

    content: str
    finish_reason: str = "stop"
    refusal: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    usage: Usage = Usage()
    body: bytes = field(default=b"", compare=False, repr=False)
    cached: bool = False
    discarded: Usage = Usage()

    @property
    def status(self) -> Status:
        """OK when there is an answer to read; otherwise why there is none."""
        if self.refusal:
            return Status.REFUSED
        if self.finish_reason.lower() in _FILTER_REASONS:
            return Status.FILTERED
        return Status.OK if self.content.strip() else Status.INVALID

    @property
    def is_empty(self) -> bool:
        """Whether the model ended without a word and without a reason, as servers do when they stumble."""
        return not self.content and self.finish_reason == "stop" and self.refusal is None

    @property
    def cut_off(self) -> bool:
        """Whether the answer ended because `max_tokens` was reached."""
        return self.finish_reason == "length"


@runtime_checkable
class Chat(Protocol):
    """A language model that can be asked; any object of this shape can be passed to `LLMClassifier`.

    It repeats by itself what is worth repeating: a request that it gives up is not sent again. (A reply that names no
    label is another matter: the question is then put once more in other words, which is a request of its own.)
    """

    @property
    def name(self) -> str:
        """Who answers: the provider's name, part of the cache's key."""
        ...

    @property
    def model(self) -> str:
        """The model that is asked."""
        ...

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply to one request; raises `ChatFailure` for a row without one, another error to stop the run."""
        ...


@runtime_checkable
class ConnectedChat(Chat, Protocol):
    """A `Chat` that holds connections for the time of a run, and says what identifies a request at its address."""

    def connected(self) -> AbstractAsyncContextManager[Chat]:
        """The same model with open connections, in the running event loop."""
        ...

    def key(self, request: ChatRequest) -> bytes:
        """The cache's key of a request, 32 bytes."""
        ...


@runtime_checkable
class PacedChat(Chat, Protocol):
    """An open `Chat` that paces its requests: each is admitted before it is completed.

    `before_retry` is awaited before a request is sent again whose last try was or may have been billed; None = nobody
    counts the money. While somebody does, nothing is sent without a limit to its answer's length (`ConfigError`).
    """

    before_retry: Callable[[ChatRequest], Awaitable[None]] | None

    @property
    def tries(self) -> int:
        """How many HTTP requests were sent since it was opened."""
        ...

    def try_admit(self, request: ChatRequest) -> bool:
        """Take a slot for a request if one is free now."""
        ...

    async def admit(self, request: ChatRequest) -> None:
        """Wait for a slot and take it."""
        ...


@dataclass(frozen=True, slots=True)
class AbsentChat:
    """Stands for a `Chat` that was not saved: its cached replies are found by its name, and it answers nothing new.

    `remedy` is what gives its classifier the chat back.
    """

    name: str
    model: str
    remedy: str = "set_params(chat=...)"

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Say what is missing.

        Raises:
            ConfigError: always.

        """
        raise ConfigError(
            f"no file and no pickle holds the chat {self.name!r}, and the cache has no reply of {request.model!r} to "
            f"this text: pass the chat again, classifier.{self.remedy}"
        )
