"""What servers say about their limits in the headers of an answer: `told_limits`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_USUAL_WINDOW_SECONDS = 60.0  # when a server does not say when a limit starts afresh
_DATES_FROM_SECONDS = 1e8  # a larger number of seconds is no wait but a date, in seconds or milliseconds since 1970

_NAMES = {
    "requests": (
        ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        (
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ),
        ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
        ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
    ),
    "tokens": (
        ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
        (
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ),
    ),
}
"""Headers for the limit, what is left of it and when it is whole again, by what they count."""


@dataclass(frozen=True, slots=True)
class ToldLimit:
    """A limit as a server describes it.

    Args:
        limit: requests or tokens that may be used at most in one go; at least `remaining`.
        remaining: how many are left.
        per_second: how fast they come back. Servers with a bucket (OpenAI, Anthropic, Groq) give the time until it is
            full, so that (limit - remaining) / reset is the rate at which it fills.

    """

    limit: float
    remaining: float
    per_second: float


def told_limits(headers: Mapping[str, str]) -> dict[str, ToldLimit]:
    """Limits of "requests" and of "tokens", as far as the headers tell both limit and remainder.

    Args:
        headers: of an answer; names in lower case, or of a mapping that does not mind the case (as aiohttp's).

    """
    told = {}
    for counted, families in _NAMES.items():
        for limit_name, remaining_name, reset_name in families:
            limit = _number(headers.get(limit_name))
            remaining = _number(headers.get(remaining_name))
            if limit is None or remaining is None or limit <= 0:
                continue
            told[counted] = _told(limit, remaining, seconds_until(headers.get(reset_name, "")))
            break
    return told


def seconds_until(reset: str, *, wall_seconds: float | None = None) -> float | None:
    """How long a reset is away; None = not understood.

    Args:
        reset: a duration ("1s", "6m0s", "120ms", "0.5"), a date (RFC 3339) or seconds or milliseconds since 1970.
        wall_seconds: the time that dates count from, in seconds since 1970; by default, now.

    """
    now = time.time() if wall_seconds is None else wall_seconds
    number = _number(reset)
    if number is not None:
        date = number / 1000.0 if number >= _DATES_FROM_SECONDS * 1000.0 else number
        return max(0.0, date - now) if date >= _DATES_FROM_SECONDS else number
    if "T" in reset:
        try:
            return max(0.0, datetime.fromisoformat(reset).timestamp() - now)
        except (ValueError, OverflowError):
            return None
    return _duration_seconds(reset)


def _told(limit: float, remaining: float, reset_seconds: float | None) -> ToldLimit:
    used = limit - remaining
    if reset_seconds is None or reset_seconds <= 0 or used <= 0:
        return ToldLimit(max(limit, remaining), remaining, limit / _USUAL_WINDOW_SECONDS)
    return ToldLimit(limit, remaining, used / reset_seconds)


def _duration_seconds(text: str) -> float | None:
    """Seconds of "1h2m3.5s" and the like; None when it is no such duration."""
    seconds, rest = 0.0, text.strip().lower()
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        letters = len(rest) - digits - len(rest[digits:].lstrip("dhmsunµ"))
        value, unit = _number(rest[:digits]), rest[digits : digits + letters]
        if value is None or unit not in _UNITS:
            return None
        seconds += value * _UNITS[unit]
        rest = rest[digits + letters :]
    return seconds if text.strip() else None


def _number(text: str | None) -> float | None:
    """A number that is finite and not negative; None for everything else."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0.0 <= number < float("inf") else None
