"""`Question`: how a remote language model is asked about texts, and how its replies become their scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

from textclassify.core.scales import Method, Status
from textclassify.errors import ConfigError, ProviderError
from textclassify.llm.chat import ChatReply, ChatRequest, Message
from textclassify.llm.money.limits import Redaction
from textclassify.llm.prompting.packs import PackPrompt
from textclassify.llm.prompting.prompts import Prompt
from textclassify.llm.reading.readings import ReplyReader, share_of_votes
from textclassify.llm.reading.token_logprobs import usable_logprobs


class Prompts(Protocol):
    """The prompts of a run: which one a text is put into."""

    identity: str
    """Of all that is not in the prompt of an ordinary text, such as the pool that examples are retrieved from."""

    def of(self, texts: Sequence[str]) -> list[Prompt]:
        """Return the prompt of each text; most share one."""

    def is_example(self, text: str) -> bool:
        """Return whether a text is one of the examples that all others are shown beside."""


@dataclass
class Question:
    """One way of asking one model.

    Args:
        model: its name.
        prompts: which prompt a text is put into.
        reader: what turns a reply into K scores.
        n_labels: K.
        key: the cache's key of a request.
        n_samples: replies per text; their readings are averaged.
        temperature: of the sampling.
        max_tokens: longest reply.
        top_logprobs: alternatives asked for with each token; None = none.
        response_schema: JSON schema of the reply; None = free text.
        texts_per_request: texts that one request asks about.
        pack: the prompt about so many texts; needed where a request asks about several.
        redact: applied to a text before anything else sees it.
        fallback: how to ask instead when the server turns out to give no log-probabilities; None = that is an error.
        known: what is known meanwhile of the log-probabilities, from others who ask the same model.
        on_decided: called once, with whether the log-probabilities are usable.

    """

    model: str
    prompts: Prompts
    reader: ReplyReader
    n_labels: int
    key: Callable[[ChatRequest], bytes]
    n_samples: int = 1
    temperature: float | None = 0.0
    max_tokens: int | None = None
    top_logprobs: int | None = None
    response_schema: Mapping[str, Any] | None = None
    texts_per_request: int = 1
    pack: Callable[[int], PackPrompt] | None = None
    redact: Redaction | None = None
    fallback: Question | None = None
    on_decided: Callable[[bool], None] | None = None
    known: Callable[[], bool | None] | None = None
    decided: bool | None = None
    _identity: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        whole = [self.method, self.n_samples, self.texts_per_request, self.prompts.identity]
        if self.pack is not None:
            self.pack = lru_cache(maxsize=None)(self.pack)
        probe = self.requests([""])[0][0]
        self._identity = hashlib.sha256(self.key(probe) + json.dumps(whole).encode())

    @property
    def method(self) -> Method:
        """How scores are obtained."""
        return Method.VOTES if self.n_samples > 1 else self.reader.method

    def shown(self, text: str) -> str:
        """Return the text as it leaves the process.

        Raises:
            ConfigError: the redaction returns something other than a string.

        """
        if self.redact is None:
            return text
        redacted = self.redact(text)
        if not isinstance(redacted, str):
            raise ConfigError(f"redact returned {type(redacted).__name__}, not a string; nothing was sent")
        return redacted

    def row_key(self, text: str) -> bytes:
        """Return the digest (32 bytes) of everything that shapes the scores of a text."""
        state = self._identity.copy()
        state.update(text.encode("utf-8", "surrogatepass"))
        digest: bytes = state.digest()
        return digest

    def requests(self, texts: Sequence[str]) -> list[list[ChatRequest]]:
        """Return what is asked about each text: one request, or several samples."""
        prompts = self.prompts.of(texts)
        return [self._samples(prompt.about(text)) for prompt, text in zip(prompts, texts, strict=True)]

    def goes_alone(self, text: str) -> bool:
        """Return whether a text must not share a request: nothing does, or it would be shown beside itself."""
        return self.pack is None or self.prompts.is_example(text)

    def pack_requests(self, texts: Sequence[str]) -> list[ChatRequest]:
        """Return what is asked about several texts at once: one request, or several samples."""
        return self._samples(self._pack_of(len(texts)).about(texts))

    def read_pack(self, replies: Sequence[ChatReply], n_texts: int) -> list[list[float] | None]:
        """Return the K scores of each text of a pack; None where the replies do not give them."""
        pack = self._pack_of(n_texts)
        readings = [pack.read(reply.content) for reply in replies if reply.status is Status.OK]
        if len(readings) == 1:
            return readings[0]
        return [share_of_votes([reading[place] for reading in readings]) for place in range(n_texts)]

    def _pack_of(self, n_texts: int) -> PackPrompt:
        if self.pack is None:
            raise ConfigError("texts_per_request needs method 'hard' or 'votes'")
        return self.pack(n_texts)

    def _samples(self, messages: tuple[Message, ...]) -> list[ChatRequest]:
        first = self._request(messages)
        return [first, *(replace(first, sample_index=number) for number in range(1, self.n_samples))]

    def repair(self, text: str) -> ChatRequest:
        """Return what is asked after replies that could not be read."""
        (prompt,) = self.prompts.of([text])
        return self._request(prompt.again(text))

    def _request(self, messages: tuple[Message, ...]) -> ChatRequest:
        return ChatRequest(
            self.model,
            messages,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            top_logprobs=self.top_logprobs,
            response_schema=self.response_schema,
        )

    def read(self, replies: Sequence[ChatReply]) -> list[float] | None:
        """Return the K scores; None when the replies do not give them."""
        if len(replies) == 1:
            return self.reader.read(replies[0]) if replies[0].status is Status.OK else None
        return share_of_votes([self.reader.read(reply) for reply in replies if reply.status is Status.OK])

    def is_decided_elsewhere(self) -> bool | None:
        """Return, and take over, what others have found out about the log-probabilities; None = nothing yet."""
        if self.decided is None and self.known is not None:
            self.decided = self.known()
        return self.decided

    def trusts(self, reply: ChatReply) -> bool:
        """Return whether a reply brings the log-probabilities that were asked for; the first one decides for all.

        Raises:
            ProviderError: it does not, and there is no other way to ask.

        """
        if self.top_logprobs is None or self.decided or reply.status is not Status.OK:
            return True
        if self.decided is None:
            self.decided = self._brings_logprobs(reply)
            if self.decided is None:
                return True
            if self.on_decided is not None:
                self.on_decided(self.decided)
        if not self.decided and self.fallback is None:
            raise ProviderError(
                f"the server gives no usable log-probabilities of {self.model!r}: pass method='hard' or 'votes', or "
                "'auto', which finds out"
            )
        return self.decided

    def _brings_logprobs(self, reply: ChatReply) -> bool | None:
        """Return whether the log-probabilities of a reply can be used; None when its answer tells nothing at all."""
        if not usable_logprobs(reply):
            return False
        if self.reader.read(reply) is not None:
            return True
        names_a_label = self.fallback is not None and self.fallback.reader.read(reply) is not None
        return False if names_a_label else None

    def instead(self) -> Question:
        """Return how to ask when there are no log-probabilities."""
        if self.fallback is None:
            raise ConfigError(f"there is no other way of asking {self.model!r}")
        return self.fallback
