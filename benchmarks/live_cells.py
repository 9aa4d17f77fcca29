"""What the live benchmark's table is computed from: kept scores of one training set's sources, put side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from live_data import ASKED_POOL_ROWS, FREE_SOURCES, IN_SAMPLE, DataSet, cell_file, folds_of, read_scores
from textclassify.core.scales import NEVER_TRAINED, Method, Scale
from textclassify.core.scores import Scores
from textclassify.errors import DataError

RECORDED = Path(__file__).parent / "recorded"
JOINT = "joint_"
MODELS = ("qwen", "smollm2")


@dataclass(frozen=True)
class Cell:
    """Scores of every source for the rows that a fusion learns from and for the test rows that all of them scored.

    Attributes:
        dataset: its name.
        size: training rows.
        seed: of rows, folds and encoder.
        train: scores of the n held-out training rows by source.
        test: of the m test rows.
        gold: (n,) codes or (n, K) indicator.
        test_gold: of the test rows.
        vectors: frozen vectors of both parts, (n, D) and (m, D).
        in_sample: the encoder trained on all n rows: its scores of these and of the test rows; None = not computed.
        joint: encoder and network trained together with a language model: test rows, and scores of these, by model.
        seconds: what fitting and scoring took, by source.

    """

    dataset: str
    size: int
    seed: int
    train: dict[str, Scores]
    test: dict[str, Scores]
    gold: NDArray[Any]
    test_gold: NDArray[Any]
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]]
    in_sample: tuple[Scores, Scores] | None
    joint: dict[str, tuple[NDArray[np.intp], Scores]]
    seconds: dict[str, float]

    @property
    def models(self) -> list[str]:
        """The language models that were asked."""
        return [name for name in MODELS if name in self.train]

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return self.gold.ndim == 2


def computed_cells(cache_folder: Path, dataset: str) -> list[tuple[int, int]]:
    """Return size and seed of every cell whose free sources are all there."""
    found = []
    for path in (cache_folder / dataset / "encoder").glob("n*_s*.npz"):
        size, seed = map(int, re.findall(r"\d+", path.stem))
        if all(cell_file(cache_folder, dataset, source, path.stem).is_file() for source in FREE_SOURCES):
            found.append((size, seed))
    return sorted(found)


def read_cell(cache_folder: Path, data: DataSet, size: int, seed: int) -> Cell:
    """Return a cell's scores; test rows that not every trained source scored are left out."""
    rows, train = data.train(size, seed)
    held_out = np.flatnonzero(folds_of(train, seed) >= 0)
    train_scores, test_scores, seconds = {}, {}, {}
    for source in FREE_SOURCES:
        path = cell_file(cache_folder, data.name, source, f"n{size}_s{seed}")
        with np.load(path) as kept:
            seconds[source] = float(kept["seconds"])
            if not np.array_equal(kept["rows"], rows):
                raise DataError(f"{str(path)!r} holds scores of other rows; remove it and compute it again")
        train_scores[source] = read_scores(path, "train", data.schema, source).take(held_out)
        test_scores[source] = read_scores(path, "test", data.schema, source)
    m = min(len(scores) for scores in test_scores.values())
    test_scores = {name: scores.take(slice(m)) for name, scores in test_scores.items()}
    for model in MODELS:
        try:
            pool, test = model_scores(cache_folder, data, model)
        except DataError:
            continue
        train_scores[model] = _of_rows(pool, rows[held_out], train.row_ids[held_out])
        test_scores[model] = _of_rows(test, np.arange(m), data.test.row_ids[:m])
    with np.load(cache_folder / data.name / "vectors.npz") as kept:
        vectors = kept["pool"][rows[held_out]], kept["test"][:m]
    return Cell(
        data.name,
        size,
        seed,
        train_scores,
        test_scores,
        train.gold[held_out],
        data.test.gold[:m],
        vectors,
        _in_sample(cache_folder, data, size, seed, m),
        _joint(cache_folder, data, size, seed),
        seconds,
    )


def answered_everywhere(cell: Cell, names: Iterable[str]) -> NDArray[np.intp]:
    """Return the test rows that all the named sources scored."""
    return np.flatnonzero(np.all([cell.test[name].answered for name in names], axis=0))


def model_scores(cache_folder: Path, data: DataSet, model: str) -> tuple[Scores, Scores]:
    """Return a language model's scores of pool and test rows.

    Where labels exclude each other, its preference for some of them is taken out as `LLMClassifier.fit` does it: the
    mean log-probability over unlabelled texts of the pool is subtracted. This takes the labels for equally frequent,
    which they are not where a text may have several: there, the scores stay as the model gave them, and a label's share
    of the likelihood stands for its probability.

    Raises:
        DataError: this model was not asked about this data set.

    """
    pool, test = (_raw(cache_folder, data, model, part) for part in ("pool", "test"))
    prior = 0.0 if data.schema.multi_label else np.nanmean(pool, axis=0)
    made = []
    for raw, known in ((pool, data.pool), (test, data.test)):
        values = np.full((len(known), len(data.schema)), np.nan)
        asked = np.flatnonzero(~np.isnan(raw).any(axis=1))
        values[asked] = log_softmax(raw[asked] - prior, axis=1)
        if data.schema.multi_label:
            shares = np.clip(np.exp(values), 1e-6, 1 - 1e-6)
            values = np.log(shares) - np.log1p(-shares)
        scale = Scale.LOG_ODDS if data.schema.multi_label else Scale.LOG_PROBABILITY
        options: dict[str, Any] = {"method": Method.LIKELIHOOD, "fold": NEVER_TRAINED, "row_ids": known.row_ids}
        made.append(Scores.build(values, data.schema.names, scale, source=model, **options))
    return made[0], made[1]


def record(cache_folder: Path, data: DataSet, model: str) -> Path:
    """Write a language model's scores, as it gave them, into the repository: float16, rows named by number and hash."""
    arrays: dict[str, Any] = {}
    for part in ("pool", "test"):
        raw = _raw(cache_folder, data, model, part)
        rows = np.flatnonzero(~np.isnan(raw).any(axis=1))
        arrays |= {f"{part}_scores": raw[rows].astype(np.float16), f"{part}_rows": rows.astype(np.int32)}
        arrays[f"{part}_hashes"] = getattr(data, part).row_ids[rows]
    RECORDED.mkdir(exist_ok=True)
    path = RECORDED / f"live_{data.name}_{model}.npz"
    np.savez_compressed(path, **arrays)
    return path


@cache
def _raw(cache_folder: Path, data: DataSet, model: str, part: str) -> NDArray[np.float64]:
    """Return log-probabilities as the model gave them, (rows, K), NaN where it was not asked."""
    known = getattr(data, part)
    values = np.full((len(known), len(data.schema)), np.nan)
    n = ASKED_POOL_ROWS if part == "pool" else len(known)
    chunks = sorted((cache_folder / data.name / model).glob(f"{part}_*.npz"))
    for path in chunks:
        start = int(path.stem.rsplit("_", 1)[1])
        with np.load(path) as kept:
            found = kept[f"{part}.values"]
            _check_hashes(path, kept[f"{part}.row_ids"], known.row_ids[start : start + len(found)])
        values[start : start + len(found)] = found
    if not chunks:
        path = RECORDED / f"live_{data.name}_{model}.npz"
        if not path.is_file():
            raise DataError(f"no scores of {model!r} for {data.name!r}; run the stage `llm` of live.py")
        with np.load(path) as kept:
            rows = kept[f"{part}_rows"]
            _check_hashes(path, kept[f"{part}_hashes"], known.row_ids[rows])
            values[rows] = log_softmax(kept[f"{part}_scores"].astype(np.float64), axis=1)
    values[n:] = np.nan
    return values


def _check_hashes(path: Path, found: NDArray[np.uint64], expected: NDArray[np.uint64]) -> None:
    if not np.array_equal(found, expected):
        raise DataError(f"{str(path)!r} holds scores of other texts; remove it and compute it again")


def _of_rows(scores: Scores, rows: NDArray[np.intp], row_ids: NDArray[np.uint64]) -> Scores:
    taken = scores.take(rows)
    if taken.row_ids is None or not np.array_equal(taken.row_ids, row_ids):
        raise DataError(f"scores of {scores.source!r} are of other texts")
    return taken


def _in_sample(cache_folder: Path, data: DataSet, size: int, seed: int, m: int) -> tuple[Scores, Scores] | None:
    path = cell_file(cache_folder, data.name, IN_SAMPLE, f"n{size}_s{seed}")
    if not path.is_file():
        return None
    train, test = (read_scores(path, part, data.schema, "encoder") for part in ("train", "test"))
    return train, test.take(slice(m))


def _joint(cache_folder: Path, data: DataSet, size: int, seed: int) -> dict[str, tuple[NDArray[np.intp], Scores]]:
    found = {}
    for model in MODELS:
        path = cell_file(cache_folder, data.name, JOINT + model, f"n{size}_s{seed}")
        if path.is_file():
            with np.load(path) as kept:
                found[model] = kept["test_rows"], read_scores(path, "test", data.schema, JOINT + model)
    return found
