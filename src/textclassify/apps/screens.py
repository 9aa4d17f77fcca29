"""What commands show on a terminal, as rich renderables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from textclassify.apps.advice_screens import advice_screen, calibration_line, promise_lines

if TYPE_CHECKING:
    from textclassify.apps.doctor import Diagnosis
    from textclassify.apps.training import TrainedRun
    from textclassify.ensemble.combining.ladder_report import LadderReport
    from textclassify.runs.evaluation import Evaluation, System

_MARKS = {"ok": ("✓", "green"), "info": ("·", "dim"), "warning": ("!", "yellow"), "missing": ("✗", "red")}


def evaluation_screen(evaluation: Evaluation) -> RenderableType:
    """Return the table of systems, what its marks mean, the notes and the verdict."""
    legend = "95% intervals in brackets; texts without an answer count as wrong."
    if any(system.best_single for system in evaluation.systems):
        legend += " ★ best single source by the training rows."
    if len(evaluation.systems) > 1:
        legend += " lead: of the fusion over the row, p adjusted (Holm)."
    notes = [Text(f"note: {note}") for note in evaluation.notes]
    calibration = calibration_line(evaluation.calibration)
    below = [Text(legend, style="dim"), *_of_sets(evaluation), *([] if calibration is None else [calibration]), *notes]
    return Group(_systems(evaluation), *below, Text(), Text(evaluation.verdict, style="bold"))


def _of_sets(evaluation: Evaluation) -> Iterator[Text]:
    """Return the figures on whole sets of labels, for which the table has no room."""
    if evaluation.data.multi_label:
        first = evaluation.systems[0]
        subset, samples = first.metrics["subset_accuracy"], first.metrics["samples_f1"]
        yield Text(f"{first.name}: subset accuracy {subset:.3f}, samples-F1 {samples:.3f}.", style="dim")


def _systems(evaluation: Evaluation) -> Table:
    from textclassify.runs.evaluation import METRIC_NAMES

    metrics = [evaluation.headline, "macro_f1", "log_loss", "ece"]
    partly = any(system.coverage < 1 for system in evaluation.systems)
    title = Text(f"Measured on {len(evaluation.data):,} texts", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("")
    for metric in metrics:
        table.add_column(METRIC_NAMES[metric], justify="right")
    for name in [*(["answered"] if partly else []), *(["lead", "p"] if len(evaluation.systems) > 1 else [])]:
        table.add_column(name, justify="right")
    for number, system in enumerate(evaluation.systems):
        cells = [_name(system), *(_figure(system, metric) for metric in metrics)]
        cells += [Text(f"{system.coverage:.1%}")] if partly else []
        cells += _lead(system) if len(evaluation.systems) > 1 else []
        table.add_row(*cells, style="bold" if number == 0 else "")
    return table


def _name(system: System) -> Text:
    return Text.assemble(system.name, (" ★" if system.best_single else "", "yellow"))


def _figure(system: System, metric: str) -> Text:
    value, interval = system.metrics[metric], system.intervals.get(metric)
    figure = Text("n/a" if math.isnan(value) else f"{value:.3f}")
    if interval is not None and metric != "log_loss" and not math.isnan(interval.low):
        figure.append(f" [{interval.low:.2f}, {interval.high:.2f}]", style="dim")
    return figure


def _lead(system: System) -> list[Text]:
    against = system.comparison
    if against is None:
        return [Text(), Text()]
    p = (
        "<.001"
        if against.p_adjusted < 0.001
        else f"{against.p_adjusted:.3f}".lstrip("0")
        if against.p_adjusted < 1
        else "1"
    )
    return [Text(f"{against.difference:+.3f}"), Text(p)]


def ladder_screen(ladder: LadderReport) -> RenderableType:
    """Return how the fusion was chosen: pool weights, rungs, the gate with its reference, gain and standard error."""
    lines: list[RenderableType] = [
        Text.assemble(("How the fusion was chosen", "bold"), (f"  on {ladder.n_rows:,} training rows", "dim"))
    ]
    lines.append(_line("combiner", ladder.selected))
    for number, rung in enumerate(ladder.rungs):
        behind = "the best" if not rung.behind_best else f"{rung.behind_best:.4f} behind, SE {rung.standard_error:.4f}"
        lines.append(_line("" if number else "compared", f"{rung.rung:<15} log loss {rung.log_loss:.4f}  {behind}"))
    for what, weights in (("pool weights", ladder.pool_weights), ("deployed", ladder.weights)):
        if weights and (what != "deployed" or weights != ladder.pool_weights):
            lines.append(_line(what, "   ".join(f"{name} {weight:.2f}" for name, weight in weights.items())))
    gate = ladder.gate
    if gate is not None:
        metric = gate.metric.replace("_", "-")
        lines.append(_line("reference", f"{gate.reference}, against {gate.rung}"))
        lines.append(_line("paired gain", f"{gate.gain:+.4f} nats of log loss per text, SE {gate.standard_error:.4f}"))
        lines.append(_line("", f"{gate.metric_gain:+.4f} {metric}, SE {gate.metric_standard_error:.4f}"))
        lines.append(_line("gate", gate.outcome))
    lines += [_line("note", note) for note in ladder.notes]
    return Group(*lines)


def _line(name: str, value: str) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=12, style="dim")
    grid.add_column()
    grid.add_row(name, Text(value))
    return Padding(grid, (0, 0, 0, 2))


def run_screen(run: TrainedRun) -> RenderableType:
    """Return everything that a finished training run has to say, up to where its files are."""
    parts: list[RenderableType] = [Text(), ladder_screen(run.classifier.ensemble_.ladder_report_), Text()]
    if run.evaluation is not None:
        parts += [evaluation_screen(run.evaluation), *promise_lines(run.evaluation), Text()]
    else:
        parts += [Text("No estimate of quality exists: too few labelled rows to hold any out.", style="bold"), Text()]
    parts += [advice_screen(run.advice), Text()]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("report", Text(str(run.report)))
    grid.add_row("model", Text(str(run.model)))
    return Group(*parts, grid)


def next_line(command: str, name: str = "next") -> Text:
    """Return a line with a command to type; print it with `soft_wrap`, so that it can be copied."""
    return Text.assemble((f"{name:<8}", "dim"), (command, "cyan"))


def doctor_screen(diagnosis: Diagnosis) -> RenderableType:
    """Return the checks by topic, each with its remedy beside it."""
    parts: list[RenderableType] = []
    for topic in dict.fromkeys(check.topic for check in diagnosis.checks):
        grid = Table.grid(padding=(0, 2))
        grid.add_column()
        grid.add_column(min_width=14)
        grid.add_column(overflow="fold")
        for check in diagnosis.checks:
            if check.topic == topic:
                mark, style = _MARKS[check.state]
                remedy = (f"\n→ {check.remedy}", "cyan") if check.remedy else ""
                grid.add_row(Text(mark, style=style), Text(check.name), Text.assemble(check.found, remedy))
        parts += [Text(topic, style="bold"), Padding(grid, (0, 0, 1, 1))]
    return Group(*parts, Text(diagnosis.advice, style="bold"))
