"""`ask_all`: many requests to one model, each distinct one asked once, answers kept as they come."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from textclassify.errors import ConfigError, StorageError
from textclassify.llm.cache import ResponseCache
from textclassify.llm.chat import Chat, ChatFailure, ChatReply, ChatRequest, ConnectedChat

logger = logging.getLogger(__name__)

Outcome = ChatReply | ChatFailure
"""What became of one request."""
Result = TypeVar("Result")


@dataclass(slots=True)
class Progress:
    """How far a run is, in rows: `done` counts all that need no more asking, `cached` and `failed` are parts of it."""

    total: int
    done: int = 0
    cached: int = 0
    failed: int = 0


def ask_all(
    chat: Chat,
    requests: Sequence[ChatRequest],
    *,
    concurrency: int = 64,
    cache: ResponseCache | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Outcome]:
    """What became of each request, in their order; `ask_all_async` for callers that are coroutines.

    Works in scripts, in threads and inside a running event loop (a notebook), where it blocks like any function.
    Interrupted (Ctrl-C) or stopped by an error, it leaves every answer received so far in the cache.

    Args:
        chat: the model.
        requests: identical ones are asked once.
        concurrency: most requests in flight.
        cache: where answers are looked up and kept; errors never are.
        on_progress: called in the thread of the event loop after each change.

    Raises:
        ProviderError: the model cannot be used; a request that alone cannot be answered is a `ChatFailure` in the list.

    """
    return run_coroutine(ask_all_async(chat, requests, concurrency=concurrency, cache=cache, on_progress=on_progress))


async def ask_all_async(
    chat: Chat,
    requests: Sequence[ChatRequest],
    *,
    concurrency: int = 64,
    cache: ResponseCache | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Outcome]:
    """As `ask_all`, in the running event loop."""
    if concurrency < 1:
        raise ConfigError(f"concurrency {concurrency} must be at least 1")
    run = _Run(chat, requests, cache, on_progress)
    try:
        run.take_from_cache()
        await run.ask_missing(concurrency)
    finally:
        run.close()
    return [run.outcomes[key] for key in run.keys]


def run_coroutine(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine, from code that is none; in a thread of its own where an event loop already runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    return _run_in_thread(coroutine)


class _Run:
    """The state of one `ask_all`: rows by key, outcomes by key."""

    def __init__(
        self,
        chat: Chat,
        requests: Sequence[ChatRequest],
        cache: ResponseCache | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.chat = chat
        self.keys = list(map(_key_function(chat), requests))
        self.distinct = dict(zip(self.keys, requests, strict=True))
        self.rows_of: dict[str, int] = {}
        for key in self.keys:
            self.rows_of[key] = self.rows_of.get(key, 0) + 1
        self.outcomes: dict[str, Outcome] = {}
        self.cache = cache
        self.progress = Progress(total=len(self.keys))
        self.on_progress = on_progress
        self._flush_is_due = False

    def take_from_cache(self) -> None:
        """Fill in what was answered before."""
        if self.cache is None:
            return
        for key, raw in self.cache.get_many(list(self.distinct)).items():
            self._settle(key, ChatReply.from_raw(raw, cached=True))

    async def ask_missing(self, concurrency: int) -> None:
        """Ask the rest: fixed workers that pull from one iterator; the first error of the run stops them all."""
        missing = [key for key in self.distinct if key not in self.outcomes]
        if not missing:
            return
        left = iter(missing)
        async with _connected(self.chat) as chat:
            workers = [asyncio.create_task(self._work(chat, left)) for _ in range(min(concurrency, len(missing)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    def close(self) -> None:
        """Commit what is left and let go of the cache's file."""
        self._flush()
        if self.cache is not None:
            self.cache.close()

    async def _work(self, chat: Chat, left: Iterator[str]) -> None:
        for key in left:
            try:
                reply = await chat.complete(self.distinct[key])
            except ChatFailure as failure:
                self._settle(key, failure.with_traceback(None))  # which would keep the frames alive
            else:
                self._keep(key, reply)
                self._settle(key, reply)

    def _keep(self, key: str, reply: ChatReply) -> None:
        """Put a new answer into the cache; all those of one turn of the event loop are committed together."""
        if self.cache is None or reply.cached:
            return
        self.cache.put(key, reply.to_raw())
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Commit; when the disk fails, go on without: the answers in memory are paid for and still reach the caller."""
        self._flush_is_due = False
        if self.cache is None:
            return
        try:
            self.cache.flush()
        except StorageError:
            logger.exception("answers are no longer kept on disk; the run goes on")
            self.cache = None

    def _settle(self, key: str, outcome: Outcome) -> None:
        self.outcomes[key] = outcome
        rows = self.rows_of[key]
        self.progress.done += rows
        if isinstance(outcome, ChatFailure):
            self.progress.failed += rows
        elif outcome.cached:
            self.progress.cached += rows
        if self.on_progress is not None:
            self.on_progress(self.progress)


def _key_function(chat: Chat) -> Callable[[ChatRequest], str]:
    return chat.key if isinstance(chat, ConnectedChat) else partial(ChatRequest.key, provider=chat.name)


def _connected(chat: Chat) -> AbstractAsyncContextManager[Chat]:
    return chat.connected() if isinstance(chat, ConnectedChat) else nullcontext(chat)


def _run_in_thread(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The coroutine's result, from a private thread; interrupted, it is cancelled and left time to tidy up."""
    started = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def body() -> Result:
        running.append((asyncio.get_running_loop(), asyncio.current_task()))
        started.set()
        return await coroutine

    with ThreadPoolExecutor(1, thread_name_prefix="textclassify-llm") as pool:
        future = pool.submit(asyncio.run, body())
        try:
            return future.result()
        except BaseException:
            if not future.done() and started.wait(timeout=5.0):
                loop, task = running[0]
                if task is not None:
                    loop.call_soon_threadsafe(task.cancel)
            raise
