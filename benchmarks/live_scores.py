"""Stage 1 of the live benchmark: scores of trained sources, each cell written once and found again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from live_data import IN_SAMPLE, DataSet, cell_file, folds_of, load_data, write_scores
from textclassify import LinearClassifier, RoBERTaClassifier, SimilarityClassifier, TextClassifier
from textclassify.core.types import TrainingData
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.models.sources import resolve
from textclassify.models.vectors import shared_encoder

MAX_TOKENS = {"ag_news": 128, "reuters21578_r10": 64, "goemotions": 64}
"""What the encoder reads of a text: all but the longest of AG News and GoEmotions, title and first lines of Reuters."""


def scored_cells(
    cells: Iterable[str], sources: Sequence[str], cache_folder: Path, *, data_root: str | None = None
) -> None:
    """Compute what is missing of the named cells, in their order."""
    for cell in cells:
        name, size, seed, *test_rows = cell.split(":")
        data = load_data(name, data_root)
        use_kept_vectors(data, cache_folder)
        for source in sources:
            scored(data, source, int(size), int(seed), cache_folder, int(test_rows[0]) if test_rows else None)


def scored(data: DataSet, source: str, size: int, seed: int, cache_folder: Path, test_rows: int | None) -> None:
    """Write out-of-fold scores of a cell's training rows and the deployed model's of the test rows, if not there."""
    path = cell_file(cache_folder, data.name, source, f"n{size}_s{seed}")
    if path.is_file():
        return
    started = time.perf_counter()
    rows, train = data.train(size, seed)
    if source == IN_SAMPLE:
        model: TextClassifier = new_source("encoder", data.name, seed).fit(train)
        train_scores = model.predict_scores(train.texts)
    else:
        average = FoldAverage(new_source(source, data.name, seed), random_state=seed)
        model = average.fit_folds(train, folds_of(train, seed))
        train_scores = average.out_of_fold_scores_
    fit_seconds = time.perf_counter() - started
    asked = data.test.texts[:test_rows]
    scores = {"train": train_scores, "test": model.predict_scores(asked)}
    seconds = time.perf_counter() - started
    write_scores(path, scores, rows=rows, seconds=seconds, fit_seconds=fit_seconds)
    right = _quality(scores["test"].probabilities, data.test, len(asked))
    took = f"{fit_seconds:.0f} + {seconds - fit_seconds:.0f} s"
    Console(soft_wrap=True).print(f"{data.name} {source} n={size} seed={seed}: {took}, {right}")


def new_source(source: str, dataset: str, seed: int) -> TextClassifier:
    """Return a free source as the configuration of a run builds it."""
    if source == "linear":
        return LinearClassifier(random_state=seed)
    if source == "similarity":
        return SimilarityClassifier()
    return RoBERTaClassifier("minilm", max_length=MAX_TOKENS[dataset], random_state=seed)


def vectors_of(data: DataSet, cache_folder: Path) -> Path:
    """Return the file with frozen sentence vectors of pool and test rows, made if it is not there."""
    path = cache_folder / data.name / "vectors.npz"
    if not path.is_file():
        started = time.perf_counter()
        encoder = shared_encoder(resolve("minilm", "encoder"))
        arrays: dict[str, Any] = {
            part: encoder.encode(getattr(data, part).texts).astype(np.float32) for part in ("pool", "test")
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **arrays)
        temporary.replace(path)
        Console(soft_wrap=True).print(f"{data.name} vectors: {time.perf_counter() - started:.0f} s")
    return path


def use_kept_vectors(data: DataSet, cache_folder: Path) -> None:
    """Let every source that wants frozen vectors of this data set's texts have those that are kept."""
    encoder = shared_encoder(resolve("minilm", "encoder"))
    with np.load(vectors_of(data, cache_folder)) as kept:
        texts = [*data.pool.texts, *data.test.texts]
        vectors = np.concatenate([kept["pool"], kept["test"]])
    known = dict(zip(texts, vectors, strict=True))
    compute = encoder.encode

    def encode(texts: list[str], **options: Any) -> NDArray[np.float32]:
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known.update(zip(missing, compute(missing, **options), strict=True))
        return np.array([known[text] for text in texts], dtype=np.float32).reshape(len(texts), vectors.shape[1])

    vars(encoder)["encode"] = encode


def _quality(probabilities: NDArray[np.float64], test: TrainingData, n: int) -> str:
    if not test.multi_label:
        return f"accuracy {np.mean(probabilities.argmax(axis=1) == test.gold[:n]):.4f} on {n}"
    exact = np.all((probabilities >= 0.5) == (test.gold[:n] == 1), axis=1).mean()
    return f"subset accuracy {exact:.4f} on {n}"
