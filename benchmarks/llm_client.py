"""The client of language models against a loopback server: what a text costs, what is lost, what is paid twice.

    python benchmarks/llm_client.py --server PATH
    python benchmarks/llm_client.py --server PATH --case cpu_per_text --quick

Every goal is asserted from the server's counters. Beside each figure stands what is possible: a bare aiohttp loop that
sends the same requests by turns with this package, each client in a fresh process. The exit code is 1 when a goal is
missed. Figures are written as each case is done; `--missing` runs only the cases that have none yet.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

import llm_client_losses as losses
import llm_client_speed as speed
from llm_client_parts import Bench, Figures, Outcome

Case = Callable[[Bench], tuple[list[Outcome], Figures]]

CASES: dict[str, Case] = {
    "cpu_per_text": speed.cpu_per_text,
    "throughput_64": speed.throughput_64,
    "throughput_512": speed.throughput_512,
    "warm_cache": speed.warm_cache,
    "faults": losses.faults,
    "overload": losses.overload,
    "kill": losses.kill,
    "duplicates": losses.duplicates,
    "stream_memory": speed.stream_memory,
}
SERVER = Path(__file__).resolve().parents[2] / "shared" / "tools" / "llm_server.py"


def main() -> None:
    """Run the cases, print the table."""
    options = _options()
    if not options.server.is_file():
        raise SystemExit(f"no loopback server at {str(options.server)!r}: name one with --server PATH")
    target = Path(options.out) / f"llm_client{'_quick' if options.quick else ''}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    kept: Figures = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    chosen = [name for name in options.case or CASES if not (options.missing and name in kept)]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.work or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            outcomes += _run_case(name, options, folder, kept)
            target.write_text(_written(kept), encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 200).print(summary(outcomes))
    if not all(outcome.passed for outcome in outcomes) and not options.no_assert:
        raise SystemExit(1)


def summary(outcomes: list[Outcome]) -> Table:
    """Return the table."""
    table = Table(title="The client of language models, counted by the server")
    for column in ("what", "goal", "measured", "floor or ideal", ""):
        table.add_column(column)
    for each in outcomes:
        table.add_row(each.what, each.goal, each.measured, each.floor, "pass" if each.passed else "MISSED")
    return table


def machine() -> Figures:
    """Return the class of the machine."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    family = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"cores": os.cpu_count(), "processor": family or platform.processor(), "python": platform.python_version()}


def _run_case(name: str, options: argparse.Namespace, folder: Path, kept: Figures) -> list[Outcome]:
    """Run one case and keep its figures."""
    console = Console(stderr=True)
    bench = Bench(options.server, folder, quick=options.quick, say=lambda line: console.print(f"{name}: {line}"))
    started = time.perf_counter()
    outcomes, figures = CASES[name](bench)
    console.print(f"{name}: {time.perf_counter() - started:.0f} s")
    kept[name] = {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "machine": machine(),
        "outcomes": [asdict(outcome) for outcome in outcomes],
        "figures": figures,
    }
    return outcomes


def _written(kept: Figures) -> str:
    """Return figures as JSON that can be read and compared: a case per paragraph, numbers of a few digits."""
    rounded = json.loads(json.dumps(kept), parse_float=lambda number: float(f"{float(number):.5g}"))
    return json.dumps(rounded, indent=1) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=Path, default=SERVER, help="script of the loopback server")
    parser.add_argument("--case", action="append", choices=list(CASES), help="run this one alone (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repeats")
    parser.add_argument("--missing", action="store_true", help="only cases that the JSON file does not hold yet")
    parser.add_argument("--no-assert", action="store_true", help="exit with 0 whatever was measured")
    parser.add_argument("--work", help="folder for caches; what a long case has filled is used again")
    parser.add_argument("--out", default="benchmarks/results", help="folder of the JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
