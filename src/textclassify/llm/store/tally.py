"""`Tally`: what a run has asked, got and paid so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from textclassify.llm.store.cache import ResponseCache


@dataclass(slots=True)
class Tally:
    """What an exchange has done so far.

    `rows` counts the texts that have their scores, or the reason why they have none; `cost` is in US dollars, NaN once
    a price is unknown; `cached` counts raw replies, `known` rows of the hot table.
    """

    rows: int = 0
    asked: int = 0
    answers: int = 0
    cached: int = 0
    failed: int = 0
    lost: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    known: int = 0

    def told(self, tries: int, seconds: float) -> str:
        """Return the figures that matter to who waits: "310 texts/s, $0.12, 40 kept, 3 retries"."""
        parts = [f"{self.rows / seconds:,.0f} texts/s"] if seconds > 0 else []
        parts += [] if math.isnan(self.cost) or not self.cost else [f"${self.cost:.2f}"]
        parts += [f"{self.known + self.cached:,} kept"] if self.known + self.cached else []
        parts += [f"{tries - self.asked:,} retries"] if tries > self.asked else []
        return ", ".join(parts)


_COUNTED = tuple(each.name for each in fields(Tally) if each.name != "known")


class LedgerEntry:
    """A run's entry in the ledger; it begins with the first question that is asked.

    Args:
        cache: holds the ledger.
        provider: who is asked.
        model: which model.

    """

    def __init__(self, cache: ResponseCache, provider: str, model: str) -> None:
        self._cache = cache
        self._asked = (provider, model)
        self._run: int | None = None
        self._counted = Tally()
        self._tries_counted = 0

    def bring_up_to(self, tally: Tally, tries: int) -> None:
        """Add what was done since the last time; the cache's next commit writes it."""
        if not tally.asked:
            return
        if self._run is None:
            self._run = self._cache.begin_run(*self._asked)
        done = {name: getattr(tally, name) - getattr(self._counted, name) for name in _COUNTED}
        self._cache.add_to_run(self._run, tries=tries - self._tries_counted, **done)
        self._counted, self._tries_counted = replace(tally), tries
