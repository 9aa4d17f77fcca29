"""`RowRun`: texts in, scored rows out, as fast as the model answers; no task per row, results as columns."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from textclassify.core.scales import Method, Status
from textclassify.core.texts import is_blank, plain_string
from textclassify.llm.chat import ChatFailure, ChatReply, ChatRequest
from textclassify.llm.exchange import Exchange, NotKeptError
from textclassify.llm.questions import Question
from textclassify.llm.rows import Place, ScoredRows, Settled, as_columns
from textclassify.llm.store.cache import ResponseCache, StoredRow
from textclassify.llm.workers import PIECE, Deferred, Workers

READING_VERSION = 1
"""Raised whenever a reply is read differently: rows of the hot table are then read anew from the raw replies."""
BLOCK = 4096
"""Rows looked up in the hot table at a time."""
_OF_THE_TEXT = (Status.TOO_LONG, Status.FILTERED)
"""Failures that every further sample of a text would meet."""
_MAY_BE_REPAIRED = (Status.OK, Status.INVALID)


@dataclass(slots=True)
class _Job:
    """A text, or several for one request, that has to be asked about, or read from raw replies."""

    places: Sequence[Place]
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


class _Read(NamedTuple):
    """What the replies to a text say."""

    status: Status
    values: list[float] | None
    method: Method


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
        exchange.on_commit = self._hand_on
        self._pack = struct.Struct(f"<{question.n_labels}f").pack
        self._nothing = np.full(question.n_labels, np.nan, dtype="<f4").tobytes()
        self._open: dict[bytes, Place] = {}
        self._settled: list[Settled] = []
        self._deferred: Deferred[Place] = Deferred()
        self._packs_open = 0
        self._workers: Workers[_Job] = Workers(
            exchange,
            self._answer,
            lambda: self._deferred.again(self._prepared),
            lambda: bool(self._deferred.items or self._packs_open),
            gate,
        )

    async def score(self, texts: Iterable[str]) -> None:
        """Score all texts; whatever stops the run, replies that are on their way are waited for, and kept."""
        await self._workers.work_off(self._jobs(texts))

    def _jobs(self, texts: Iterable[str]) -> Iterator[_Job | None]:
        """Yield what is not in the hot table (what is goes straight to the caller), and None to let others work."""
        numbered = enumerate(texts)
        while block := list(itertools.islice(numbered, BLOCK)):
            missing = self._from_hot_table(block)
            for start in range(0, len(missing), PIECE):
                yield from self._prepared(missing[start : start + PIECE])
            yield None

    def _from_hot_table(self, block: Sequence[tuple[int, str]]) -> list[Place]:
        """Return the distinct texts of a block that are new to the run and not in the hot table."""
        question, opened = self.question, self._open
        key_of, shown, alone = question.row_key, question.shown, question.goes_alone
        places: dict[bytes, Place] = {}
        blank: list[Settled] = []
        for row, text in block:
            asked = shown(text if type(text) is str else plain_string(text, row))
            key = key_of(asked)
            if is_blank(asked):
                place = Place(key, asked, [row])
                blank.append(Settled(place, Status.INVALID, question.method, self._nothing, 0.0))
                continue
            known_place = places.get(key) or opened.get(key)
            if known_place is None:
                places[key] = Place(key, asked, [row], alone(asked))
            else:
                known_place.rows.append(row)
        known = self.exchange.kept_rows(list(places), READING_VERSION)
        if known:
            if question.decision is not None:
                question.decision.confirm()
            settled = [
                Settled(places.pop(key), status, method, packed or self._nothing, 0.0)
                for key, (status, method, packed) in known.items()
            ]
            self.exchange.tally.known += sum(len(one.place.rows) for one in settled)
            self._give(settled)
        if blank:
            self._give(blank)
        opened |= places
        return list(places.values())

    def _prepared(self, places: Sequence[Place], *, patient: bool = True) -> Iterator[_Job]:
        """Yield the jobs whose requests are ours to ask; the others wait, if we are patient, for who asks them."""
        decision = self.question.decision
        if decision is not None and decision.take_over() is False:
            self._switch_to(self.question.instead())
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
            if patient and others and not others.isdisjoint([*their_keys, *their_twins]):
                self._deferred.items += several_places
            else:
                self._packs_open += not several_places[0].alone
                yield _Job(several_places, question, several, their_keys, kept, their_twins)

    def _twins(self, question: Question, grouped: Sequence[Sequence[Place]]) -> Sequence[Sequence[bytes]]:
        """Return the keys under which the replies may be kept in the end, while that is not decided.

        They are claimed as well: another process may have decided already.
        """
        if question.decision is None or question.decision.made is not None or question.fallback is None:
            return [()] * len(grouped)
        others = question.fallback.requests([place.text for (place,) in grouped])
        return [[self.exchange.key(request) for request in several] for several in others]

    async def _answer(self, job: _Job) -> None:
        """Settle the texts of a job: with their scores, or with the reason why they have none."""
        if job.question is not self.question:  # found out since: they are asked about otherwise, later
            for key in (*job.keys, *job.twins):
                self.cache.release(key)
            self._deferred.items += job.places
            return
        got = await self._replies(job)
        for key in job.twins:
            self.cache.release(key)
        if not job.places[0].alone:
            self._answer_pack(job, got)
        elif got.replies:
            await self._answer_one(job, got)
        elif got.status is not None:
            self._settle(job.question, job.places[0], _Read(got.status, None, job.question.method), 0.0, keep=False)

    async def _replies(self, job: _Job) -> _Got:
        """Return what came back; some of several samples may be missing."""
        got = _Got([], None, 0.0)
        for request, key in zip(job.requests, job.keys, strict=True):
            try:
                reply, paid = await self.exchange.ask(request, key, job.kept)
            except ChatFailure as failure:
                got.status = failure.status
                if failure.status in _OF_THE_TEXT:
                    break
            except NotKeptError:
                got.status = Status.NOT_CALLED
                break
            else:
                got.replies.append(reply)
                got.cost += paid
        return got

    async def _answer_one(self, job: _Job, got: _Got) -> None:
        (place,) = job.places
        question = self._question_of(job.question, place, got.replies[0])
        values, method = question.read(got.replies)
        if values is None:
            await self._repair(question, place, got)
        else:
            self._settle(question, place, _Read(Status.OK, values, method), got.cost, keep=got.status is None)

    def _answer_pack(self, job: _Job, got: _Got) -> None:
        """Settle what one request was asked about; what came back wrong is asked about again, one by one."""
        share = got.cost / len(job.places)
        found = job.question.read_pack(got.replies, len(job.places))
        for place, values in zip(job.places, found, strict=True):
            if values is None:
                place.alone, place.cost = True, share
                self._deferred.items.append(place)
            else:
                read = _Read(Status.OK, values, job.question.method)
                self._settle(job.question, place, read, share, keep=got.status is None)
        self._packs_open -= 1

    async def _repair(self, question: Question, place: Place, got: _Got) -> None:
        """Ask once more after replies that could not be read."""
        status, cost = got.replies[0].status, got.cost
        values, method = None, question.method
        if status in _MAY_BE_REPAIRED:
            again = question.repair(place.text)
            try:
                reply, paid = await self.exchange.ask(again, self.exchange.key(again))
            except (ChatFailure, NotKeptError) as error:
                status = Status.NOT_CALLED if isinstance(error, NotKeptError) else Status.INVALID
                self._settle(question, place, _Read(status, None, method), cost, keep=False)
                return
            cost += paid
            question = self._question_of(question, place, reply)
            (values, method), status = question.read([reply]), reply.status
        if values is None and status is Status.OK:
            status = Status.INVALID
        self._settle(question, place, _Read(status, values, method), cost, keep=True)

    def _question_of(self, question: Question, place: Place, reply: ChatReply) -> Question:
        """Return how a reply is to be read: for the label it names where it brings no usable log-probabilities.

        It is kept as the answer to that question, too, and all that follows is asked so.
        """
        if question.trusts(reply):
            return question
        other = question.instead()
        if self.question is not other:
            self._switch_to(other)
        (request,) = other.requests([place.text])[0]
        self.exchange.keep(self.exchange.key(request), reply)
        return other

    def _switch_to(self, question: Question) -> None:
        """Ask otherwise from now on; texts that are under way are known by their new keys."""
        self.question = question
        for place in self._open.values():
            place.key = question.row_key(place.text)
        self._open = {place.key: place for place in self._open.values()}

    def _settle(self, question: Question, place: Place, read: _Read, cost: float, *, keep: bool) -> None:
        packed = b"" if read.values is None else self._pack(*read.values)
        status, method = int(read.status), int(read.method)
        if keep and question is self.question:
            self.cache.put_row(place.key, READING_VERSION, StoredRow(status, method, packed))
        self._settled.append(Settled(place, status, method, packed or self._nothing, place.cost + cost))
        self.exchange.commit_soon()

    def _hand_on(self) -> None:
        if not self._settled:
            return
        settled, self._settled = self._settled, []
        for one in settled:
            self._open.pop(one.place.key, None)
        self._give(settled)

    def _give(self, settled: Sequence[Settled]) -> None:
        scored = as_columns(settled, self.question.reader.scale)
        self.exchange.tally.rows += len(scored.rows)
        self.on_rows(scored)
