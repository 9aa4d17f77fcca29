"""The published benchmarks in one command: published figures beside those of this library, on the same rows.

    python tests/evaluation/run.py --data FOLDER
    python tests/evaluation/run.py --data FOLDER --dataset ag_news --percent 20 --percent 100
    python tests/evaluation/run.py --data FOLDER --live --cache FOLDER

FOLDER (or TEXTCLASSIFY_DATA) holds the public data; nothing is downloaded and no key is needed. The first two lines
fuse recorded predictions of RoBERTa and gpt-5-nano again (`benchmarks/replay.py`, minutes); with --live, models are
trained here and small local language models take part (`benchmarks/live.py`, hours). Both keep each cell as soon as it
is done, and go on where they stopped. README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from rich.console import Console
from rich.table import Table

from live_report import PUBLISHED
from replay import replayed
from replay_data import TASKS, Task, recorded_folder

TASK_OF = {"ag_news": "agnews", "reuters": "reuters", "goemotions": "goemotions"}
LIVE_CELLS = {
    "ag_news": ("ag_news:800:0", "ag_news:4000:0"),
    "reuters": ("reuters21578_r10:4000:0",),
    "goemotions": ("goemotions:4000:0",),
}
ALL_ROWS = 4000
"""Rows that the recorded encoders were trained on at 100%."""
PUBLISHED_ALONE: Mapping[tuple[str, int], float] = {("reuters", 100): 0.923}
"""Published without a table: Reuters-10 (subset accuracy), in the abstract. None was published for GoEmotions."""


@dataclass(frozen=True)
class Line:
    """One size of one benchmark: what was published, and what the same predictions give here.

    Attributes:
        published: the fusion's figure in the paper; None = none was published.
        recorded: the same figure of the published package's recorded answers to these test rows.
        fusion: ours on these rows, with the 95% interval.
        encoder: the recorded encoder alone.
        llm: the recorded language model alone.
        without_llm: our fusion without the language model.

    """

    dataset: str
    percent: int
    metric: str
    published: float | None
    recorded: float
    fusion: tuple[float, float, float]
    encoder: float
    llm: float
    without_llm: float
    selected: str


def lines(dataset: str, task: Task, cells: Mapping[str, Mapping[str, Any]]) -> Iterator[Line]:
    """Yield a line per cell of `replayed`, in the metric that the benchmark is known by."""
    metric = task.headlines[0]
    for name, cell in cells.items():
        percent = int(name.rsplit(" ", 1)[1].removesuffix("%"))
        value = {system: figures[metric] for system, figures in cell["systems"].items()}
        low_high = tuple(value["fusion"])
        alone = {system: value[system][0] for system in ("encoder", "llm", "without_llm")}
        published = published_figure(dataset, percent)
        yield Line(
            dataset, percent, metric, published, value["upstream"][0], low_high, **alone, selected=cell["selected"]
        )


def published_figure(dataset: str, percent: int) -> float | None:
    """Return the accuracy that the paper gives for the fusion, or None."""
    table = PUBLISHED.get((dataset, ALL_ROWS * percent // 100))
    return table["Fusion"][0] if table else PUBLISHED_ALONE.get((dataset, percent))


def shown(found: Sequence[Line]) -> Table:
    """Return the lines of one data set as a table."""
    table = Table(title=f"{found[0].dataset}: {found[0].metric.replace('_', ' ')} of the fusion on the test rows")
    for column in ("training rows", "published", "its recorded answers", "here [95%]", "encoder", "LLM", "without LLM"):
        table.add_column(column, justify="right")
    for line in found:
        published = "" if line.published is None else f"{line.published:.3f}"
        value, low, high = line.fusion
        alone = (f"{figure:.3f}" for figure in (line.encoder, line.llm, line.without_llm))
        here = f"{value:.3f} [{low:.3f}, {high:.3f}]"
        table.add_row(f"{line.percent}%", published, f"{line.recorded:.3f}", here, *alone)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the cells that are missing, print the tables, write the JSON file."""
    options = _options(arguments)
    datasets = list(TASK_OF) if options.dataset == "all" else [options.dataset]
    if options.live:
        _live(datasets, options)
        return
    folder = recorded_folder(options.data)
    tasks = {task.name: task for task in TASKS}
    found: list[Line] = []
    for dataset in datasets:
        task = tasks[TASK_OF[dataset]]
        work = {} if options.work is None else {"work": options.work}
        cells = replayed(folder, task, percents=options.percent, say=Console(stderr=True).print, **work)
        of_one = list(lines(dataset, task, cells))
        Console(width=130).print(shown(of_one))
        found += of_one
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps([asdict(line) for line in found], indent=1) + "\n", encoding="utf-8")


def _live(datasets: Sequence[str], options: argparse.Namespace) -> None:
    cells = [cell for dataset in datasets for cell in LIVE_CELLS[dataset]]
    names = list(dict.fromkeys(cell.split(":")[0] for cell in cells))
    where = ["--cache", options.cache] + ([] if options.data is None else ["--data", options.data])
    live = [sys.executable, str(BENCHMARKS / "live.py")]
    subprocess.run([*live, "scores", *cells, *where], check=True)
    subprocess.run(
        [*live, "table", "--datasets", *names, "--no-ablations", "--out", str(options.out), *where], check=True
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="all", choices=[*TASK_OF, "all"])
    parser.add_argument("--data", help="folder of the public data (or TEXTCLASSIFY_DATA)")
    parser.add_argument("--percent", type=int, action="append", help="only this share of the training rows")
    parser.add_argument("--out", type=Path, default=Path("build/evaluation.json"), help="JSON file to write")
    parser.add_argument("--work", type=Path, help="folder of finished cells; else in the user's cache")
    parser.add_argument("--live", action="store_true", help="train the sources here: hours")
    parser.add_argument("--cache", help="folder of scores for --live, outside the repository")
    options = parser.parse_args(arguments)
    if options.live and options.cache is None:
        parser.error("--live keeps its scores in a folder: name one with --cache")
    return options


if __name__ == "__main__":
    main()
