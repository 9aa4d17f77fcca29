"""A fine-tuned encoder, the head, words and nearest cards, each trained on four fifths, and their `ScoreFusion`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from emotions_answers import Answers, file_name
from emotions_data import Frozen, part_of, schema
from live_data import read_scores, write_scores
from textclassify import EmbeddingClassifier, LinearClassifier, ScoreFusion, TransformerClassifier
from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.scores import Scores
from textclassify.core.types import TrainingData
from textclassify.ensemble.out_of_fold import held_out_folds

SOURCES = ("fine-tuned MiniLM", "head", "TF-IDF, linear")
ON_FOUR_FIFTHS = "{}, four fifths of the rows"
FUSION = "fusion"


def fuse(dataset: str, target: Path, *, root: str | None, cache: Path, seeds: Sequence[int]) -> None:
    """Write how the fusion and each of its sources do, seed by seed; sources that were trained before are read."""
    labels = schema(root, dataset)
    train, test = part_of(root, dataset, "train"), part_of(root, dataset, "test")
    data = TrainingData(train.texts, train.labels, schema=labels)
    answers = Answers(cache / "answers", target, dataset, test.gold)
    for seed in seeds:
        folds = held_out_folds(data, one_model=True, random_state=seed)
        reserved: dict[str, Scores] = {}
        tested: dict[str, Scores] = {}
        for name in SOURCES:
            file = cache / "sources" / dataset / f"{file_name(name)}_{seed}.npz"
            if not file.exists():
                _train(_new(name, Frozen.kept_in(cache), labels, seed), data, folds, test.texts, file)
            reserved[name], tested[name] = (read_scores(file, part, labels, name) for part in ("reserved", "test"))
            seconds = {"cpu": float(np.load(file)["seconds"])}
            answers.keep(ON_FOUR_FIFTHS.format(name), seed, tested[name].probabilities, seconds)
        started = time.process_time()
        found = _fused(data, np.flatnonzero(folds == 0), reserved, tested, seed)
        answers.keep(FUSION, seed, found, {"cpu": time.process_time() - started})


def _new(name: str, frozen: Frozen, labels: LabelSchema, seed: int) -> TextClassifier:
    made: dict[str, Callable[[], Any]] = {
        "head": lambda: EmbeddingClassifier([frozen.encoder, frozen.causal], labels, random_state=seed),
        "TF-IDF, linear": lambda: LinearClassifier(labels, random_state=seed),
        "fine-tuned MiniLM": lambda: TransformerClassifier("minilm", labels, random_state=seed),
    }
    classifier: TextClassifier = made[name]()
    return classifier


def _train(
    classifier: TextClassifier, data: TrainingData, folds: NDArray[np.int16], texts: list[str], file: Path
) -> None:
    """Train on what is not reserved, and keep the scores of what is, and of the test texts."""
    started = time.process_time()
    classifier.fit(data.take(np.flatnonzero(folds != 0)))
    rows = np.flatnonzero(folds == 0)
    scores = {"reserved": classifier.predict_scores([data.texts[row] for row in rows])}
    scores["test"] = classifier.predict_scores(texts)
    write_scores(file, scores, seconds=time.process_time() - started)


def _fused(
    data: TrainingData,
    rows: NDArray[np.intp],
    reserved: Mapping[str, Scores],
    tested: Mapping[str, Scores],
    seed: int,
) -> NDArray[np.float64]:
    """Return the fusion's probabilities of the test texts, learned from the reserved rows."""
    fusion = ScoreFusion(random_state=seed, guard=0)
    fusion.fit(reserved, data.schema.decode(data.gold[rows]), groups=data.clusters[rows])
    Console(stderr=True, soft_wrap=True).print(str(fusion.ladder_report_), markup=False)
    return np.asarray(fusion.predict_scores(tested).probabilities)
