"""Fine-tuning: ours beside `transformers.Trainer`, and the folds of one data set with and without shared work.

    python benchmarks/local_training.py --data FOLDER [--rows 1600] [--test-rows 1000] [--seeds 0,1,2]

Both start from the same encoder, see the same rows of AG News equally often, are timed from its folder on disk to the
trained model, with the libraries imported before, and answer the same test rows. `trainer` is what its defaults make
of it: batches of 8, float32, AdamW at 5e-5, texts padded to 128 tokens; `trainer_our_batch` has batches of 16, and
`fp32` is our own loop in float32, both with the first seed only. Two trainings are never the same weights, so the
largest probability difference between ours and the Trainer says how far two good models may be apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from rich.console import Console

from public_data import Part, data_folder, schema_of, seeded_part
from rac_figures import Figures, kept_figures, write_figures
from textclassify import TrainingData, TransformerClassifier
from textclassify.core.labels import Label
from textclassify.core.scores import Scores
from textclassify.core.shared_work import sharing
from textclassify.models.devices import has_fast_bf16, quiet_transformers
from textclassify.models.sources import resolve
from textclassify.statistics.folds import assign_folds

PART = "training"
RUNS = "training_runs"
FOLDS = "training_folds"
ENCODER = "minilm"
MAX_LENGTH = 128
OUR_BATCH, TRAINER_BATCH = 16, 8
GOAL = 2.0
TURNS = 2

Answers = Callable[[list[str]], NDArray[np.float64]]
"""Probabilities (n, K) of n texts, from a trained model."""


@dataclass(frozen=True)
class Task:
    """What a system learns from."""

    part: Part
    names: tuple[Label, ...]
    epochs: int
    seed: int

    @property
    def codes(self) -> list[int]:
        """The position of each row's label among the names."""
        return [self.names.index(label) for label in self.part.labels]


def measured_training(
    target: Path,
    root: str | None = None,
    *,
    rows: int = 1600,
    test_rows: int = 1000,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 3,
    fold_rows: int = 400,
) -> None:
    """Write speed and accuracy of every system and seed, and the time of five folds; what is there is not run again.

    Args:
        target: the file.
        root: the folder that holds `ag_news/`; None = that of the environment.
        rows: to train on, drawn with each seed.
        test_rows: to answer.
        seeds: of draws and trainings.
        epochs: times that each row is seen; 3 are the Trainer's default, and ours for this many rows.
        fold_rows: rows that five folds share.

    """
    console = Console(stderr=True, soft_wrap=True)
    folder = data_folder(root, "ag_news")
    names, test = schema_of(folder).names, seeded_part(folder, "test", test_rows, 0)
    gold = np.array([names.index(label) for label in test.labels])
    with tempfile.TemporaryDirectory() as kept:
        for seed in seeds:
            task = Task(seeded_part(folder, "train", rows, seed), names, epochs, seed)
            for system in SYSTEMS if seed == seeds[0] else EVERY_SEED:
                key = f"{system}_{rows}_{epochs}_{seed}"
                answers = Path(kept) / f"{key}.npy"
                if key in kept_figures(target).get(RUNS, {}):
                    continue
                figures, probabilities = _measured(SYSTEMS[system], task, test)
                figures["accuracy"] = float((probabilities.argmax(axis=1) == gold).mean())
                figures |= _beside(probabilities, Path(kept) / f"ours_{rows}_{epochs}_{seed}.npy")
                np.save(answers, probabilities)
                write_figures(target, RUNS, {key: figures})
                console.print(f"{key}: {figures['samples_per_second']:.1f}/s, {figures['accuracy']:.3f}")
    write_figures(target, PART, _summary(kept_figures(target)[RUNS], f"_{rows}_{epochs}_", seeds))
    if FOLDS not in kept_figures(target):
        write_figures(target, FOLDS, measured_folds(seeded_part(folder, "train", fold_rows, 0), test.texts[:100]))


def trained_by_us(task: Task, *, precision: str = "auto") -> Answers:
    """Return our classifier, trained with its defaults but for the length at which texts are cut."""
    classifier = TransformerClassifier(
        ENCODER,
        list(task.names),
        max_length=MAX_LENGTH,
        batch_size=OUR_BATCH,
        num_epochs=task.epochs,
        precision=precision,
        random_state=task.seed,
        device="cpu",
    )
    classifier.fit(task.part.texts, task.part.labels)
    return lambda texts: np.asarray(classifier.predict_proba(texts), dtype=np.float64)


def trained_by_trainer(task: Task, *, batch_size: int = TRAINER_BATCH) -> Answers:
    """Return what `transformers.Trainer` makes of the encoder with a new head, its defaults but for the batches."""
    location = resolve(ENCODER, "encoder").location
    transformers.set_seed(task.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(location)
    with quiet_transformers():  # which otherwise tells at length that the head is new
        model = transformers.AutoModelForSequenceClassification.from_pretrained(location, num_labels=len(task.names))
    options: dict[str, Any] = {"padding": "max_length", "truncation": True, "max_length": MAX_LENGTH}
    read = tokenizer(task.part.texts, **options)
    dataset = [
        {**{name: column[row] for name, column in read.items()}, "labels": code} for row, code in enumerate(task.codes)
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            per_device_train_batch_size=batch_size,
            num_train_epochs=task.epochs,
            seed=task.seed,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = transformers.Trainer(model=model, args=arguments, train_dataset=dataset)
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    model.eval()

    def answers(texts: list[str]) -> NDArray[np.float64]:
        found = []
        with torch.inference_mode():
            for start in range(0, len(texts), 32):
                batch = tokenizer(texts[start : start + 32], return_tensors="pt", **options)
                found.append(model(**batch).logits.double().softmax(dim=-1).numpy())
        return np.concatenate(found)

    return answers


SYSTEMS: dict[str, Callable[[Task], Answers]] = {
    "ours": trained_by_us,
    "trainer": trained_by_trainer,
    "trainer_our_batch": lambda task: trained_by_trainer(task, batch_size=OUR_BATCH),
    "fp32": lambda task: trained_by_us(task, precision="fp32"),
}
EVERY_SEED = ("ours", "trainer")
"""The two that are compared; the others show where the difference comes from."""


def _measured(train: Callable[[Task], Answers], task: Task, test: Part) -> tuple[Figures, NDArray[np.float64]]:
    """Return how fast a system learns, loading and tokenising included, and its probabilities of the test rows."""
    started, used = time.perf_counter(), time.process_time()
    answers = train(task)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    samples = len(task.part.texts) * task.epochs
    figures = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "samples_per_second": samples / seconds,
        "samples_per_cpu_second": samples / cpu_seconds,
    }
    return figures, answers(test.texts)


def _beside(probabilities: NDArray[np.float64], ours: Path) -> Figures:
    """Return how far a system's probabilities are from ours, if ours were computed in this process."""
    if not ours.is_file():
        return {}
    other = np.load(ours)
    return {
        "largest_probability_difference_to_ours": float(np.abs(probabilities - other).max()),
        "label_agreement_with_ours": float((probabilities.argmax(axis=1) == other.argmax(axis=1)).mean()),
    }


def _summary(runs: Figures, middle: str, seeds: Sequence[int]) -> Figures:
    """Return each system's figures over the seeds, and how many times as fast as the others we are."""
    found: Figures = {"goal": GOAL, "fast_bf16": has_fast_bf16(torch.device("cpu"))}
    for system in SYSTEMS:
        of_seeds = [runs[key] for seed in seeds if (key := f"{system}{middle}{seed}") in runs]
        accuracy = np.array([one["accuracy"] for one in of_seeds])
        found[system] = {
            "runs": len(of_seeds),
            "accuracy": float(accuracy.mean()),
            "accuracy_sd": float(accuracy.std(ddof=1)) if len(accuracy) > 1 else None,
            **{
                name: float(np.mean([one[name] for one in of_seeds if name in one] or [np.nan]))
                for name in ("samples_per_second", "samples_per_cpu_second", "label_agreement_with_ours")
            },
        }
    for system in ("trainer", "trainer_our_batch", "fp32"):
        for clock in ("samples_per_second", "samples_per_cpu_second"):
            found[system][f"ratio_of_{clock}"] = found["ours"][clock] / found[system][clock]
    return found


def measured_folds(part: Part, others: list[str]) -> Figures:
    """Return the time of five folds with and without shared work, by turns, and that the scores are the same.

    The same without a step of training, where loading, tokenising and reading with the untrained encoder are all there
    is, shows what is shared.

    Args:
        part: the rows.
        others: texts that every fold's model scores beside its held-out rows.

    """
    found: Figures = {"rows": len(part.texts), "folds": 5}
    for name, epochs in (("all", None), ("untrained", 0)):
        seconds: dict[str, list[float]] = defaultdict(list)
        used: dict[str, list[float]] = defaultdict(list)
        scores: dict[str, list[Scores]] = {}
        for _ in range(TURNS):
            for way in ("shared", "alone"):
                started, cpu = time.perf_counter(), time.process_time()
                scores[way] = _fold_scores(part, others, epochs, share=way == "shared")
                seconds[way].append(time.perf_counter() - started)
                used[way].append(time.process_time() - cpu)
        pairs = list(zip(scores["shared"], scores["alone"], strict=True))
        found[name] = {
            "shared_s": min(seconds["shared"]),
            "alone_s": min(seconds["alone"]),
            "ratio": min(seconds["alone"]) / min(seconds["shared"]),
            "cpu_ratio": min(used["alone"]) / min(used["shared"]),
            "turns_s": seconds,
            "largest_score_difference": max(float(np.abs(one.values - other.values).max()) for one, other in pairs),
            "label_agreement": float(
                np.mean([one.values.argmax(axis=1) == other.values.argmax(axis=1) for one, other in pairs])
            ),
        }
    return found


def _fold_scores(part: Part, others: list[str], epochs: int | None, *, share: bool) -> list[Scores]:
    """Return what each fold's model says of the same texts, having scored its held-out rows first."""
    data = TrainingData(part.texts, part.labels)
    folds = assign_folds(data.gold, 5, data.clusters, random_state=0)

    def of_fold(fold: int) -> Any:
        classifier = TransformerClassifier(ENCODER, max_length=MAX_LENGTH, num_epochs=epochs)
        classifier.fit(data.take(np.flatnonzero(folds != fold)))
        classifier.predict_scores([data.texts[row] for row in np.flatnonzero(folds == fold)])
        return classifier.predict_scores(others)

    if not share:
        return [of_fold(fold) for fold in range(5)]
    with sharing():
        return [of_fold(fold) for fold in range(5)]


def main() -> None:
    """Measure by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the public data sets")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "local.json")
    parser.add_argument("--rows", type=int, default=1600)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--fold-rows", type=int, default=400)
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    measured_training(
        given.out,
        given.data,
        rows=given.rows,
        test_rows=given.test_rows,
        seeds=[int(seed) for seed in given.seeds.split(",")],
        epochs=given.epochs,
        fold_rows=given.fold_rows,
    )


if __name__ == "__main__":
    main()
