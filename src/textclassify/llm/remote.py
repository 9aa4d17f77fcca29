"""`RemoteModel`: a language model behind a `Chat`, ready to score texts, one call or a stream of them at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.progress import report
from textclassify.core.scales import Status
from textclassify.core.texts import listed
from textclassify.errors import ConfigError
from textclassify.llm.chat import Chat, ChatRequest, ConnectedChat, Message
from textclassify.llm.engine import BLOCK, READING_VERSION, RowRun, ScoredRows
from textclassify.llm.exchange import Exchange
from textclassify.llm.http.providers import PROVIDERS
from textclassify.llm.in_process.likelihoods import Answers
from textclassify.llm.money.budget import Budget
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.limits import Redaction
from textclassify.llm.money.prices import Price
from textclassify.llm.money.question_estimates import estimate_of
from textclassify.llm.prompting.demonstrations import Demonstration, NearestExamples
from textclassify.llm.prompting.packs import pack_prompt
from textclassify.llm.prompting.prompt_choice import NearestPrompts, SharedPrompts
from textclassify.llm.prompting.prompts import choice_prompt, scores_prompt, shown
from textclassify.llm.prompting.templates import Template
from textclassify.llm.questions import Question
from textclassify.llm.reading.readings import HardReader
from textclassify.llm.reading.token_logprobs import LogprobReader
from textclassify.llm.reading.verbal_scores import VerbalReader, verbal_schema
from textclassify.llm.store.cache import ResponseCache

logger = logging.getLogger(__name__)

METHODS = ("auto", "logprobs", "votes", "verbal", "hard")
"""Ways of getting scores out of a remote model."""
VOTING_TEMPERATURE = 0.7
"""Of the samples of `votes` where no other is given, as in self-consistency (Wang et al. 2022)."""
_MOST_ALTERNATIVES = 20
_OTHER_ALTERNATIVES = 6
"""Alternatives asked for beyond the labels: a code in lower case, with a space before it, in quotes."""
_TOKENS_PER_SCORE = 12
_ROWS_AHEAD = 20_000
"""So many rows may be scored and not yet taken from a stream."""


@dataclass(frozen=True, kw_only=True)
class RemoteSettings:
    """How a remote model is asked; the options of `LLMClassifier` of the same names."""

    method: str = "auto"
    n_samples: int = 5
    concurrency: int = 64
    temperature: float = 0.0
    max_completion_tokens: int = 150
    texts_per_request: int = 1
    redact: Redaction | None = None
    cache_only: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"unknown method {self.method!r}; known: {', '.join(METHODS)}")
        if self.method == "votes" and self.n_samples < 2:
            raise ConfigError(f"n_samples {self.n_samples} is no vote; pass at least 2, or method='hard'")
        if self.concurrency < 1:
            raise ConfigError(f"concurrency {self.concurrency} must be at least 1")
        if self.texts_per_request < 1:
            raise ConfigError(f"texts_per_request {self.texts_per_request} must be at least 1")
        if self.texts_per_request > 1 and self.method not in {"hard", "votes"}:
            raise ConfigError(
                f"texts_per_request {self.texts_per_request} needs method='hard' or 'votes': a reply about several "
                f"texts has no scores for {self.method!r}"
            )


class RemoteModel:
    """A remote model with its cache, prompts and budget.

    Args:
        chat: the model.
        schema: the labels.
        settings: how it is asked.
        cache: where replies and scores are kept.
        demonstrations: examples in every prompt.
        nearest: where examples for each text are retrieved from; None = nowhere.
        template: of the prompt; None = the library's.
        price: of the model; None = unknown.
        budget: what the run may cost.

    """

    def __init__(
        self,
        chat: Chat,
        schema: LabelSchema,
        settings: RemoteSettings,
        cache: ResponseCache,
        *,
        demonstrations: Sequence[Demonstration] = (),
        nearest: NearestExamples | None = None,
        template: Template | None = None,
        price: Price | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.chat = chat
        self.schema = schema
        self.settings = settings
        self.cache = cache
        self.price = price
        self.budget = budget
        self._template = template
        self._demonstrations = demonstrations
        self._nearest = nearest
        self.key: Callable[[ChatRequest], bytes] = (
            chat.key if isinstance(chat, ConnectedChat) else partial(ChatRequest.key, provider=chat.name)
        )
        self.question = self._question()

    async def score(self, texts: Sequence[str]) -> Answers:
        """Return the answers to texts, in their order.

        Raises:
            BudgetError: the money is spent; answers so far are kept.
            ProviderError: the model cannot be used.

        """
        n, width = len(texts), len(self.schema)
        values = np.full((n, width), np.nan)
        status = np.full(n, Status.NOT_CALLED, dtype=np.uint8)
        method = np.full(n, self.question.method, dtype=np.uint8)
        cost = np.zeros(n)
        done = 0

        def take(scored: ScoredRows) -> None:
            nonlocal done
            values[scored.rows], status[scored.rows] = scored.values, scored.status
            method[scored.rows], cost[scored.rows] = scored.method, scored.cost
            done += len(scored.rows)
            report("texts", done, n, run.exchange.tally.told(run.exchange.tries))

        async with self._opened() as chat:
            run = self._run(chat, take)
            await run.score(texts)
        self.question = run.question
        if self.settings.cache_only:
            _name_missing(status)
        return Answers(values, status, run.question.reader.scale, method, np.zeros(n, dtype=np.bool_), cost)

    async def stream(self, texts: Iterable[str]) -> AsyncIterator[ScoredRows]:
        """Yield rows as soon as their answers are committed, in the order in which they are."""
        gate, arrived = asyncio.Event(), asyncio.Event()
        gate.set()
        ready: list[ScoredRows] = []
        ahead = 0

        def take(scored: ScoredRows) -> None:
            nonlocal ahead
            ready.append(scored)
            ahead += len(scored.rows)
            arrived.set()
            if ahead >= _ROWS_AHEAD:
                gate.clear()

        async with self._opened() as chat:
            run = self._run(chat, take, gate)
            scoring = asyncio.create_task(run.score(texts))
            scoring.add_done_callback(lambda _: arrived.set())
            try:
                while not scoring.done() or ready:
                    await arrived.wait()
                    arrived.clear()
                    while ready:
                        scored = ready.pop(0)
                        ahead -= len(scored.rows)
                        yield scored
                    gate.set()
                await scoring
            finally:
                gate.set()
                scoring.cancel()
                await asyncio.gather(scoring, return_exceptions=True)
                self.question = run.question

    def estimate(self, texts: Sequence[str], *, n_rows: int) -> Estimate:
        """Return what scoring texts would ask and cost.

        Args:
            texts: those that are not blank.
            n_rows: all rows, blank ones among them.

        """
        question = self.question
        asked = list(map(question.shown, texts))
        distinct = list(dict.fromkeys(asked))
        missing = self._not_kept(distinct)
        return estimate_of(
            question, asked, distinct, missing, price=self.price, provider=self.chat.name, blank=n_rows - len(texts)
        )

    def _not_kept(self, texts: Sequence[str]) -> list[str]:
        """Return the distinct texts that would have to be asked about."""
        left: list[str] = []
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            keys = [self.question.row_key(text) for text in block]
            known = self.cache.rows(keys, READING_VERSION)
            unscored = [text for text, key in zip(block, keys, strict=True) if key not in known]
            first = [self.key(several[0]) for several in self.question.requests(unscored)]
            kept = self.cache.get_many(first)
            left += [text for text, key in zip(unscored, first, strict=True) if key not in kept]
        return left

    def preview(self, text: str) -> str:
        """Return the conversation in which a text is asked about, as a person reads it."""
        (prompt,) = self.question.prompts.of([text])
        return shown(prompt, self.question.shown(text))

    def _opened(self) -> AbstractAsyncContextManager[Chat]:
        """Return the chat with its connections; one that must not be asked needs none."""
        if self.settings.cache_only or not isinstance(self.chat, ConnectedChat):
            return nullcontext(self.chat)
        return self.chat.connected()

    def _run(self, chat: Chat, take: Callable[[ScoredRows], None], gate: asyncio.Event | None = None) -> RowRun:
        exchange = Exchange(
            chat,
            self.cache,
            self.key,
            concurrency=self.settings.concurrency,
            price=self.price,
            budget=self.budget,
            cache_only=self.settings.cache_only,
        )
        return RowRun(exchange, self.cache, self.question, take, gate)

    def _question(self) -> Question:
        """Return how the model is asked, as far as that is known before its first reply."""
        method = self.settings.method
        if method != "auto":
            return self._asking(method)
        if not self._may_give_logprobs:
            return self._asking("hard")
        known = self._gives_logprobs()
        if known is not None:
            return self._asking("logprobs" if known else "hard")
        question = self._asking("logprobs")
        question.fallback = self._asking("hard")
        question.known = self._gives_logprobs
        question.on_decided = lambda usable: self.cache.set_fact(self._fact, "yes" if usable else "no")
        return question

    def _gives_logprobs(self) -> bool | None:
        """Return whether the model gives usable log-probabilities, where anybody has found that out."""
        known = self.cache.fact(self._fact)
        return None if known is None else known == "yes"

    @property
    def _fact(self) -> str:
        """The name under which the cache knows whether the model gives log-probabilities."""
        anything = ChatRequest(self.chat.model, (Message("user", ""),))
        return f"usable log-probabilities: {self.key(anything).hex()}"

    def _asking(self, method: str) -> Question:
        """Return how the model is asked by a method other than "auto"."""
        settings, prompts = self.settings, self._prompts(verbal=method == "verbal")
        codes, names = prompts.plain.codes, prompts.plain.names
        given: dict[str, Any] = {
            "prompts": prompts,
            "n_labels": len(codes),
            "key": self.key,
            "temperature": settings.temperature,
            "max_tokens": settings.max_completion_tokens,
            "redact": settings.redact,
        }
        multi_label = self.schema.multi_label
        if method == "verbal":
            given |= {
                "reader": VerbalReader(codes, names, multi_label=multi_label),
                "max_tokens": max(settings.max_completion_tokens, _TOKENS_PER_SCORE * len(codes)),
                "response_schema": verbal_schema(codes, most_properties=self._most_properties),
            }
        elif method == "logprobs":
            given |= {
                "reader": LogprobReader(codes, names, multi_label=multi_label),
                "top_logprobs": min(_MOST_ALTERNATIVES, len(codes) + _OTHER_ALTERNATIVES),
            }
        else:
            given |= {"reader": HardReader(codes, names, multi_label=multi_label)} | self._packing()
        if method == "votes":
            given |= {"n_samples": settings.n_samples, "temperature": settings.temperature or VOTING_TEMPERATURE}
        return Question(self.chat.model, **given)

    def _packing(self) -> dict[str, Any]:
        """Return how several texts share a request, where they do."""
        size = self.settings.texts_per_request
        if size == 1:
            return {}
        if self._nearest is not None or self._template is not None:
            raise ConfigError(f"texts_per_request {size} goes with neither nearest_examples nor a template")
        longest = max(self.settings.max_completion_tokens, _TOKENS_PER_SCORE * size)
        pack = partial(pack_prompt, self.schema, self._demonstrations)
        return {"texts_per_request": size, "pack": pack, "max_tokens": longest}

    def _prompts(self, *, verbal: bool) -> SharedPrompts | NearestPrompts:
        if self._template is not None:
            make = partial(self._template.prompt, self.schema, scores=verbal)
        else:
            make = partial(scores_prompt if verbal else choice_prompt, self.schema)
        if self._nearest is not None:
            return NearestPrompts(make, self._nearest)
        return SharedPrompts(make, self._demonstrations)

    @property
    def _may_give_logprobs(self) -> bool:
        """Whether nothing is known against it."""
        provider = PROVIDERS.get(self.chat.name)
        if provider is None:
            return True
        return provider.most_top_logprobs > 0 and "logprobs" not in provider.family(self.chat.model).refuses

    @property
    def _most_properties(self) -> int:
        """So many properties a response schema may have; a chat that is no provider of the table takes no schema."""
        provider = PROVIDERS.get(self.chat.name)
        return 0 if provider is None else provider.most_properties


def _name_missing(status: NDArray[np.uint8]) -> None:
    rows = np.flatnonzero(status == Status.NOT_CALLED)
    if len(rows):
        logger.warning("%d of %d texts have no answer in the cache: rows %s", len(rows), len(status), listed(rows))
