"""Recorded predictions of an encoder and a language model, fused again: is the fusion worth it, cell by cell?

    python benchmarks/replay.py --data FOLDER

FOLDER (or TEXTCLASSIFY_DATA) holds recorded/; nothing is downloaded and no key is needed. `ScoreFusion` is fitted with
default settings on validation rows only, and the test rows are scored once. Each cell is kept as soon as it is done,
under a name made of the library's code, this benchmark's and the data, so that a second run goes on where the first one
stopped, and does again what has changed; `--fresh` does everything again. A run of all tasks writes
benchmarks/results/replay.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import platformdirs
from rich.console import Console

import replay_curve
import replay_statistics
import replay_tables as tables
import textclassify
from replay_cell import RANDOM_STATE, REFERENCES, measured
from replay_data import TASKS, Task, cell_files, read_cell, recorded_folder, recorded_shares
from replay_statistics import Figures

LIBRARY_PARTS = ("core", "statistics", "ensemble")
WIDTH = 220
KEPT = platformdirs.user_cache_path("textclassify") / "replay"
"""Where finished cells are kept unless another folder is named."""


def main() -> None:
    """Do the cells that are missing, print the tables, write the file."""
    options = _options()
    folder = recorded_folder(options.data)
    tasks = [task for task in TASKS if options.task is None or task.name in options.task]
    screen = Console(stderr=True)
    started = time.perf_counter()
    say = partial(screen.print, highlight=False)
    cells = {task.name: replayed(folder, task, work=options.work, fresh=options.fresh, say=say) for task in tasks}
    screen.print(f"{sum(map(len, cells.values()))} cells, {time.perf_counter() - started:.0f} s this time")
    report = reported({name: cell for of_task in cells.values() for name, cell in of_task.items()})
    _print_tables(tasks, cells, report)
    if options.task is None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(written(report), encoding="utf-8")
    else:
        screen.print(f"{str(options.out)!r} is written by runs of all tasks only")


def reported(cells: Mapping[str, Figures]) -> Figures:
    """Return what the file holds: targets, tests over all cells, cost curves, and each cell."""
    curves = all_curves(cells)
    return {
        "version": textclassify.__version__,
        "random_state": RANDOM_STATE,
        "cpu_seconds": sum(cell["cpu_seconds"] for cell in cells.values()),
        "targets": tables.targets(cells),
        "against": {reference: replay_statistics.by_family(cells, reference) for reference in REFERENCES},
        "curves": replay_curve.summary(curves) if curves else None,
        "cells": dict(cells),
    }


def all_curves(cells: Mapping[str, Figures]) -> dict[str, Figures]:
    """Return each cost curve by cell and metric."""
    return {
        f"{name} {metric}": curve for name, cell in cells.items() for metric, curve in (cell["curve"] or {}).items()
    }


def written(report: Figures) -> str:
    """Return a report as JSON that can be read and compared: a line per cell, numbers of a few digits, null for NaN."""
    report = _plain(report)
    cells = report.pop("cells")
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(cell)}" for name, cell in cells.items())
    return f'{json.dumps(report, indent=1)[:-2]},\n "cells": {{\n{lines}\n }}\n}}\n'


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value


def replayed(
    folder: Path,
    task: Task,
    *,
    work: Path = KEPT,
    fresh: bool = False,
    percents: Iterable[int] | None = None,
    say: Callable[[str], None],
) -> dict[str, Figures]:
    """Return the cells of a task, from the kept ones where nothing has changed; `percents`: only these sizes."""
    cells: dict[str, Figures] = {}
    code = _digest(_code())
    for percent in recorded_shares(folder, task) if percents is None else percents:
        name = tables.cell_name(task.name, percent)
        key = f"{code}_{_digest(cell_files(folder, task, percent))}"
        kept = work / f"{task.name}_{percent:03d}_{key}.json"
        if kept.is_file() and not fresh:
            cells[name] = json.loads(kept.read_text(encoding="utf-8"))
            continue
        cells[name] = measured(read_cell(folder, task, percent))
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.with_suffix(".part").write_text(json.dumps(cells[name]), encoding="utf-8")
        kept.with_suffix(".part").replace(kept)
        say(f"{name}: {cells[name]['selected']}, {cells[name]['cpu_seconds']:.1f} s of CPU time")
    if not cells:
        sys.exit(f"no files of {task.title} in {str(folder)!r}; they are called {task.name}_val_trainNNNpct.csv.gz")
    return cells


def _code() -> Iterable[Path]:
    """Return the files whose change makes kept cells stale."""
    package = Path(textclassify.__file__).parent
    for part in LIBRARY_PARTS:
        yield from sorted((package / part).glob("*.py"))
    here = Path(__file__).parent
    yield from (here / f"replay_{part}.py" for part in ("cell", "curve", "data", "statistics"))


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _print_tables(tasks: Iterable[Task], cells: Mapping[str, Mapping[str, Figures]], report: Figures) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for task in tasks:
        for metric in (*task.headlines, *task.beside):
            console.print(tables.systems_table(task, metric, cells[task.name]))
    console.print(tables.families_table(report["against"]))
    if report["curves"] is None:
        console.print("No cost curves: this ScoreFusion has no rows_to_ask.")
    else:
        console.print(tables.curves_table(all_curves(report["cells"])))
        console.print(tables.curves_line(report["curves"]), highlight=False)
    console.print(tables.targets_table(report["targets"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder that holds recorded/ (or TEXTCLASSIFY_DATA)")
    parser.add_argument("--task", action="append", choices=[task.name for task in TASKS], help="only this task")
    parser.add_argument("--fresh", action="store_true", help="do every cell again")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/replay.json"), help="the JSON file")
    parser.add_argument("--work", type=Path, default=KEPT, help="folder that keeps finished cells")
    return parser.parse_args()


if __name__ == "__main__":
    main()
