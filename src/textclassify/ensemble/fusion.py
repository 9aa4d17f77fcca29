"""`FusionEnsemble`: several classifiers trained on the same rows, fused by what their out-of-fold scores are worth."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import NEVER_TRAINED, Status
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.core.types import TrainingData
from textclassify.ensemble.ladder_report import LadderReport
from textclassify.ensemble.out_of_fold import FoldAverage, held_out_folds
from textclassify.ensemble.rows import complete
from textclassify.ensemble.score_fusion import ScoreFusion
from textclassify.ensemble.stored import StoredSources
from textclassify.errors import ConfigError
from textclassify.statistics.folds import stratified_sample

logger = logging.getLogger(__name__)

_TRAINING_ROWS = "training_rows.safetensors"
_FUSION_OPTIONS = {
    "fusion_hidden_dims": "hidden_dims",
    "fusion_lr": "learning_rate",
    "fusion_epochs": "epochs",
    "fusion_batch_size": "batch_size",
}


class FusionEnsemble(TextClassifier):
    """Trains every source out-of-fold on the same folds, then a `ScoreFusion` on their scores.

    Args:
        sources: {name: classifier}; those that learn are trained once per fold, others score as they are.
        labels: the label schema; None = from the data.
        combiner: "auto" = the ladder with its gate; "mlp" = the network of the paper.
        metric: what the gate guards; None = accuracy, for multi-label micro-F1.
        n_folds: folds under 2,000 rows.
        one_model: reserve a fifth for the fusion instead, and train each source once.
        fusion_rows: rows that a language model is asked about for training; None = max(500, 10 K).
        fusion_hidden_dims: widths of the fusion network's hidden layers.
        fusion_lr: its learning rate.
        fusion_epochs: its epochs at most.
        fusion_batch_size: its batch size.
        multi_label: asserted when given.
        random_state: seeds folds, samples and networks.

    Learned: `sources_` (fitted), `fusion_`, `training_scores_` (what the fusion learned from, by source; not saved),
    `training_row_ids_` (hashes of all training texts' wordings).
    """

    kind: ClassVar[str] = "fusion"

    def __init__(
        self,
        sources: Mapping[str, TextClassifier] | None = None,
        labels: Any = None,
        *,
        combiner: str = "auto",
        metric: str | None = None,
        n_folds: int = 5,
        one_model: bool = False,
        fusion_rows: int | None = None,
        fusion_hidden_dims: Sequence[int] | None = None,
        fusion_lr: float | None = None,
        fusion_epochs: int | None = None,
        fusion_batch_size: int | None = None,
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
        self.sources = sources
        self.labels = labels
        self.combiner = combiner
        self.metric = metric
        self.n_folds = n_folds
        self.one_model = one_model
        self.fusion_rows = fusion_rows
        self.fusion_hidden_dims = fusion_hidden_dims
        self.fusion_lr = fusion_lr
        self.fusion_epochs = fusion_epochs
        self.fusion_batch_size = fusion_batch_size
        self.multi_label = multi_label
        self.random_state = random_state

    def _fit(self, data: TrainingData) -> None:
        self._check_sources()
        folds = self._folds(data)
        usable = np.flatnonzero(folds >= 0)
        rows = usable if len(usable) else np.arange(len(data))  # too few to hold any out: nothing will be learned
        fitted: dict[str, TextClassifier] = {}
        scores: dict[str, Scores] = {}
        worth_fitting = self._worth_fitting(judged=len(usable) > 0)
        # First who may have to stop the run, for want of money or of a server: before hours of training, not after.
        for name in sorted(worth_fitting, key=lambda name: not worth_fitting[name].asks_llm):
            with doing(f"{name}: "):
                fitted[name], scores[name] = self._fitted(worth_fitting[name], data, folds)
                check_same_labels(data.schema.names, scores[name].labels, name)
        scores = {name: scores[name] for name in worth_fitting}
        self.sources_: Mapping[str, TextClassifier] = {name: fitted[name] for name in worth_fitting}
        self.training_row_ids_ = np.unique(data.wording_ids)
        self.training_scores_ = scores if len(usable) else self._deployed_scores(data)
        self.fusion_ = self._score_fusion()
        with doing("fusion: "):
            self.fusion_.fit(
                {name: one.take(rows) for name, one in self.training_scores_.items()},
                data.schema.decode(data.gold[rows]),
                groups=data.clusters[rows],
                sample_weight=None if data.sample_weight is None else data.sample_weight[rows],
                learn=len(usable) > 0,
            )
        logger.info("%s", self.fusion_.ladder_report_)

    def _check_sources(self) -> None:
        """Refuse what cannot be trained or asked now, not after an hour of training."""
        if not self.sources or not isinstance(self.sources, Mapping):
            raise ConfigError("a fusion needs sources by name: FusionEnsemble({'linear': LinearClassifier(), ...})")
        for name, source in self.sources.items():
            if not isinstance(source, TextClassifier):
                raise ConfigError(f"source {name!r} is {type(source).__name__}, not a TextClassifier")
            source.check_model()

    def _fitted(
        self, source: TextClassifier, data: TrainingData, folds: NDArray[np.int16]
    ) -> tuple[TextClassifier, Scores]:
        """Return the fitted source and its scores of all training rows, missing where it must not or need not score."""
        if source.learns:
            fold_average = FoldAverage(
                source, n_folds=self.n_folds, one_model=self.one_model, random_state=self.random_state
            )
            fold_average.fit_folds(data, folds)
            return fold_average, fold_average.out_of_fold_scores_
        fitted = clone(source).fit(data)
        asked = self.rows_to_ask(fitted, data, folds)
        return fitted, _spread(fitted.predict_scores([data.texts[row] for row in asked]), asked, data)

    def _worth_fitting(self, *, judged: bool) -> dict[str, TextClassifier]:
        """Return all sources; where none can be judged, those that need no training, if there are any."""
        sources = dict(self.sources or {})
        ready = {name: source for name, source in sources.items() if not source.learns}
        return sources if judged or not ready else ready

    def rows_to_ask(
        self, source: TextClassifier, data: TrainingData, folds: NDArray[np.int16] | None = None
    ) -> NDArray[np.intp]:
        """Return the rows that a source which needs no training is asked about when this fusion is fitted.

        They are held-out rows that it has not seen as examples; of a language model's, `fusion_rows` are drawn. Where
        none can be held out, all rows are asked about.

        Args:
            source: fitted, or a copy that has seen the same examples.
            data: the training rows.
            folds: the fold of each row; None = as `fit` draws them.

        """
        folds = self._folds(data) if folds is None else folds
        rows = np.flatnonzero(folds >= 0)
        if not len(rows):
            return np.arange(len(data))
        seen = data.clusters[np.isin(data.row_ids, source.seen_row_ids)]
        rows = rows[~np.isin(data.clusters[rows], seen)]
        if not source.asks_llm:
            return rows
        size = max(500, 10 * len(data.schema)) if self.fusion_rows is None else self.fusion_rows
        if size >= len(rows):
            return rows
        return rows[stratified_sample(data.gold[rows], size, data.clusters[rows], random_state=self.random_state)]

    def _folds(self, data: TrainingData) -> NDArray[np.int16]:
        return held_out_folds(data, n_folds=self.n_folds, one_model=self.one_model, random_state=self.random_state)

    def _deployed_scores(self, data: TrainingData) -> dict[str, Scores]:
        """Return what the deployed models say of their own training rows, where none could be held out of them.

        Nothing is learned from these: they only tell the fusion which sources there are.
        """
        known = {}
        for name, source in self.sources_.items():
            fold = None if source.learns else np.full(len(data), NEVER_TRAINED, dtype=np.int16)
            known[name] = replace(source.predict_scores(data.texts), fold=fold)
        return known

    def _score_fusion(self) -> ScoreFusion:
        options = {option: getattr(self, name) for name, option in _FUSION_OPTIONS.items()}
        llm = [name for name, source in (self.sources or self.sources_).items() if source.asks_llm]
        return ScoreFusion(
            random_state=self.random_state, metric=self.metric, combiner=self.combiner, llm_sources=llm, **options
        )

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # a fusion does if one of its sources does
        """Whether a text may cost a language model's time or money."""
        if hasattr(self, "fusion_"):
            return bool(self.fusion_.llm_sources_)
        return any(source.asks_llm for source in (self.sources or {}).values())

    @property
    def ladder_report_(self) -> LadderReport:
        """What was compared, and what was selected."""
        return self.fusion_.ladder_report_

    @property
    def selected_(self) -> str:
        """Name of the deployed rung."""
        return self.fusion_.selected_

    def source_scores(self, texts: Any, names: Iterable[str] | None = None) -> dict[str, Scores]:
        """Return the scores of the named sources; None = of those that make a difference.

        Where one of these has no scores for a text, the sources that ask no language model stand in for it.
        """
        rows = dataset.texts_of(texts)
        self._require_schema()
        wanted = sorted(self.fusion_.needs_ if names is None else names)
        scores = {name: self.sources_[name].predict_scores(rows) for name in wanted}
        if names is None:
            missing = np.flatnonzero(~np.all([complete(one) for one in scores.values()], axis=0))
            scores |= self._stand_ins(rows, missing, wanted)
        return scores

    def _stand_ins(self, texts: list[str], missing: NDArray[np.intp], wanted: Sequence[str]) -> dict[str, Scores]:
        free = [name for name in self.fusion_.patterns_.free_names if name not in wanted]
        if not len(missing):
            return {}
        chosen = [texts[row] for row in missing]
        stand_ins = {}
        for name in free:
            scores = self.sources_[name].predict_scores(chosen)
            place = np.full(len(texts), len(missing))
            place[missing] = np.arange(len(missing))
            stand_ins[name] = replace(Scores.concat([scores, _not_called(scores)]).take(place), row_ids=None)
        return stand_ins

    def _score(self, texts: list[str]) -> Scores:
        return self.fusion_.predict_scores(self.source_scores(texts))

    def predict(self, texts: Any, labels: Any = None) -> ClassificationResult:
        """Return answers with probabilities, each source's scores and what each source adds.

        Args:
            texts: n texts.
            labels: gold labels; they fill `metadata["metrics"]` and change nothing else.

        """
        return self._with_metrics(self.fusion_result(self.source_scores(texts)), labels)

    def fusion_result(self, scores: Mapping[str, Scores]) -> ClassificationResult:
        """Return the answers that already computed source scores imply."""
        result = self.fusion_.predict(scores)
        models = {name: self.sources_[name].model_used for name in scores if name in self.sources_}
        return replace(result, metadata={**result.metadata, "models": models})

    def _write(self, folder: Path) -> dict[str, Any]:
        for number, source in enumerate(self.sources_.values()):
            part = folder / f"source_{number}"
            part.mkdir()
            source.write_into(part)
        write_arrays(folder / _TRAINING_ROWS, {"row_ids": self.training_row_ids_})
        return {"sources": list(self.sources_), "fusion": self.fusion_.write_into(folder)}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        parts = {name: folder / f"source_{number}" for number, name in enumerate(learned["sources"])}
        self.training_row_ids_ = read_arrays(folder / _TRAINING_ROWS)["row_ids"]
        self.fusion_ = ScoreFusion.read_from(folder, learned["fusion"])
        self.sources_ = StoredSources(parts, needed=self.fusion_.needs_)

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        parameters.pop("sources")
        return parameters


def _spread(scores: Scores, rows: NDArray[np.intp], data: TrainingData) -> Scores:
    """Return scores of some rows as scores of all rows, NOT_CALLED elsewhere."""
    place = np.full(len(data), len(scores))
    place[rows] = np.arange(len(scores))
    spread = Scores.concat([scores, _not_called(scores)]).take(place)
    return replace(spread, row_ids=data.row_ids)


def _not_called(like: Scores) -> Scores:
    """Return one row of the same source that was not asked."""
    empty = Scores.build(
        np.full((1, len(like.labels)), np.nan),
        like.labels,
        like.scale,
        source=like.source,
        multi_label=like.multi_label,
        status=[Status.NOT_CALLED],
        fold=None if like.fold is None else -1,
        row_ids=None if like.row_ids is None else [0],
    )
    return replace(empty, calibration=like.calibration)
