"""The tables of the replay, and the figures that it is held against."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from replay_curve import AIM_AT, GAIN_AIM, SHARES
from replay_data import Task
from replay_statistics import Figures

SYSTEMS = {
    "encoder": "encoder",
    "encoder_rule": "encoder from 0.3",
    "llm": "LLM",
    "without_llm": "without LLM",
    "fusion": "fusion",
    "upstream": "upstream fusion",
    "oracle": "oracle",
}
SHORT = {"accuracy": "accuracy", "subset_accuracy": "subset accuracy", "micro_f1": "micro-F1", "macro_f1": "macro-F1"}

TARGETS = (
    ("agnews", 5, "accuracy", 0.876),
    ("agnews", 10, "accuracy", 0.894),
    ("agnews", 40, "accuracy", 0.912),
    ("reuters", 5, "subset_accuracy", 0.886),
    ("reuters", 20, "subset_accuracy", 0.899),
    ("reuters", 60, "subset_accuracy", 0.909),
    ("reuters", 100, "subset_accuracy", 0.928),
    ("goemotions", 100, "micro_f1", 0.443),
)
"""What a plain combiner made by hand reached: task, percent of training rows, metric, value to three digits."""


def cell_name(task: str, percent: int) -> str:
    """Return how a cell is called in the tables and in the file."""
    return f"{task} {percent}%"


def targets(cells: Mapping[str, Figures]) -> list[Figures]:
    """Return each target whose cell was replayed, with what the fusion reached there."""
    rows: list[Figures] = []
    for task, percent, metric, goal in TARGETS:
        cell = cells.get(cell_name(task, percent))
        if cell is not None:
            value, low, high = cell["systems"]["fusion"][metric]
            rows.append(
                {"cell": cell_name(task, percent), "metric": metric, "goal": goal, "value": value}
                | {"low": low, "high": high, "reached": round(value, 3) >= goal}
            )
    return rows


def systems_table(task: Task, metric: str, cells: Mapping[str, Figures]) -> Table:
    """Return one metric of every system by cell, with 95% intervals."""
    first = next(iter(cells.values()))
    shown = {key: title for key, title in SYSTEMS.items() if key in first["systems"]}
    table = Table(title=f"{task.title}: {SHORT[metric]} on the test rows, 95% intervals")
    table.add_column("cell")
    for title in shown.values():
        table.add_column(title, justify="right")
    table.add_column("selected")
    table.add_column("CPU s", justify="right")
    for name, cell in cells.items():
        figures = [_with_bounds(cell["systems"][key][metric]) for key in shown]
        table.add_row(name, *figures, cell["selected"], f"{cell['cpu_seconds']:.1f}")
    return table


def targets_table(rows: list[Figures]) -> Table:
    """Return the targets and whether they were reached."""
    table = Table(title="Targets: a plain combiner made by hand")
    for column in ("cell", "metric", "target", "fusion", ""):
        table.add_column(column)
    for row in rows:
        value = _with_bounds([row["value"], row["low"], row["high"]])
        reached = "reached" if row["reached"] else "MISSED"
        table.add_row(row["cell"], SHORT[row["metric"]], f"{row['goal']:.3f}", value, reached)
    return table


def families_table(against: Mapping[str, Mapping[str, Figures]]) -> Table:
    """Return how often the fusion is significantly above or below each reference."""
    table = Table(title="Fusion against what could be had for less, paired tests")
    for column in ("reference", "family", "tests", "mean difference", "below", "losses (Holm)", "gains (Holm)"):
        table.add_column(column)
    table.add_column("uncorrected losses")
    table.add_column("uncorrected gains")
    for reference, families in against.items():
        for kind, family in families.items():
            table.add_row(
                reference,
                SHORT.get(kind, kind),
                str(family["tests"]),
                f"{family['mean_difference']:+.4f}",
                str(family["below"]),
                ", ".join(family["losses"]) or "none",
                str(len(family["gains"])),
                "\n".join(_loss(test) for test in family["uncorrected_losses"]) or "none",
                str(family["uncorrected_gains"]),
            )
    return table


def curves_table(curves: Mapping[str, Figures]) -> Table:
    """Return the share of the full gain that each budget keeps, for the curves whose full gain is significant."""
    table = Table(title="Share of the full gain kept, 95% intervals; random and entropy at the same number of calls")
    table.add_column("cell")
    table.add_column("full gain")
    for share in SHARES:
        table.add_column(f"budget {share:.0%}", justify="right")
    for name, curve in curves.items():
        if curve["low"] > 0:
            gain = f"{curve['gain']:+.3f} [{curve['low']:+.3f}, {curve['high']:+.3f}]"
            table.add_row(name, gain, *(_point(point) for point in curve["at"].values()))
    return table


def curves_line(summary: Figures) -> str:
    """Return in words how the budgets do over the curves with a significant gain."""
    worth = len(summary["cells_with_a_significant_gain"])
    lines = [f"{worth} of {summary['cells']} curves have a significant gain."]
    for share, at in summary["at"].items() if worth else ():
        lines.append(
            f"budget {share}: asked {at['mean_asked']:.0%}, kept {at['mean_kept']:.0%} on average "
            f"(random {at['mean_kept_random']:.0%}, entropy {at['mean_kept_entropy']:.0%}); "
            f"{at['reaching_aim']} of {worth} keep {GAIN_AIM:.0%}{' (the aim)' if share == f'{AIM_AT:.0%}' else ''}; "
            f"not above random: {', '.join(at['not_above_random']) or 'none'}; "
            f"below entropy: {', '.join(at['below_entropy']) or 'none'}"
        )
    return "\n".join(lines)


def _with_bounds(figures: list[float]) -> str:
    estimate, low, high = figures
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}]"


def _loss(test: Figures) -> str:
    return f"{test['cell']} {test['difference']:+.4f}, p {test['p']:.4f}, Holm {test['p_holm']:.3f}"


def _point(point: Figures) -> str:
    bounds = point["kept_bounds"]
    kept = f"{point['deferral_kept']:.0%} [{bounds['low']:.0%}, {bounds['high']:.0%}]"
    return f"{kept}\nasked {point['asked']:.0%}; {point['random_kept']:.0%}, {point['entropy_kept']:.0%}"
