"""A simulated server, in an event loop whose time is simulated, too."""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from textclassify.llm.http.governor import Governor

MS = 0.001


class SimulatedTime(asyncio.SelectorEventLoop):
    """An event loop that does not wait: its clock jumps to the next thing to do."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.seconds


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: SimulatedTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.seconds += timeout or 0.0
        return super().select(0)


def simulated(coroutine: Coroutine[Any, Any, Any]) -> Any:
    random.seed(0)
    with asyncio.Runner(loop_factory=SimulatedTime) as runner:
        return runner.run(coroutine)


@dataclass
class Server:
    """A bucket of requests that fills at `rate` per second and holds a second's worth; refuses at once when empty.

    It refuses likewise what comes while it answers `most_at_once`.
    """

    rate: float = float("inf")
    latency: float = 0.0
    most_at_once: float = float("inf")
    answering: int = 0
    accidents: float = 0.0  # share of requests that are let through and then refused for no reason
    failures: float = 0.0
    says_wait: Callable[[float], float | None] = lambda seconds: seconds
    requests: int = 0
    refusals: int = 0
    early: int = 0
    starts: list[float] = field(default_factory=list)
    busy_seconds: float = 0.0
    level: float | None = None
    at: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def lets_through(self, now: float) -> bool:
        if self.rate == float("inf"):
            return True
        full = self.rate if self.level is None else self.level + (now - self.at) * self.rate
        self.level, self.at = min(self.rate, full), now
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True

    async def answer(self, come_back: float) -> tuple[str, float | None]:
        """What becomes of a request, and how long to wait; a millisecond of network either way."""
        await asyncio.sleep(1 * MS)
        now = asyncio.get_running_loop().time()
        self.requests += 1
        self.starts.append(now)
        self.early += now < come_back
        if self.answering >= self.most_at_once or not self.lets_through(now):
            self.refusals += 1
            await asyncio.sleep(1 * MS)
            return "refused", self.says_wait((1.0 - (self.level or 0.0)) / self.rate)
        self.answering += 1
        await asyncio.sleep(self.latency)
        self.answering -= 1
        self.busy_seconds += self.latency
        await asyncio.sleep(1 * MS)
        luck = self.dice.random()
        if luck < self.accidents:
            return "refused", 0.05
        return ("failed" if luck < self.accidents + self.failures else "answered"), None


async def ask_all(server: Server, governor: Governor, requests: int, tokens: int = 10) -> float:
    """Seconds that so many requests take with as many workers as the governor has slots."""
    left = iter(range(requests))
    begun = asyncio.get_running_loop().time()

    async def work() -> None:
        for _ in left:
            outcome, come_back = "", 0.0
            while outcome != "answered":
                if not governor.try_start(tokens):
                    await governor.start(tokens)
                outcome, wait = await server.answer(come_back)
                governor.finished()
                tell(governor, outcome, wait)
                come_back = asyncio.get_running_loop().time() + (wait or 0.0) - 1 * MS
                if outcome != "answered":
                    await asyncio.sleep(wait or random.uniform(0.1, 0.2))

    await asyncio.gather(*(work() for _ in range(governor.concurrency)))
    return asyncio.get_running_loop().time() - begun


def tell(governor: Governor, outcome: str, wait: float | None = None) -> None:
    if outcome == "answered":
        governor.answered({})
    elif outcome == "refused":
        governor.refused(wait, {})
    else:
        governor.failed()


def seconds_for(server: Server, requests: int, *, tokens: int = 10, **options: Any) -> float:
    """How long a run takes whose governor has these options."""

    async def run() -> float:
        governor = Governor(now=asyncio.get_running_loop().time, **options)
        return await ask_all(server, governor, requests, tokens)

    return simulated(run())


def most_within(starts: list[float], seconds: float) -> int:
    """Most requests that started within any stretch of so many seconds."""
    most = first = 0
    for last, at in enumerate(starts):
        while at - starts[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
