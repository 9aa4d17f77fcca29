"""What the commands about the cache show."""

from __future__ import annotations

import datetime as dt

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from textclassify.llm.money.estimates import UNKNOWN_PRICE, dollars
from textclassify.llm.store.cache import CacheStats, Removed, Verified
from textclassify.llm.store.ledger import RunTotals

RUNS_SHOWN = 20


def stats_screen(stats: CacheStats) -> RenderableType:
    """Return what a cache holds, and its latest runs."""
    lines = [f"{stats.answers:,} answers and {stats.rows:,} scored rows in {in_megabytes(stats.size_bytes)}"]
    if stats.oldest is not None and stats.newest is not None:
        lines.append(f"from {_moment(stats.oldest)} to {_moment(stats.newest)}")
    lines += [f"set aside because it was damaged: {path}" for path in stats.files_set_aside]
    parts: list[RenderableType] = [Text(line) for line in lines]
    return Group(*parts, *([_runs(stats.runs[-RUNS_SHOWN:])] if stats.runs else []))


def removed_in_words(removed: Removed) -> str:
    """Return what was removed, in a sentence."""
    freed = in_megabytes(removed.freed_bytes)
    return f"{removed.answers:,} answers and {removed.rows:,} scored rows removed; {freed} are free again"


def verified_in_words(found: Verified, *, removed: bool) -> str:
    """Return what is wrong with a cache, a line each."""
    if found.is_whole:
        return f"{found.answers:,} answers read; nothing is wrong"
    lines = [f"the file is damaged: {damage}" for damage in found.damage]
    if found.unreadable:
        what = "removed; their texts will be asked about again" if removed else "remove them with --remove"
        lines.append(f"{len(found.unreadable):,} of {found.answers:,} answers cannot be read: {what}")
    return "\n".join(lines)


def in_megabytes(size: int) -> str:
    """Return a number of bytes as people say it."""
    return f"{size / 1e6:,.1f} MB"


def _runs(runs: tuple[RunTotals, ...]) -> Table:
    table = Table(title=Text("Runs", style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("began")
    table.add_column("model", overflow="fold")
    for column in ("asked", "answers", "kept", "failed", "retries", "lost", "tokens in", "tokens out", "US dollars"):
        table.add_column(column, justify="right")
    for run in runs:
        counts = (run.asked, run.answers, run.cached, run.failed, max(0, run.tries - run.asked), run.lost)
        figures = [f"{count:,}" for count in (*counts, run.prompt_tokens, run.completion_tokens)]
        cost = UNKNOWN_PRICE if run.cost is None else dollars(run.cost)
        table.add_row(_moment(run.started_at), Text(f"{run.provider} {run.model}"), *figures, cost)
    return table


def _moment(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, tz=dt.UTC).astimezone():%Y-%m-%d %H:%M:%S}"
