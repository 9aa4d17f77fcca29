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
from textclassify.llm.logprob_decision import LogprobDecision
from textclassify.llm.money.limits import Redaction
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.packs import PackPrompt
from textclassify.llm.prompting.prompts import Prompt
from textclassify.llm.prompting.texts_as_data import as_data, redacted
from textclassify.llm.reading.readings import ReplyReader, share_of_votes


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
        codes: what the prompts call the labels, in schema order.
        names: what they are, in schema order.
        key: the cache's key of a request.
        n_samples: replies per text; their readings are averaged.
        temperature: of the sampling.
        max_tokens: longest reply.
        top_logprobs: alternatives asked for with each token; None = none.
        response_schema: JSON schema of the reply; None = free text.
        texts_per_request: texts that one request asks about.
        pack: the prompt about so many texts; needed where a request asks about several.
        redact: applied to a text before anything else sees it.
        decision: whether the log-probabilities that are asked for can be used; None = none are asked for.
        fallback: how to ask instead when they cannot; None = that is an error.
        language: of the prompts, by whose words replies are read.

    """

    model: str
    prompts: Prompts
    reader: ReplyReader
    codes: Sequence[str]
    names: Sequence[str]
    key: Callable[[ChatRequest], bytes]
    n_samples: int = 1
    temperature: float | None = 0.0
    max_tokens: int | None = None
    top_logprobs: int | None = None
    response_schema: Mapping[str, Any] | None = None
    texts_per_request: int = 1
    pack: Callable[[int], PackPrompt] | None = None
    redact: Redaction | None = None
    decision: LogprobDecision | None = None
    fallback: Question | None = None
    language: str = ENGLISH.language
    _identity: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pack is not None:
            self.pack = lru_cache(maxsize=None)(self.pack)
        rules = [] if self.pack is None else [[turn.role, turn.content] for turn in self.pack(1).messages]
        read_as = [self.codes, self.names, self.reader.scale]
        if self.language != ENGLISH.language:  # what was read before there were others keeps its key
            read_as.append(self.language)
        whole = [self.method, self.n_samples, self.texts_per_request, rules, read_as, self.prompts.identity]
        probe = self.requests([""])[0][0]
        self._identity = hashlib.sha256(self.key(probe) + json.dumps(whole).encode())

    @property
    def n_labels(self) -> int:
        """Number of labels, K."""
        return len(self.codes)

    @property
    def method(self) -> Method:
        """How scores are obtained."""
        return Method.VOTES if self.n_samples > 1 else self.reader.method

    def shown(self, text: str) -> str:
        """Return the text as it leaves the process: redacted, and without what a server could take for control tokens.

        Raises:
            ConfigError: the redaction returns something other than a string.

        """
        return as_data(text if self.redact is None else redacted(self.redact, text))

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

    def read(self, replies: Sequence[ChatReply]) -> tuple[list[float] | None, Method]:
        """Return the K scores, None when the replies do not give them, and how they were obtained."""
        if len(replies) > 1:
            readings = [self.reader.read(reply) for reply in replies if reply.status is Status.OK]
            return share_of_votes(readings), self.method
        (reply,) = replies
        values = self.reader.read(reply) if reply.status is Status.OK else None
        if values is None and self.fallback is not None and self.decision is not None and reply.status is Status.OK:
            return self.decision.outright(reply), Method.HARD
        return values, self.method

    def trusts(self, reply: ChatReply) -> bool:
        """Return whether the reply is to be read as this question asks for; the first one decides for all.

        Raises:
            ProviderError: it brings no log-probabilities, and there is no other way to ask.

        """
        if self.decision is None or self.decision.hear(reply) is not False:
            return True
        if self.fallback is None:
            raise ProviderError(
                f"the server gives no usable log-probabilities of {self.model!r}: pass method='hard' or 'votes', or "
                "'auto', which finds out"
            )
        return False

    def instead(self) -> Question:
        """Return how to ask when there are no log-probabilities."""
        if self.fallback is None:
            raise ConfigError(f"there is no other way of asking {self.model!r}")
        return self.fallback
