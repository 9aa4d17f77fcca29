"""The rows of the live benchmark: one pool per data set, nested training sets per seed, and where scores are kept.

Rows are named by their number in the seeded pool or test part and by the hash of their text; texts are never kept.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from public_data import data_folder, schema_of
from textclassify.core.labels import LabelSchema
from textclassify.core.scales import Scale
from textclassify.core.scores import Scores
from textclassify.core.texts import hash_wordings
from textclassify.core.types import ClassificationType, TrainingData
from textclassify.ensemble.out_of_fold import RESERVE_FROM, RESERVED_SHARE, held_out_folds

POOL_ROWS = 4000
ASKED_POOL_ROWS = 500
"""Rows of the pool, the first ones, that language models are asked about; every larger training set holds them all."""
ASKED_TEST_ROWS = 1000
FREE_SOURCES = ("linear", "similarity", "encoder")
IN_SAMPLE = "encoder_in_sample"
TEST_ROWS = {"ag_news": 5000, "reuters21578_r10": 5000, "goemotions": 2000}


@dataclass(frozen=True, eq=False)
class DataSet:
    """Pool and test part of one public data set."""

    name: str
    pool: TrainingData
    test: TrainingData

    @property
    def schema(self) -> LabelSchema:
        """The labels, with the descriptions of the data set's card."""
        return self.pool.schema

    def order(self, seed: int) -> NDArray[np.intp]:
        """Return the pool's rows in the order of a seed: those with answers of language models, then the others.

        The training set of n rows is the first n, so that those of one seed are nested.
        """
        rng = np.random.default_rng(1000 + seed)
        rest = np.arange(ASKED_POOL_ROWS, len(self.pool))
        return np.concatenate([rng.permutation(ASKED_POOL_ROWS), rng.permutation(rest)])

    def train(self, size: int, seed: int) -> tuple[NDArray[np.intp], TrainingData]:
        """Return the training set of a cell, and its rows' numbers in the pool."""
        rows = self.order(seed)[:size]
        return rows, self.pool.take(rows)


@cache
def load_data(name: str, root: str | None = None) -> DataSet:
    """Return a data set's parts; rows of equal text are in the pool once, and never both there and in the test."""
    folder = data_folder(root, name)
    schema = schema_of(folder)
    test = _frame(folder, "test")
    test = test.iloc[np.random.default_rng(0).permutation(len(test))[: TEST_ROWS[name]]]
    train = _frame(folder, "train")
    train = train.iloc[np.random.default_rng(0).permutation(len(train))]
    words = hash_wordings(train["text"].tolist())
    seen = np.isin(words, hash_wordings(test["text"].tolist())) | pd.Series(words).duplicated().to_numpy()
    train = train[~seen].iloc[:POOL_ROWS]
    return DataSet(name, _rows(train, schema), _rows(test, schema))


def folds_of(data: TrainingData, seed: int) -> NDArray[np.int16]:
    """Return the fold that holds each row of a training set out.

    Folds as the library draws them; where it reserves a fifth, the first fifth, which holds the rows that language
    models were asked about.
    """
    if len(data) < RESERVE_FROM:
        return held_out_folds(data, random_state=seed)
    return np.where(np.arange(len(data)) < RESERVED_SHARE * len(data), 0, -1).astype(np.int16)


def cell_file(cache_folder: Path, dataset: str, source: str, cell: str) -> Path:
    """Return where the scores of one cell are kept."""
    return cache_folder / dataset / source / f"{cell}.npz"


def write_scores(path: Path, scores: dict[str, Scores], **extra: Any) -> None:
    """Write scores by part into one file, whole or not at all."""
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in extra.items()}
    for part, one in scores.items():
        columns = {"values": one.values, "status": one.status, "method": one.method}  # noqa: PD011 - no table
        columns |= {"row_ids": one.row_ids, "fold": one.fold, "scale": np.array(str(one.scale))}
        arrays |= {f"{part}.{name}": column for name, column in columns.items() if column is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
    temporary.replace(path)


def read_scores(path: Path, part: str, schema: LabelSchema, source: str) -> Scores:
    """Return one part of what `write_scores` wrote."""
    with np.load(path) as arrays:
        found = {key.split(".", 1)[1]: arrays[key] for key in arrays.files if key.startswith(f"{part}.")}
    scale = Scale(str(found.pop("scale")))
    values = found.pop("values").astype(np.float32)
    return Scores.build(values, schema.names, scale, source=source, multi_label=schema.multi_label, **found)


def _frame(folder: Path, split: str) -> pd.DataFrame:
    frame = pd.read_parquet(folder / f"{split}.parquet")
    return frame[frame["text"].str.strip().astype(bool)]


def _rows(frame: pd.DataFrame, schema: LabelSchema) -> TrainingData:
    several = "labels" in frame
    labels = [list(names) for names in frame["labels"]] if several else frame["label"].tolist()
    kind = ClassificationType.MULTI_LABEL if several else ClassificationType.MULTI_CLASS
    return TrainingData(frame["text"].tolist(), labels, schema=schema, classification_type=kind)
