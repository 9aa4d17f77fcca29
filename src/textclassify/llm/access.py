"""`Access`: a remote model that may be asked just now: its chat, its cache, its price, and what limits the asking."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from os import PathLike

from textclassify.errors import StorageError
from textclassify.llm.chat import Chat, ChatRequest, ConnectedChat
from textclassify.llm.exchange import Exchange
from textclassify.llm.money.budget import Budget
from textclassify.llm.money.limits import Redaction
from textclassify.llm.money.prices import Price
from textclassify.llm.store.cache import ResponseCache

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Access:
    """What asking a remote model takes.

    Args:
        chat: the model.
        cache: where replies are kept, open.
        concurrency: most requests in flight.
        price: of the model; None = unknown.
        budget: what the run may cost; None = anything.
        cache_only: whether nothing may be asked.
        redact: what every text goes through before it becomes part of a request; None = nothing.
        sends: whether anything may have to be asked; there may be no texts.

    """

    chat: Chat
    cache: ResponseCache
    concurrency: int = 64
    price: Price | None = None
    budget: Budget | None = None
    cache_only: bool = False
    redact: Redaction | None = None
    sends: bool = True

    @property
    def key(self) -> Callable[[ChatRequest], bytes]:
        """The cache's key of a request."""
        if isinstance(self.chat, ConnectedChat):
            return self.chat.key
        return partial(ChatRequest.key, provider=self.chat.name)

    def opened(self) -> AbstractAsyncContextManager[Chat]:
        """Return the chat with its connections; one that must not be asked needs none."""
        if self.cache_only or not self.sends or not isinstance(self.chat, ConnectedChat):
            return nullcontext(self.chat)
        return self.chat.connected()

    def exchange(self, chat: Chat, *, keeps_rows_at_once: bool = False) -> Exchange:
        """Return where the requests of one run go.

        Args:
            chat: as `opened` gives it.
            keeps_rows_at_once: see `Exchange`.

        """
        return Exchange(
            chat,
            self.cache,
            self.key,
            concurrency=self.concurrency,
            price=self.price,
            budget=self.budget,
            cache_only=self.cache_only,
            keeps_rows_at_once=keeps_rows_at_once,
        )


@contextmanager
def open_cache(folder: str | PathLike[str], *, read_only: bool) -> Iterator[ResponseCache]:
    """Give a cache that is closed in the end; one that cannot be closed costs nobody the answers in memory."""
    cache = ResponseCache(folder, read_only=read_only)
    try:
        yield cache
    finally:
        try:
            cache.close()
        except StorageError:
            logger.exception("the cache could not be closed in good order")
