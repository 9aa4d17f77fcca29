"""Which labelled rows may judge, and training and test parts that share no text and no group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from textclassify.core.seeds import check_seed
from textclassify.core.types import TrainingData
from textclassify.errors import DataError


def honest_part(data: TrainingData) -> tuple[TrainingData, str]:
    """Return the rows that may evaluate, and a sentence about those left out; empty where none is.

    Raises:
        DataError: every row was picked by a ranking.

    """
    honest = _honest(data)
    if honest.all():
        return data, ""
    return data.take(honest), (
        f"{len(data) - int(honest.sum()):,} of {len(data):,} rows were not drawn at random (chosen_by) and are left out"
    )


def split(data: TrainingData, test_size: float = 0.2, *, random_state: int = 0) -> tuple[TrainingData, TrainingData]:
    """Return a training and a test part: label shares alike, rows of equal text or of one group on one side.

    A label whose rows are all of one cluster stays in the training part. So does every row that may not evaluate
    (`TrainingData.honest_rows`), unless its cluster is held out: then it is in neither part.

    Args:
        data: labelled texts.
        test_size: share of the honest rows in the test part, between 0 and 1.
        random_state: seed.

    Raises:
        DataError: the share is out of range, or there are too few rows for it.
        ConfigError: `random_state` is no seed.

    """
    train, test = split_rows(data, test_size, random_state=random_state)
    return data.take(train), data.take(test)


def split_rows(
    data: TrainingData, test_size: float = 0.2, *, random_state: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are in the training part of `split`, and which in its test part; each of shape (n,)."""
    if not 0 < test_size < 1:
        raise DataError(f"test_size={test_size} is out of range; pass a share between 0 and 1, such as 0.2")
    check_seed(random_state)
    honest = _honest(data)
    held_out = _held_out_clusters(data, test_size, np.random.default_rng(random_state))[data.clusters]
    if not held_out.any() or held_out.all():
        raise DataError(
            f"{len(data)} rows in {data.clusters.max() + 1} clusters are too few to hold out {test_size:.0%} of them; "
            "add rows, or pass another test_size"
        )
    return ~held_out, held_out & honest


def _honest(data: TrainingData) -> NDArray[np.bool_]:
    honest = data.honest_rows
    if not honest.any():
        raise DataError(
            f"all {len(data)} rows were chosen by ranking: they are hard by design and measure nothing; add texts that "
            "were drawn at random, with chosen_by 'random' or without the column"
        )
    return honest


def _held_out_clusters(data: TrainingData, test_size: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which clusters are held out: each one that brings labels and rows closer to the shares due so far."""
    contents = _cluster_contents(data)
    held_out = np.zeros(len(contents), dtype=bool)
    ahead = np.bincount([label for content in contents for label in content], minlength=len(data.schema) + 1).tolist()
    kept = [False] * len(ahead)
    due = [0.0] * len(ahead)
    for cluster in rng.permutation(len(contents)).tolist():
        content = contents[cluster]
        if not content:  # nothing in it may evaluate
            continue
        for label, rows in content.items():
            due[label] += test_size * rows
            ahead[label] -= 1
        # Taking it changes the squared distance to what is due by rows * (rows - 2 due), summed over its labels.
        nearer = sum(rows * (rows - 2 * due[label]) for label, rows in content.items()) <= 0
        if nearer and all(kept[label] or ahead[label] for label in content):
            held_out[cluster] = True
            for label, rows in content.items():
                due[label] -= rows
        else:
            for label in content:
                kept[label] = True
    return held_out


def _cluster_contents(data: TrainingData) -> list[dict[int, int]]:
    """Return the honest rows of each cluster by label code, and under the code K all of them."""
    width = len(data.schema) + 1
    honest = np.flatnonzero(data.honest_rows)
    gold, of_rows = data.gold[honest], data.clusters[honest]
    rows, codes = np.nonzero(gold) if data.multi_label else (np.arange(len(gold)), gold)
    clusters = np.concatenate([of_rows[rows], of_rows])
    columns = np.concatenate([codes, np.full(len(gold), width - 1)])
    cells, counts = np.unique(clusters * width + columns, return_counts=True)
    contents: list[dict[int, int]] = [{} for _ in range(int(data.clusters.max()) + 1)]
    for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
        contents[cell // width][cell % width] = count
    return contents
