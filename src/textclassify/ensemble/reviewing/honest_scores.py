"""Scores of labelled rows by models that never saw them, whichever of the rows a classifier was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.scales import SMALLEST_PROBABILITY, Scale
from textclassify.core.scores import Scores
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.comparison import cross_fitted
from textclassify.ensemble.combining.ladder import MIN_ROWS, N_FOLDS
from textclassify.ensemble.combining.readings import Floats, raw_evidence
from textclassify.ensemble.combining.rows import FusionRows, complete
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.ensemble.pooling import LogLinearPool, PriorPool
from textclassify.ml.linear import LinearClassifier
from textclassify.statistics.folds import assign_folds

HELD_OUT, UNSEEN, LINEAR = "held out in training", "never trained on", "a linear model"
"""Where a row's scores come from: kept from training; the model, which does not know the row; trained for this."""


@dataclass(frozen=True, eq=False)
class HonestScores:
    """Scores of n labelled rows, and what scored each: `HELD_OUT`, `UNSEEN`, `LINEAR`, or "" where nothing did."""

    scores: Scores
    judged_by: NDArray[Any]


def honest_scores(classifier: TextClassifier, data: TrainingData, *, llm: bool = True) -> HonestScores:
    """Return scores of labelled rows, none of them by a model that was trained on the row.

    A fusion keeps the scores of the rows that it held out of its sources' training, which are pooled anew, each row
    with weights that were learned without it. Rows that it was not trained on are asked about. All others, such as
    those that only trained where one part was reserved, are scored by linear models that are trained out-of-fold.

    Args:
        classifier: fitted; one that has an `ensemble_` is taken for that fusion.
        data: labelled rows by the classifier's schema.
        llm: whether to ask language models about rows that the fusion was not trained on.

    Raises:
        BudgetError: the money is spent that a limit around the call allows.

    """
    model: Any = getattr(classifier, "ensemble_", classifier)
    values = np.full((len(data), len(data.schema)), np.nan)
    judged_by = np.full(len(data), "", dtype=object)
    if isinstance(model, FusionEnsemble):
        kept_ids, kept = _held_out(model)
        place = _places(data.row_ids, kept_ids)
        values[place >= 0] = kept[place[place >= 0]]
        judged_by[~np.isnan(values).any(axis=1)] = HELD_OUT
    unseen = np.flatnonzero((judged_by == "") & _is_new(model, data))
    if len(unseen):
        values[unseen] = _asked(model, [data.texts[row] for row in unseen], llm=llm)
        judged_by[unseen[~np.isnan(values[unseen]).any(axis=1)]] = UNSEEN
    left = np.flatnonzero(judged_by == "")
    if len(left):
        values[left] = _linear(data)[left]
        judged_by[left[~np.isnan(values[left]).any(axis=1)]] = LINEAR
    scale = Scale.LOG_ODDS if data.multi_label else Scale.LOG_PROBABILITY
    values = values if data.multi_label else np.maximum(values, np.log(SMALLEST_PROBABILITY))
    return HonestScores(
        Scores.build(values, data.schema.names, scale, source="held-out models", row_ids=data.row_ids), judged_by
    )


def _held_out(model: FusionEnsemble) -> tuple[NDArray[np.uint64], Floats]:
    """Return the rows that a fusion held out of training, by the hash of their text, with scores (m, K)."""
    fusion = model.fusion_
    ids, values = np.zeros(0, dtype=np.uint64), np.zeros((0, len(fusion.labels_)))
    if fusion.learns_:  # otherwise nothing was held out
        ids, values = _text_ids(fusion.rows_), _cross_fitted(fusion.rows_, model.random_state)
    if fusion.guard_ is not None:  # nothing was learned from it, so that what is deployed does not know it either
        ids = np.concatenate([ids, _text_ids(fusion.guard_)])
        values = np.concatenate(
            [values, raw_evidence(fusion.predict_scores(fusion.guard_.sources, fusion.guard_.embeddings))]
        )
    return ids, values


def _text_ids(rows: FusionRows) -> NDArray[np.uint64]:
    """Return the hashes of the texts, (n,); sources that a `FusionEnsemble` trained always have them."""
    return np.asarray(next(scores.row_ids for scores in rows.sources.values() if scores.row_ids is not None))


def _cross_fitted(rows: FusionRows, random_state: int) -> Floats:
    """Return pooled scores (n, K) of each row by weights that were learned without it, from what scored the row."""
    values = np.full((len(rows), len(rows.labels)), np.nan)
    scored = np.stack([complete(scores) for scores in rows.sources.values()])
    patterns, which = np.unique(scored, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        names = [name for name, there in zip(rows.names, pattern, strict=True) if there]
        if names:
            part, pooled = rows.only(names), np.full(values.shape, np.nan)
            folds = assign_folds(part.gold, N_FOLDS, part.clusters, random_state=random_state)
            learnable = (folds >= 0).sum() >= MIN_ROWS
            step = cross_fitted(LogLinearPool, part, folds) if learnable else PriorPool().fit(part).scores(part.sources)
            pooled[rows.scored_by(names)] = step
            own = which.ravel() == number
            values[own] = pooled[own]
    return values


def _places(wanted: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return where each wanted value first stands among the known ones, (n,); -1 = nowhere."""
    values, first = np.unique(known, return_index=True)
    if not len(values):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[at] == wanted, first[at], -1)


def _is_new(model: Any, data: TrainingData) -> NDArray[np.bool_]:
    """Return which texts a classifier was certainly not trained on, in no wording; (n,)."""
    if not model.learns:
        return ~np.isin(data.row_ids, model.seen_row_ids)
    if isinstance(model, FusionEnsemble):
        return ~np.isin(data.wording_ids, model.training_row_ids_)
    return np.zeros(len(data), dtype=bool)


def _asked(model: Any, texts: list[str], *, llm: bool) -> Floats:
    """Return what a classifier says of texts, (n, K); NaN where it has no answer."""
    if llm or not model.asks_llm:
        return raw_evidence(model.predict_scores(texts))
    free = model.fusion_.patterns_.free_names if isinstance(model, FusionEnsemble) else ()
    if not free:
        return np.full((len(texts), len(model.classes_)), np.nan)
    return raw_evidence(model.fusion_.predict_scores(model.source_scores(texts, free)))


def _linear(data: TrainingData) -> Floats:
    """Return scores (n, K) of all rows by linear models that were trained without them."""
    folds = assign_folds(data.gold, N_FOLDS, data.clusters)
    with doing("linear models: "):
        return raw_evidence(FoldAverage(LinearClassifier()).fit_folds(data, folds).out_of_fold_scores_)
