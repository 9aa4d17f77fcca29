"""`FusionEnsemble`: several classifiers trained on the same rows, fused by what their out-of-fold scores are worth."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.result import ClassificationResult, gold_for
from textclassify.core.scores import Scores
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.core.texts import blank_rows, did_you_mean
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.ladder_report import LadderReport
from textclassify.ensemble.combining.rows import EMBEDDINGS, Embeddings, complete
from textclassify.ensemble.combining.rungs import COMBINERS
from textclassify.ensemble.deferring.asking import checked_budget, price_of_calls
from textclassify.ensemble.guard import GUARD_SHARE, MIN_GUARD
from textclassify.ensemble.joint.joint_source import JOINT, fit_joint
from textclassify.ensemble.policy import Policy, acceptance_rule, prediction_sets, set_guarantee
from textclassify.ensemble.score_fusion import ScoreFusion
from textclassify.ensemble.source_scores import scores_of_some
from textclassify.ensemble.source_training import SourceTraining
from textclassify.ensemble.stored import StoredSources, calibrator_name
from textclassify.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from textclassify.ensemble.guarantees import PredictionSets

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
        multi_label: asserted when given.
        random_state: seeds folds, samples and networks.

    Learned: `sources_` (fitted), `fusion_`, `training_scores_` (what the fusion learned from, by source; not saved),
    `training_row_ids_` (hashes of all training texts' wordings, the guard's too).
    """

    kind: ClassVar[str] = "fusion"

    def __init__(
        self,
        sources: Mapping[str, TextClassifier] | None = None,
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
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
        self.sources = sources
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
        self.multi_label = multi_label
        self.random_state = random_state

    def _fit(self, data: TrainingData) -> None:
        training = self._training()
        training.check()
        self._check_options(data, training.sources)
        plan = training.plan(data)
        learned = data.take(plan.learned) if len(plan.guard) else data
        folds = plan.folds[plan.learned]
        self.training_row_ids_ = np.unique(data.wording_ids)
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
                self._vectors([learned.texts[row] for row in rows]) if self.combiner == EMBEDDINGS else None,
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
        called = {option: name for name, option in _FUSION_OPTIONS.items()}
        self._score_fusion().check(sources, n_labels=len(data.schema), multi_label=data.multi_label, called=called)

    def _training(self) -> SourceTraining:
        return SourceTraining(
            self.sources or {}, self.n_folds, self.one_model, self.guard, self.fusion_rows, self.random_state
        )

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
            names = {*self.fusion_.needs_, *self.fusion_.patterns_.free_names} - {EMBEDDINGS}
            scores = {name: self.sources_[name].predict_scores(guard.texts) for name in sorted(names)}
            vectors = self.embeddings_for(guard.texts)
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
            options |= {option: getattr(self, name) for name, option in _FUSION_OPTIONS.items()}
            options |= {"combiner": self.combiner, "fusion_mlp": self.fusion_mlp}
        return ScoreFusion(random_state=self.random_state, **options)

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
            return {name: self.sources_[name].predict_scores(rows) for name in sorted(names)}
        return self._needed_scores(rows, self.embeddings_for(rows) if llm_budget is not None else None, llm_budget)

    def _needed_scores(self, texts: list[str], embeddings: Embeddings | None, llm_budget: Any) -> dict[str, Scores]:
        """Return the scores of the sources that make a difference, and of those that stand in for them."""
        wanted = sorted({*self.fusion_.needs_} - {EMBEDDINGS})
        if llm_budget is not None and self.fusion_.patterns_.asks_llm:
            return self._scores_in_budget(texts, wanted, embeddings, llm_budget)
        scores = {name: self.sources_[name].predict_scores(texts) for name in wanted}
        return scores | self._stand_ins(texts, scores)

    def _stand_ins(self, texts: list[str], scores: Mapping[str, Scores]) -> dict[str, Scores]:
        """Return the free sources' scores of the texts that a needed source has none for."""
        missing = np.flatnonzero(~np.all([complete(one) for one in scores.values()], axis=0))
        others = [name for name in self.fusion_.patterns_.free_names if name not in scores]
        return {name: scores_of_some(self.sources_[name], texts, missing) for name in others if len(missing)}

    def _scores_in_budget(
        self, texts: list[str], wanted: Sequence[str], embeddings: Embeddings | None, llm_budget: Any
    ) -> dict[str, Scores]:
        """Return the free sources' scores of all texts, and a language model's of those where it pays."""
        checked_budget(self.fusion_.patterns_, llm_budget)
        models = {name: self.sources_[name] for name in wanted if name in self.fusion_.llm_sources_}
        price = price_of_calls(models, texts, llm_budget)
        free = {name: self.sources_[name].predict_scores(texts) for name in self.fusion_.patterns_.free_names}
        written = np.flatnonzero(~blank_rows(texts))  # blank texts are asked about by nobody and take no call
        known = {name: one.take(written) for name, one in free.items()}
        vectors = None if embeddings is None else embeddings[written]
        rows = written[self.fusion_.rows_to_ask(known, llm_budget, vectors, cost_per_call=price)]
        return free | {name: scores_of_some(source, texts, rows) for name, source in models.items() if len(rows)}

    def embeddings_for(self, texts: Any) -> Embeddings | None:
        """Return the frozen vectors (n, D) of texts where the deployed combiner uses them, else None."""
        return self._vectors(dataset.texts_of(texts)) if EMBEDDINGS in self.fusion_.needs_ else None

    def _vectors(self, texts: list[str]) -> Embeddings:
        from textclassify.models.sources import EMBEDDED_ENCODER, resolve
        from textclassify.models.vectors import sentence_vectors

        return sentence_vectors(texts, resolve(EMBEDDED_ENCODER, "encoder"))

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
        scores = self._needed_scores(rows, vectors, llm_budget)
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
        scores = self._needed_scores(rows, vectors, llm_budget)
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
        names = {*self.fusion_.needs_, *self.fusion_.patterns_.free_names} - {EMBEDDINGS}
        return self.fusion_.cost_curve(
            self.source_scores(rows, names), labels, embeddings=self.embeddings_for(rows), **options
        )

    def fusion_result(
        self, scores: Mapping[str, Scores], embeddings: Embeddings | None = None, policy: Policy | None = None
    ) -> ClassificationResult:
        """Return the answers that source scores imply, which were obtained under a policy."""
        result = self.fusion_.answered(scores, embeddings, policy)
        models = {name: self.sources_[name].model_used for name in scores if name in self.sources_}
        as_named_here = {option: name for name, option in _FUSION_OPTIONS.items()}
        unused = [as_named_here.get(name, name) for name in result.metadata["settings_without_effect"]]
        own = {"combiner": self.selected_, "settings_without_effect": unused, "models": models}
        return replace(result, metadata={**result.metadata, **own})

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
        self.sources_ = StoredSources(parts, needed=[name for name in self.fusion_.needs_ if name in parts])

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        parameters.pop("sources")
        parameters["calibrator"] = calibrator_name(self.calibrator)
        return parameters
