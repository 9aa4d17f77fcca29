"""`Chat`: one question to a language model, one reply, and the reasons why a reply cannot be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol, Self, runtime_checkable

from textclassify.core.scales import Status
from textclassify.errors import ConfigError, TextClassifyError

_FILTER_REASONS = frozenset({"content_filter", "content_filtered", "safety", "prohibited_content", "blocklist"})


class ChatFailure(TextClassifyError):  # noqa: N818 - not an error of the run
    """One request that got no usable reply; concerns its row alone, never the run.

    A `Chat` raises it, and `ask_all` returns it in the row's place. Anything else that a `Chat` raises stops the run.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

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

    def key(self, provider: str, base_url: str = "") -> str:
        """Sha256 (64 hex digits) of the canonical JSON of this request and of where it goes: the cache's key."""
        shape = {name: getattr(self, name) for name in _SHAPING_FIELDS}
        shape |= {"provider": provider, "base_url": base_url}
        shape["messages"] = [(message.role, message.content) for message in self.messages]
        return hashlib.sha256(json.dumps(shape, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


_SHAPING_FIELDS = tuple(each.name for each in fields(ChatRequest))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; `cached_tokens` is the part of the prompt that the provider bills at its cache price."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of an answer, its natural log-probability, and its likeliest alternatives (itself among them)."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What a model answered; `raw` is the answer as it came, in the shape of an OpenAI chat completion.

    >>> ChatReply.from_raw({"choices": [{"message": {"content": "sports"}, "finish_reason": "stop"}]}).content
    'sports'

    """

    content: str
    finish_reason: str = "stop"
    refusal: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    usage: Usage = Usage()
    raw: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    cached: bool = False

    @property
    def status(self) -> Status:
        """OK when there is an answer to read; otherwise why there is none."""
        if self.refusal:
            return Status.REFUSED
        if self.finish_reason.lower() in _FILTER_REASONS:
            return Status.FILTERED
        return Status.OK if self.content.strip() else Status.INVALID

    @property
    def cut_off(self) -> bool:
        """Whether the answer ended because `max_tokens` was reached."""
        return self.finish_reason == "length"

    @classmethod
    def from_raw(cls, raw: Any, *, cached: bool = False) -> Self:
        """The reply that a chat completion holds.

        Raises:
            ValueError: `raw` is not a chat completion.

        """
        try:
            choice = raw["choices"][0]
            message = choice["message"]
            content, refusal = message.get("content"), message.get("refusal")
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ValueError("not a chat completion: it has no choices[0].message") from None
        return cls(
            content=_as_text(content),
            finish_reason=str(choice.get("finish_reason") or "stop"),
            refusal=str(refusal) if refusal else None,
            logprobs=_read_logprobs(choice.get("logprobs")),
            usage=_read_usage(raw.get("usage")),
            raw=raw,
            cached=cached,
        )

    def to_raw(self) -> Mapping[str, Any]:
        """`raw`, or for a reply made by hand, the chat completion that `from_raw` reads back as this reply."""
        if self.raw:
            return self.raw
        tokens = [
            {
                "token": each.token,
                "logprob": each.logprob,
                "top_logprobs": [{"token": token, "logprob": logprob} for token, logprob in each.alternatives],
            }
            for each in self.logprobs
        ]
        choice = {
            "message": {"role": "assistant", "content": self.content, "refusal": self.refusal},
            "finish_reason": self.finish_reason,
            "logprobs": {"content": tokens},
        }
        usage = asdict(self.usage) | {"prompt_tokens_details": {"cached_tokens": self.usage.cached_tokens}}
        return {"choices": [choice], "usage": usage}


@runtime_checkable
class Chat(Protocol):
    """A language model that can be asked; any object of this shape can be passed to `LLMClassifier`."""

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

    def key(self, request: ChatRequest) -> str:
        """The cache's key of a request."""
        ...


@dataclass(frozen=True, slots=True)
class AbsentChat:
    """Stands for a `Chat` that was not saved: its cached replies are found by its name, and it answers nothing new."""

    name: str
    model: str

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Say what is missing.

        Raises:
            ConfigError: always.

        """
        raise ConfigError(
            f"no file and no pickle holds the chat {self.name!r}, and the cache has no reply of {request.model!r} to "
            "this text: pass the chat again, classifier.set_params(chat=...)"
        )


def _as_text(content: Any) -> str:
    """The text of a message, which is a string, nothing, or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _read_logprobs(given: Any) -> tuple[TokenLogprob, ...]:
    """The tokens' log-probabilities; none where the server sent them in another shape."""
    try:
        return tuple(
            TokenLogprob(
                str(token["token"]),
                float(token["logprob"]),
                tuple((str(other["token"]), float(other["logprob"])) for other in token.get("top_logprobs") or ()),
            )
            for token in (given or {}).get("content") or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _read_usage(given: Any) -> Usage:
    """The tokens that were counted; 0 where the server does not say."""
    if not isinstance(given, dict):
        return Usage()
    details = given.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else given.get("prompt_cache_hit_tokens")
    counts = (given.get("prompt_tokens"), given.get("completion_tokens"), cached)
    return Usage(*(count if isinstance(count, int) and count > 0 else 0 for count in counts))
