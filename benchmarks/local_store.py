"""The feature store: a million made-up rows written, found and read in fresh processes, beside a bare memory map.

python benchmarks/local_store.py [--rows 1000000] [--width 384] [--out benchmarks/results/local.json]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from numpy.typing import NDArray

from textclassify.models.feature_store import FeatureSpec, FeatureStore

PART = "store"
BLOCK = 10_000
"""Rows that are made up at a time."""
ADDED = 500
"""Rows that are added at a time, as an encoder would."""
SEQUENCE = 1024
BATCH = 256
BATCHES = 400
SUBSET = 200_000
"""Rows of the training set whose random minibatches are timed beside those of all rows."""

Figures = dict[str, Any]
Rows = NDArray[np.float32]


def measured_store(target: Path, *, rows: int = 1_000_000, width: int = 384) -> None:
    """Write all figures; needs twice the room of the features, which is given back.

    Args:
        target: the file.
        rows: of the store.
        width: numbers of a row.

    """
    from rac_figures import write_figures

    found: Figures = {"rows": rows, "width": width, "bytes": rows * width * 2}
    with tempfile.TemporaryDirectory() as folder:
        for step in ("write", "read"):
            found[step] = _in_new_process(step, folder, rows, width)
            _say(step, found[step])
    with tempfile.TemporaryDirectory() as folder:
        for step in ("bare_write", "bare_read"):
            found[step] = _in_new_process(step, folder, rows, width)
            _say(step, found[step])
    with tempfile.TemporaryDirectory() as folder:
        found["killed"] = _killed_and_resumed(folder, rows, width)
        _say("killed", found["killed"])
    found["times_bare"] = {
        name: found[f"bare_{step}"][f"{name}_rows_per_second"] / found[step][f"{name}_rows_per_second"]
        for step, name in (("write", "written"), ("read", "sequence"), ("read", "minibatch"))
    }
    write_figures(target, PART, found)
    _say("times the seconds of the bare memory map", found["times_bare"])


def made_up(number: int, width: int) -> tuple[list[str], Rows]:
    """Return the texts and the rows of one block."""
    values = np.random.default_rng(number).standard_normal((BLOCK, width), dtype=np.float32)
    return [f"made-up text {row}" for row in range(number * BLOCK, (number + 1) * BLOCK)], values


def write(folder: Path, rows: int, width: int) -> Figures:
    """Return how fast all rows are kept; those that are kept already are not made up again."""
    idle = peak_megabytes()
    store = FeatureStore(folder, _spec(width))
    kept_before, seconds, used = len(store), 0.0, time.process_time()
    for number in range(rows // BLOCK):
        texts, values = made_up(number, width)
        started = time.perf_counter()
        missing = set(store.missing(texts))
        new = [row for row, text in enumerate(texts) if text in missing]
        for start in range(0, len(new), ADDED):
            some = new[start : start + ADDED]
            store.add([texts[row] for row in some], values[some])
        seconds += time.perf_counter() - started
        print(len(store), file=sys.stderr, flush=True)
    started = time.perf_counter()
    store.flush()
    seconds += time.perf_counter() - started
    files = list(folder.glob("*.npy"))
    return {
        "kept_before": kept_before,
        "written_rows_per_second": (rows - kept_before) / seconds,
        "seconds": seconds,
        "cpu_seconds_with_making_up": time.process_time() - used,
        "files": len(files),
        "bytes_on_disk": sum(path.stat().st_size for path in files),
        "keys_on_disk": sum(len(np.load(path, allow_pickle=False)) for path in files),
        "peak_mb": peak_megabytes(),
        "peak_mb_before": idle,
    }


def read(folder: Path, rows: int, width: int) -> Figures:
    """Return how fast rows are found and read, and how far they are from what was put in."""
    idle = peak_megabytes()
    started = time.perf_counter()
    store = FeatureStore(folder, _spec(width))
    opened = time.perf_counter()
    texts = [f"made-up text {row}" for row in range(rows)]
    with_texts = peak_megabytes()
    asked = time.perf_counter()
    found = store.rows(texts)
    seconds = time.perf_counter() - asked
    figures = {"open_seconds": opened - started, "found_rows_per_second": rows / seconds}
    timed = _timed_reading(found.__getitem__, rows)
    figures |= timed | {"peak_mb": peak_megabytes(), "peak_mb_with_texts": with_texts, "peak_mb_before": idle}
    differences, wrong = [], 0
    for number in range(0, rows // BLOCK, 10):
        rounded = made_up(number, width)[1].astype(np.float16).astype(np.float32)
        difference = np.abs(found[number * BLOCK : (number + 1) * BLOCK] - rounded)
        differences.append(float(difference.max()))
        wrong += int((difference > 0).any(axis=1).sum())
    return figures | {"largest_difference_to_float16": max(differences), "rows_that_differ": wrong}


def bare_write(folder: Path, rows: int, width: int) -> Figures:
    """Return how fast the same rows go into a memory map, without keys, and without a thought of being ended."""
    idle, seconds = peak_megabytes(), 0.0
    mapped = np.lib.format.open_memmap(folder / "bare.npy", "w+", np.float16, (rows, width))
    for number in range(rows // BLOCK):
        values = made_up(number, width)[1]
        started = time.perf_counter()
        for start in range(0, BLOCK, ADDED):
            place = number * BLOCK + start
            mapped[place : place + ADDED] = values[start : start + ADDED]
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    mapped.flush()
    seconds += time.perf_counter() - started
    return {
        "written_rows_per_second": rows / seconds,
        "seconds": seconds,
        "peak_mb": peak_megabytes(),
        "peak_mb_before": idle,
    }


def bare_read(folder: Path, rows: int, width: int) -> Figures:
    """Return how fast rows are read from a memory map."""
    idle = peak_megabytes()
    mapped = np.load(folder / "bare.npy", mmap_mode="r", allow_pickle=False)
    assert mapped.shape == (rows, width)
    timed = _timed_reading(lambda indices: np.asarray(mapped[indices]).astype(np.float32), rows)
    return timed | {"peak_mb": peak_megabytes(), "peak_mb_before": idle}


def _timed_reading(take: Callable[[Any], Rows], rows: int) -> Figures:
    """Return rows per second in sequence, twice (then from the system's cache), and in random minibatches."""
    turns = []
    for _ in range(2):
        started = time.perf_counter()
        for start in range(0, rows, SEQUENCE):
            take(slice(start, start + SEQUENCE))
        turns.append(rows / (time.perf_counter() - started))
    figures: Figures = {"first_sequence_rows_per_second": turns[0], "sequence_rows_per_second": turns[1]}
    for name, of in (("minibatch", rows), ("minibatch_of_200000", min(SUBSET, rows))):
        rng = np.random.default_rng(0)
        chosen = [rng.integers(0, of, BATCH) for _ in range(BATCHES)]
        seconds = []
        for indices in chosen:
            started = time.perf_counter()
            take(indices)
            seconds.append(time.perf_counter() - started)
        figures |= {
            f"{name}_rows_per_second": BATCH * BATCHES / sum(seconds),
            f"{name}_median_ms": 1000 * float(np.median(seconds)),
        }
    return figures


def _killed_and_resumed(folder: str, rows: int, width: int) -> Figures:
    """Return what a process that is killed in the middle leaves, and what the next one makes of it."""
    process = _started("write", folder, rows, width)
    added = 0
    for line in _lines(process):
        added = int(line)
        if added >= rows // 2:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    with FeatureStore(folder, _spec(width)) as store:
        kept = len(store)
    resumed = _in_new_process("write", folder, rows, width)
    assert resumed["kept_before"] == kept, "not the rows that the killed process had flushed"
    return {
        "added_when_killed_at_least": added,
        "kept": kept,
        "lost_of_those_added": max(0, added - kept),
        "keys_on_disk_in_the_end": resumed["keys_on_disk"],
        "kept_twice": resumed["keys_on_disk"] - rows,
        "after": _in_new_process("read", folder, rows, width)["rows_that_differ"],
    }


def _started(step: str, folder: str, rows: int, width: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--step", step, "--folder", folder, "--rows", str(rows), "--width", str(width)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stderr is not None
    yield from process.stderr


def _in_new_process(step: str, folder: str, rows: int, width: int) -> Figures:
    process = _started(step, folder, rows, width)
    said, complaint = process.communicate()
    assert process.returncode == 0, complaint[-2000:]
    figures: Figures = json.loads(said)
    return figures


def peak_megabytes() -> float:
    """Return the most memory that this process has had, files that are mapped into it included."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _spec(width: int) -> FeatureSpec:
    return FeatureSpec("made up", None, "none", 1, "float32", shape=(width,))


def _say(step: str, figures: Figures) -> None:
    said = ", ".join(
        f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value:,}" for name, value in figures.items()
    )
    print(f"{step}: {said}", file=sys.stderr, flush=True)


STEPS = {"write": write, "read": read, "bare_write": bare_write, "bare_read": bare_read}


def main() -> None:
    """Measure everything, or one step of it in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help=f"a multiple of {BLOCK:,}")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "local.json")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step](options.folder, options.rows, options.width)))
    else:
        measured_store(options.out, rows=options.rows, width=options.width)


if __name__ == "__main__":
    main()
