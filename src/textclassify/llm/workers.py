"""`Workers`: jobs worked off as fast as a model answers, by fixed workers that pull from one iterator."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from textclassify.llm.exchange import LOOK_AGAIN_SECONDS, PATIENCE_SECONDS, Exchange

logger = logging.getLogger(__name__)

PIECE = 64
"""Questions claimed, and looked up among the raw replies, at a time; a crash counts them all as possibly lost."""
DRAIN_SECONDS = 5.0
"""So long a run that is stopped waits for replies that are on their way and paid."""

Job = TypeVar("Job")
Item = TypeVar("Item")
_Item_contra = TypeVar("_Item_contra", contravariant=True)
_Job_co = TypeVar("_Job_co", covariant=True)


class Prepare(Protocol[_Item_contra, _Job_co]):
    """Yields the jobs of items that are ours to ask; defers the others, if it is told to be patient."""

    def __call__(self, items: Sequence[_Item_contra], /, *, patient: bool) -> Iterator[_Job_co]:
        """Yield the jobs."""
        ...


class Deferred(Generic[Item]):
    """What somebody else is asking just now; it is looked at again, and asked here at the end of our patience."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._waiting_since: float | None = None

    def again(self, prepared: Prepare[Item, Job]) -> Iterator[Job]:
        """Yield the jobs of what waits, as far as it need not wait any longer."""
        waiting, self.items = self.items, []
        now = time.monotonic()
        if waiting and self._waiting_since is None:
            self._waiting_since = now
        waited = 0.0 if self._waiting_since is None else now - self._waiting_since
        if waited > PATIENCE_SECONDS:
            logger.warning("%d texts have been claimed by another run for too long; they are asked here", len(waiting))
        yield from prepared(waiting, patient=waited <= PATIENCE_SECONDS)
        if len(self.items) < len(waiting):
            self._waiting_since = None


class Workers(Generic[Job]):
    """As many workers as requests may be in flight; no task per job.

    Args:
        exchange: where requests go; it is stopped with the workers.
        answer: settles one job.
        again: returns jobs that have had to wait, those of them that need not wait any longer.
        waits: whether jobs may still come from `again`.
        gate: workers pull on while it is set; None = always.

    """

    def __init__(
        self,
        exchange: Exchange,
        answer: Callable[[Job], Awaitable[None]],
        again: Callable[[], Iterable[Job]],
        waits: Callable[[], bool],
        gate: asyncio.Event | None = None,
    ) -> None:
        self.exchange = exchange
        self.gate = gate
        self._answer = answer
        self._again = again
        self._waits = waits
        self._ready: deque[Job | None] = deque()
        self._refill_is_due = False
        self._trouble: Exception | None = None
        self._look_again_at = 0.0
        self._stopped = False

    async def work_off(self, jobs: Iterator[Job | None]) -> None:
        """Have every job answered; None among them lets others work. The first error stops all.

        Whatever stops the run, replies that are on their way are waited for, and kept.
        """
        with _old_objects_left_alone():
            workers = [asyncio.create_task(self._work(jobs)) for _ in range(self.exchange.concurrency)]
            try:
                done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
                errors = [worker.exception() for worker in done if not worker.cancelled()]
                for error in filter(None, errors):
                    raise error
            finally:
                self._stop()
                await self._drain(workers)
                self.exchange.commit()

    async def _drain(self, workers: Sequence[asyncio.Task[None]]) -> None:
        left = [worker for worker in workers if not worker.done()]
        try:
            if left:
                await asyncio.wait(left, timeout=DRAIN_SECONDS)
        finally:
            for worker in left:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, jobs: Iterator[Job | None]) -> None:
        try:
            await self._pull(jobs)
        except BaseException:
            self._stop()
            raise

    async def _pull(self, jobs: Iterator[Job | None]) -> None:
        while not self._stopped:
            while self.gate is not None and not self.gate.is_set():
                await self.gate.wait()
            if not self._ready:
                self._make_ready(jobs)
                if not self._ready:
                    return
            job = self._ready.popleft()
            if len(self._ready) < PIECE // 2 and not self._refill_is_due:
                self._refill_is_due = True
                asyncio.get_running_loop().call_soon(self._refill, jobs)
            if job is not None:
                await self._answer(job)
            else:
                await asyncio.sleep(max(0.0, self._look_again_at - time.monotonic()))

    def _refill(self, jobs: Iterator[Job | None]) -> None:
        """Make jobs ready while nobody waits for them: after what is sent in this turn of the event loop."""
        self._refill_is_due = False
        if self._stopped or self._trouble is not None or (self.gate is not None and not self.gate.is_set()):
            return
        try:
            self._make_ready(jobs)
        except Exception as error:  # noqa: BLE001 - it is raised in the worker that would have met it
            self._trouble = error

    def _make_ready(self, jobs: Iterator[Job | None]) -> None:
        """Take a piece of jobs, or what there is before others have to be let work; none when all is done."""
        if self._trouble is not None:
            raise self._trouble
        for job in itertools.islice(jobs, PIECE):
            self._ready.append(job)
            if job is None:
                return
        if self._ready or not self._waits():
            return
        if time.monotonic() >= self._look_again_at:
            self._look_again_at = time.monotonic() + LOOK_AGAIN_SECONDS
            self._ready += self._again()
        if not self._ready:
            self._ready.append(None)

    def _stop(self) -> None:
        """Have nothing more sent; what is on its way is waited for."""
        self._stopped = True
        self.exchange.stop()


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
