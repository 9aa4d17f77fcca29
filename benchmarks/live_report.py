"""The tables of the live benchmark: printed, and written as JSON."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from live_ablations import REFERENCE, ablated_cell
from live_cells import Cell, computed_cells, read_cell
from live_data import FREE_SOURCES, DataSet, load_data
from live_table import ENCODER, FUSION, NO_LLM, REFIT, CellAnswers, answered_cell, lead, metrics

PUBLISHED = {
    ("ag_news", 800): {
        "Fusion": (0.922, 0.922, 0.923, 0.922),
        "RoBERTa": (0.898, 0.899, 0.902, 0.898),
        "OpenAI": (0.844, 0.844, 0.857, 0.844),
    },
    ("ag_news", 1600): {
        "Fusion": (0.922, 0.922, 0.924, 0.922),
        "RoBERTa": (0.910, 0.911, 0.913, 0.910),
        "OpenAI": (0.844, 0.844, 0.857, 0.844),
    },
    ("ag_news", 4000): {
        "Fusion": (0.924, 0.924, 0.926, 0.924),
        "RoBERTa": (0.922, 0.922, 0.923, 0.922),
        "OpenAI": (0.844, 0.844, 0.857, 0.844),
    },
}
"""Accuracy, F1, precision, recall as published, on 5,000 test rows: other encoder, other language model, other rows."""
_PUBLISHED_COLUMNS = ("accuracy", "macro_f1", "macro_precision", "macro_recall")


def tables(
    cache_folder: Path, datasets: Iterable[str], target: Path, *, data_root: str | None = None, ablations: bool = True
) -> None:
    """Fit everything to the scores that are there, print a table per training size, and write the figures.

    Figures of other data sets that the file holds stay in it.
    """
    console = Console(width=160)
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    started = time.perf_counter()
    for name in datasets:
        data = load_data(name, data_root)
        by_size = _by_size(cache_folder, data)
        for size, cells in by_size.items():
            answered = [answered_cell(cell) for cell in cells]
            entry = found[f"{name}, {size} rows"] = _entry(answered, FUSION)
            console.print(_table(f"{name}, {size} training rows", entry, PUBLISHED.get((name, size), {})))
            free = entry["all test rows, no language model"] = _without_models(answered)
            if max(free["test_rows"]) > max(entry["test_rows"]):
                console.print(_table(f"{name}, {size} rows: what asks no language model", free, {}))
            if ablations and cells[0].models:
                ablated = [ablated_cell(cell, cell.models[0]) for cell in cells]
                entry["ablations"] = _entry(ablated, REFERENCE)
                console.print(
                    _table(f"{name}, {size} rows: ablations with {cells[0].models[0]}", entry["ablations"], {})
                )
            console.print(f"{time.perf_counter() - started:.0f} s so far\n")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _by_size(cache_folder: Path, data: DataSet) -> dict[int, list[Cell]]:
    by_size: dict[int, list[Cell]] = defaultdict(list)
    for size, seed in computed_cells(cache_folder, data.name):
        by_size[size].append(read_cell(cache_folder, data, size, seed))
    return by_size


def _entry(answered: Sequence[CellAnswers], main: str) -> dict[str, Any]:
    """Return what is reported of one training size; some systems are there for some seeds only."""
    figures = [one.figures() for one in answered]
    systems = {name: one[name].keys() for one in figures for name in one}
    mains = [system for system in systems if system.startswith(main)]
    rivals = [name for name in (ENCODER, REFIT, NO_LLM, REFERENCE) if name in systems]
    pairs = [(mine, rival) for mine in mains for rival in rivals if mine != rival]
    pairs += [(other, REFERENCE) for other in systems if REFERENCE in systems and other not in {REFERENCE, ENCODER}]
    first = answered[0]
    return {
        "seeds": [one.cell.seed for one in answered],
        "test_rows": [len(one.rows) for one in answered],
        "rows_to_learn_a_fusion_from": [len(one.cell.gold) for one in answered],
        "of_which_asked_about": {
            model: [int(one.cell.train[model].answered.sum()) for one in answered] for model in first.cell.models
        },
        "seconds_of_sources": {
            source: [round(one.cell.seconds.get(source, np.nan)) for one in answered] for source in FREE_SOURCES
        },
        "systems": {
            system: {key: [one[system][key] for one in figures if system in one] for key in keys}
            for system, keys in systems.items()
        },
        "leads": {f"{mine} over {rival}": lead(list(answered), mine, rival) for mine, rival in pairs},
    }


def _without_models(answered: Sequence[CellAnswers]) -> dict[str, Any]:
    """Return the figures of what needs no language model, of the seeds with most test rows."""
    most = max(len(one.cell.test_gold) for one in answered)
    answered = [one for one in answered if len(one.cell.test_gold) == most]
    systems = {
        name: [metrics(one.cell.test_gold, one.free_systems[name].codes) for one in answered]
        for name in answered[0].free_systems
    }
    return {
        "seeds": [one.cell.seed for one in answered],
        "test_rows": [len(one.cell.test_gold) for one in answered],
        "systems": {name: {key: [one[key] for one in seeds] for key in seeds[0]} for name, seeds in systems.items()},
        "leads": {},
    }


def _table(title: str, entry: dict[str, Any], published: Mapping[str, Sequence[float]]) -> Table:
    columns = [key for key in next(iter(entry["systems"].values())) if key not in {"selected", "seconds"}]
    table = Table(title=f"{title}: {len(entry['seeds'])} seeds, {_range(entry['test_rows'])} test rows")
    table.add_column("system")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    table.add_column("combiner")
    for system, figures in entry["systems"].items():
        chosen = ", ".join(dict.fromkeys(figures.get("selected") or []))
        table.add_row(system, *(_spread(figures[column]) for column in columns), chosen)
    for system, values in published.items():
        by_column = dict(zip(_PUBLISHED_COLUMNS, values, strict=True))
        cells = [f"{by_column[column]:.3f}" if column in by_column else "" for column in columns]
        table.add_row(f"published: {system}", *cells, "")
    table.caption = "\n".join(f"{pair}: {mean:+.4f} (SE {error:.4f})" for pair, (mean, error) in entry["leads"].items())
    return table


def _range(counts: Sequence[int]) -> str:
    return f"{counts[0]:,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
