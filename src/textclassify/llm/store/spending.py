"""`counted`: what the language models inside a block were asked, what was kept already, and what it cost."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import monotonic
from typing import Protocol
from weakref import ref

from textclassify.llm.store.tally import Tally

LOCAL_PROVIDER = "local"


@dataclass(slots=True)
class Waits:
    """How long each answer took, in seconds, repeats included, and when the first was asked for and the last came."""

    seconds: array[float] = field(default_factory=lambda: array("d"))
    began: float = math.nan
    ended: float = math.nan

    def add(self, began: float) -> None:
        """Count an answer that came just now to what was asked at `began` (of the monotonic clock)."""
        self.ended = monotonic()
        if math.isnan(self.began) or began < self.began:
            self.began = began
        self.seconds.append(self.ended - began)


@dataclass(frozen=True, slots=True)
class ModelSpending:
    """What one model did inside a block.

    Args:
        provider: who was asked; "local" = a model of this process.
        model: which model.
        calls: questions sent, or prompts read by a model of this process.
        tries: requests sent, repeats included.
        answers: answers received.
        cached: answers that were kept from before and cost nothing now.
        failed: questions without an answer.
        prompt_tokens: tokens sent.
        cached_tokens: part of these that the provider billed at its cache price.
        completion_tokens: tokens received.
        cost_usd: US dollars; None = the price of some answer is unknown.
        seconds: from the first question to the last answer, added up over the model's rounds.
        latency_median: seconds that an answer took, repeats included; None = not known, as of a model of this process.
        latency_p95: the same for all but the slowest 5%.

    """

    provider: str
    model: str
    calls: int
    tries: int
    answers: int
    cached: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: float | None
    seconds: float
    latency_median: float | None
    latency_p95: float | None


class Asking(Protocol):
    """What asks a remote model and counts what it does: an `Exchange`."""

    tally: Tally
    waits: Waits

    @property
    def tries(self) -> int:
        """How often something was sent."""
        ...


@dataclass(slots=True)
class _Local:
    """What models of this process did, by name."""

    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    seconds: float = 0.0


class Spending:
    """What the language models inside a block did; complete when the block has ended."""

    def __init__(self) -> None:
        self._remote: dict[tuple[str, str], list[Asking]] = {}
        self._local: dict[str, _Local] = {}

    def watch(self, provider: str, model: str, asking: Asking) -> None:
        """Take a round of questions to a model, which has just begun."""
        self._remote.setdefault((provider, model), []).append(asking)

    def add_local(
        self, model: str, *, calls: int = 0, cached: int = 0, prompt_tokens: int = 0, seconds: float = 0.0
    ) -> None:
        """Count prompts that a model of this process has read, and answers that were known."""
        one = self._local.setdefault(model, _Local())
        one.calls += calls
        one.cached += cached
        one.prompt_tokens += prompt_tokens
        one.seconds += seconds

    def by_model(self) -> list[ModelSpending]:
        """Return what each model did, in the order in which they were first asked, without those that did nothing."""
        remote = [_of_remote(*name, rounds) for name, rounds in self._remote.items()]
        local = [_of_local(name, one) for name, one in self._local.items()]
        return [one for one in (*remote, *local) if one.calls or one.cached]


_listening: ContextVar[tuple[ref[Spending], ...]] = ContextVar("listening", default=())
"""Who counts here; whoever is dropped without an end, such as a run that was never finished, counts no more."""


@contextmanager
def counted() -> Iterator[Spending]:
    """Give what the language models inside the block do; a block inside another counts in both.

    Work that is moved to a thread is counted where it keeps its context, as `contextvars.copy_context().run` does.
    """
    spending = Spending()
    begin_counting(spending)
    try:
        yield spending
    finally:
        end_counting(spending)


def begin_counting(spending: Spending) -> None:
    """Have everything from now on counted, until `end_counting`; for what begins and ends in different functions."""
    _listening.set((*map(ref, listeners()), ref(spending)))


def end_counting(spending: Spending) -> None:
    """Count no more; nothing happens where it was not counting."""
    _listening.set(tuple(ref(one) for one in listeners() if one is not spending))


def listeners() -> tuple[Spending, ...]:
    """Return who counts here."""
    return tuple(one for listening in _listening.get() if (one := listening()) is not None)


def _of_remote(provider: str, model: str, rounds: list[Asking]) -> ModelSpending:
    tallies = [one.tally for one in rounds]
    waited = sorted(seconds for one in rounds for seconds in one.waits.seconds)
    cost = math.fsum(tally.cost for tally in tallies)
    return ModelSpending(
        provider,
        model,
        calls=sum(tally.asked for tally in tallies),
        tries=sum(one.tries for one in rounds if one.tally.asked),
        answers=sum(tally.answers for tally in tallies),
        cached=sum(tally.cached + tally.known for tally in tallies),
        failed=sum(tally.failed for tally in tallies),
        prompt_tokens=sum(tally.prompt_tokens for tally in tallies),
        cached_tokens=sum(tally.cached_tokens for tally in tallies),
        completion_tokens=sum(tally.completion_tokens for tally in tallies),
        cost_usd=None if math.isnan(cost) else cost,
        seconds=math.fsum(one.waits.ended - one.waits.began for one in rounds if one.waits.seconds),
        latency_median=median(waited) if waited else None,
        latency_p95=quantiles(waited, n=20)[-1] if len(waited) > 1 else None,
    )


def _of_local(model: str, one: _Local) -> ModelSpending:
    return ModelSpending(
        LOCAL_PROVIDER,
        model,
        calls=one.calls,
        tries=one.calls,
        answers=one.calls,
        cached=one.cached,
        failed=0,
        prompt_tokens=one.prompt_tokens,
        cached_tokens=0,
        completion_tokens=0,
        cost_usd=0.0,
        seconds=one.seconds,
        latency_median=None,
        latency_p95=None,
    )
