"""`limited`: what the language models inside a block may do: spend, ask, leave this machine, see a text as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial

from textclassify.errors import ConfigError
from textclassify.llm.money.budget import Budget

OFFLINE_VARIABLE = "TEXTCLASSIFY_OFFLINE"
"""Environment variable that allows loopback hosts only."""
_SWITCHES = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("", "0", "false", "no", "off"), False)

Redaction = Callable[[str], str]
"""Returns a text without what must not leave the process."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What holds for every language model of a run.

    Args:
        max_cost: US dollars that may be spent; None = any number.
        cache_only: whether kept answers alone are used and nothing is asked.
        offline: whether only servers on this machine may be asked.
        redact: what every text goes through before it becomes part of a request; None = nothing.
        budget: where the money is reserved, one for the whole run; None = there is no cap.

    """

    max_cost: float | None = None
    cache_only: bool = False
    offline: bool = False
    redact: Redaction | None = None
    budget: Budget | None = None


_limits: ContextVar[RunLimits] = ContextVar("limits", default=RunLimits())  # noqa: B039 - it is frozen


def current() -> RunLimits:
    """What holds here; the environment may forbid the network as well.

    Raises:
        ConfigError: `TEXTCLASSIFY_OFFLINE` is neither yes nor no.

    """
    limits = _limits.get()
    return replace(limits, offline=True) if not limits.offline and is_offline_by_environment() else limits


@contextmanager
def limited(
    *,
    max_cost: float | None = None,
    cache_only: bool = False,
    offline: bool = False,
    redact: Redaction | None = None,
) -> Iterator[RunLimits]:
    """Have these limits hold inside the block, beside those that hold around it: the stricter one of each wins.

    All models inside share one budget. A `max_cost` inside another is a part of it: what is spent counts in both. Work
    that is moved to a thread keeps them with `contextvars.copy_context().run`.

    Args:
        max_cost: US dollars that may be spent.
        cache_only: whether nothing may be asked.
        offline: whether only servers on this machine may be asked.
        redact: what every text goes through; one around the block sees the text last.

    Raises:
        ConfigError: `max_cost` is no amount from 0 on, or `TEXTCLASSIFY_OFFLINE` is neither yes nor no.

    """
    around = current()
    limits = RunLimits(
        max_cost=min((cost for cost in (max_cost, around.max_cost) if cost is not None), default=None),
        cache_only=cache_only or around.cache_only,
        offline=offline or around.offline,
        redact=_both(redact, around.redact),
        budget=run_budget(max_cost),
    )
    token = _limits.set(limits)
    try:
        yield limits
    finally:
        _limits.reset(token)


def run_budget(max_cost: float | None = None) -> Budget | None:
    """The budget of a run that may cost so many US dollars by itself; None where nothing caps it.

    Money counts in the budget around it, too, if there is one.

    Raises:
        ConfigError: `max_cost` is no amount from 0 on.

    """
    around = _limits.get().budget
    return around if max_cost is None else Budget(max_cost, within=around)


def is_offline_by_environment() -> bool:
    """Whether `TEXTCLASSIFY_OFFLINE` allows loopback hosts only.

    Raises:
        ConfigError: it is neither yes nor no.

    """
    value = os.environ.get(OFFLINE_VARIABLE, "").strip()
    if value.lower() not in _SWITCHES:
        raise ConfigError(f"{OFFLINE_VARIABLE} is {value!r}; set it to 1 to allow this machine only, or to 0")
    return _SWITCHES[value.lower()]


def _both(inner: Redaction | None, outer: Redaction | None) -> Redaction | None:
    if inner is None or outer is None:
        return inner or outer
    return partial(_in_turn, inner, outer)


def _in_turn(first: Redaction, second: Redaction, text: str) -> str:
    return second(first(text))
