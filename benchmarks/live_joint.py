"""Stage 1 of the live benchmark, joint training: encoder and network trained together on kept scores of a model."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console

from live_cells import JOINT, model_scores
from live_data import DataSet, cell_file, load_data, write_scores
from live_scores import new_source
from textclassify.ensemble.joint.joint_classifier import JointClassifier
from textclassify.ml.transformer_classifier import TransformerClassifier
from textclassify.testing import FixedClassifier


def joint_cells(cells: Iterable[str], model: str, cache_folder: Path, *, data_root: str | None = None) -> None:
    """Compute what is missing of the named cells: one model trained on all rows, and its scores of the test rows."""
    for cell in cells:
        name, size, seed = cell.split(":")[:3]
        data = load_data(name, data_root)
        path = cell_file(cache_folder, name, JOINT + model, f"n{size}_s{seed}")
        if not path.is_file():
            _joint(data, int(size), int(seed), model, path, cache_folder)


def _joint(data: DataSet, size: int, seed: int, model: str, path: Path, cache_folder: Path) -> None:
    """Train on the rows of a cell and write scores of the test rows that the model was asked about."""
    started = time.perf_counter()
    rows, train = data.train(size, seed)
    pool, test = model_scores(cache_folder, data, model)
    asked = np.flatnonzero(test.answered)
    texts = [data.test.texts[row] for row in asked]
    answers = dict(zip(train.texts, pool.take(rows).probabilities, strict=True))
    answers |= dict(zip(texts, test.take(asked).probabilities, strict=True))
    encoder = new_source("encoder", data.name, seed)
    assert isinstance(encoder, TransformerClassifier)
    joint = JointClassifier(
        encoder, {model: FixedClassifier(answers, data.schema)}, fusion_rows=size, random_state=seed
    )
    scores = joint.fit(train).predict_scores(texts)
    seconds = time.perf_counter() - started
    write_scores(path, {"test": scores}, rows=rows, test_rows=asked, seconds=seconds)
    Console(soft_wrap=True).print(f"{data.name} joint with {model} n={size} seed={seed}: {seconds:.0f} s")
