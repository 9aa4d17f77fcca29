"""`FusionEnsemble`: several classifiers trained on the same rows, fused by what their out-of-fold scores are worth."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textclassify.core import dataset
from textclassify.core.result import ClassificationResult, gold_for
from textclassify.core.scores import Scores
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.ensemble.calibrated_sources import calibrated_sources
from textclassify.ensemble.combining.ladder_report import LadderReport
from textclassify.ensemble.combining.rows import Embeddings
from textclassify.ensemble.deferring.asking import checked_budget
from textclassify.ensemble.fusion_settings import (
    NETWORK_OPTIONS,
    published_options,
    with_cache_paths,
)
from textclassify.ensemble.fusion_sources import FusionSources
from textclassify.ensemble.fusion_training import FusionTraining
from textclassify.ensemble.guard import GUARD_SHARE
from textclassify.ensemble.joint.joint_source import JOINT
from textclassify.ensemble.policy import Policy, acceptance_rule, prediction_sets, set_guarantee
from textclassify.ensemble.score_fusion import ScoreFusion
from textclassify.ensemble.stored import StoredSources, calibrator_name

if TYPE_CHECKING:
    import pandas as pd

    from textclassify.ensemble.guarantees import PredictionSets

logger = logging.getLogger(__name__)

_TRAINING_ROWS = "training_rows.safetensors"


class FusionEnsemble(FusionTraining):
    """Trains every source out-of-fold on the same folds, then a `ScoreFusion` on their scores.

    Args:
        sources: {name: classifier}, a list of classifiers, which are named by their kind, or an `EnsembleConfig`; more
            can be added by `add_ml_model` and `add_llm_model`. Those that learn are trained once per fold, others score
            as they are.
        labels: the label schema; None = that of the first source that was given one, else from the data.
        combiner: "auto" = the ladder with its gate; "mlp" = the network of the paper; "embeddings" = a network on
            frozen vectors of the texts and the scores; "joint" = encoder and network trained together, as in the paper.
        metric: what the gate guards and thresholds are tuned for; None = accuracy, for multi-label micro-F1.
        non_empty: whether a text always gets a label (multi-label only); None = learned.
        calibrator: how sources that give probabilities are calibrated; None = by the number of rows.
        guard: share of the rows that nothing is learned from, for `predict_set` and `max_risk`: at most 1,000 rows, and
            none where that would be fewer than 200.
        n_folds: folds under 2,000 rows.
        one_model: reserve a fifth for the fusion instead, and train each source once.
        fusion_rows: rows that a language model is asked about for training; None = max(500, 10 K).
        fusion_hidden_dims: widths of the fusion network's hidden layers.
        fusion_lr: its learning rate.
        fusion_epochs: its epochs at most.
        fusion_batch_size: its batch size.
        fusion_mlp: a class with the constructor of `FusionMLP`, to be used in its place.
        ml_lr: learning rate of the sources that are trained with one, such as encoders; None = their own.
        train_llm_cache_path: folder in which `fit` has language models' answers kept; None = as each source says.
        test_llm_cache_path: the same for predictions.
        multi_label: asserted when given.
        random_state: seeds folds, samples and networks.

    Learned: `sources_` (fitted), `fusion_`, `training_scores_` (what the fusion learned from, by source; not saved),
    `training_row_ids_` (hashes of all training texts' wordings, the guard's too).
    """

    kind: ClassVar[str] = "fusion"

    def __init__(
        self,
        sources: Any = None,
        labels: Any = None,
        *,
        combiner: str = "auto",
        metric: str | None = None,
        non_empty: bool | None = None,
        calibrator: Any = None,
        guard: float = GUARD_SHARE,
        n_folds: int = 5,
        one_model: bool = False,
        fusion_rows: int | None = None,
        fusion_hidden_dims: Sequence[int] | None = None,
        fusion_lr: float | None = None,
        fusion_epochs: int | None = None,
        fusion_batch_size: int | None = None,
        fusion_mlp: Any = None,
        ml_lr: float | None = None,
        train_llm_cache_path: str | os.PathLike[str] | None = None,
        test_llm_cache_path: str | os.PathLike[str] | None = None,
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
        self.sources = with_cache_paths(sources)
        self.labels = labels
        self.combiner = combiner
        self.metric = metric
        self.non_empty = non_empty
        self.calibrator = calibrator
        self.guard = guard
        self.n_folds = n_folds
        self.one_model = one_model
        self.fusion_rows = fusion_rows
        self.fusion_hidden_dims = fusion_hidden_dims
        self.fusion_lr = fusion_lr
        self.fusion_epochs = fusion_epochs
        self.fusion_batch_size = fusion_batch_size
        self.fusion_mlp = fusion_mlp
        self.ml_lr = ml_lr
        self.train_llm_cache_path = train_llm_cache_path
        self.test_llm_cache_path = test_llm_cache_path
        self.multi_label = multi_label
        self.random_state = random_state
        self._settle(published_options(type(self)))

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # a fusion does if one of its sources does
        """Whether a text may cost a language model's time or money."""
        if hasattr(self, "fusion_"):
            return self.fusion_.patterns_.asks_llm
        return any(source.asks_llm for source in (self.sources or {}).values())

    @property
    def ladder_report_(self) -> LadderReport:
        """What was compared, and what was selected."""
        return self.fusion_.ladder_report_

    @property
    def selected_(self) -> str:
        """Name of the deployed rung; "joint" where encoder and network were trained together."""
        return JOINT if self.combiner == JOINT else self.fusion_.selected_

    def source_scores(
        self, texts: Any, names: Iterable[str] | None = None, *, llm_budget: Any = None
    ) -> dict[str, Scores]:
        """Return the scores of the named sources; None = of those that make a difference.

        Where one of these has no scores for a text, the sources that ask no language model stand in for it.

        Args:
            texts: n texts.
            names: of sources.
            llm_budget: how many texts a language model may be asked about, as in `predict`; with names left out.

        """
        rows = dataset.texts_of(texts)
        self._require_schema()
        if names is not None:
            return self._asked.scores(rows, names)
        vectors = self.embeddings_for(rows) if llm_budget is not None else None
        return self._asked.needed_scores(rows, vectors, llm_budget)

    def calibrated_scores(self, texts: Any, names: Iterable[str] | None = None) -> dict[str, Scores]:
        """Return the scores of every source, each calibrated by itself on rows that it was not trained on.

        They are log-probabilities, multi-label log-odds; `Scores.calibration` says how, and on how many rows:
        `calibrator="temperature"` is temperature scaling, `"isotonic"` isotonic regression per label. Votes, which are
        no probabilities, are read by how often each met each label.

        Args:
            texts: n texts.
            names: of sources; None = all of them, also those that make no difference to the fusion.

        """
        rows = dataset.texts_of(texts)
        self._require_schema()
        raw = self._asked.scores(rows, list(self.sources_) if names is None else names)
        return calibrated_sources(self.fusion_, raw)

    @property
    def _asked(self) -> FusionSources:
        return FusionSources(self.fusion_, self.sources_, self.test_llm_cache_path)

    def embeddings_for(self, texts: Any) -> Embeddings | None:
        """Return the frozen vectors (n, D) of texts where the deployed combiner uses them, else None."""
        return self._asked.embeddings_for(dataset.texts_of(texts))

    def _score(self, texts: list[str]) -> Scores:
        return self.fusion_.predict_scores(self.source_scores(texts), self.embeddings_for(texts))

    def predict(
        self,
        texts: Any,
        labels: Any = None,
        *,
        llm_budget: Any = None,
        max_risk: float | None = None,
        confidence: float = 0.95,
        label_shift: bool = False,
    ) -> ClassificationResult:
        """Return answers with probabilities, each source's scores and what each source adds.

        Args:
            texts: n texts.
            labels: gold labels; they fill `metadata["metrics"]` and change nothing else.
            llm_budget: how much may be asked of language models, where the fusion asks any: a share (0.2 or "20%"), a
                number of calls ("200 calls") or money ("$1.50"); None = every text. A share is a threshold fixed in
                training, so that a text's answer does not depend on its neighbours.
            max_risk: answer only where, with the given confidence, at most this share of the answers is wrong; the
                other texts come back ABSTAINED.
            confidence: of that bound.
            label_shift: estimate on these very texts how frequent the labels are among them, and answer accordingly; a
                text's answer then depends on the others.

        Raises:
            DataError: no guarantee can be given; the message names the rows it would take.

        """
        self._require_schema()
        policy = Policy(llm_budget, max_risk, confidence, label_shift)
        policy.check()
        acceptance_rule(self.fusion_, policy)  # what cannot be promised is refused before anybody is asked
        rows = dataset.texts_of(texts)
        if labels is not None:
            gold_for(labels, self._require_schema(), len(rows))
        vectors = self.embeddings_for(rows)
        scores = self._asked.needed_scores(rows, vectors, llm_budget)
        return self._with_metrics(self.fusion_result(scores, vectors, policy), labels)

    def predict_set(self, texts: Any, alpha: float = 0.1, *, llm_budget: Any = None, **options: Any) -> PredictionSets:
        """Return for each text a set of labels that holds the right one with probability 1 - alpha.

        Args:
            texts: n texts.
            alpha: share of texts whose set may miss the right label (multi-label: share of right labels missed).
            llm_budget: as in `predict`, as a share.
            **options: what `ScoreFusion.predict_set` takes: `method`, `class_conditional`, `at_least_one`.

        Raises:
            DataError: there is no guard, or it is too small; the message names the rows it would take.

        """
        self._require_schema()
        policy = Policy(llm_budget)
        guarantee = set_guarantee(self.fusion_, policy, alpha, **options)
        rows = dataset.texts_of(texts)
        vectors = self.embeddings_for(rows)
        scores = self._asked.needed_scores(rows, vectors, llm_budget)
        return prediction_sets(
            self.fusion_, self.fusion_.predict_scores(scores, vectors), scores, policy, guarantee, vectors
        )

    def cost_curve(self, texts: Any, labels: Any, **options: Any) -> pd.DataFrame:
        """Return the quality on labelled texts by share of texts that a language model is asked about.

        Args:
            texts: n texts, all of which are asked about.
            labels: their gold labels.
            **options: what `ScoreFusion.cost_curve` takes.

        """
        rows, schema = dataset.texts_of(texts), self._require_schema()
        gold_for(labels, schema, len(rows))
        checked_budget(self.fusion_.patterns_, 1.0)  # before anybody is asked in vain
        scores = self._asked.scores(rows, self._asked.ever_needed)
        return self.fusion_.cost_curve(scores, labels, embeddings=self.embeddings_for(rows), **options)

    def fusion_result(
        self, scores: Mapping[str, Scores], embeddings: Embeddings | None = None, policy: Policy | None = None
    ) -> ClassificationResult:
        """Return the answers that source scores imply, which were obtained under a policy."""
        result = self.fusion_.answered(scores, embeddings, policy)
        models = {name: self.sources_[name].model_used for name in scores if name in self.sources_}
        as_named_here = {option: name for name, option in NETWORK_OPTIONS.items()}
        unused = [as_named_here.get(name, name) for name in result.metadata["settings_without_effect"]]
        if self.ml_lr is not None and not self.takes_ml_lr_:
            unused.append("ml_lr")
        own = {"combiner": self.selected_, "settings_without_effect": unused, "models": models}
        return replace(result, metadata={**result.metadata, **own}, parents=self._require_schema().parents)

    def _write(self, folder: Path) -> dict[str, Any]:
        for number, source in enumerate(self.sources_.values()):
            part = folder / f"source_{number}"
            part.mkdir()
            source.write_into(part)
        write_arrays(folder / _TRAINING_ROWS, {"row_ids": self.training_row_ids_})
        fusion = self.fusion_.write_into(folder)
        return {"sources": list(self.sources_), "fusion": fusion, "takes_ml_lr": self.takes_ml_lr_}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        parts = {name: folder / f"source_{number}" for number, name in enumerate(learned["sources"])}
        self.training_row_ids_ = read_arrays(folder / _TRAINING_ROWS)["row_ids"]
        self.fusion_ = ScoreFusion.read_from(folder, learned["fusion"])
        self.takes_ml_lr_ = learned.get("takes_ml_lr", False)  # older folders have no such option
        self.sources_ = StoredSources(parts, needed=[name for name in self.fusion_.needs_ if name in parts])

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        for private in ("sources", "train_llm_cache_path", "test_llm_cache_path"):
            del parameters[private]
        parameters["calibrator"] = calibrator_name(self.calibrator)
        return parameters


def __getattr__(name: str) -> Any:
    """Return the network's classes, which the published interface has here and which only load with torch."""
    if name not in {"FusionMLP", "FusionWrapper"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from textclassify.ensemble import mlp

    return getattr(mlp, name)
