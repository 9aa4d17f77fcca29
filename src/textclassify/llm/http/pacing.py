"""`Pace`: how fast requests may start, found out from what a server refuses.

Few servers say what they allow, and each refusal is a request for nothing. A server with a limit behaves as a bucket
that fills at an unknown rate and from which each request takes one drop. So:

*Start fast, but not at once.* Requests start at 4,000 a second, and faster and faster while no answer has come: all
workers of a run are busy within a tenth of a second, and yet few requests are under way when a limit is met.
Later the pace doubles in a third of a second while it is what holds requests back; above 4,000 a second only while
answers keep up, and never to a multiple of what is sent: queues and bursts gain nothing and meet a limit as a whole.

*Measure.* Two moments at which the bucket was empty give its rate: requests let through between them, over the time
between them. The first drought (refusals that are no accident, see `ShareAlarm`) halves the pace, the second
gives the rate, and from then on requests start a little slower than that, so that none is refused. From time to time
the pace grows until the bucket is empty once more: that measures the rate over a longer time, or finds that the server
allows more by now.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import NamedTuple

from textclassify.llm.http.allowances import Allowance

_BURST_SECONDS, _BURST_REQUESTS = 0.004, 12.0  # may start at once: what a timer that comes late makes up for
FIRST_RATE = 4000.0
"""Requests per second at which a run starts."""
_FILL_RATE = 24.0  # more, for each request started before the first answer
_GROWTH = 2.0  # per second, exponential: doubles in 0.35 s
_LOOK_SECONDS = 0.05  # how often the pace is reconsidered
_LONG_LOOK_SECONDS = 0.1  # what a longer time counts as
_LOOK_REQUESTS = 16
_AVERAGE_SECONDS = 0.25  # over which the requests sent are averaged
_ABUNDANT = 1.5  # times what is sent: a faster pace than this only makes for bursts
_HELD_BACK = 0.7  # of the pace: requests that start faster than this would start even faster if they were let
_KEEPS_UP = 0.9  # of the pace: answers that come faster than this leave no queue
_MARGIN = 0.97  # of the rate measured
_AT_LEISURE = 0.2  # share of the time between two droughts in which the pace was not what held requests back
_MOST_MISSED = 4.0  # times slower than what was sent: no more is believed of a measurement at leisure
_FEWEST_MEASURED = 8  # requests between two droughts
_ENOUGH_MEASURED = 16  # requests between two droughts after which the older one is of no more use
_DOUBT = 0.1  # share by which a measurement may be wrong, whatever its length
_DOUBT_REQUESTS = 2.0  # and so many requests: a bucket is empty when it holds less than one
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0  # unless the server asks for more
_JITTER, _LONGEST_JITTER_SECONDS = 0.1, 1.0
_HOLD = 4.0  # times as long, in seconds and in requests, as the measurement took
_SHORTEST_HOLD_SECONDS, _LONGEST_HOLD_SECONDS, _LONGEST_HOLD_REQUESTS = 5.0, 20.0, 400


@dataclass(slots=True)
class RateMemory:
    """What is known of a server's limits, for the next connection to start from.

    Args:
        rate: requests per second that the server was measured to let through; None = no limit was met.
        window: requests in flight that it copes with; None = as many as asked for.
        resume_at: time of the governor's clock before which the server does not want to be asked.
        allowances: what is left of the limits in the configuration.
        crowded: whether it was seen to refuse what is too many at once.
        never_crowded: whether that turned out to be wrong.
        told_of_waiting: whether it was said that a limit of the configuration makes a request wait for long.

    """

    rate: float | None = None
    window: float | None = None
    resume_at: float = -math.inf
    allowances: dict[str, Allowance] = field(default_factory=dict)
    told_of_waiting: bool = False
    crowded: bool = False
    never_crowded: bool = False


class _Moment(NamedTuple):
    """What had happened by a time: requests started or let through, and requests done with."""

    at: float
    started: int
    finished: int


class Pace:
    """When the next request may start: not before `due`.

    Args:
        memory: what is known from before; kept up to date.
        now: the time.

    """

    def __init__(self, memory: RateMemory, now: float) -> None:
        self.started = self.finished = self.refused = 0
        self._set(FIRST_RATE)
        self.due = now
        self._memory = memory
        self._even = now  # when the next request would start if all were spaced evenly
        self._look_at = 0  # requests started by the next look
        self._looked = _Moment(now, 0, 0)
        self._average_sent = 0.0  # requests per second, before that look
        self._dry_since: float | None = None  # a drought that may go on
        self._pause_seconds = _SHORTEST_PAUSE_SECONDS  # in a drought
        self._drought: _Moment | None = None  # the last one that was over
        self._leisure_seconds = 0.0  # since then
        self._sent_per_second = FIRST_RATE  # when the drought began
        self._doubt = _DOUBT
        self._held_until = _Moment(-math.inf, 0, 0)
        if memory.rate is not None:
            self._hold(memory.rate, _LONGEST_HOLD_REQUESTS, 0.0, now)
        if memory.resume_at > now:
            self._stop(memory.resume_at)

    def take(self, now: float) -> None:
        """A request starts."""
        self.started += 1
        self._even = even = max(self._even, now) + self._interval
        self.due = even - self.burst_seconds
        if self.started >= self._look_at:
            self._look(now)

    def pause(self, seconds: float, now: float) -> None:
        """Nothing starts for so long and, lest all come back at once, a little longer."""
        jitter = random.uniform(0.0, min(_JITTER * seconds, _LONGEST_JITTER_SECONDS))  # noqa: S311 - no cryptography
        self._memory.resume_at = max(self._memory.resume_at, now + seconds + jitter)
        self._stop(self._memory.resume_at)

    def measure_anew(self) -> None:
        """What was measured so far was no rate."""
        if self._memory.rate is not None:
            self._forget()
            self._held_until = _Moment(-math.inf, 0, 0)

    def refuse(self, now: float, wait_seconds: float, *, by_limit: bool, by_accident: bool) -> None:
        """A request was refused.

        Args:
            now: the time.
            wait_seconds: for how long all requests had better wait.
            by_limit: too many were refused of late.
            by_accident: otherwise it means nothing; else it may be one of those that a drought is about.

        """
        self.refused += 1
        if self._dry_since is None:
            if not by_limit:
                return
            self._dry_since = now
            self._sent_per_second = self._sending(now)
            self._look_at = 0
        if by_limit or not by_accident:
            own = min(max(self._pause_seconds, 2.0 * self._interval), _LONGEST_PAUSE_SECONDS)
            self.pause(max(wait_seconds, own), now)

    def _stop(self, until: float) -> None:
        self._even = max(self._even, until + self.burst_seconds)  # nothing is made up for afterwards
        self.due = self._even - self.burst_seconds

    def _look(self, now: float) -> None:
        """Reconsider the pace."""
        if self._dry_since is not None:
            self._end_drought(self._dry_since, now)
        elapsed = now - self._looked.at
        self._look_at = self.started + (_LOOK_REQUESTS if self._interval * _LOOK_REQUESTS < _LOOK_SECONDS else 1)
        if not self.finished and self._drought is None and self._memory.rate is None:
            self._set(FIRST_RATE + _FILL_RATE * self.started)
            return
        if elapsed < _LOOK_SECONDS:
            return
        sent, done = self.started - self._looked.started, self.finished - self._looked.finished
        self._looked = _Moment(now, self.started, self.finished)
        self._average_sent += (sent / elapsed - self._average_sent) * min(1.0, elapsed / _AVERAGE_SECONDS)
        if sent < _HELD_BACK * self.per_second * elapsed:
            self._leisure_seconds += elapsed
            self._set(min(self.per_second, max(FIRST_RATE, _ABUNDANT * self._average_sent)))
        elif now >= self._held_until.at and self.started >= self._held_until.started:
            keeps_up = done >= _KEEPS_UP * self.per_second * elapsed
            self._grow(min(elapsed, _LONG_LOOK_SECONDS), now, server_keeps_up=keeps_up)

    def _grow(self, seconds: float, now: float, *, server_keeps_up: bool) -> None:
        if server_keeps_up or self.per_second < FIRST_RATE:
            self._set(self.per_second * math.exp(_GROWTH * seconds))
        else:
            self._set(max(FIRST_RATE, self.per_second * math.exp(-_GROWTH * seconds)))
        if self._memory.rate is not None and self._is_more_than(self._memory.rate, now):
            self._forget()

    def _end_drought(self, since: float, now: float) -> None:
        """Slow down: to half of what was sent, or to the rate since the drought before."""
        self._dry_since = None
        self._looked = _Moment(now, self.started, self.finished)
        # the request that starts just now is not yet let through
        drought = _Moment(since, self.started - 1 - self.refused, self.finished)
        before = self._drought
        if before is None:
            self._measure_from(drought)
            return
        let_through = drought.started - before.started
        if let_through < _FEWEST_MEASURED:
            self._pause_seconds *= 2.0
            self._measure_from(before)
            return
        seconds = drought.at - before.at
        rate = (let_through - 0.5) / seconds
        if self._leisure_seconds > _AT_LEISURE * seconds:  # the bucket may have been full for a while
            rate = max(rate, self._sent_per_second / _MOST_MISSED)
        if let_through >= _ENOUGH_MEASURED:
            self._drought, self._leisure_seconds = drought, 0.0
        self._hold(rate, let_through, seconds, now)

    def _measure_from(self, drought: _Moment) -> None:
        """Slow down, and count what is let through until the next drought."""
        if drought is not self._drought:
            self._forget()
            self._pause_seconds = _SHORTEST_PAUSE_SECONDS
        self._drought = self._held_until = drought
        self._set(self._sent_per_second / 2.0)

    def _hold(self, rate: float, requests: int, seconds: float, now: float) -> None:
        """Stay just below a rate for a while: a longer one after a longer measurement that confirms the one before."""
        known, self._memory.rate = self._memory.rate, rate
        confirmed = known is not None and abs(rate - known) <= _DOUBT * known
        self._doubt = _DOUBT + _DOUBT_REQUESTS / requests
        self._pause_seconds = _SHORTEST_PAUSE_SECONDS
        self._set(_MARGIN * rate)
        longest = _LONGEST_HOLD_SECONDS if confirmed else _SHORTEST_HOLD_SECONDS
        hold_seconds = min(max(_HOLD * seconds, _SHORTEST_HOLD_SECONDS), longest)
        hold_requests = min(int(_HOLD * requests), _LONGEST_HOLD_REQUESTS)
        self._held_until = _Moment(now + hold_seconds, self.started + hold_requests, 0)

    def _is_more_than(self, rate: float, now: float) -> bool:
        """Whether more was let through since the bucket was empty than a rate allows; True when that is not known."""
        if self._drought is None:
            return True
        let_through = self.started - self.refused - self._drought.started
        return let_through > (1.0 + self._doubt) * rate * (now - self._drought.at)

    def _forget(self) -> None:
        """Know of no limit any more."""
        self._memory.rate = self._drought = None
        self._leisure_seconds = 0.0

    def _sending(self, now: float) -> float:
        """Requests per second that were sent of late."""
        elapsed = now - self._looked.at
        if not self._average_sent and elapsed < _LOOK_SECONDS / 4.0:
            return self.per_second
        sent = (self.started - self._looked.started) / max(elapsed, _LOOK_SECONDS)
        return max(min(max(sent, self._average_sent), self.per_second), 1.0)

    def _set(self, per_second: float) -> None:
        self.per_second = per_second
        self._interval = 1.0 / per_second
        self.burst_seconds = min(_BURST_SECONDS, _BURST_REQUESTS / per_second)
