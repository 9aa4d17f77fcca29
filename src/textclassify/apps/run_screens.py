"""What the commands about runs show, as rich renderables and as plain values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from textclassify.core.texts import listed
from textclassify.llm.money.estimates import UNKNOWN_PRICE, dollars
from textclassify.runs.recording.run_comparison import ComparedRun, RunComparison
from textclassify.runs.recording.run_files import COSTS_FILE, METRICS_FILE
from textclassify.runs.recording.run_folder import FAILED, FINISHED, RunFolder
from textclassify.runs.recording.run_metrics import headline_of
from textclassify.runs.report import EVALUATION_FILE
from textclassify.runs.systems import METRIC_NAMES

_STYLES = {FINISHED: "green", FAILED: "red"}
_DIGITS = 12
"""Of a hash that is shown."""
_DIFFERENCES_SHOWN = 20


def summary_of(run: RunFolder) -> dict[str, Any]:
    """Return the line of a run in a list, as plain values."""
    changed = run.changed_files
    metrics = {} if METRICS_FILE in changed else run.metrics
    headline = headline_of(metrics)
    costs = None if COSTS_FILE in changed else run.costs
    return {
        "id": run.id,
        "name": run.name,
        "folder": str(run.folder),
        "started": run.facts["started"],
        "status": run.status,
        "test_rows": (run.facts["data"]["test"] or {}).get("rows"),
        "metric": headline,
        **(metrics[headline] if headline else dict.fromkeys(("value", "low", "high"))),
        "cost_usd": None if costs is None else costs["total"]["cost_usd"],
        "has_costs": costs is not None,
        "changed_files": changed,
    }


def whole_run(run: RunFolder) -> dict[str, Any]:
    """Return everything about a run but its predictions, as plain values; None for a file that was changed after it."""
    changed = run.changed_files
    return {
        "folder": str(run.folder),
        "run": run.facts,
        "metrics": None if METRICS_FILE in changed else run.metrics,
        "evaluation": None if EVALUATION_FILE in changed else run.evaluation,
        "costs": None if COSTS_FILE in changed else run.costs,
        "changed_files": changed,
    }


def list_screen(summaries: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return a table with a row of two lines for each run; figures of files that were changed after it are left out."""
    table = _table()
    table.add_column("run", overflow="fold")
    table.add_column("started")
    for name in ("texts", "measured", "cost"):
        table.add_column(name, justify="right")
    for one in summaries:
        rows = one["test_rows"]
        table.add_row(
            Text.assemble(one["id"], "\n", (one["name"] or one["folder"], "dim")),
            Text.assemble(_moment(one["started"]), "\n", _status(one)),
            "" if rows is None else f"{rows:,}",
            _measured(one["metric"], one),
            _cost(one["cost_usd"]) if one["has_costs"] else "",
        )
    return table


def run_screen(run: RunFolder) -> RenderableType:
    """Return what a run was made of, what it found and what it cost."""
    facts, whole = run.facts, whole_run(run)
    changed = listed(whole["changed_files"])
    lines = [
        ("run", f"{run.id}{f'  {run.name}' if run.name else ''}"),
        ("folder", str(run.folder)),
        ("status", f"{run.status}, started {_moment(facts['started'])}{_error(facts)}"),
        *([("command", facts["command"])] if facts.get("command") else []),
        *((f"{part} data", _data(one)) for part, one in facts["data"].items() if one),
        ("labels", "" if facts["labels"] is None else listed(map(str, run.schema.names), 8)),
        ("settings", _settings(facts)),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in facts.get("seeds", {}).items())),
        ("code", _code(facts)),
        ("machine", ", ".join(f"{name} {value}" for name, value in facts.get("environment", {}).items())),
        ("seconds", ", ".join(f"{part} {seconds:.1f}" for part, seconds in facts.get("seconds", {}).items())),
        ("changed", changed and f"{changed} (after the run)"),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in lines:
        if value:
            grid.add_row(name, Text(value))
    parts: list[RenderableType] = [grid]
    if whole["metrics"]:
        parts += [Text(), _metrics(whole["metrics"])]
    if whole["costs"] is not None and whole["costs"]["models"]:
        parts += [Text(), _costs(whole["costs"])]
    return Group(*parts)


def comparison_screen(found: RunComparison) -> RenderableType:
    """Return runs against each other, and what is different about them."""
    named = METRIC_NAMES[found.metric]
    title = Text(f"Compared by {named} on {found.n_texts:,} texts", style="bold")
    table = _table(title)
    table.add_column("run", overflow="fold")
    for name in (named, "log loss", "lead", "p", "only right"):
        table.add_column(name, justify="right")
    for number, one in enumerate(found.runs):
        table.add_row(*_compared(one, found.metric), style="bold" if number == 0 else "")
    legend = (
        "lead: of the first run over the row, with its 95% interval; p adjusted (Holm); only right: texts that the "
        "first run alone, and that this run alone, got right."
    )
    test = next((run.comparison.test for run in found.runs if run.comparison is not None), "")
    parts: list[RenderableType] = [table, Text(f"{legend} {test}.", style="dim")]
    parts += [Text(f"note: {note}") for note in found.notes]
    if found.differences:
        parts += [Text(), _differences(found)]
    return Group(*parts)


def _status(one: Mapping[str, Any]) -> tuple[str, str]:
    """Return the status of a run with its colour; that it was changed counts more."""
    return ("changed", "red") if one["changed_files"] else (one["status"], _STYLES.get(one["status"], "yellow"))


def _table(title: Text | None = None) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))


def _compared(run: ComparedRun, metric: str) -> list[Text]:
    cells = [Text(run.name), Text(f"{run.metrics[metric]:.3f}"), Text(f"{run.metrics['log_loss']:.3f}")]
    against = run.comparison
    if against is None:
        return [*cells, Text(), Text(), Text()]
    lead = Text(f"{against.difference:+.3f}")
    lead.append(f" [{against.low:+.3f}, {against.high:+.3f}]", style="dim")
    p = "<.001" if against.p_adjusted < 0.001 else f"{against.p_adjusted:.3f}"
    return [*cells, lead, Text(p), Text(f"{run.only_first:,} : {run.only_this:,}")]


def _differences(found: RunComparison) -> RenderableType:
    table = _table(Text("What is different", style="bold"))
    table.add_column("")
    for run in found.runs:
        table.add_column(Text(run.name), overflow="fold")
    rows = [(f"{part}: {key}", values) for part, keys in found.differences.items() for key, values in keys.items()]
    for name, values in rows[:_DIFFERENCES_SHOWN]:
        table.add_row(Text(name), *(Text(_shown(value)) for value in values))
    left = len(rows) - _DIFFERENCES_SHOWN
    return Group(table, Text(f"and {left} more: --json", style="dim")) if left > 0 else table


def _shown(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    table = _table(Text("Measured", style="bold"))
    table.add_column("")
    for name in ("value", "95% interval"):
        table.add_column(name, justify="right")
    for name, one in metrics.items():
        value = "n/a" if one["value"] is None else f"{one['value']:.3f}"
        interval = "" if one["low"] is None else f"{one['low']:.3f} to {one['high']:.3f}"
        table.add_row(Text(METRIC_NAMES.get(name, name)), value, interval)
    return table


def _costs(costs: Mapping[str, Any]) -> RenderableType:
    table = _table(Text("Language models", style="bold"))
    table.add_column("model", overflow="fold")
    for name in ("calls", "kept", "tokens in", "out", "seconds", "cost"):
        table.add_column(name, justify="right")
    for one in costs["models"]:
        counts = (one["calls"], one["cached"], one["prompt_tokens"], one["completion_tokens"])
        name = f"{one['provider']} {one['model']}, {one['part']}"
        table.add_row(Text(name), *(f"{count:,}" for count in counts), f"{one['seconds']:.1f}", _cost(one["cost_usd"]))
    return table


def _measured(metric: str | None, one: Mapping[str, Any]) -> Text:
    if metric is None or one["value"] is None:
        return Text("")
    figures = f"{one['value']:.3f}" + ("" if one["low"] is None else f" [{one['low']:.2f}, {one['high']:.2f}]")
    return Text.assemble(figures, "\n", (METRIC_NAMES.get(metric, metric), "dim"))


def _cost(amount: float | None) -> str:
    return UNKNOWN_PRICE if amount is None else dollars(amount)


def _moment(started: str) -> str:
    return f"{dt.datetime.fromisoformat(started).astimezone():%Y-%m-%d %H:%M}"


def _error(facts: Mapping[str, Any]) -> str:
    return f": {facts['error']}" if facts.get("error") else ""


def _data(facts: Mapping[str, Any]) -> str:
    digest = facts.get("sha256") or facts.get("texts_sha256")
    said: Iterable[str | None] = (
        facts.get("file"),
        None if facts.get("rows") is None else f"{facts['rows']:,} rows",
        None if digest is None else f"SHA-256 {digest[:_DIGITS]}…",
    )
    return ", ".join(one for one in said if one)


def _settings(facts: Mapping[str, Any]) -> str:
    """Return the settings that somebody chose; all of them where nobody wrote down where they come from.

    Labels that are described in the settings themselves are left out: their names have a line of their own.
    """
    origins = facts.get("origins") or {}
    chosen = {name: value for name, value in facts["config"].items() if origins or value is not None}
    if isinstance(chosen.get("labels"), Mapping | list):
        del chosen["labels"]
    if origins:
        chosen = {name: value for name, value in chosen.items() if origins.get(name, "default") != "default"}
    return ", ".join(
        f"{name} {'none' if value is None else value}"
        + (f" ({origins[name]})" if origins.get(name) in {"flag", "environment"} else "")
        for name, value in chosen.items()
    )


def _code(facts: Mapping[str, Any]) -> str:
    git = facts.get("git")
    version = f"textclassify {facts['packages'].get('textclassify', 'of an unknown version')}"
    if not git:
        return version
    return f"{version}, commit {git['commit'][:_DIGITS]}{' with changes' if git['dirty'] else ''}"
