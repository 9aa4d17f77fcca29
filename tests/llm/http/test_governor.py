"""The governor in front of a simulated server."""

import asyncio
import re
import time
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import pytest

from textclassify.errors import ConfigError
from textclassify.llm.http.governor import Governor
from textclassify.llm.http.pacing import RateMemory

from .simulation import MS, Server, ask_all, most_within, seconds_for, simulated, tell


def test_without_a_limit_nothing_is_slowed_down():
    """The window is full within a twentieth of a second, and stays full."""
    server = Server(latency=0.2)
    seconds = seconds_for(server, 2000, concurrency=64)

    assert server.starts[63] - server.starts[0] < 0.06
    assert server.busy_seconds / seconds >= 61.5


def test_five_hundred_at_once_are_kept_busy():
    """A wide window takes longer to fill, but not twenty times longer."""
    ideal = 10_000 / 512 * (0.2 + 2 * MS)
    assert seconds_for(Server(latency=0.2), 10_000, concurrency=512) <= ideal / 0.95


@pytest.mark.parametrize("wait", ["exact", "none", "one second"])
@pytest.mark.parametrize(("latency", "concurrency"), [(0.0, 16), (0.0, 64), (0.05, 512), (0.2, 64), (0.2, 512)])
@pytest.mark.parametrize("rate", [100.0, 500.0])
def test_a_limit_is_found_at_little_cost(rate, latency, concurrency, wait):
    """The offered load is far above the limit: few are refused, none comes back early, and little is left unused."""
    says = {"exact": lambda seconds: seconds, "none": lambda _: None, "one second": lambda _: 1.0}
    server = Server(rate, latency, says_wait=says[wait])
    ideal = max((1500 - rate) / rate, 1500 * latency / concurrency) + latency

    seconds = seconds_for(server, 1500, concurrency=concurrency)

    assert server.refusals <= 0.05 * server.requests
    assert server.early == 0
    assert seconds <= ideal / 0.85


@pytest.mark.parametrize(("most", "latency", "rows"), [(4, 0.02, 4000), (16, 0.5, 1000), (32, 0.02, 4000)])
@pytest.mark.parametrize("wait", [None, 1.0])
def test_a_limit_of_requests_at_once_is_no_rate(most, latency, rows, wait):
    """Taken for a rate, it leaves more than half of the server idle, since a rate is measured over idle times, too."""
    server = Server(latency=latency, most_at_once=most, says_wait=lambda _: wait)

    seconds = seconds_for(server, rows, concurrency=64)

    assert seconds <= 1.55 * rows / most * latency
    assert server.refusals <= 0.05 * server.requests


def test_a_low_rate_is_not_taken_for_a_limit_at_once_for_long():
    """However few are in flight, requests beyond the rate are refused: then the window is not what helps."""
    server = Server(20.0)
    seconds = seconds_for(server, 500, concurrency=64)

    assert server.refusals <= 0.1 * server.requests
    assert seconds <= (500 - 20) / 20 / 0.85


@pytest.mark.parametrize("latency", [0.0, 0.05])
def test_refusals_by_accident_do_not_hide_the_limit(latency):
    """One in twenty fails and one in twenty is refused by accident: that costs what it must and hardly more."""
    server = Server(500.0, latency, accidents=0.05, failures=0.05)
    seconds = seconds_for(server, 4000, concurrency=64)

    assert server.refusals <= 0.008 * server.requests
    assert seconds <= (server.requests - 500) / 500 / 0.85


def test_refusals_by_accident_slow_nobody_down():
    """A server that refuses at random gains nothing from being asked less often."""
    calm, moody = Server(latency=0.05), Server(latency=0.05, accidents=0.05)
    seconds = seconds_for(calm, 4000, concurrency=32)

    # each accident makes a worker wait as long as a request takes, and try again
    assert seconds_for(moody, 4000, concurrency=32) <= 1.25 * seconds


def test_even_long_waits_by_accident_are_seen_through():
    """Servers that always say two seconds must not stop a run for good."""
    server = Server(latency=0.01, accidents=0.05)
    answer = server.answer
    server.answer = lambda come_back: _told_to_wait(answer(come_back), 2.0)

    assert seconds_for(server, 4000, concurrency=64) < 4000 * 0.05 * 2.0 / 4


async def _told_to_wait(
    answer: Coroutine[Any, Any, tuple[str, float | None]], seconds: float
) -> tuple[str, float | None]:
    outcome, wait = await answer
    return outcome, wait and seconds


def test_a_limit_that_was_raised_is_found():
    """A pace learned once is not a pace for ever."""
    server = Server(100.0)

    async def run() -> float:
        governor = Governor(concurrency=64, now=asyncio.get_running_loop().time)
        await ask_all(server, governor, 1000)
        server.rate = 400.0
        await ask_all(server, governor, 4000)
        return governor.per_second or 0.0

    assert simulated(run()) == pytest.approx(400.0, rel=0.05)
    assert server.refusals < 0.03 * server.requests


@pytest.mark.parametrize("per_minute", [1, 7, 60, 1000])
def test_a_configured_rate_is_kept_in_every_minute(per_minute):
    """Whoever sets a limit pays for going beyond it; a burst at the beginning would be such a minute."""
    server = Server()
    seconds = seconds_for(server, 4 * per_minute, concurrency=64, requests_per_minute=per_minute)

    assert most_within(server.starts, 60.0) <= per_minute
    assert most_within(server.starts, 1.0) <= max(1, 0.06 * per_minute)
    assert seconds <= 4.2 * 60.0


@pytest.mark.parametrize("tokens", [10, 900, 4000])
def test_configured_tokens_are_kept_in_every_minute(tokens):
    """Large requests count for what they are, even when one is more than a few seconds' worth."""
    server = Server()
    seconds = seconds_for(server, 36_000 // tokens, tokens=tokens, concurrency=64, tokens_per_minute=9000)

    assert most_within(server.starts, 60.0) * tokens <= 9000
    assert seconds <= 7.0 * 60.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens_per_minute": 1}, "tokens_per_minute=1 is less .* 300 tokens .* waits for 50 hours"),
        ({"requests_per_minute": 0.25}, "requests_per_minute=0.25 is less .* waits for 4 minutes"),
    ],
)
def test_a_limit_below_one_request_is_said_once(caplog, options, said):
    """Whoever leaves out three zeros would wait for days without a word."""
    memory = RateMemory()

    async def run() -> None:
        for _ in range(2):
            clock = asyncio.get_running_loop().time
            await ask_all(Server(), Governor(concurrency=2, memory=memory, now=clock, **options), 4, tokens=300)

    simulated(run())

    (message,) = [record.getMessage() for record in caplog.records]
    assert re.search(said, message)


def test_a_limit_of_one_request_a_minute_needs_no_words(caplog):
    """It does what it says."""
    seconds_for(Server(), 3, concurrency=2, requests_per_minute=1)
    assert not caplog.records


def test_the_next_connection_starts_with_what_is_left():
    """Two calls within a minute share the minute; and what the first found out, the second need not find out again."""
    limited, server = Server(), Server(200.0)
    memory, other = RateMemory(), RateMemory()

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        for _ in range(5):
            governor = Governor(concurrency=4, requests_per_minute=60, memory=memory, now=clock)
            await ask_all(limited, governor, 15)
        for _ in range(3):
            await ask_all(server, Governor(concurrency=64, memory=other, now=clock), 600)

    simulated(run())

    assert most_within(limited.starts, 60.0) <= 60
    assert other.rate == pytest.approx(200.0, rel=0.1)
    assert server.refusals <= 20


@pytest.mark.parametrize("headers", [("5", "30s", "40"), ("0", "40s", "40")])
def test_limits_in_headers_are_kept(headers):
    """Forty requests come back in the time to the reset, less what is left: who counts along is never refused."""
    remaining, reset, limit = headers

    async def run() -> float:
        governor = Governor(concurrency=8, now=asyncio.get_running_loop().time)
        assert governor.try_start(1)
        governor.finished()
        names = ("remaining", "reset", "limit")
        told = {f"x-ratelimit-{name}-requests": value for name, value in zip(names, headers, strict=True)}
        governor.answered(told)
        return await ask_all(Server(), governor, 20)

    per_second = (int(limit) - int(remaining)) / float(reset[:-1])
    assert simulated(run()) == pytest.approx((20 - int(remaining)) / per_second, rel=0.1)


def test_a_long_wait_holds_everybody_up_and_nobody_rushes_back():
    """The server said when; those who waited do not all arrive in that instant."""
    server = Server(latency=0.01)

    async def run() -> float:
        governor = Governor(concurrency=32, now=asyncio.get_running_loop().time)
        governor.try_start(1)
        governor.finished()
        governor.refused(30.0, {})
        begun = asyncio.get_running_loop().time()
        await ask_all(server, governor, 32)
        return begun

    begun = simulated(run())

    assert 30.0 <= server.starts[0] - begun <= 32.0
    assert most_within(server.starts, 5 * MS) <= 28


def test_who_waits_can_be_cancelled_at_once_and_leaves_no_trace():
    """Ctrl-C in the middle of a pause of an hour; a slot that is taken by nobody would be lost for good."""

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        governor = Governor(concurrency=2, now=clock)
        governor.refused(3600.0, {})
        waiting = [asyncio.create_task(governor.start(1)) for _ in range(3)]
        await asyncio.sleep(1.0)
        before = clock()
        for task in waiting:
            task.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*waiting, return_exceptions=True)
        )
        assert clock() == before
        assert governor.in_flight == 0
        await governor.start(1)

    simulated(run())


def test_a_slot_given_to_somebody_cancelled_goes_to_the_next():
    """Between being let start and noticing it, a task can be cancelled."""

    async def run() -> None:
        governor = Governor(concurrency=1, now=asyncio.get_running_loop().time)
        assert governor.try_start(1)
        first, second = (asyncio.create_task(governor.start(1)) for _ in range(2))
        await asyncio.sleep(0)
        governor.finished()  # the slot is the first one's now
        first.cancel()
        await asyncio.wait_for(second, 1.0)
        assert first.cancelled()
        assert governor.in_flight == 1

    simulated(run())


def test_first_come_first_served():
    """A row that waits is not overtaken for ever."""

    async def run() -> list[int]:
        governor = Governor(concurrency=1, now=asyncio.get_running_loop().time)
        assert governor.try_start(1)
        order: list[int] = []

        async def worker(number: int) -> None:
            await governor.start(1)
            order.append(number)
            assert not governor.try_start(1)
            governor.finished()

        workers = [asyncio.create_task(worker(number)) for number in range(20)]
        await asyncio.sleep(0)
        governor.finished()
        await asyncio.gather(*workers)
        return order

    assert simulated(run()) == list(range(20))


def test_who_waits_is_not_overtaken_by_who_comes():
    """In the instant that a pause is over, a slot belongs to who waited for it."""

    async def run() -> bool:
        clock = asyncio.get_running_loop().time
        governor = Governor(concurrency=8, memory=RateMemory(resume_at=clock() + 1.0), now=clock)
        waiting = asyncio.create_task(governor.start(1))
        await asyncio.sleep(1.0)
        overtaken = governor.try_start(1)
        await waiting
        return overtaken

    assert not simulated(run())


def test_failures_between_refusals_are_signs_of_life():
    """Requests that reached the model were let through, whatever became of them then."""

    async def run() -> bool:
        governor = Governor(concurrency=8, now=asyncio.get_running_loop().time)
        for _ in range(20):
            tell(governor, "refused")
            for _ in range(9):
                tell(governor, "failed")
        return governor.try_start(1)

    assert simulated(run())


def test_failures_halve_what_is_in_flight_and_answers_bring_it_back():
    """A server that breaks down needs air, not 64 requests at a time; accidents are no breakdown."""

    async def run() -> list[float]:
        clock = asyncio.get_running_loop().time
        memory = RateMemory()
        governor = Governor(concurrency=64, memory=memory, now=clock)
        await ask_all(Server(latency=0.05, failures=0.05), governor, 1000)
        windows = [governor.window]
        await asyncio.gather(*(fail_once(governor) for _ in range(64)))
        windows += [governor.window, Governor(concurrency=64, memory=memory, now=clock).window]
        await ask_all(Server(latency=0.05), governor, 2000)
        return [*windows, governor.window]

    async def fail_once(governor: Governor) -> None:
        await governor.start(1)
        await asyncio.sleep(0.05)
        governor.failed()
        governor.finished()

    at_first, after, next_time, in_the_end = simulated(run())

    assert at_first == in_the_end == 64.0
    assert after == next_time == pytest.approx(32.0, abs=1.0)


def test_no_slot_is_lost_when_everything_fails():
    """With one slot left, the run still goes on."""
    server = Server(failures=0.9)
    assert seconds_for(server, 50, concurrency=16) < 60.0


@pytest.mark.parametrize(
    "options",
    [{"concurrency": 0}, {"requests_per_minute": 0}, {"tokens_per_minute": -5}, {"requests_per_minute": float("nan")}],
)
def test_limits_that_make_no_sense_are_refused(options):
    """Zero requests a minute would wait for ever without a word."""
    name, value = next(iter(options.items()))
    with pytest.raises(ConfigError, match=f"{name} {value}"):
        Governor(**{"concurrency": 1, **options})


def test_letting_a_request_start_costs_microseconds():
    """It stands before every request, of which some take no longer than 100 microseconds."""
    ticks = iter(range(1_000_000))
    governor = Governor(concurrency=8, now=lambda: next(ticks) * 0.001)
    begun = time.perf_counter()
    for _ in range(10_000):
        assert governor.try_start(100)
        governor.finished()
        governor.answered(None)

    assert (time.perf_counter() - begun) / 10_000 < 20e-6


def test_in_real_time_the_pace_is_what_was_learned():
    """The simulation is no substitute for a real clock and real timers."""

    async def run() -> list[float]:
        governor = Governor(concurrency=8, memory=RateMemory(rate=500.0))
        starts = []
        for _ in range(60):
            await governor.start(1)
            starts.append(time.monotonic())
            governor.finished()
        return starts

    starts = asyncio.run(run())

    assert starts[-1] - starts[0] >= 0.1
    assert all(earlier <= later for earlier, later in pairwise(starts))
