"""Sections on how good the answers are, and how far their confidence can be trusted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from textclassify.runs.markdown import number
from textclassify.runs.page.blocks import (
    Beside,
    Bullets,
    Cell,
    Drawing,
    Section,
    ShowRows,
    Table,
    Tiles,
    Words,
    count_cell,
    figure_cell,
    interval,
    percent,
    share_cell,
    spread,
)
from textclassify.runs.run_measures import coverage_risk, level_figures, reliability
from textclassify.runs.run_view import RunView
from textclassify.runs.systems import METRIC_NAMES

Drawings = Mapping[str, Drawing]

MEANINGS = {
    "accuracy": "of the texts have the right label",
    "subset_accuracy": "of the texts have exactly the right labels",
    "micro_f1": "F1 over all decisions together",
    "macro_f1": "mean F1 of the labels, rare ones count as much",
    "samples_f1": "mean F1 of the texts' sets of labels",
    "log_loss": "how surprising the gold answers are; lower is better",
    "ece": "mean gap of confidence and truth; lower is better",
    "brier": "squared error of the probabilities; lower is better",
    "coverage": "of the texts have an answer",
}
_OTHER_NAMES = {"coverage": "answered", "brier": "Brier score"}
_ASKS, _BEST = "asks a language model", "best single source"


def headline(view: RunView) -> Section:
    """Return what a reader who reads nothing else should see."""
    return Section("headline", "Headline", tuple(_headline(view)))


def _headline(view: RunView) -> Iterator[Any]:
    verdict = view.evaluation.get("verdict")
    if verdict:
        yield Words(verdict, "verdict")
    figures = _figures(view)
    if figures:
        first = "micro_f1" if view.schema.multi_label else "accuracy"
        shown = sorted((name for name in figures if name in MEANINGS), key=lambda name: name != first)
        yield Tiles([_tile(name, figures[name]) for name in shown])
        yield Words(
            "Below each figure: its 95% interval, where one is known. Texts without an answer count as wrong.", "small"
        )
    else:
        answered = float(view.first.answered.mean()) if len(view) else math.nan
        sure = view.first.confidence[~np.isnan(view.first.confidence)]
        yield Words(
            "No gold answers are known, so this page says nothing about how many answers are right: "
            "evaluate the model on labelled texts for that.",
            "verdict",
        )
        yield Tiles(
            [
                ("answered", percent(answered), "", MEANINGS["coverage"]),
                ("mean confidence", number(float(sure.mean())) if len(sure) else "n/a", "", "as claimed, not checked"),
            ]
        )
    silent = Counter(word for word in view.status if word != "ok")
    if silent:
        yield Words(f"Without an answer: {', '.join(f'{word} {count:,}' for word, count in silent.most_common())}.")
    if view.evaluation.get("notes"):
        yield Bullets(view.evaluation["notes"])
    for check in (view.evaluation.get("risk"), view.evaluation.get("sets")):
        if check:
            yield Words(f"Promised: {check['promised']}")


def _figures(view: RunView) -> dict[str, Any]:
    """Return {metric: {"value", "low", "high"}} of the reported system."""
    if view.metrics:
        return {name: one if isinstance(one, Mapping) else {"value": one} for name, one in view.metrics.items()}
    systems = view.evaluation.get("systems", [])
    if not systems:
        return {}
    bounds = systems[0].get("intervals", {})
    values = {**systems[0]["metrics"], "coverage": systems[0]["coverage"]}
    return {name: {"value": value, **bounds.get(name, {})} for name, value in values.items()}


def _tile(name: str, found: Mapping[str, Any]) -> tuple[str, str, str, str]:
    value, low, high = found.get("value"), found.get("low"), found.get("high")
    shown = "n/a" if value is None else percent(value) if name == "coverage" else number(value)
    bounds = "" if low is None or high is None else f"{number(low)} to {number(high)}"
    return METRIC_NAMES.get(name) or _OTHER_NAMES.get(name, name), shown, bounds, MEANINGS[name]


def sources(view: RunView, drawings: Drawings) -> Section | None:
    """Return every source beside the fusion."""
    systems = view.evaluation.get("systems", [])
    if not systems:
        return None
    if len(systems) == 1:
        words = f"There is one system, {systems[0]['name']!r}, and nothing to compare it with."
        return Section("sources", "Systems", (Words(words), _systems_table(view, systems)))
    legend = (
        "Each source is shown calibrated, as the fusion would answer from it alone. Lead: of the first row over the "
        "row, with its standard error; p is adjusted for all rows (Holm)."
    )
    blocks = (*_drawn(drawings, "sources"), _systems_table(view, systems), Words(legend, "small"))
    return Section("sources", "Each source against the fusion", blocks)


def _systems_table(view: RunView, systems: list[Mapping[str, Any]]) -> Table:
    metrics = ["micro_f1", "subset_accuracy"] if view.schema.multi_label else ["accuracy"]
    metrics = [name for name in [*metrics, "macro_f1", "log_loss", "ece"] if name in systems[0]["metrics"]]
    header = ["system", *(METRIC_NAMES[name] for name in metrics), "answered", "lead", "p"]
    return Table("Systems on the same texts", header, [_system_row(one, metrics) for one in systems], sortable=True)


def _system_row(system: Mapping[str, Any], metrics: list[str]) -> list[Cell]:
    marks = [word for key, word in (("best_single", _BEST), ("asks_llm", _ASKS)) if system.get(key)]
    row = [Cell(system["name"], mark=", ".join(marks))]
    for name in metrics:
        bounds = system.get("intervals", {}).get(name) or {}
        row.append(figure_cell(system["metrics"].get(name), bounds.get("low"), bounds.get("high")))
    row.append(share_cell(system.get("coverage")))
    against = system.get("comparison")
    if not against:
        return [*row, Cell("", -math.inf), Cell("", math.inf)]
    p, lead = against["p_adjusted"], against["difference"]
    shown = "< 0.001" if p < 0.001 else number(p)
    return [*row, Cell(spread(lead, against["standard_error"]), lead), Cell(shown, p)]


def calibration(view: RunView, drawings: Drawings) -> Section | None:
    """Return how often claims came true."""
    found = reliability(view)
    if found is None:
        return None
    what = "label probabilities" if view.schema.multi_label else "answers"
    words = (
        f"{sum(found.counts):,} {what} in bins of equal size, the surest to the right. On the dashed line, claims come "
        f"true as often as they say; above it, more often. The mean distance from it is {number(found.gap)}."
    )
    rows = [
        [figure_cell(claimed), figure_cell(true.estimate, true.low, true.high), count_cell(count)]
        for claimed, true, count in zip(found.claimed, found.came_true, found.counts, strict=True)
    ]
    table = Table("Claims and what came of them", ["mean claim", "share that is right", what], rows)
    blocks = [Words(words), _beside(drawings, "reliability", table)]
    before = _before_calibration(view)
    return Section("calibration", "Can the confidence be trusted?", (*blocks, *([before] if before else [])))


def _before_calibration(view: RunView) -> Table | None:
    measured = view.evaluation.get("calibration") or []
    if not measured:
        return None
    names = {"ece": "ECE", "classwise_ece": "class-wise ECE", "brier": "Brier", "log_loss": "log loss"}
    rows = [
        [Cell(one["name"]), *(Cell(" → ".join(number(_plain(value)) for value in one[key])) for key in names)]
        for one in measured
    ]
    return Table("Sources before → after calibration; lower is better", ["source", *names.values()], rows)


def coverage(view: RunView, drawings: Drawings) -> Section | None:
    """Return what comes of withholding answers that are not sure enough."""
    points = coverage_risk(view) if view.has_gold else []
    if not points:
        return None
    words = (
        "If only the surest answers are given and the others go to a person: how many of those given are wrong. "
        "Measured on these very texts; for a bound that holds on new ones, predict with a maximum risk."
    )
    rows = [
        [
            share_cell(point.coverage),
            count_cell(point.answered),
            figure_cell(point.confidence),
            Cell(f"{percent(point.risk.estimate)} {interval(percent(point.risk.low), percent(point.risk.high))}", 0.0),
        ]
        for point in points
    ]
    header = ["texts answered", "answers", "confidence at least", "of these wrong"]
    table = Table("Errors by share of texts that are answered", header, rows)
    blocks = (Words(words), _beside(drawings, "coverage_risk", table))
    return Section("coverage", "Answers withheld below a confidence", blocks)


def levels(view: RunView) -> Section | None:
    """Return the figures at every level of the label hierarchy."""
    found = level_figures(view)
    if not found:
        return None
    words = (
        "Probabilities of labels under one parent are added up (with several labels per text: the highest counts), and "
        "decided anew. A label without a parent at a level stays itself."
    )
    rows = [
        [
            Cell("broadest" if one.level == 0 else "as answered" if one is found[-1] else f"level {one.level}"),
            count_cell(one.labels),
            figure_cell(one.right.estimate, one.right.low, one.right.high),
            figure_cell(one.macro_f1),
            figure_cell(one.confidence),
        ]
        for one in found
    ]
    right = METRIC_NAMES["subset_accuracy" if view.schema.multi_label else "accuracy"]
    table = Table("Levels of the labels", ["level", "labels", right, "macro-F1", "mean confidence"], rows)
    return Section("levels", "Broader labels", (Words(words), table))


def disagreements(view: RunView) -> Section | None:
    """Return where sources give different answers."""
    if len(view.sources) < 2 or not len(view):
        return None
    rows = view.disagreed
    words = (
        f"The {len(view.sources)} sources give different answers to {int(rows.sum()):,} of {len(view):,} texts "
        f"({percent(float(rows.mean()))})."
    )
    if view.has_gold and rows.any() and not rows.all():
        there, elsewhere = (float(view.correct[view.known & part].mean()) for part in (rows, ~rows))
        words += (
            f" {view.first.name!r} is right on {percent(there)} of these, and on {percent(elsewhere)} of the others."
        )
    blocks = [Words(words), _agreement(view)]
    return Section("disagreements", "Where the sources disagree", (*blocks, _rows_button(rows, {"sources": "differ"})))


def _agreement(view: RunView) -> Table:
    names = [one.name for one in view.sources]
    cells = []
    for one in view.sources:
        row = [Cell(one.name)]
        for other in view.sources:
            both = one.answered & other.answered
            same = one.codes == other.codes
            same = same.all(axis=1) if same.ndim == 2 else same
            share = float(same[both].mean()) if both.any() else math.nan
            row.append(Cell("") if one is other else share_cell(share))
        cells.append(row)
    return Table("How often two sources give the same answer", ["", *names], cells)


def _rows_button(rows: Any, filters: Mapping[str, Any]) -> ShowRows:
    return ShowRows(f"Show these {int(rows.sum()):,} rows", filters)


def _beside(drawings: Drawings, name: str, table: Table) -> Beside | Table:
    return Beside(drawings[name], table) if name in drawings else table


def _drawn(drawings: Drawings, name: str) -> Iterator[Drawing]:
    if name in drawings:
        yield drawings[name]


def _plain(value: float | None) -> float:
    return math.nan if value is None else value
