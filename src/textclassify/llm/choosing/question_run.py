"""`QuestionRun`: distinct questions in, outcomes out, as fast as a remote model answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, Protocol, TypeVar

from textclassify.core.progress import report
from textclassify.core.scales import Status
from textclassify.llm.chat import ChatFailure, ChatReply, ChatRequest
from textclassify.llm.exchange import Exchange, NotKeptError
from textclassify.llm.workers import PIECE, Deferred, Workers

_MAY_BE_REPAIRED = (Status.OK, Status.INVALID)

Asked = TypeVar("Asked")
Reading = TypeVar("Reading")
_Asked_contra = TypeVar("_Asked_contra", contravariant=True)
_Reading_co = TypeVar("_Reading_co", covariant=True)


class Asking(Protocol[_Asked_contra, _Reading_co]):
    """How questions of one kind are put to a model, and how its replies are read."""

    @property
    def way(self) -> object:
        """How questions are put just now; what a reply shows about the model may change it."""
        ...

    def look_around(self) -> None:
        """Take over what others have found out about the model."""

    def requests(self, question: _Asked_contra) -> Sequence[ChatRequest]:
        """Return the request, and behind it those as which its reply may be kept in the end."""

    def read(self, question: _Asked_contra, reply: ChatReply) -> _Reading_co | None:
        """Return what a reply says; None when that is not clear."""

    def again(self, question: _Asked_contra) -> ChatRequest | None:
        """Return what is asked after a reply that is not clear; None = nothing."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Reading]):
    """What became of a question: what its reply says (None where `status` is not OK), and US dollars spent now."""

    status: Status
    reading: Reading | None = None
    cost: float = 0.0


@dataclass(slots=True)
class _Job:
    """A question that has to be asked, or read from its raw reply."""

    number: int
    request: ChatRequest
    keys: list[bytes]
    kept: dict[bytes, bytes]
    way: object


class QuestionRun(Generic[Asked, Reading]):
    """Asks the questions of one run through an `Exchange`.

    Args:
        exchange: where requests go.
        asking: how a question is put.
        questions: distinct ones.
        task: what is being done, for who shows the progress.

    """

    def __init__(
        self, exchange: Exchange, asking: Asking[Asked, Reading], questions: Sequence[Asked], task: str
    ) -> None:
        self.exchange = exchange
        self.asking = asking
        self.questions = questions
        self.task = task
        self.outcomes: list[Outcome[Reading]] = [Outcome(Status.NOT_CALLED)] * len(questions)
        self._open: set[bytes] = set()
        self._deferred: Deferred[int] = Deferred()
        self._done = 0
        self._began = monotonic()
        self._workers: Workers[_Job] = Workers(
            exchange,
            self._answer,
            lambda: self._deferred.again(self._prepared),
            lambda: bool(self._deferred.items),
        )
        exchange.on_commit = self._tell

    async def ask(self) -> list[Outcome[Reading]]:
        """Return the outcome of each question; those that fail stop no other.

        Raises:
            BudgetError: the money is spent; replies so far are kept in the cache.
            ProviderError: the model cannot be used.

        """
        await self._workers.work_off(self._jobs())
        return self.outcomes

    def _jobs(self) -> Iterator[_Job]:
        numbers = iter(range(len(self.questions)))
        while piece := list(itertools.islice(numbers, PIECE)):
            yield from self._prepared(piece)

    def _prepared(self, numbers: Sequence[int], *, patient: bool = True) -> Iterator[_Job]:
        """Yield the jobs whose requests are ours to ask; the others wait for who asks them."""
        self.asking.look_around()
        way = self.asking.way
        requests = [self.asking.requests(self.questions[number]) for number in numbers]
        keys = [[self.exchange.key(request) for request in several] for several in requests]
        kept, others = self.exchange.prepare(itertools.chain.from_iterable(keys))
        for number, several, theirs in zip(numbers, requests, keys, strict=True):
            if not self._open.isdisjoint(theirs) or (patient and not others.isdisjoint(theirs)):
                self._deferred.items.append(number)
            else:
                self._open.update(theirs)
                yield _Job(number, several[0], theirs, kept, way)

    async def _answer(self, job: _Job) -> None:
        if job.way == self.asking.way:
            self.outcomes[job.number] = await self._outcome(job)
            self._done += 1
            self.exchange.tally.rows += 1
            self.exchange.commit_soon()
        else:  # found out since: it is put otherwise, later
            self._deferred.items.append(job.number)
            self.exchange.cache.release(job.keys[0])
        for key in job.keys[1:]:
            self.exchange.cache.release(key)
        self._open.difference_update(job.keys)

    async def _outcome(self, job: _Job) -> Outcome[Reading]:
        question = self.questions[job.number]
        try:
            reply, cost = await self.exchange.ask(job.request, job.keys[0], job.kept)
        except ChatFailure as failure:
            return Outcome(failure.status)
        except NotKeptError:
            return Outcome(Status.NOT_CALLED)
        reading = self._read(question, reply)
        if job.way != self.asking.way:  # it counts as the answer to what is asked from now on, too
            self.exchange.keep(self.exchange.key(self.asking.requests(question)[0]), reply)
        if reading is not None:
            return Outcome(Status.OK, reading, cost)
        again = self.asking.again(question) if reply.status in _MAY_BE_REPAIRED else None
        if again is None:
            return Outcome(Status.INVALID if reply.status is Status.OK else reply.status, None, cost)
        return await self._repaired(question, again, cost)

    async def _repaired(self, question: Asked, again: ChatRequest, cost: float) -> Outcome[Reading]:
        """Ask once more after a reply that could not be read."""
        try:
            reply, paid = await self.exchange.ask(again, self.exchange.key(again))
        except ChatFailure:
            return Outcome(Status.INVALID, None, cost)
        except NotKeptError:
            return Outcome(Status.NOT_CALLED, None, cost)
        reading = self._read(question, reply)
        status = Status.INVALID if reading is None and reply.status is Status.OK else reply.status
        return Outcome(status, reading, cost + paid)

    def _read(self, question: Asked, reply: ChatReply) -> Reading | None:
        return self.asking.read(question, reply) if reply.status is Status.OK else None

    def _tell(self) -> None:
        report(self.task, self._done, len(self.questions), self.exchange.told(monotonic() - self._began))
