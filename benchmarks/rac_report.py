"""Tables of what the file of figures holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rac_figures import Figures, kept_figures, written

_WIDTH = 200


def printed(target: Path, parts: Sequence[str], *, markdown: bool = False) -> None:
    """Print the tables of some parts of a file, for a terminal or as Markdown."""
    found = kept_figures(target)
    for part in parts:
        for table in tables_of(part, found.get(part, {})):
            Console(width=None if markdown else _WIDTH, soft_wrap=markdown).print(
                as_markdown(table) if markdown else table
            )


def tables_of(part: str, figures: Figures) -> list[Table]:
    """Return the tables of a part: one for each data set, or one in all."""
    if part in {"algorithm", "speed"}:
        return [algorithm_table(figures) if part == "algorithm" else speed_table(figures)] if figures else []
    make = {"out_of_scope": scope_table, "llm": llm_table}.get(part, retrieval_table)
    return [make(name, entry) for name, entry in figures.items()]


def as_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    rows = [[str(column.header) for column in table.columns], ["---"] * len(table.columns)]
    rows += [list(map(str, cells)) for cells in zip(*(column.cells for column in table.columns), strict=True)]
    return f"### {table.title}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in rows) + "\n"


def retrieval_table(name: str, entry: Figures) -> Table:
    """Return the figures of one data set: one row per system."""
    first = next(iter(entry.values()))
    several = "micro_f1" in first
    columns = (
        {"micro-F1": "micro_f1", "macro-F1": "macro_f1", "best label right": "best_label_right", "coverage": "coverage"}
        if several
        else {"accuracy": "accuracy", "at 70.7% coverage": "accuracy_at_coverage"}
    )
    ranks = [rank for rank in first["recall"] if rank != "1"]
    seeds = first.get("seeds", 1)
    table = Table(title=f"{name}: {first['rows']:,} rows" + (f", {seeds} seeds" if seeds > 1 else ""))
    for column in ("system", *columns, *(f"R@{rank}" for rank in ranks), "s"):
        table.add_column(column)
    for system, one in entry.items():
        cells = [written(one[key]) for key in columns.values()] + [f"{one['recall'][rank][0]:.3f}" for rank in ranks]
        seconds = one.get("seconds", [])
        spread = f" ± {one['accuracy_sd']:.3f}" if "accuracy_sd" in one else ""
        cells[0] += spread
        table.add_row(system, *cells, f"{sum(seconds) / len(seconds):.0f}" if seconds else "")
    return table


def scope_table(name: str, entry: Figures) -> Table:
    """Return AUROC and what abstention detects and costs, one row per threshold."""
    table = Table(title=f"{name}: " + ", ".join(f"{what} AUROC {value:.3f}" for what, value in entry["auroc"].items()))
    for column in ("abstention", "detected", "false alarms", "right where labelled"):
        table.add_column(column)
    for at, figures in entry["abstention"].items():
        table.add_row(at, *(written(figures[key]) for key in ("detected", "false_alarms", "right_where_labelled")))
    return table


def llm_table(title: str, figures: Figures) -> Table:
    """Return what the decisions came to beside retrieval alone and naive prompting."""
    table = Table(title=title)
    leads = next(value for key, value in figures.items() if key.startswith("against "))
    several = any("micro_f1" in one for one in figures["systems"].values())
    quality = (
        {"micro-F1": "micro_f1", "subset accuracy": "subset_accuracy", "best label right": "best_label_right"}
        if several
        else {"accuracy": "accuracy", "at 70.7%": "accuracy_at_coverage", "of those labelled": "precision"}
    )
    lead = f"{'subset accuracy' if several else 'accuracy'} against retrieval"
    for column in ("system", *quality, "coverage", "calls", "s", lead, "mid-p, Holm", "at 70.7% against retrieval"):
        table.add_column(column)
    for name, one in figures["systems"].items():
        cells = [written(one[key]) for key in (*quality.values(), "coverage")]
        cells += [f"{one['calls_per_text']:.2f}", f"{one['seconds']:.0f}"]
        against = leads.get(name, {})
        cells += [_lead(against, "difference"), _lead(against, "mid_p_holm"), _lead(against, "difference_at_coverage")]
        table.add_row(name, *cells)
    return table


def _lead(against: Figures, key: str) -> str:
    """Return one figure of a comparison; nothing where it was not made."""
    return written(against[key]) if key in against else ""


def algorithm_table(figures: Figures) -> Table:
    """Return measured figures beside predicted ones."""
    table = Table(title="first_yes, checks with known rates: measured, and predicted [95%]")
    for column in ("true/false positives, k", "coverage", "precision", "calls", ""):
        table.add_column(column)
    for key, entry in figures.items():
        if isinstance(entry, dict):
            cells = [
                "{:.3f}; {:.3f} [{:.3f}, {:.3f}]".format(entry[name]["measured"], *entry[name]["predicted"])
                for name in ("coverage", "precision", "calls")
            ]
            table.add_row(key, *cells, "inside" if entry["agrees"] else "OUTSIDE")
    return table


def speed_table(figures: Figures) -> Table:
    """Return all ratios."""
    table = Table(title="speed, one thread; best of interleaved turns")
    for column in ("case", "goal", "ratio", "ours, s", "bare or ideal, s"):
        table.add_column(column)
    for name, one in figures.items():
        goal = f"at {'least' if name == 'encoding' else 'most'} {one['goal']}"
        table.add_row(name, goal, f"{one['ratio']:.3f}", f"{one['ours_s']:.3f}", f"{one['bare_s']:.3f}")
    return table
