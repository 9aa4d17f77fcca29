"""Answers to the test texts, kept system by system and seed by seed, and the figures that follow from them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.metrics import f1_score

from emotions_data import SPLITS, Frozen, part_of, schema
from emotions_systems import SYSTEMS, Task
from rac_figures import kept_figures, write_figures


@dataclass(frozen=True)
class Answers:
    """Probabilities of the test texts by system and seed, in a folder; figures go to a file.

    Args:
        folder: of all data sets' answers.
        target: file of the figures.
        dataset: whose texts are answered.
        gold: (n,) codes of the true labels.

    """

    folder: Path
    target: Path
    dataset: str
    gold: NDArray[np.int64]

    def file(self, name: str, seed: int) -> Path:
        """Return the file of a system's probabilities."""
        return self.folder / self.dataset / file_name(name) / f"{seed}.npy"

    def by_seed(self, name: str) -> dict[int, NDArray[np.float32]]:
        """Return a system's probabilities (n, K)."""
        files = sorted(self.file(name, 0).parent.glob("*.npy"))
        return {int(file.stem): np.load(file) for file in files if file.stem.isdigit()}

    def keep(self, name: str, seed: int, probabilities: NDArray[Any], seconds: Mapping[str, float]) -> None:
        """Keep probabilities (n, K), and write what they are worth; `seconds` it took to learn and to answer."""
        file = self.file(name, seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npy")
        np.save(partial, probabilities.astype(np.float32))
        partial.replace(file)
        figures = self._figures(probabilities) | {"seconds": dict(seconds)}
        kept = kept_figures(self.target).get(self.dataset, {})
        write_figures(self.target, self.dataset, {name: kept.get(name, {}) | {str(seed): figures}})
        said = f"{self.dataset}, {name}, seed {seed}: accuracy {figures['accuracy']:.4f}, {seconds['cpu']:.0f} s"
        Console(stderr=True, soft_wrap=True).print(said, markup=False)

    def _figures(self, probabilities: NDArray[Any]) -> dict[str, Any]:
        codes = probabilities.argmax(axis=1)
        of_gold = probabilities[np.arange(len(codes)), self.gold]
        return {
            "accuracy": float((codes == self.gold).mean()),
            "weighted_f1": float(f1_score(self.gold, codes, average="weighted")),
            "log_loss": float(-np.log(np.clip(of_gold, 1e-15, 1)).mean()),
        }


def file_name(name: str) -> str:
    """Return a system's name as that of a file."""
    return "".join(sign if sign.isalnum() else "_" for sign in name)


def answer_all(
    dataset: str, target: Path, *, root: str | None, cache: Path, seeds: Sequence[int], only: Sequence[str] | None
) -> None:
    """Have every system answer with every seed that is not there yet."""
    task = Task(schema(root, dataset), *(part_of(root, dataset, split) for split in SPLITS))
    frozen, answers = Frozen.kept_in(cache), Answers(cache / "answers", target, dataset, task.test.gold)
    for seed in seeds:
        for name, system in SYSTEMS.items():
            is_wanted = (only is None or name in only) and (system.is_seeded or seed == seeds[0])
            if is_wanted and not answers.file(name, seed).exists():
                wall, cpu = time.perf_counter(), time.process_time()
                probabilities = system.answers(task, frozen, seed)
                seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
                answers.keep(name, seed, probabilities, seconds)
