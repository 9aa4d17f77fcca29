"""Sections on what a run cost and took, and how to get the same again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from textclassify.runs.page.blocks import (
    Cell,
    Code,
    Facts,
    Folded,
    Section,
    Table,
    Words,
    count_cell,
    figure_cell,
    percent,
)
from textclassify.runs.page.quality_sections import Drawings
from textclassify.runs.run_view import RunView
from textclassify.runs.systems import METRIC_NAMES

_COUNTS = {
    "calls": "calls",
    "cached": "kept answers",
    "failed": "failed",
    "prompt_tokens": "tokens sent",
    "completion_tokens": "tokens received",
}


def calls(view: RunView, drawings: Drawings) -> Section | None:
    """Return what each language model call bought."""
    title = "What each language model call bought"
    curve = view.evaluation.get("cost_curve")
    if not curve:
        words = "No language model was asked, or not about enough texts to draw a curve."
        return Section("calls", title, (Words(words),)) if view.evaluation else None
    sentences = [str(curve[key]) for key in ("recommended", "price_of_last_point") if curve.get(key)]
    words = " ".join(f"{one[:1].upper()}{one[1:]}." for one in sentences)
    name = METRIC_NAMES.get(curve["metric"], curve["metric"])
    rows = [
        [
            Cell(percent(point["share"], 0), point["share"]),
            count_cell(point["calls"]),
            figure_cell(point["quality"], point["quality_low"], point["quality_high"]),
            Cell(
                "" if point["kept"] is None else percent(point["kept"], 0),
                -1.0 if point["kept"] is None else point["kept"],
            ),
            figure_cell(point["random"]),
            figure_cell(point["max_entropy"]),
        ]
        for point in curve["points"]
    ]
    header = ["asked", "calls", name, "gain kept", "chosen at random", "most uncertain first"]
    table = Folded("The same as a table", (Table(f"{name} by share of texts asked about", header, rows),))
    drawn = [drawings["cost_curve"]] if "cost_curve" in drawings else []
    return Section("calls", title, (Words(words), *drawn, table))


def costs(view: RunView) -> Section | None:
    """Return money, tokens and time."""
    blocks = [*_ledger(view.costs), *_times(view)]
    return Section("costs", "Cost and time", tuple(blocks)) if blocks else None


def _ledger(found: Any) -> Iterator[Any]:
    models = (found or {}).get("models") or []
    if not models:
        yield Words("No language model was asked, so nothing was paid.")
        return
    header = ["model", "for", *_COUNTS.values(), "US dollars", "seconds", "median latency", "95% latency"]
    rows = [[Cell(f"{one['provider']}/{one['model']}"), *_spent(one)] for one in models]
    if len(rows) > 1 and found.get("total"):
        rows.append([Cell("total"), *_spent(found["total"])])
    yield Table("Language models", header, rows)


def _spent(one: Mapping[str, Any]) -> list[Cell]:
    money = one.get("cost_usd")
    return [
        Cell(str(one.get("part", ""))),
        *(count_cell(one.get(key)) for key in _COUNTS),
        Cell("unknown price", math.inf) if money is None else Cell(_dollars(money), money),
        _seconds(one.get("seconds")),
        _seconds(one.get("latency_median")),
        _seconds(one.get("latency_p95")),
    ]


def _dollars(money: float) -> str:
    return f"${money:,.2f}" if money >= 1 or money == 0 else f"${money:.4f}"


def _seconds(value: float | None) -> Cell:
    return Cell("n/a", -1.0) if value is None else Cell(f"{value:,.1f} s" if value >= 1 else f"{value:.2f} s", value)


def _times(view: RunView) -> Iterator[Table]:
    rows = [
        [Cell(f"scoring: {name}"), _seconds(one["seconds"]), count_cell(one["texts_per_second"])]
        for name, one in view.evaluation.get("timing", {}).items()
    ]
    parts = view.facts.get("seconds") or {}
    rows += [[Cell(name), _seconds(value), Cell("")] for name, value in parts.items()]
    if rows:
        yield Table("Time", ["what", "seconds", "texts per second"], rows)


def reproduction(view: RunView) -> Section:
    """Return how to get the same again: command, data, configuration, versions, hashes."""
    facts = view.facts
    blocks: list[Any] = []
    if facts.get("command"):
        blocks.append(Code(str(facts["command"]), "Command"))
    pairs = [*_about(facts), *_data(facts), *_machine(facts)]
    if view.evaluation.get("data_sha256"):
        pairs.append(("test texts and labels, SHA-256", view.evaluation["data_sha256"]))
    if pairs:
        blocks.append(Facts(pairs))
    if facts.get("config"):
        blocks.append(Folded("Configuration", (Code(_with_origins(facts), "Every setting, and where it is from"),)))
    for key, title, header in (
        ("packages", "Packages", ["package", "version"]),
        ("files", "Files and their SHA-256", ["file", "SHA-256"]),
    ):
        if facts.get(key):
            rows = [[Cell(str(name)), Cell(str(value))] for name, value in facts[key].items()]
            blocks.append(Folded(title, (Table(title, header, rows),)))
    return Section("reproduction", "How to reproduce", tuple(blocks) or (Words("Nothing is recorded of this run."),))


def _about(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name in (("id", "run"), ("status", "status"), ("started", "started")):
        if facts.get(key):
            yield name, str(facts[key])
    git = facts.get("git")
    if git:
        yield "git commit", f"{git['commit']}{', with changes that are not committed' if git.get('dirty') else ''}"
    for name, seed in (facts.get("seeds") or {}).items():
        yield f"seed: {name}", str(seed)


def _data(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, one in (facts.get("data") or {}).items():
        if isinstance(one, Mapping):
            parts = [f"{one['file']}" if one.get("file") else "", f"{one['rows']:,} rows" if one.get("rows") else ""]
            parts.append(f"SHA-256 {one['sha256']}" if one.get("sha256") else "")
            yield f"data: {name}", ", ".join(part for part in parts if part)


def _machine(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = facts.get("environment") or {}
    if found:
        yield "machine", ", ".join(f"{key} {value}" for key, value in found.items() if value is not None)


def _with_origins(facts: Mapping[str, Any]) -> str:
    """Return the configuration as YAML; behind each line that is not a default, where it is from."""
    origins = facts.get("origins") or {}
    lines = []
    for key, value in facts["config"].items():
        written = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=110).rstrip()
        origin = origins.get(key, "default")
        lines.append(written if origin == "default" else f"{written}  # {origin}")
    return "\n".join(lines)
