"""`RowRun`: texts in, scored rows out, as fast as the model answers; no task per row, results as columns."""

from __future__ import annotations

import asyncio
import gc
import itertools
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from textclassify.core.scales import Scale, Status
from textclassify.core.texts import is_blank
from textclassify.llm.chat import ChatFailure, ChatReply, ChatRequest
from textclassify.llm.exchange import Exchange, NotKeptError
from textclassify.llm.questions import Question
from textclassify.llm.store.cache import ResponseCache, StoredRow

READING_VERSION = 1
"""Raised whenever a reply is read differently: rows of the hot table are then read anew from the raw replies."""
BLOCK = 4096
"""Rows looked up in the hot table at a time."""
PIECE = 64
"""Rows claimed, and looked up among the raw replies, at a time; a crash counts them all as possibly lost."""
DRAIN_SECONDS = 5.0
"""So long a run that is stopped waits for replies that are on their way and paid."""
_DEFERRED_SECONDS = 0.05
_MAY_BE_REPAIRED = (Status.OK, Status.INVALID)


class ScoredRows(NamedTuple):
    """Some rows of a run, committed: their numbers (m,), values (m, K) on a scale, and status, method and cost (m,)."""

    rows: NDArray[np.int64]
    values: NDArray[np.float32]
    status: NDArray[np.uint8]
    method: NDArray[np.uint8]
    cost: NDArray[np.float64]
    scale: Scale


@dataclass(slots=True)
class _Place:
    """One distinct text of a run, and the rows that hold it."""

    key: bytes
    text: str
    rows: list[int]
    alone: bool = True
    cost: float = 0.0


@dataclass(slots=True)
class _Job:
    """A text, or several for one request, that has to be asked about, or read from raw replies."""

    places: Sequence[_Place]
    question: Question
    requests: Sequence[ChatRequest]
    keys: list[bytes]
    kept: dict[bytes, bytes]
    twins: Sequence[bytes] = ()


@dataclass(slots=True)
class _Got:
    """The replies to a job, why one is missing (None = none is), and what they cost now."""

    replies: list[ChatReply]
    status: Status | None
    cost: float


class _Settled(NamedTuple):
    place: _Place
    status: int
    method: int
    packed: bytes
    cost: float


class RowRun:
    """Scores the rows of one run through an `Exchange`; each distinct text is asked about once.

    Args:
        exchange: where requests go.
        cache: where scored rows are kept.
        question: how a text is asked about.
        on_rows: called with rows as soon as they are committed, in the thread of the event loop.
        gate: workers read on while it is set; None = always.

    """

    def __init__(
        self,
        exchange: Exchange,
        cache: ResponseCache,
        question: Question,
        on_rows: Callable[[ScoredRows], None],
        gate: asyncio.Event | None = None,
    ) -> None:
        self.exchange = exchange
        self.cache = cache
        self.question = question
        self.on_rows = on_rows
        self.gate = gate
        exchange.on_commit = self._hand_on
        self._pack = struct.Struct(f"<{question.n_labels}f").pack
        self._nothing = np.full(question.n_labels, np.nan, dtype="<f4").tobytes()
        self._open: dict[bytes, _Place] = {}
        self._settled: list[_Settled] = []
        self._deferred: list[_Place] = []
        self._look_again_at = 0.0
        self._stopped = False

    async def score(self, texts: Iterable[str]) -> None:
        """Score all texts: fixed workers that pull from one iterator; the first error stops them all.

        Whatever stops the run, replies that are on their way are waited for, and kept.
        """
        jobs = self._jobs(texts)
        with _old_objects_left_alone():
            workers = [asyncio.create_task(self._work(jobs)) for _ in range(self.exchange.concurrency)]
            try:
                done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
                for worker in done:
                    worker.result()
            finally:
                self._stopped = True
                await self._drain(workers)
                self.exchange.commit()

    async def _drain(self, workers: Sequence[asyncio.Task[None]]) -> None:
        self.exchange.stop()
        left = [worker for worker in workers if not worker.done()]
        try:
            if left:
                await asyncio.wait(left, timeout=DRAIN_SECONDS)
        finally:
            for worker in left:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, jobs: Iterator[_Job | None]) -> None:
        for job in jobs:
            if job is not None:
                await self._answer(job)
            else:
                await asyncio.sleep(max(0.0, self._look_again_at - time.monotonic()))
            if self.gate is not None and not self.gate.is_set():
                await self.gate.wait()
            if self._stopped:
                return

    def _jobs(self, texts: Iterable[str]) -> Iterator[_Job | None]:
        """Yield what is not in the hot table (what is goes straight to the caller), and None to let others work."""
        numbered = enumerate(texts)
        while block := list(itertools.islice(numbered, BLOCK)):
            missing = self._from_hot_table(block)
            for start in range(0, len(missing), PIECE):
                yield from self._prepared(missing[start : start + PIECE])
            yield None
        while self._deferred:
            if time.monotonic() < self._look_again_at:
                yield None
                continue
            waiting, self._deferred = self._deferred, []
            self._look_again_at = time.monotonic() + _DEFERRED_SECONDS
            yield from self._prepared(waiting)

    def _from_hot_table(self, block: Sequence[tuple[int, str]]) -> list[_Place]:
        """Return the distinct texts of a block that are new to the run and not in the hot table."""
        key_of, shown, opened, alone = self.question.row_key, self.question.shown, self._open, self.question.goes_alone
        places: dict[bytes, _Place] = {}
        blank: list[_Settled] = []
        for row, text in block:
            asked = shown(text)
            key = key_of(asked)
            if is_blank(asked):
                place = _Place(key, asked, [row])
                blank.append(_Settled(place, Status.INVALID, self.question.method, self._nothing, 0.0))
                continue
            known_place = places.get(key) or opened.get(key)
            if known_place is None:
                places[key] = _Place(key, asked, [row], alone(asked))
            else:
                known_place.rows.append(row)
        known = self.cache.rows(list(places), READING_VERSION)
        if known:
            settled = [
                _Settled(places.pop(key), status, method, packed or self._nothing, 0.0)
                for key, (status, method, packed) in known.items()
            ]
            self.exchange.tally.known += sum(len(one.place.rows) for one in settled)
            self.on_rows(self._columns(settled))
        if blank:
            self.on_rows(self._columns(blank))
        opened |= places
        return list(places.values())

    def _prepared(self, places: Sequence[_Place]) -> Iterator[_Job]:
        """Yield the jobs whose requests are ours to ask; the others wait for who asks them."""
        self._take_decision()
        exchange, question = self.exchange, self.question
        grouped = [[place] for place in places if place.alone]
        requests = question.requests([place.text for (place,) in grouped])
        together = [place for place in places if not place.alone]
        for start in range(0, len(together), question.texts_per_request):
            grouped.append(together[start : start + question.texts_per_request])
            requests.append(question.pack_requests([place.text for place in grouped[-1]]))
        keys = [[exchange.key(request) for request in several] for several in requests]
        twins = self._twins(question, grouped)
        kept, others = exchange.prepare(itertools.chain(*keys, *twins))
        for several_places, several, their_keys, their_twins in zip(grouped, requests, keys, twins, strict=True):
            if others and not others.isdisjoint([*their_keys, *their_twins]):
                self._deferred += several_places
            else:
                yield _Job(several_places, question, several, their_keys, kept, their_twins)

    def _take_decision(self) -> None:
        """Ask as another process has found out that one has to, where this one does not know yet."""
        if self.question.fallback is not None and self.question.is_decided_elsewhere() is False:
            self._switch_to(self.question.fallback)

    def _twins(self, question: Question, grouped: Sequence[Sequence[_Place]]) -> Sequence[Sequence[bytes]]:
        """Return the keys under which the replies may be kept in the end, while that is not decided.

        They are claimed as well: another process may have decided already.
        """
        if question.decided is not None or question.fallback is None:
            return [()] * len(grouped)
        others = question.fallback.requests([place.text for (place,) in grouped])
        return [[self.exchange.key(request) for request in several] for several in others]

    async def _answer(self, job: _Job) -> None:
        """Settle the texts of a job: with their scores, or with the reason why they have none."""
        if job.question is not self.question:  # found out since: they are asked about otherwise, later
            for key in (*job.keys, *job.twins):
                self.cache.release(key)
            self._deferred += job.places
            return
        got = await self._replies(job)
        for key in job.twins:
            self.cache.release(key)
        if not job.places[0].alone:
            await self._answer_pack(job, got)
        elif got.replies:
            await self._answer_one(job, got)
        elif got.status is not None:
            self._settle(job.question, job.places[0], got.status, None, 0.0, keep=False)

    async def _replies(self, job: _Job) -> _Got:
        """Return what came back; some of several samples may be missing."""
        got = _Got([], None, 0.0)
        for request, key in zip(job.requests, job.keys, strict=True):
            try:
                reply, paid = await self.exchange.ask(request, key, job.kept)
            except ChatFailure as failure:
                got.status = failure.status
            except NotKeptError:
                got.status = Status.NOT_CALLED
            else:
                got.replies.append(reply)
                got.cost += paid
        return got

    async def _answer_one(self, job: _Job, got: _Got) -> None:
        (place,), question = job.places, job.question
        if not question.trusts(got.replies[0]):
            question = self._fall_back(job, got.replies[0])
        values = question.read(got.replies)
        if values is None:
            await self._repair(question, place, got.replies[0].status, got.cost)
        else:
            self._settle(question, place, Status.OK, values, got.cost, keep=got.status is None)

    async def _answer_pack(self, job: _Job, got: _Got) -> None:
        """Settle what one request was asked about; what came back wrong is asked about again, one by one."""
        share = got.cost / len(job.places)
        left: list[_Place] = []
        found = job.question.read_pack(got.replies, len(job.places))
        for place, values in zip(job.places, found, strict=True):
            if values is None:
                place.alone = True
                place.cost = share
                left.append(place)
            else:
                self._settle(job.question, place, Status.OK, values, share, keep=got.status is None)
        for single in self._prepared(left):
            await self._answer(single)

    async def _repair(self, question: Question, place: _Place, status: Status, cost: float) -> None:
        """Ask once more after replies that could not be read."""
        values = None
        if status in _MAY_BE_REPAIRED:
            again = question.repair(place.text)
            try:
                reply, paid = await self.exchange.ask(again, self.exchange.key(again))
            except (ChatFailure, NotKeptError):
                self._settle(question, place, Status.INVALID, None, cost, keep=False)
                return
            cost += paid
            values, status = question.read([reply]), reply.status
        if values is None and status is Status.OK:
            status = Status.INVALID
        self._settle(question, place, status, values, cost, keep=True)

    def _fall_back(self, job: _Job, reply: ChatReply) -> Question:
        """Take a reply without usable log-probabilities for the label it names, here and in all that follows."""
        question = job.question.instead()
        if self.question is not question:
            self._switch_to(question)
        (request,) = question.requests([job.places[0].text])[0]
        self.exchange.keep(self.exchange.key(request), reply)
        return question

    def _switch_to(self, question: Question) -> None:
        """Ask otherwise from now on; texts that are under way are known by their new keys."""
        self.question = question
        for place in self._open.values():
            place.key = question.row_key(place.text)
        self._open = {place.key: place for place in self._open.values()}

    def _settle(
        self, question: Question, place: _Place, status: Status, values: list[float] | None, cost: float, *, keep: bool
    ) -> None:
        packed = b"" if values is None else self._pack(*values)
        method = int(question.method)
        if keep:
            self.cache.put_row(place.key, READING_VERSION, StoredRow(int(status), method, packed))
        self._settled.append(_Settled(place, int(status), method, packed or self._nothing, place.cost + cost))
        self.exchange.commit_soon()

    def _hand_on(self) -> None:
        if not self._settled:
            return
        settled, self._settled = self._settled, []
        for one in settled:
            self._open.pop(one.place.key, None)
        self.on_rows(self._columns(settled))

    def _columns(self, settled: Sequence[_Settled]) -> ScoredRows:
        """Return settled texts as columns, a row for each place that a text has; the first one bears the cost."""
        places, status, method, packed, cost = zip(*settled, strict=True)
        scale = self.question.reader.scale
        counts = [len(place.rows) for place in places]
        columns = (
            np.frombuffer(b"".join(packed), dtype="<f4").reshape(len(settled), -1),
            np.array(status, dtype=np.uint8),
            np.array(method, dtype=np.uint8),
            np.array(cost, dtype=np.float64),
        )
        rows = np.fromiter(itertools.chain.from_iterable(place.rows for place in places), np.int64)
        if len(rows) == len(settled):
            return ScoredRows(rows, *columns, scale)
        values, statuses, methods, _ = (np.repeat(column, counts, axis=0) for column in columns)
        costs = np.zeros(len(rows))
        costs[np.cumsum([0, *counts[:-1]])] = cost
        return ScoredRows(rows, values, statuses, methods, costs, scale)


@contextmanager
def _old_objects_left_alone() -> Iterator[None]:
    """Have the garbage collector pass over what was there before.

    With hundreds of requests in flight it would go through all of it several times a second, which took a sixth of the
    time of a run.
    """
    ours = gc.get_freeze_count() == 0
    if ours:
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()
