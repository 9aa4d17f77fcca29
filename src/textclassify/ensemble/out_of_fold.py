"""Honest scores for everything that is learned on top: each row is scored by a model that never saw it.

As in stacked generalisation (Wolpert 1992): a combiner that is learned from scores of rows the source was trained on
learns to trust that source too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.saved_classifiers import read_part
from textclassify.core.scales import IN_SAMPLE, Scale, Status
from textclassify.core.scores import Scores
from textclassify.core.shared_work import sharing
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.readings import raw_evidence
from textclassify.statistics.folds import assign_folds

RESERVE_FROM = 2000
"""Rows from which one reserved part replaces the folds."""
RESERVED_SHARE = 0.2
TEXTS_AT_ONCE = 8192
"""Texts that all models of a fold average score before the next ones."""


def held_out_folds(
    data: TrainingData, *, n_folds: int = 5, one_model: bool = False, random_state: int = 0
) -> NDArray[np.int16]:
    """Return the fold that holds each row out, (n,); -1 for rows that are in every training part.

    Under 2,000 rows there are `n_folds` folds; from there on, or with `one_model`, a stratified fifth is reserved as
    fold 0 and the rest only trains. Rows of equal text or of one group stay together. Rows that may not judge
    (`TrainingData.honest_rows`) are held out of nothing, and neither are rows of their clusters.
    """
    judging = ~np.isin(data.clusters, data.clusters[~data.honest_rows])
    folds = np.full(len(data), np.int16(-1))
    if not judging.any():
        return folds
    gold, clusters = data.gold[judging], data.clusters[judging]
    if not one_model and len(data) < RESERVE_FROM:
        folds[judging] = assign_folds(gold, n_folds, clusters, random_state=random_state)
        return folds
    fifths = assign_folds(gold, round(1 / RESERVED_SHARE), clusters, random_state=random_state)
    held_out = min(fifths[fifths >= 0], default=0)  # with few groups, the first fifth may be empty
    folds[judging] = np.where(fifths == held_out, np.int16(0), np.int16(-1))
    return folds


class FoldAverage(TextClassifier):
    """A classifier trained once per fold, the models' average deployed, and out-of-fold scores of its training rows.

    What is deployed is what was measured: no model is refitted on all rows behind the back of whatever was learned
    from the out-of-fold scores.

    Args:
        classifier: the classifier to train; it is cloned, never fitted itself.
        labels: as for any classifier.
        n_folds: models to train under 2,000 rows; from there on one model is trained on four fifths.
        one_model: train one model on four fifths with fewer rows, too.
        random_state: seeds the folds.

    Learned: `members_` and `out_of_fold_scores_`, which has a row for each training row: `fold` tells which model left
    it out, and rows that every model saw are NOT_CALLED.
    """

    kind: ClassVar[str] = "fold_average"

    def __init__(
        self,
        classifier: TextClassifier | None = None,
        labels: Any = None,
        *,
        n_folds: int = 5,
        one_model: bool = False,
        random_state: int = 0,
    ) -> None:
        self.classifier = classifier
        self.labels = labels
        self.n_folds = n_folds
        self.one_model = one_model
        self.random_state = random_state

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # as the classifier that is trained
        """Whether a text costs a language model's time or money."""
        return self.classifier is not None and self.classifier.asks_llm

    @property
    def model_used(self) -> str:
        """The model that was trained."""
        return self.members_[0].model_used if hasattr(self, "members_") else super().model_used

    def _fit(self, data: TrainingData) -> None:
        folds = held_out_folds(data, n_folds=self.n_folds, one_model=self.one_model, random_state=self.random_state)
        self.fit_folds(data, folds)

    def fit_folds(self, data: TrainingData, folds: NDArray[np.int16]) -> FoldAverage:
        """Train one model per fold of the given plan, so that several classifiers can share one."""
        if self.classifier is None:
            raise TypeError("FoldAverage needs a classifier to train: FoldAverage(LinearClassifier())")
        self.schema_ = data.schema
        self.members_: list[TextClassifier] = []
        with sharing():
            parts = self._trained_members(self.classifier, data, folds)
        if not self.members_:  # nothing can be held out: one model that saw every row
            self.members_.append(clone(self.classifier).fit(data))
        self.out_of_fold_scores_ = _assembled(parts, data, folds)
        return self

    def _trained_members(
        self, classifier: TextClassifier, data: TrainingData, folds: NDArray[np.int16]
    ) -> list[tuple[NDArray[np.intp], Scores]]:
        """Train the model of each fold, and return the rows it did not see with its scores of them."""
        held_out = np.unique(folds[folds >= 0])
        parts: list[tuple[NDArray[np.intp], Scores]] = []
        for number, fold in enumerate(held_out, start=1):
            with doing(f"model {number} of {len(held_out)}: " if len(held_out) > 1 else ""):
                rows = np.flatnonzero(folds == fold)
                member = clone(classifier).fit(data.take(np.flatnonzero(folds != fold)))
                parts.append((rows, member.predict_scores([data.texts[row] for row in rows])))
            self.members_.append(member)
        return parts

    def _score(self, texts: list[str]) -> Scores:
        if len(self.members_) == 1:
            return self.members_[0].predict_scores(texts)
        scores = self._scores_of_members(texts)
        scale, values = _averaged(scores)
        status = np.max([one.status for one in scores], axis=0)
        values[status != Status.OK] = np.nan
        cost = np.sum([one.cost for one in scores], axis=0)
        first = scores[0]
        note = f"mean of {len(scores)} models"
        return replace(first, values=values.astype(np.float32), scale=scale, status=status, cost=cost, calibration=note)

    def _scores_of_members(self, texts: list[str]) -> list[Scores]:
        """Return each model's scores; what they have in common, such as frozen features, is computed once for all."""
        blocks: list[list[Scores]] = []
        for start in range(0, max(len(texts), 1), TEXTS_AT_ONCE):
            with sharing():  # of so many texts at a time: what is shared is held in memory
                some = texts[start : start + TEXTS_AT_ONCE]
                blocks.append([member.predict_scores(some) for member in self.members_])
        return [Scores.concat(of_member) for of_member in zip(*blocks, strict=True)]

    def _write(self, folder: Path) -> dict[str, Any]:
        for number, member in enumerate(self.members_):
            part = folder / f"model_{number}"
            part.mkdir()
            member.write_into(part)
        return {"models": len(self.members_)}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        self.members_ = [read_part(folder / f"model_{number}") for number in range(learned["models"])]
        self.classifier = clone(self.members_[0])

    def _stored_parameters(self) -> dict[str, Any]:
        return {"n_folds": self.n_folds, "one_model": self.one_model, "random_state": self.random_state}


def _assembled(
    parts: Sequence[tuple[NDArray[np.intp], Scores]], data: TrainingData, folds: NDArray[np.int16]
) -> Scores:
    """Return one Scores in the order of the data; rows that every model saw are NOT_CALLED and marked in-sample."""
    scale = parts[0][1].scale if parts else (Scale.LOG_ODDS if data.multi_label else Scale.LOG_PROBABILITY)
    values = np.full((len(data), len(data.schema)), np.nan)
    status = np.full(len(data), Status.NOT_CALLED, dtype=np.uint8)
    method, cost = np.zeros(len(data), dtype=np.uint8), np.zeros(len(data))
    for rows, scores in parts:
        values[rows], status[rows] = scores.values, scores.status
        method[rows], cost[rows] = scores.method, scores.cost
    return Scores.build(
        values,
        data.schema.names,
        scale,
        source=parts[0][1].source if parts else "untrained",
        multi_label=data.multi_label,
        method=method,
        status=status,
        cost=cost,
        fold=np.where(folds >= 0, folds, np.int16(IN_SAMPLE)),
        row_ids=data.row_ids,
    )


def _averaged(scores: Sequence[Scores]) -> tuple[Scale, NDArray[np.float64]]:
    """Return the mean of several models' scores: of votes as votes, else of log-odds or log-probabilities."""
    if scores[0].scale is Scale.VOTE_SHARE:
        return Scale.VOTE_SHARE, np.mean([one.values.astype(np.float64) for one in scores], axis=0)
    mean = np.mean([raw_evidence(one) for one in scores], axis=0)
    if scores[0].multi_label:
        return Scale.LOG_ODDS, mean
    return Scale.LOG_PROBABILITY, np.asarray(log_softmax(mean, axis=1))
