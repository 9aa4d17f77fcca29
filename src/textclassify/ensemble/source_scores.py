"""Scores of some rows as scores of all: rows that a source was not asked about are NOT_CALLED, never guessed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.scales import NEVER_TRAINED, Status
from textclassify.core.scores import Scores


def scores_of_some(source: TextClassifier, texts: list[str], rows: NDArray[np.intp]) -> Scores:
    """Return a source's scores of n texts when it is asked about some rows only."""
    if len(rows) == len(texts):
        return source.predict_scores(texts)
    return spread(source.predict_scores([texts[row] for row in rows]), rows, len(texts))


def spread(scores: Scores, rows: NDArray[np.intp], n: int) -> Scores:
    """Return scores of the given rows as scores of n rows, NOT_CALLED elsewhere; row ids are not known there."""
    place = np.full(n, len(scores))
    place[rows] = np.arange(len(scores))
    padded = Scores.concat([scores, not_called(scores)]).take(place)
    return replace(padded, row_ids=None)


def not_called(like: Scores) -> Scores:
    """Return one row of the same source that was not asked."""
    empty = Scores.build(
        np.full((1, len(like.labels)), np.nan),
        like.labels,
        like.scale,
        source=like.source,
        multi_label=like.multi_label,
        status=[Status.NOT_CALLED],
        fold=None if like.fold is None else NEVER_TRAINED,
        row_ids=None if like.row_ids is None else [0],
    )
    return replace(empty, calibration=like.calibration)
