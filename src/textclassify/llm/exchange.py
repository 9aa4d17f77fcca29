"""`Exchange`: requests out, replies in; each asked once, kept before it is handed on, and paid within the budget."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import TypeVar

from textclassify.errors import StorageError, UnreachableError
from textclassify.llm.chat import Chat, ChatFailure, ChatReply, ChatRequest, PacedChat, Usage
from textclassify.llm.completions import read_reply, written
from textclassify.llm.money.budget import Budget, most_expensive
from textclassify.llm.money.prices import Price
from textclassify.llm.store.cache import ResponseCache, StoredRow
from textclassify.llm.store.spending import Waits, listeners
from textclassify.llm.store.tally import LedgerEntry, Tally

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_COMMIT_SECONDS = 0.02
"""So long may a received answer wait for others to be committed with it."""

_REST_SECONDS = 0.002
"""Between two commits: a server that answers thousands of times a second would otherwise have each answer committed."""
LOOK_AGAIN_SECONDS = 0.05
"""Between two looks at what another run has claimed."""
PATIENCE_SECONDS = 60.0
"""So long another run may hold a claim that we wait for without an answer coming."""
_NO_TOKENS = Usage()


class NotKeptError(Exception):
    """A reply that only the cache may give is not in it."""


class Exchange:
    """One open chat with its cache and its budget.

    What a crash can lose is bounded: once answers that are not yet committed and requests in flight are together as
    many as `concurrency`, each turn of the event loop ends with a commit (but no two within two milliseconds). A slot
    is free as soon as its answer is there.

    Args:
        chat: the open model.
        cache: where replies are looked up and kept; failures never are.
        key: the cache's key of a request.
        concurrency: most requests in flight, and most answers that a crash can lose.
        price: of the model; None = unknown.
        budget: what the run may cost; None = anything.
        cache_only: whether nothing may be asked.
        keeps_rows_at_once: whether scored rows are committed with the replies, as where these alone do not tell them.

    Its `on_commit` is called after each commit.
    """

    def __init__(
        self,
        chat: Chat,
        cache: ResponseCache,
        key: Callable[[ChatRequest], bytes],
        *,
        concurrency: int,
        price: Price | None = None,
        budget: Budget | None = None,
        cache_only: bool = False,
        keeps_rows_at_once: bool = False,
    ) -> None:
        self.chat = chat
        self.cache = cache
        self.key = key
        self.concurrency = concurrency
        self.price = price
        self.budget = budget
        self.cache_only = cache_only
        self.tally = Tally()
        self.waits = Waits()
        self.keeps_rows_at_once = keeps_rows_at_once
        self.on_commit: Callable[[], None] = _nothing
        self._paced = chat if isinstance(chat, PacedChat) else None
        if self._paced is not None and budget is not None:
            self._paced.before_retry = self._hold_again
        self._held: dict[int, float] = {}
        self._flying: dict[bytes, asyncio.Future[ChatReply] | None] = {}
        self._in_flight = 0
        self._entry = LedgerEntry(cache, chat.name, chat.model)
        self._timer: asyncio.Handle | None = None  # of the next commit
        self._commits_now = False
        self._keeps = True
        self._rested_at = 0.0
        self._stopped = False
        self._fresh: dict[bytes, ChatReply] = {}
        self._waiting: set[asyncio.Task[object]] = set()
        for spending in listeners():
            spending.watch(chat.name, chat.model, self)

    def kept_rows(self, keys: Sequence[bytes], version: int) -> dict[bytes, StoredRow]:
        """Return the scored rows that are kept."""
        nothing: dict[bytes, StoredRow] = {}
        return self._guarded(lambda: self.cache.rows(keys, version), nothing)

    def prepare(self, keys: Iterable[bytes]) -> tuple[dict[bytes, bytes], set[bytes]]:
        """Return the replies that are kept, and which keys somebody else is asking just now; the others are ours.

        Claimed first and looked up second, so that an answer that comes in between is not asked for again.
        """
        wanted = list(dict.fromkeys(keys))
        if self.cache_only:
            return self._kept_among(wanted), set()
        moving = {key for key in wanted if key in self._flying or key in self._fresh}
        free = [key for key in wanted if key not in moving] if moving else wanted
        mine = self._guarded(lambda: self.cache.claim(free), set(free))
        kept = self._kept_among(free)
        for key in mine & kept.keys():
            self.cache.release(key)
        return kept, moving.union(key for key in free if key not in mine and key not in kept)

    def _kept_among(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        nothing: dict[bytes, bytes] = {}
        return self._guarded(lambda: self.cache.get_many(keys), nothing)

    def _guarded(self, use: Callable[[], Result], otherwise: Result) -> Result:
        """Return what the cache says; once answers were paid for, one that fails is done without.

        Raises:
            StorageError: the cache cannot be used, and nothing was asked yet.

        """
        if not self._keeps:
            return otherwise
        try:
            return use()
        except StorageError as error:
            if not self.tally.asked:
                raise
            self._keep_no_more(error)
            return otherwise

    def _keep_no_more(self, error: Exception) -> None:
        logger.error("answers are no longer kept on disk; the run goes on", exc_info=error)
        self._keeps = False

    async def ask(
        self, request: ChatRequest, key: bytes, kept: Mapping[bytes, bytes] | None = None
    ) -> tuple[ChatReply, float]:
        """Return the reply and what it costs now, in US dollars: 0 when it was kept or is shared with another row.

        Args:
            request: what to ask.
            key: its cache key.
            kept: what `prepare` found for it; None = it was not prepared.

        Raises:
            ChatFailure: this request cannot be answered.
            NotKeptError: nothing may be asked, and the reply is not kept.
            BudgetError: the reply might cost more than is left.
            ProviderError: no request can be answered.

        """
        if key in self._flying:
            return await self._joined(key), 0.0
        if key in self._fresh:
            return self._fresh[key], 0.0
        if kept is None:
            kept = await self._prepared(key)
        reply = self._kept(key, kept)
        if reply is not None:
            self.tally.cached += 1
            return reply, 0.0
        if self.cache_only:
            raise NotKeptError
        return await self._asked(request, key)

    def _kept(self, key: bytes, kept: Mapping[bytes, bytes]) -> ChatReply | None:
        """Return a kept reply; one that cannot be read is forgotten, so that it is asked for again."""
        body = kept.get(key)
        if body is None:
            return None
        try:
            return read_reply(body, cached=True)
        except ValueError:
            logger.warning("a kept reply cannot be read and is asked for again")
            if not self.cache_only:
                self._guarded(lambda: self.cache.forget([key]), None)
            return None

    async def _prepared(self, key: bytes) -> dict[bytes, bytes]:
        """Return the kept reply, if there is one; while another run is asking for it, wait, but not for ever."""
        until = monotonic() + PATIENCE_SECONDS
        while True:
            kept, others = self.prepare([key])
            if not others or monotonic() > until:
                return kept
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _joined(self, key: bytes) -> ChatReply:
        """Return the reply to a request that is on its way already."""
        shared = self._flying[key]
        if shared is None:
            shared = self._flying[key] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(shared)

    async def _asked(self, request: ChatRequest, key: bytes) -> tuple[ChatReply, float]:
        if self._stopped:
            raise asyncio.CancelledError
        self._flying[key] = None
        try:
            reply, cost = await self._paid(request)
        except BaseException as error:
            self.cache.release(key)
            self._land(key, error)
            raise
        self.keep(key, reply)
        self._land(key, reply)
        return reply, cost

    def _land(self, key: bytes, outcome: ChatReply | BaseException) -> None:
        shared = self._flying.pop(key)
        if shared is None or shared.done():
            return
        if isinstance(outcome, ChatReply):
            shared.set_result(outcome)
        elif isinstance(outcome, Exception):
            shared.set_exception(outcome)
        else:
            shared.cancel()

    async def _paid(self, request: ChatRequest) -> tuple[ChatReply, float]:
        """Reserve, ask, reconcile; what may have been billed without a reply counts in full."""
        if self.budget is None:
            return await self._sent(request)
        await self._hold(self.budget, request)
        cost = 0.0
        try:
            reply, paid = await self._sent(request)
            cost = paid
            if self.price is not None and reply.discarded != _NO_TOKENS:  # counted in full before the next try
                cost -= self.price.cost(reply.discarded)
        except UnreachableError:
            cost = math.nan
            raise
        except ChatFailure as failure:
            cost = math.nan if failure.may_be_billed else 0.0
            raise
        except asyncio.CancelledError:
            cost = math.nan
            raise
        finally:
            held = self._held.pop(id(request), None)
            if held is not None:
                self.budget.reconcile(held, cost)
        return reply, paid

    async def _sent(self, request: ChatRequest) -> tuple[ChatReply, float]:
        """Ask when it is this request's turn; what a crash could lose is kept little."""
        if self._paced is not None and not self._paced.try_admit(request):
            await self._interruptible(partial(self._paced.admit, request))
        if self.cache.waiting + self._in_flight >= self.concurrency and not self._commits_now:
            self._commit_now()
        self._in_flight += 1
        self.tally.asked += 1
        began = monotonic()
        try:
            reply = await self.chat.complete(request)
        except asyncio.CancelledError:
            self.tally.lost += 1
            raise
        except Exception:
            self.tally.failed += 1
            raise
        finally:
            self._in_flight -= 1
        self.waits.add(began)
        return reply, self._count(reply)

    async def _interruptible(self, wait: Callable[[], Awaitable[Result]]) -> Result:
        """Return what is waited for; `stop` ends the wait, because nothing is on its way yet."""
        task = asyncio.current_task()
        if task is None or self._stopped:
            raise asyncio.CancelledError
        self._waiting.add(task)
        try:
            return await wait()
        finally:
            self._waiting.discard(task)

    def stop(self) -> None:
        """End the requests that are not on their way yet."""
        self._stopped = True
        for task in self._waiting:
            task.cancel()

    async def _hold(self, budget: Budget, request: ChatRequest) -> None:
        """Reserve what one try of a request can cost at most."""
        size = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
        size += 0 if request.response_schema is None else len(json.dumps(request.response_schema))
        held = most_expensive(size, request.max_tokens, self.price, messages=len(request.messages))
        if not await self._interruptible(partial(budget.reserve_or_wait, held)):
            raise budget.exhausted(held)
        self._held[id(request)] = held

    async def _hold_again(self, request: ChatRequest) -> None:
        """Count a try that may have been billed in full, and reserve as much for the next one."""
        if self.budget is not None:
            self.budget.reconcile(self._held.pop(id(request), 0.0), math.nan)
            await self._hold(self.budget, request)

    def _count(self, reply: ChatReply) -> float:
        usage, tally = reply.usage, self.tally
        cost = math.nan if self.price is None else self.price.cost(usage)
        tally.answers += 1
        tally.prompt_tokens += usage.prompt_tokens
        tally.cached_tokens += usage.cached_tokens
        tally.completion_tokens += usage.completion_tokens
        tally.cost += cost
        return cost

    def keep(self, key: bytes, reply: ChatReply) -> None:
        """Have a reply kept as the answer to a request."""
        self._fresh[key] = reply
        if self._keeps:
            self.cache.put(key, written(reply))
        self.commit_soon()

    def commit_soon(self) -> None:
        """Have what was received committed within milliseconds."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_COMMIT_SECONDS, self.commit)

    def _commit_now(self) -> None:
        """Have what was received committed after what is sent in this turn of the event loop, or after a short rest."""
        self._commits_now = True
        if self._timer is not None:
            self._timer.cancel()
        rest = self._rested_at - monotonic()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(rest, self.commit) if rest > 0 else loop.call_soon(self.commit)

    def commit(self) -> None:
        """Commit what was received; when that fails, go on without: what is in memory still reaches the caller."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fresh.clear()
        if self._keeps:
            try:
                self._entry.bring_up_to(self.tally, self.tries)
                self.cache.flush(rows=self.keeps_rows_at_once)
            except Exception as error:  # noqa: BLE001 - whatever it is, answers that were paid for must not be lost
                self._keep_no_more(error)
        self._rested_at = monotonic() + _REST_SECONDS
        self._commits_now = False
        self.on_commit()

    def told(self, seconds: float) -> str:
        """Return the figures of a run that has taken so many seconds, in words."""
        return self.tally.told(self.tries, seconds)

    @property
    def tries(self) -> int:
        """How often something was sent, repeats included."""
        tries: int = getattr(self.chat, "tries", self.tally.asked)
        return tries


def _nothing() -> None:
    """Do nothing after a commit: nobody waits for it."""
