"""`Allowances`: limits that are known, because the configuration sets them or a server tells them in its headers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from textclassify.errors import ConfigError
from textclassify.llm.http.rate_headers import ToldLimit

_BURST_SECONDS = 2.0  # worth of a configured limit that may be used at once
_MINUTE_SECONDS = 60.5  # more than a minute has, since requests take longer or shorter to get there
_LEAST_SHARE = 0.1  # of a limit that comes back per minute, even for requests that nearly fill it


@dataclass(slots=True)
class Allowance:
    """So much per second, saved up to `size`: a bucket that fills steadily.

    Args:
        per_second: what comes in; above 0.
        size: the most that is saved; a larger amount may be taken when it is full, and is made up for.
        level: what there is at the time `at`.
        at: a time, in seconds.

    """

    per_second: float
    size: float
    level: float
    at: float

    def ready_at(self, amount: float, now: float) -> float:
        """When `amount` can be taken: `now`, or later."""
        missing = min(amount, self.size) - self.level - (now - self.at) * self.per_second
        return now if missing <= 0.0 else now + missing / self.per_second

    def take(self, amount: float, now: float) -> None:
        """Use up `amount`."""
        self.level = min(self.size, self.level + (now - self.at) * self.per_second) - amount
        self.at = now


class Allowances:
    """All limits that are known.

    Args:
        requests_per_minute: set by the configuration and never exceeded in any minute; None = no such limit.
        tokens_per_minute: likewise.
        kept: what is left of the limits in the configuration, from one connection to the next.
        now: the time.

    Raises:
        ConfigError: a limit is not above zero.

    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        kept: dict[str, Allowance],
        now: float,
    ) -> None:
        self._kept = kept
        self._told: dict[str, Allowance] = {}
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        self._keep("requests", requests_per_minute, now, step=1.0)
        self._keep("tokens", tokens_per_minute, now, step=0.0)
        self._largest = kept["tokens"].size if "tokens" in kept else math.inf
        self._collect()

    def __bool__(self) -> bool:
        return bool(self._each)

    def ready_at(self, tokens: float, now: float) -> float:
        """When a request of so many tokens is within all limits: `now`, or later."""
        if tokens > self._largest:
            self._make_room(tokens)
        ready = now
        for allowance, counts_tokens in self._each:
            ready = max(ready, allowance.ready_at(tokens if counts_tokens else 1.0, now))
        return ready

    def why_not(self, tokens: float, now: float) -> tuple[str, float]:
        """The limit of the configuration that makes a request wait longest, as one reads it, and until when."""
        waits = [
            (f"{name}_per_minute={per_minute:g}", self._kept[name].ready_at(amount, now))
            for name, per_minute, amount in (
                ("requests", self._requests_per_minute, 1.0),
                ("tokens", self._tokens_per_minute, tokens),
            )
            if per_minute is not None
        ]
        return max(waits, key=lambda wait: wait[1], default=("", now))

    def take(self, tokens: float, now: float) -> None:
        """A request of so many tokens starts."""
        for allowance, counts_tokens in self._each:
            allowance.take(tokens if counts_tokens else 1.0, now)

    def tell(self, told: Mapping[str, ToldLimit], in_flight: Mapping[str, float], now: float) -> None:
        """Take over what a server says is left, of which requests in flight may still use up their part.

        Args:
            told: limits by what they count, from `told_limits`.
            in_flight: requests and tokens in flight.
            now: the time.

        """
        for name, limit in told.items():
            level = max(0.0, limit.remaining - in_flight[name])
            self._told[name] = Allowance(limit.per_second, limit.limit, level, now)
        self._collect()

    def _keep(self, name: str, per_minute: float | None, now: float, *, step: float) -> None:
        """Set up a limit of the configuration; `step` = the least by which a request can exceed what is saved up."""
        if per_minute is None:
            self._kept.pop(name, None)
            return
        if not 0.0 < per_minute < math.inf:
            raise ConfigError(f"{name}_per_minute {per_minute} must be above 0; leave it out for no limit")
        size = max(step, per_minute * _BURST_SECONDS / 60.0)
        kept = self._kept.setdefault(name, Allowance(0.0, size, size, now))
        kept.per_second, kept.size = (per_minute - size + step) / _MINUTE_SECONDS, size

    def _make_room(self, tokens: float) -> None:
        """Let so large a request save up for itself, in exchange for what comes in per second."""
        kept, per_minute = self._kept["tokens"], self._tokens_per_minute or tokens
        if kept.level == kept.size:  # nothing was used yet: the first request need not wait
            kept.level = tokens
        self._largest = kept.size = tokens
        kept.per_second = max(per_minute - tokens, _LEAST_SHARE * per_minute) / _MINUTE_SECONDS

    def _collect(self) -> None:
        limits = [*self._kept.items(), *self._told.items()]
        self._each = tuple((allowance, name == "tokens") for name, allowance in limits)
