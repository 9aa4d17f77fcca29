"""`Governor`: lets the requests of a run start, as many and as fast as their server allows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from textclassify.errors import ConfigError
from textclassify.llm.http.allowances import Allowances
from textclassify.llm.http.pacing import Pace, RateMemory
from textclassify.llm.http.rate_headers import told_limits
from textclassify.llm.http.share_alarm import ShareAlarm

logger = logging.getLogger(__name__)

_ROUNDED_UP_SECONDS = 1.0  # Retry-After has whole seconds: servers that mean milliseconds say this, too
_LONG_WAIT_SECONDS = 1.0  # a refusal that asks for more is meant for all, unless accidents are expected
_READ_HEADERS_SECONDS = 0.02  # how often headers are read that tell a limit
_LOOK_FOR_HEADERS_SECONDS = 0.25  # how often they are looked for
_SILENT_WAIT_SECONDS = 61.0  # a longer wait for a limit of the configuration is said, once
_SLOW_STEP, _WINDOWS_TO_FASTER = 0.15, 5.0  # growth of a narrowed window after a refusal; e times more after so many
_WINDOWS_TO_BLAME = 4.0  # finished between two alarms: those that come sooner are not for the crowd alone
_NEARLY = 2.0  # requests; a window that lacks no more is full
_TWO_HOURS = 7200.0
_SHRINK, _STEPS_TO_FULL = 0.5, 32  # of the window: once per window of failures; windows of answers to grow back


@dataclass(slots=True)
class _Crowd:
    """The requests in flight when too many were refused: how many of them were answered all the same.

    Args:
        until: requests finished when all of them are.
        answered: of them, so far.

    """

    until: int
    answered: int = 0


class Governor:
    """What all requests of a run ask before they start. Bound to the running event loop.

    A try begins with `try_start` or `start`, ends with `finished`, and is told by one of `answered`, `refused` and
    `failed`, in any order. A request that was refused waits for as long as its server asked before it is tried
    again: that is its caller's part, while the governor slows down everybody, see `Pace`. Failures that are
    no accident halve the number of requests in flight; answers let it grow back by one thirty-second per window.

    Some servers limit how many requests they answer at once. When too many are refused for the first time, those in
    flight are watched: as many as are answered are had in flight from then on, a few more as long as nothing is
    refused, one fewer after a refusal while the window is full. Where that does not help, the rate is what counts.

    Args:
        concurrency: most requests in flight.
        requests_per_minute: limit that is never exceeded in any minute; None = what the server allows.
        tokens_per_minute: likewise.
        memory: what an earlier connection learned; kept up to date.
        now: a clock, in seconds.

    Raises:
        ConfigError: an option that is out of range.

    Example:
        >>> governor = Governor(concurrency=1)
        >>> governor.try_start(tokens=100), governor.try_start(tokens=100)
        (True, False)

    """

    def __init__(
        self,
        *,
        concurrency: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        memory: RateMemory | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if concurrency < 1:
            raise ConfigError(f"concurrency {concurrency} must be at least 1")
        self.concurrency = concurrency
        self.memory = memory if memory is not None else RateMemory()
        self.in_flight = 0
        self._now = now
        self._pace = Pace(self.memory, now())
        self._allowances = Allowances(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            kept=self.memory.allowances,
            now=now(),
        )
        self._window = float(min(concurrency, self.memory.window or concurrency))
        self._refusals, self._failures = ShareAlarm(), ShareAlarm()
        self._uncut_from = 0  # requests finished by when failures count again
        self._blamed_from = 0  # requests finished by when the window is blamed for an alarm again, and not the pace
        self._crowd: _Crowd | None = None
        self._step = _SLOW_STEP  # of a window that a crowd has narrowed
        self._tokens = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._read_headers_at = 0.0

    @property
    def window(self) -> float:
        """Requests that may be in flight: `concurrency`, or fewer after failures."""
        return self._window

    @property
    def per_second(self) -> float | None:
        """Requests per second that the server was measured to let through; None = no limit was met."""
        return self.memory.rate

    def try_start(self, tokens: int) -> bool:
        """Whether a request of so many tokens may start now; if so, it has started."""
        if self._waiting or self.in_flight >= self._window:
            return False
        now = self._now()
        if now < self._pace.due or (self._allowances and self._allowances.ready_at(tokens, now) > now):
            return False
        self._take(tokens, now)
        return True

    async def start(self, tokens: int) -> None:
        """Return when a request of so many tokens has been let start: first come, first served."""
        if self.try_start(tokens):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, tokens))
        if self._timer is None:
            self._release()
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():  # let start, but too late
                self.finished()
            raise

    def finished(self) -> None:
        """A try is over, whatever came of it: another may start."""
        self.in_flight -= 1
        self._pace.finished += 1
        if self._crowd is not None and self._pace.finished >= self._crowd.until:
            self._narrow(self._crowd.answered)
        if self._waiting and self._timer is None:
            self._release()

    def answered(self, headers: Mapping[str, str] | None = None) -> None:
        """A good answer came; its headers may tell limits."""
        self._refusals.good()
        self._failures.good()
        if self._crowd is not None:
            self._crowd.answered += 1
        if self._window < self.concurrency:
            self._grow_window()
        if headers is not None:
            now = self._now()
            if now >= self._read_headers_at:
                self._read(headers, now)

    def refused(self, wait_seconds: float | None = None, headers: Mapping[str, str] | None = None) -> None:
        """A rate limit refused a request (HTTP 429), and maybe said how long to wait."""
        now = self._now()
        if headers is not None:
            self._read(headers, now)
        wait = 0.0 if wait_seconds is None or wait_seconds == _ROUNDED_UP_SECONDS else wait_seconds
        accidental = self._refusals.expects_accidents
        if wait >= _LONG_WAIT_SECONDS and not accidental:
            self._pace.pause(wait, now)
        by_limit = self._refusals.bad()
        if self.memory.crowded:
            if not accidental and self._is_full and self._is_by_crowd(by_limit=by_limit):
                return
        elif by_limit and not accidental and self._crowd is None and not self.memory.never_crowded:
            self._crowd = _Crowd(until=self._pace.finished + self.in_flight)
        self._pace.refuse(now, wait, by_limit=by_limit, by_accident=accidental)

    def failed(self) -> None:
        """The server failed (5xx), was silent for too long, or the connection broke."""
        self._refusals.good()
        if self._failures.bad() and self._pace.finished >= self._uncut_from:
            self._window = max(1.0, min(self._window, self.in_flight + 1.0) * _SHRINK)
            self.memory.window = self._window
            self._uncut_from = self._pace.finished + self.in_flight

    @property
    def _is_full(self) -> bool:
        """Whether the window is what holds requests back."""
        return self.in_flight + _NEARLY >= self._window

    def _narrow(self, answers: int) -> None:
        """Have no more in flight than a server was seen to answer at a time while it refused others."""
        self._crowd = None
        if 0 < answers < self._window:
            self.memory.crowded = True
            self.memory.window = self._window = float(answers)
            self._step = max(1.0, self._window / 4.0)
            self._pace.measure_anew()

    def _is_by_crowd(self, *, by_limit: bool) -> bool:
        """Whether a refusal with a full window is taken for one too many at once; the window gets narrower then."""
        finished = self._pace.finished
        if finished >= self._uncut_from:
            self.memory.window = self._window = max(1.0, self._window - 1.0)
            self._step = _SLOW_STEP
            self._uncut_from = finished + self.in_flight
        if by_limit and self._window < _NEARLY:  # hardly anything is in flight: it is the rate after all
            self.memory.crowded, self.memory.never_crowded, self.memory.window = False, True, None
            self._window = float(self.concurrency)
            return False
        if not by_limit:
            return True
        is_news = finished >= self._blamed_from
        if is_news:
            self._blamed_from = finished + int(_WINDOWS_TO_BLAME * self._window)
        return is_news

    def _take(self, tokens: int, now: float) -> None:
        self.in_flight += 1
        self._tokens += tokens
        self._pace.take(now)
        if self._allowances:
            self._allowances.take(tokens, now)

    def _release(self) -> None:
        """Let start who may, and come back when the next one may."""
        self._timer = None
        waiting = self._waiting
        while waiting:
            future, tokens = waiting[0]
            if future.done():  # cancelled
                waiting.popleft()
                continue
            if self.in_flight >= self._window:
                return  # `finished` comes back
            now = self._now()
            due = max(self._pace.due, self._allowances.ready_at(tokens, now))
            if due > now:
                if due > now + _SILENT_WAIT_SECONDS and not self.memory.told_of_waiting:
                    self._tell_of_waiting(tokens, now)
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(due - now + self._pace.burst_seconds / 2.0, self._release)
                return
            waiting.popleft()
            self._take(tokens, now)
            future.set_result(None)

    def _tell_of_waiting(self, tokens: int, now: float) -> None:
        """Say so where a limit of the configuration is below a single request."""
        limit, ready = self._allowances.why_not(tokens, now)
        if ready > now + _SILENT_WAIT_SECONDS:
            self.memory.told_of_waiting = True
            logger.warning(
                "%s is less than one request of about %d tokens per minute: the next one waits for %s, and so may "
                "others; raise the limit, or leave it out to go by what the server allows",
                limit,
                tokens,
                _in_words(ready - now),
            )

    def _grow_window(self) -> None:
        if self.memory.crowded:
            if not self._is_full:
                return  # others hold requests back: that it is wide enough says nothing
            self._step *= 1.0 + 1.0 / (_WINDOWS_TO_FASTER * self._window)
            step = self._step
        else:
            step = max(1.0, self.concurrency / _STEPS_TO_FULL)
        self._window = min(float(self.concurrency), self._window + step / self._window)
        self.memory.window = self._window if self._window < self.concurrency else None

    def _read(self, headers: Mapping[str, str], now: float) -> None:
        """Learn what is left of the server's limits."""
        told = told_limits(headers)
        self._read_headers_at = now + (_READ_HEADERS_SECONDS if told else _LOOK_FOR_HEADERS_SECONDS)
        if told:
            tokens_each = self._tokens / max(1, self._pace.started)
            in_flight = {"requests": float(self.in_flight), "tokens": self.in_flight * tokens_each}
            self._allowances.tell(told, in_flight, now)


def _in_words(seconds: float) -> str:
    return f"{seconds / 60.0:.0f} minutes" if seconds < _TWO_HOURS else f"{seconds / 3600.0:.0f} hours"
