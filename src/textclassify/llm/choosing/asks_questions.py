"""`AsksQuestions`: what `LLMClassifier` can be asked beside labels: choices between answers, and free text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from textclassify.core.storage import replies_folder
from textclassify.core.texts import blank_rows
from textclassify.errors import ConfigError
from textclassify.llm.chat import Message
from textclassify.llm.chat_holding import LOCAL, HoldsChat
from textclassify.llm.choices import Choice, Chosen, Written
from textclassify.llm.choosing.asking import AskedChoice, AskingOptions
from textclassify.llm.choosing.local_questions import LocalQuestions
from textclassify.llm.choosing.remote_questions import RemoteQuestions
from textclassify.llm.event_loops import run_coroutine
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.options import checked_options
from textclassify.llm.prompting.texts_as_data import as_data
from textclassify.llm.store.cache import ResponseCache

_LONGEST_WRITTEN = 300


class AsksQuestions(HoldsChat):
    """A language model that answers questions of any wording; none of this needs labels."""

    method: str
    temperature: float
    max_completion_tokens: int

    def choose(self, choices: Sequence[Choice], *, task: str = "questions") -> Chosen:
        """Return how likely the model finds each answer of each question; all are asked concurrently, equal ones once.

        A model of this process gives the likelihood of each whole answer. A remote one is asked for the
        log-probabilities of its tokens; without usable ones the answer that it names counts 0.95. What cannot be read
        is asked for once more; a question that fails stops no other.

        Args:
            choices: n questions.
            task: what is being done, for who shows the progress.

        Raises:
            BudgetError: the money is spent; replies so far are kept in the cache.
            ProviderError: the model cannot be used.

        """
        if self.runs_here:
            return self._choose_here(choices, task)
        return run_coroutine(self.achoose(choices, task=task))

    async def achoose(self, choices: Sequence[Choice], *, task: str = "questions") -> Chosen:
        """Return what `choose` returns, for use in a running event loop."""
        if self.runs_here:
            return await asyncio.to_thread(self._choose_here, choices, task)
        with self._remote_questions(sends=bool(choices)) as remote:
            return await remote.choose(choices, task)

    def write(self, conversations: Sequence[tuple[Message, ...]], *, max_tokens: int = _LONGEST_WRITTEN) -> Written:
        """Return what the model writes next in each conversation, most likely words first; equal ones are asked once.

        Whatever stands in a conversation is sent as it is, but for the redaction, which every message goes through.

        Args:
            conversations: n conversations, the question last.
            max_tokens: longest reply.

        Raises:
            BudgetError: the money is spent; replies so far are kept in the cache.
            ProviderError: the model cannot be used.

        """
        if self.runs_here:
            return self._write_here(conversations, max_tokens)
        return run_coroutine(self.awrite(conversations, max_tokens=max_tokens))

    async def awrite(
        self, conversations: Sequence[tuple[Message, ...]], *, max_tokens: int = _LONGEST_WRITTEN
    ) -> Written:
        """Return what `write` returns, for use in a running event loop."""
        if self.runs_here:
            return await asyncio.to_thread(self._write_here, conversations, max_tokens)
        with self._remote_questions(sends=bool(conversations)) as remote:
            return await remote.write(conversations, max_tokens)

    def estimate_choices(self, choices: Sequence[Choice]) -> Estimate:
        """Return what `choose` would ask and cost, without asking anything; a local model costs nothing."""
        if self.runs_here:
            blank = int(blank_rows([choice.text for choice in choices]).sum())
            return Estimate.free(provider=LOCAL, model=self.model_used, rows=len(choices), blank=blank)
        with self._remote_questions(sends=False) as remote:
            return remote.estimate(choices)

    def preview_choice(self, choice: Choice) -> str:
        """Return the conversation of a question as a person reads it; nothing is asked."""
        if self.runs_here:
            return AskedChoice(choice.messages, as_data(choice.text), choice.answers, choice.language).shown()
        with self._remote_questions(sends=False) as remote:
            return remote.preview(choice)

    @contextmanager
    def _remote_questions(self, *, sends: bool) -> Iterator[RemoteQuestions]:
        options = AskingOptions(
            method=self.method, temperature=self.temperature, max_completion_tokens=self.max_completion_tokens
        )
        with self._access(sends=sends) as access:
            yield RemoteQuestions(access, options)

    def _choose_here(self, choices: Sequence[Choice], task: str) -> Chosen:
        self._check_local()
        with ResponseCache(replies_folder(self.cache_dir)) as cache:
            return LocalQuestions.of_model(self.model, cache).choose(choices, task)

    def _write_here(self, conversations: Sequence[tuple[Message, ...]], max_tokens: int) -> Written:
        self._check_local()
        with ResponseCache(replies_folder(self.cache_dir)) as cache:
            return LocalQuestions.of_model(self.model, cache).write(conversations, max_tokens)

    def _check_local(self) -> None:
        """Make sure that no option is given that a model of this process does not know."""
        checked_options(self)
        if self.api_key or self.base_url:
            raise ConfigError("provider='local' runs in this process; name a provider to use base_url or api_key")
        if self.method != "auto":
            raise ConfigError(
                f"provider='local' gives exact likelihoods; method={self.method!r} is for other providers"
            )
