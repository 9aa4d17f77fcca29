"""How a `FusionEnsemble` learns: which rows its sources learn from, what it learns on top, and what it keeps back."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.progress import doing
from textclassify.core.scores import Scores
from textclassify.core.texts import did_you_mean
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.rows import EMBEDDINGS
from textclassify.ensemble.combining.rungs import COMBINERS
from textclassify.ensemble.fusion_settings import NETWORK_OPTIONS, takes_learning_rate, with_learning_rate
from textclassify.ensemble.fusion_sources import FusionSources, keeping_replies, text_vectors
from textclassify.ensemble.guard import MIN_GUARD
from textclassify.ensemble.joint.joint_source import JOINT, fit_joint
from textclassify.ensemble.members import HasMembers, labels_of_members
from textclassify.ensemble.score_fusion import ScoreFusion
from textclassify.ensemble.source_training import SourceTraining
from textclassify.errors import ConfigError

logger = logging.getLogger(__name__)


class FusionTraining(HasMembers, TextClassifier):
    """The half of a `FusionEnsemble` that is used in `fit`; the options are explained there."""

    labels: Any
    combiner: str
    metric: str | None
    non_empty: bool | None
    calibrator: Any
    guard: float
    n_folds: int
    one_model: bool
    fusion_rows: int | None
    fusion_hidden_dims: Sequence[int] | None
    fusion_lr: float | None
    fusion_epochs: int | None
    fusion_batch_size: int | None
    fusion_mlp: Any
    ml_lr: float | None
    train_llm_cache_path: str | os.PathLike[str] | None
    multi_label: bool | None
    random_state: int

    takes_ml_lr_: bool = False
    """Whether `ml_lr` is for one of the sources that were fitted."""

    def _given_schema(self) -> LabelSchema | None:
        """Return the labels that were given, else those that a source was given."""
        return super()._given_schema() or labels_of_members(self.sources)

    def _fit(self, data: TrainingData) -> None:
        with keeping_replies(self.train_llm_cache_path):
            self._fit_sources(data)

    def _fit_sources(self, data: TrainingData) -> None:
        self._refuse_loaded()
        training = self._training()
        training.check()
        self._check_options(data, training.sources)
        plan = training.plan(data)
        learned = data.take(plan.learned) if len(plan.guard) else data
        folds = plan.folds[plan.learned]
        self.training_row_ids_ = np.unique(data.wording_ids)
        self.takes_ml_lr_ = any(map(takes_learning_rate, training.sources.values()))
        fitted, self.training_scores_ = self._fitted_sources(training, learned, folds)
        self.sources_: Mapping[str, TextClassifier] = fitted
        self.fusion_ = self._score_fusion()
        self.fusion_.llm_sources = [name for name, source in fitted.items() if source.asks_llm]
        usable = np.flatnonzero(folds >= 0)
        rows = usable if len(usable) else np.arange(len(learned))  # too few to hold any out: nothing will be learned
        with doing("fusion: "):
            self.fusion_.fit(
                {name: one.take(rows) for name, one in self.training_scores_.items()},
                learned.schema.decode(learned.gold[rows]),
                text_vectors([learned.texts[row] for row in rows]) if self.combiner == EMBEDDINGS else None,
                groups=learned.clusters[rows],
                sample_weight=None if learned.sample_weight is None else learned.sample_weight[rows],
                learn=len(usable) > 0,
            )
        logger.info("%s", self.fusion_.ladder_report_)
        if len(plan.guard):
            self._set_guard(data.take(plan.guard))

    def _check_options(self, data: TrainingData, sources: Mapping[str, TextClassifier]) -> None:
        """Refuse options that no fusion can be made with, before anything is trained or asked."""
        if self.combiner not in (*COMBINERS, JOINT):
            hint = did_you_mean(self.combiner, (*COMBINERS, JOINT))
            raise ConfigError(f"unknown combiner {self.combiner!r}{hint}; known: {', '.join((*COMBINERS, JOINT))}")
        called = {option: name for name, option in NETWORK_OPTIONS.items()}
        self._score_fusion().check(sources, n_labels=len(data.schema), multi_label=data.multi_label, called=called)

    def _training(self) -> SourceTraining:
        sources = with_learning_rate(self.sources or {}, self.ml_lr)
        return SourceTraining(sources, self.n_folds, self.one_model, self.guard, self.fusion_rows, self.random_state)

    def _fitted_sources(
        self, training: SourceTraining, data: TrainingData, folds: NDArray[np.int16]
    ) -> tuple[dict[str, TextClassifier], dict[str, Scores]]:
        """Return the fitted sources and their honest scores of all rows."""
        if self.combiner != JOINT:
            return training.fit(data, folds)
        settings = {
            "hidden_dims": self.fusion_hidden_dims,
            "fusion_lr": self.fusion_lr,
            "epochs": self.fusion_epochs,
            "batch_size": self.fusion_batch_size,
            "fusion_mlp": self.fusion_mlp,
            "random_state": self.random_state,
        }
        return fit_joint(training, data, folds, {name: one for name, one in settings.items() if one is not None})

    def _set_guard(self, guard: TrainingData) -> None:
        """Have the guard scored by what is deployed, now that everything else is settled."""
        seen = np.concatenate([source.seen_row_ids for source in self.sources_.values()])
        unseen = ~np.isin(guard.clusters, guard.clusters[np.isin(guard.row_ids, seen)])  # not an example in a prompt
        if unseen.sum() < MIN_GUARD:
            logger.warning(
                "only %d rows are left for guarantees, which takes %d: there are none", unseen.sum(), MIN_GUARD
            )
            return
        guard = guard.take(np.flatnonzero(unseen))
        with doing("guard: "):
            asked = FusionSources(self.fusion_, self.sources_)
            scores, vectors = asked.scores(guard.texts, asked.ever_needed), asked.embeddings_for(guard.texts)
            self.fusion_.guard_with(scores, guard.schema.decode(guard.gold), vectors, groups=guard.clusters)

    def rows_to_ask(self, source: TextClassifier, data: TrainingData) -> NDArray[np.intp]:
        """Return the rows that a source which needs no training is asked about, at most, when this fusion is fitted.

        They are held-out rows that it has not seen as examples (of a language model's, `fusion_rows` are drawn), and
        the guard, which is asked about only if the source is needed in the end. Where no row can be held out, they are
        drawn from all.

        Args:
            source: fitted, or a copy that has seen the same examples.
            data: the training rows.

        """
        return self._training().rows_to_ask(source, data)

    def _score_fusion(self) -> ScoreFusion:
        options = {name: getattr(self, name) for name in ("metric", "non_empty", "calibrator")}
        if self.combiner != JOINT:  # which is a source like others, and calibrated like others
            options |= {option: getattr(self, name) for name, option in NETWORK_OPTIONS.items()}
            options |= {"combiner": self.combiner, "fusion_mlp": self.fusion_mlp}
        return ScoreFusion(random_state=self.random_state, **options)
