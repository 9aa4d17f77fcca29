"""`RunTotals`: what one run asked, got and paid; and the table of the cache's file that keeps it."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict, cast

_WHOLE = ("rows", "asked", "tries", "answers", "cached", "failed")
_TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")
_COUNTED = (*_WHOLE, *_TOKENS, "cost", "unpriced", "lost")
_MOST = 2**63 - 1
"""The largest number that SQLite keeps."""

RUNS_TABLE = "(run INTEGER PRIMARY KEY, provider TEXT, model TEXT, started_at REAL, ended_at REAL, " + ", ".join(
    f"{name} {'REAL' if name == 'cost' else 'INTEGER'} NOT NULL DEFAULT 0" for name in _COUNTED
)
RUNS_TABLE += ")"
"""Columns of the table `runs`; `unpriced` counts how often a price was unknown."""

_NOTE = "INSERT OR IGNORE INTO runs (run, provider, model, started_at, ended_at) VALUES (?1, ?2, ?3, ?1 / 1e6, ?4)"
_ADD = f"UPDATE runs SET ended_at = ?, {', '.join(f'{name} = {name} + ?' for name in _COUNTED)} WHERE run = ?"  # noqa: S608 - fixed names
_READ = f"SELECT run, provider, model, started_at, ended_at, {', '.join(_COUNTED)} FROM runs ORDER BY run"  # noqa: S608 - fixed names


class Counters(TypedDict, total=False):
    """What may be added to a run; `cost` is in US dollars, None or NaN where the price is unknown."""

    rows: int
    asked: int
    tries: int
    answers: int
    cached: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost: float | None
    lost: int


@dataclass(frozen=True, slots=True)
class RunTotals:
    """What one run did: requests sent, answers received, tokens and money spent.

    Args:
        run: its number: the microsecond since 1970 in which it began.
        provider: who was asked.
        model: the model that was asked.
        started_at: seconds since 1970.
        ended_at: seconds since 1970 of the last entry.
        rows: texts that were given.
        asked: distinct questions sent.
        tries: requests sent, repeats included.
        answers: answers received.
        cached: answers found in the cache.
        failed: questions without an answer.
        prompt_tokens: tokens sent.
        cached_tokens: part of these that the provider billed at its cache price.
        completion_tokens: tokens received.
        cost: US dollars; None = the price of some answer is unknown.
        lost: questions that were held when the process died: the most that may have been paid without an answer kept.

    """

    run: int
    provider: str
    model: str
    started_at: float
    ended_at: float
    rows: int = 0
    asked: int = 0
    tries: int = 0
    answers: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0
    lost: int = 0


class Sums:
    """Counters of a run that are added up in memory until the next commit."""

    __slots__ = ("counts", "model", "provider")

    def __init__(self, provider: str, model: str) -> None:
        self.provider = provider
        self.model = model
        self.counts: dict[str, float] = dict.fromkeys(_COUNTED, 0)

    def add(self, counters: Counters) -> None:
        """Count some more."""
        counts = self.counts
        for name, count in cast("Mapping[str, float | None]", counters).items():
            if count is None or math.isnan(count):
                counts["unpriced"] += 1
            else:
                counts[name] += count

    def merge(self, later: Sums) -> None:
        """Add other sums of the same run."""
        for name, count in later.counts.items():
            self.counts[name] += count


def begin_run(db: sqlite3.Connection, provider: str, model: str) -> int:
    """The number of a run that begins now; to be called inside a transaction."""
    (newest,) = db.execute("SELECT max(run) FROM runs").fetchone()
    run = max(_now(), (newest or 0) + 1)
    db.execute(_NOTE, (run, provider, model, time.time()))
    return run


def unwritten_run() -> int:
    """The number of a run that no file knows."""
    return _now()


def write_sums(db: sqlite3.Connection, run: int, sums: Sums) -> None:
    """Add to a run's entry; one that is not there, in a file that was begun meanwhile, is made."""
    now = time.time()
    db.execute(_NOTE, (run, sums.provider, sums.model, now))
    db.execute(_ADD, (now, *(min(count, _MOST) for count in sums.counts.values()), run))


def count_lost(db: sqlite3.Connection, run: int, lost: int) -> None:
    """Add requests that died with their process to a run."""
    db.execute("UPDATE runs SET lost = lost + ? WHERE run = ?", (lost, run))


def read_runs(db: sqlite3.Connection) -> list[RunTotals]:
    """All runs, the oldest first."""
    totals = []
    for run, provider, model, started_at, ended_at, *counts in db.execute(_READ).fetchall():
        named = dict(zip(_COUNTED, counts, strict=True))
        if named.pop("unpriced"):
            named["cost"] = None
        totals.append(RunTotals(run, provider, model, started_at, ended_at, **named))
    return totals


def _now() -> int:
    return time.time_ns() // 1000
