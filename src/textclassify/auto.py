"""`AutoFusionClassifier`: a small configuration in, a fitted and judged fusion out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import ArrayLike

from textclassify.core import dataset
from textclassify.core.columns import labelled_columns
from textclassify.core.contract import TextClassifier
from textclassify.core.findings import describe
from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult
from textclassify.core.saved_classifiers import read_part
from textclassify.core.scores import Scores
from textclassify.core.splits import honest_part
from textclassify.core.tables import is_table, to_frame
from textclassify.core.types import TrainingData
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.errors import StorageError
from textclassify.runs.build import build_fusion
from textclassify.runs.config import Config

if TYPE_CHECKING:
    import pandas as pd

    from textclassify.ensemble.guarantees import PredictionSets
    from textclassify.runs.evaluation import Evaluation


class AutoFusionClassifier(TextClassifier):
    """A fusion of a fine-tuned encoder, language models and free sources, set up from a few keys.

    Args:
        config: a mapping, the path of a YAML file, or None for the defaults; `runs.configuring.config_keys` says what
            each key means. The usual ones are `llm_provider`, `label_columns` and `multi_label`. Its `max_cost` is one
            budget for each call of `fit`, `predict`, `predict_scores` and `evaluate`; its `llm_budget` and `max_risk`
            hold for every prediction that does not name its own. `fit` keeps the answers of language models in
            `train_llm_cache_path`, the others in `test_llm_cache_path`, where these are named.

    Learned: `ensemble_` (the `FusionEnsemble`), `findings_` (what to know about the training data, in sentences),
    `text_column_` (the column that texts are taken from in a table).

    >>> classifier = AutoFusionClassifier({"llm_provider": None, "encoder": False, "similarity": False})
    >>> rows = {"text": ["good", "bad", "so good", "so bad"], "label": ["pos", "neg", "pos", "neg"]}
    >>> classifier.fit(rows).predict(["good"]).predictions
    ['pos']

    """

    kind: ClassVar[str] = "auto_fusion"

    def __init__(self, config: Any = None) -> None:
        self.config = config

    @property
    def config_(self) -> Config:
        """The configuration, checked."""
        return Config.of(self.config)

    def _training_data(
        self, texts: Any, labels: Any, sample_weight: ArrayLike | None, groups: Iterable[Any] | None
    ) -> TrainingData:
        config = self.config_
        self.text_column_ = config.text_column
        if config.text_column is None and labels is None and is_table(texts):
            self.text_column_ = self._recognised_text_column(texts)
        return dataset.training_data(
            texts,
            labels,
            schema=self._given_schema(),
            text_column=self.text_column_,
            label_columns=config.label_columns if labels is None else None,
            multi_label=config.multi_label,
            group_column=config.group_column if groups is None else None,
            sample_weight=sample_weight,
            groups=groups,
        )

    def _recognised_text_column(self, table: Any) -> str:
        config = self.config_
        with warnings.catch_warnings(action="ignore"):  # said when the data are read
            found = labelled_columns(
                to_frame(table),
                label_columns=config.label_columns,
                group_column=config.group_column,
                multi_label=config.multi_label,
                schema=self._given_schema(),
            )
        return found.text

    def _fit(self, data: TrainingData) -> None:
        self.config_.check_metric(multi_label=data.multi_label)
        with self.config_.limited(fitting=True):
            fusion, notes = build_fusion(self.config_, labels=data.schema)
            self.findings_ = [*describe(data), *([data.selection_note] if data.selection_note else []), *notes]
            self.ensemble_: FusionEnsemble = fusion.fit(data)

    def _texts_in(self, texts: Any) -> list[str]:
        """Return the texts; of a table, those in the column that was learned from."""
        return dataset.texts_of(texts, text_column=self.text_column_)

    def _score(self, texts: list[str]) -> Scores:
        budget = self.config_.llm_budget
        with self.config_.limited():
            if budget is None:
                return self.ensemble_.predict_scores(texts)
            return self.ensemble_.predict(texts, llm_budget=budget).scores

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
            texts: n texts, or a table with a text column.
            labels: gold labels; they fill `metadata["metrics"]` and change nothing else.
            llm_budget: how much may be asked of language models: a share (0.2 or "20%"), a number of calls ("200
                calls") or money ("$1.50"); None = as configured, else every text. See `FusionEnsemble.predict`.
            max_risk: withhold answers so that, with the given confidence, at most this share of the others is wrong;
                None = as configured, 1 = every answer is given.
            confidence: of that bound.
            label_shift: estimate the labels' shares among these very texts, and answer accordingly.

        Raises:
            ConfigError: the budget is none, or two of these exclude each other.
            DataError: no guarantee can be given; the message names the rows it would take.

        """
        self._require_schema()
        policy = self.config_.policy(llm_budget, max_risk, confidence, label_shift=label_shift)
        with self.config_.limited():
            return self.ensemble_.predict(self._texts_in(texts), labels, **vars(policy))

    def predict_set(self, texts: Any, alpha: float = 0.1, **options: Any) -> PredictionSets:
        """Return for each text a set of labels that holds the right one with probability 1 - alpha.

        Args:
            texts: n texts, or a table with a text column.
            alpha: share of texts whose set may miss the right label (multi-label: share of right labels missed).
            **options: what `FusionEnsemble.predict_set` takes: `method`, `class_conditional`, and `llm_budget`, which
                is the configured one where it is left out.

        Raises:
            DataError: there are too few guard rows; the message names how many it would take.

        """
        self._require_schema()
        budget = self.config_.policy(options.pop("llm_budget", None), max_risk=1).llm_budget
        with self.config_.limited():
            return self.ensemble_.predict_set(self._texts_in(texts), alpha, llm_budget=budget, **options)

    def cost_curve(self, texts: Any, labels: Any = None, **options: Any) -> pd.DataFrame:
        """Return the quality on labelled texts by the share of them that language models are asked about.

        Args:
            texts: texts, all of which are asked about, or a table that holds the labels too.
            labels: gold labels.
            **options: what `ScoreFusion.cost_curve` takes: `groups` in the place of the column, and `cost_per_call`.

        Raises:
            ConfigError: this fusion has nothing else to answer with.

        """
        data, _ = honest_part(self._labelled(texts, labels, options.pop("groups", None)))
        with self.config_.limited():
            return self.ensemble_.cost_curve(data.texts, data.schema.decode(data.gold), groups=data.groups, **options)

    def evaluate(self, texts: Any, labels: Any = None, **options: Any) -> Evaluation:
        """Return the fusion beside each source alone and beside the same fusion without language models.

        Args:
            texts: texts, or a table that holds the labels too, and the groups where training had a `group_column`.
            labels: gold labels.
            **options: what `textclassify.runs.evaluation.evaluate` takes; `groups` take the place of the column, and a
                `policy` that of the configured one.

        """
        from textclassify.runs.evaluation import evaluate

        data = self._labelled(texts, labels, options.pop("groups", None))
        options = {"policy": self.config_.policy(), **options}
        with self.config_.limited():
            return evaluate(self.ensemble_, data, groups=data.groups, **options)

    def _labelled(self, texts: Any, labels: Any, groups: Any) -> TrainingData:
        schema, config = self._require_schema(), self.config_
        return dataset.labelled_data(
            texts,
            labels,
            schema=schema,
            text_column=self.text_column_,
            label_columns=config.label_columns if labels is None else None,
            multi_label=schema.multi_label,
            group_column=config.group_column if groups is None else None,
            groups=groups,
        )

    def _given_schema(self) -> LabelSchema | None:
        labels = self.config_.labels
        return None if labels is None else LabelSchema.of(labels, multi_label=self.config_.multi_label)

    def _write(self, folder: Path) -> dict[str, Any]:
        part = folder / "fusion"
        part.mkdir()
        self.ensemble_.write_into(part)
        return {"findings": self.findings_, "text_column": self.text_column_}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        fusion = read_part(folder / "fusion")
        if not isinstance(fusion, FusionEnsemble):
            raise StorageError(f"{str(folder)!r} holds a {type(fusion).__name__} where its fusion should be")
        Config.of(self.config)  # a key of a later version is found here, not at the first prediction
        self.ensemble_, self.findings_ = fusion, list(learned["findings"])
        self.text_column_ = learned["text_column"]

    def _stored_parameters(self) -> dict[str, Any]:
        # Paths are private, and the prompt itself is in its classifier; what training may cost is over with it.
        private = {"data", "test_data", "output_dir", "prompt_template", "max_cost"}
        private |= {"cache_dir", "train_llm_cache_path", "val_llm_cache_path", "test_llm_cache_path"}
        settings = self.config_.model_dump(mode="json", exclude_unset=True, exclude={*private, "labels"})
        if self.config_.labels is not None:  # as it was in training: the file that held it may be gone
            settings["labels"] = self.schema_.to_dict()
        return {"config": settings}
