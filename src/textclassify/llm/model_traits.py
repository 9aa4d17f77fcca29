"""`ModelTraits`: what is known about a remote model before it is asked, from the provider table and from the cache."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from textclassify.errors import StorageError
from textclassify.llm.chat import Chat, ChatRequest, Message
from textclassify.llm.http.providers import PROVIDERS
from textclassify.llm.store.cache import ResponseCache

logger = logging.getLogger(__name__)

_MOST_ALTERNATIVES = 20
_OTHER_ALTERNATIVES = 6
"""Alternatives asked for beyond the answers: a code in lower case, with a space before it, in quotes."""


@dataclass(frozen=True)
class ModelTraits:
    """What a model can be asked for.

    Args:
        chat: the model.
        key: the cache's key of a request.
        cache: where it is known whether the model gives log-probabilities.

    """

    chat: Chat
    key: Callable[[ChatRequest], bytes]
    cache: ResponseCache

    @property
    def may_give_logprobs(self) -> bool:
        """Whether nothing is known against it."""
        provider = PROVIDERS.get(self.chat.name)
        if provider is None:
            return True
        return provider.most_top_logprobs > 0 and "logprobs" not in provider.family(self.chat.model).refuses

    def alternatives(self, n_answers: int) -> int:
        """Return how many alternatives of a token to ask for where one of so many answers is expected."""
        provider = PROVIDERS.get(self.chat.name)
        most = _MOST_ALTERNATIVES if provider is None else min(_MOST_ALTERNATIVES, provider.most_top_logprobs)
        return min(most, n_answers + _OTHER_ALTERNATIVES)

    @property
    def most_properties(self) -> int:
        """So many properties a response schema may have; a chat that is no provider of the table takes no schema."""
        provider = PROVIDERS.get(self.chat.name)
        return 0 if provider is None else provider.most_properties

    @property
    def thinks_first(self) -> bool:
        """Whether an answer may take more tokens than its words: some models think whatever they are told."""
        provider = PROVIDERS.get(self.chat.name)
        if provider is None:
            return False
        refuses, sent = provider.family(self.chat.model).refuses, provider.defaults(self.chat.model)
        return bool(refuses) or sent.get("reasoning_effort", "none") != "none"

    def gives_logprobs(self) -> bool | None:
        """Return whether the model gives usable log-probabilities, where anybody has found that out."""
        known = self.cache.fact(self._fact)
        return None if known is None else known == "yes"

    def remember(self, gives_logprobs: bool) -> None:  # noqa: FBT001 - what there is to remember
        """Keep what was found out about its log-probabilities."""
        try:
            self.cache.set_fact(self._fact, "yes" if gives_logprobs else "no")
        except StorageError:
            logger.exception("what was found out about the model's log-probabilities is not kept")

    @property
    def _fact(self) -> str:
        """The name under which the cache knows whether the model gives log-probabilities."""
        anything = ChatRequest(self.chat.model, (Message("user", ""),))
        return f"usable log-probabilities: {self.key(anything).hex()}"
