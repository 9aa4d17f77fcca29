"""Sources fitted so that what is learned on top of them is honest: out-of-fold, and asked no more than is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.shared_work import sharing
from textclassify.core.types import TrainingData
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.ensemble.source_scores import scores_of_some
from textclassify.ensemble.training_plan import TrainingPlan
from textclassify.errors import ConfigError
from textclassify.statistics.folds import stratified_sample


@dataclass(frozen=True)
class SourceTraining:
    """How the sources of a fusion are trained and asked.

    Args:
        sources: {name: classifier}, which are cloned, never fitted themselves.
        n_folds: folds under 2,000 rows.
        one_model: reserve a fifth with fewer rows, too.
        guard: share of the rows that nothing is learned from.
        fusion_rows: rows that a language model is asked about; None = max(500, 10 K).
        random_state: seeds folds and samples.

    """

    sources: Mapping[str, TextClassifier]
    n_folds: int
    one_model: bool
    guard: float
    fusion_rows: int | None
    random_state: int

    def check(self) -> None:
        """Refuse what cannot be trained or asked now, not after an hour of training.

        Raises:
            ConfigError: there is no source, or one is no classifier.
            ModelError: a model cannot be had.

        """
        if not self.sources or not isinstance(self.sources, Mapping):
            raise ConfigError(
                "a fusion needs sources: pass [LinearClassifier(), ...] or {name: classifier}, or add them by "
                "add_ml_model and add_llm_model"
            )
        for name, source in self.sources.items():
            if not isinstance(source, TextClassifier):
                raise ConfigError(f"source {name!r} is {type(source).__name__}, not a TextClassifier")
            source.check_model()

    def plan(self, data: TrainingData) -> TrainingPlan:
        """Return what each training row is for."""
        return TrainingPlan.of(
            data, n_folds=self.n_folds, one_model=self.one_model, guard=self.guard, random_state=self.random_state
        )

    def fit(self, data: TrainingData, folds: NDArray[np.int16]) -> tuple[dict[str, TextClassifier], dict[str, Scores]]:
        """Return the fitted sources and their scores of all rows, missing where one must not or need not score.

        Where no row can be held out, those that need no training are worth fitting, if there are any, and the scores
        are the deployed models' own: they only tell the fusion which sources there are.
        """
        judged = bool((folds >= 0).any())
        ready = {name: source for name, source in self.sources.items() if not source.learns}
        worth_fitting = dict(self.sources) if judged or not ready else ready
        fitted: dict[str, TextClassifier] = {}
        scores: dict[str, Scores] = {}
        with sharing():
            # First who may have to stop the run, for want of money or a server: before hours of training, not after.
            for name in sorted(worth_fitting, key=lambda name: not worth_fitting[name].asks_llm):
                with doing(f"{name}: "):
                    fitted[name], scores[name] = self._fitted(worth_fitting[name], data, folds)
                    if not judged and fitted[name].learns:
                        scores[name] = replace(fitted[name].predict_scores(data.texts), fold=None)
                    check_same_labels(data.schema.names, scores[name].labels, name)
        return {name: fitted[name] for name in worth_fitting}, {name: scores[name] for name in worth_fitting}

    def rows_to_ask(self, source: TextClassifier, data: TrainingData) -> NDArray[np.intp]:
        """Return the rows that a source which needs no training is asked about, at most; see `FusionEnsemble`."""
        plan = self.plan(data)
        learned = plan.learned
        asked = learned[self.asked(source, data.take(learned), plan.folds[learned])]
        return np.sort(np.concatenate([asked, plan.guard]))

    def _fitted(
        self, source: TextClassifier, data: TrainingData, folds: NDArray[np.int16]
    ) -> tuple[TextClassifier, Scores]:
        if source.learns:
            fold_average = FoldAverage(
                source, n_folds=self.n_folds, one_model=self.one_model, random_state=self.random_state
            )
            fold_average.fit_folds(data, folds)
            return fold_average, fold_average.out_of_fold_scores_
        fitted = clone(source).fit_as_source(data)
        asked = self.asked(fitted, data, folds)
        return fitted, replace(scores_of_some(fitted, list(data.texts), asked), row_ids=data.row_ids)

    def asked(self, source: TextClassifier, data: TrainingData, folds: NDArray[np.int16]) -> NDArray[np.intp]:
        """Return the rows to ask about: held-out ones, or any where none can be held out."""
        rows = np.flatnonzero(folds >= 0) if (folds >= 0).any() else np.arange(len(data))
        seen = data.clusters[np.isin(data.row_ids, source.seen_row_ids)]
        rows = rows[~np.isin(data.clusters[rows], seen)]
        if not source.asks_llm:
            return rows
        size = max(500, 10 * len(data.schema)) if self.fusion_rows is None else self.fusion_rows
        if size >= len(rows):
            return rows
        return rows[stratified_sample(data.gold[rows], size, data.clusters[rows], random_state=self.random_state)]
