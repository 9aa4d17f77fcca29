"""Few rows per label: ours, SetFit and logistic regression on frozen vectors, trained on the same drawn rows.

    python benchmarks/local_few_rows.py --data FOLDER [--seeds 0 1 2] [--setfit-seeds 0]

Every system starts from the same encoder, is timed from its name on disk to the fitted classifier, with the libraries
imported before, and answers the same test rows. SetFit runs with its defaults (one epoch over its pairs of texts,
fp32), but for at most `SETFIT_STEPS` of them on data sets of many labels. It is no requirement of the project: it is
left out where it is not installed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from rac_data import Rows, drawn_examples, read_rows
from rac_figures import Figures, kept_figures, write_figures
from rac_peers import ENCODER, setfit_runs
from textclassify import TransformerClassifier
from textclassify.core.labels import Label, LabelSchema
from textclassify.models.sources import resolve
from textclassify.models.vectors import SentenceEncoder

PART = "few_rows"
CELLS = "few_rows_cells"
DATA_SETS = (("ag_news", 8), ("trec6", 8), ("banking77", 10), ("ag_news", 32))
"""Data sets with their rows per label, the quick ones first."""
TEST_ROWS = 4000
"""Test rows at most: beyond, SetFit takes longer to answer than to train."""
SETFIT_STEPS = {"banking77": 300}
SETFIT = "SetFit"
OURS = "ours"

Answers = Callable[[list[str]], NDArray[np.int64]]
"""Codes (n,) of n texts, from a fitted system."""


@dataclass(frozen=True)
class Task:
    """What a system learns from.

    Attributes:
        name: of the data set.
        schema: its labels, with descriptions.
        texts: to train on.
        labels: the label of each.
        seed: of the draw and of the training.

    """

    name: str
    schema: LabelSchema
    texts: list[str]
    labels: list[Label]
    seed: int

    @property
    def codes(self) -> list[int]:
        """The position of each label in the schema."""
        return [self.schema.names.index(label) for label in self.labels]


def measured_few_rows(
    target: Path,
    root: str | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    setfit_seeds: Sequence[int] | None = None,
    systems: Sequence[str] | None = None,
    data_sets: Sequence[tuple[str, int]] = DATA_SETS,
) -> None:
    """Write accuracy and seconds of every system, data set and seed; what the file has already is not run again.

    Args:
        target: the file of figures.
        root: the data folder; None = where TEXTCLASSIFY_DATA says.
        seeds: of the draws of training rows; each is the seed of the training, too.
        setfit_seeds: those that SetFit is run with; None = the same.
        systems: names of those to run; None = all that are installed.
        data_sets: names and rows per label.

    """
    console = Console(stderr=True, soft_wrap=True)
    wanted = [name for name in SYSTEMS if systems is None or name in systems]
    for seed in seeds:
        for name, per_label in data_sets:
            skipped = set() if setfit_seeds is None or seed in setfit_seeds else {SETFIT}
            for system in [one for one in wanted if one not in skipped]:
                key = f"{name}/{per_label}/{system}/{seed}"
                if key in kept_figures(target).get(CELLS, {}) or (system == SETFIT and not setfit_runs()):
                    continue
                cell = measured_cell(system, name, per_label, seed, root)
                write_figures(target, CELLS, {key: cell})
                console.print(f"{key}: {cell['accuracy']:.4f} in {cell['cpu_s']:.1f} CPU seconds")
    write_figures(target, PART, summary(kept_figures(target).get(CELLS, {})))


def measured_cell(system: str, name: str, per_label: int, seed: int, root: str | None = None) -> Figures:
    """Return what one system reaches from so many rows per label, and what its training takes."""
    train, test = read_rows(name, "train", root), read_rows(name, "test", root)
    if len(test) > TEST_ROWS:
        test = read_rows(name, "test", root, rows=TEST_ROWS)
    examples = drawn_examples(train, per_label, seed, unlike=test)
    pairs = [(text, label) for label, texts in examples.items() for text in texts]
    task = Task(name, train.schema, [text for text, _ in pairs], [label for _, label in pairs], seed)
    started, used = time.perf_counter(), time.process_time()
    answers = SYSTEMS[system](task)
    seconds = {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - used}
    return {"accuracy": _accuracy(answers, test), "rows": len(task.texts), "test_rows": len(test), **seconds}


def summary(cells: Figures) -> Figures:
    """Return the means over seeds, with standard deviation and ratios of seconds to ours, by data set and system."""
    found: Figures = {}
    for key in cells:
        group = key.rsplit("/", 1)[0]
        of_group = [cell for other, cell in cells.items() if other.rsplit("/", 1)[0] == group]
        accuracies = [cell["accuracy"] for cell in of_group]
        found[group] = {
            "seeds": len(of_group),
            "accuracy": float(np.mean(accuracies)),
            "accuracy_sd": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
            "cpu_s": float(np.mean([cell["cpu_s"] for cell in of_group])),
            "wall_s": float(np.mean([cell["wall_s"] for cell in of_group])),
        }
    for group, figures in found.items():
        ours = found.get(f"{group.rsplit('/', 1)[0]}/{OURS}")
        figures["cpu_by_ours"] = None if ours is None else figures["cpu_s"] / ours["cpu_s"]
    return found


def _accuracy(answers: Answers, test: Rows) -> float:
    return float((answers(test.texts) == test.gold).mean())


def _ours(task: Task, **options: Any) -> Answers:
    classifier = TransformerClassifier(ENCODER, task.schema, random_state=task.seed, **options)
    classifier.fit(task.texts, task.labels)
    return lambda texts: classifier.predict_proba(texts).argmax(axis=1)


def _ours_without_cards(task: Task) -> Answers:
    """Learn from the rows alone, as SetFit does."""
    return _ours(task, label_cards=False)


def _frozen(task: Task) -> Answers:
    """Fit a logistic regression on vectors of the encoder as it comes."""
    encoder = SentenceEncoder(resolve(ENCODER, "encoder"))
    model = LogisticRegression(C=10.0, max_iter=2000).fit(encoder.encode(task.texts), task.codes)
    return lambda texts: np.asarray(model.predict(encoder.encode(texts)))


def _setfit(task: Task) -> Answers:
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments  # type: ignore[import-not-found]

    model = SetFitModel.from_pretrained(resolve(ENCODER, "encoder").location, local_files_only=True)
    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            output_dir=folder,
            max_steps=SETFIT_STEPS.get(task.name, -1),
            seed=task.seed,
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        rows = Dataset.from_dict({"text": task.texts, "label": task.codes})
        Trainer(model, options, train_dataset=rows).train()
    return lambda texts: np.asarray(model.predict(texts, as_numpy=True, batch_size=64))


SYSTEMS: dict[str, Callable[[Task], Answers]] = {
    OURS: _ours_without_cards,
    "ours, label cards": _ours,
    "frozen head": _frozen,
    SETFIT: _setfit,
}


def main() -> None:
    """Measure what is missing in the file of figures."""
    import textclassify.ml.contrastive  # noqa: F401 - the libraries' import is nobody's training

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the public data sets")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--setfit-seeds", nargs="*", type=int, help="those that SetFit is run with; else all")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="those to run; else all that are installed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "local.json")
    given = parser.parse_args()
    measured_few_rows(given.out, given.data, seeds=given.seeds, setfit_seeds=given.setfit_seeds, systems=given.systems)


if __name__ == "__main__":
    main()
