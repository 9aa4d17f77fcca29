"""`TextClassifier`: the one contract that encoders, language models and fusions of them share."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from textclassify.core import dataset
from textclassify.core.labels import LabelSchema
from textclassify.core.model_card import check_card, facts_of, write_card
from textclassify.core.result import NO_LABEL, ClassificationResult, decide, gold_for
from textclassify.core.saved_classifiers import load
from textclassify.core.scales import Status
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.seeds import check_seed
from textclassify.core.storage import new_folder, write_manifest
from textclassify.core.texts import blank_rows, hash_texts
from textclassify.core.types import TrainingData, as_weights
from textclassify.errors import ConfigError, DataError, NotFittedError, StorageError


class _SklearnNotFittedError(NotFittedError, SklearnNotFittedError):  # type: ignore[misc] # sklearn has no types
    """So that code written for scikit-learn catches it too; the error tree itself does not load scikit-learn."""


class TextClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc] # sklearn has no types
    """Texts in, `Scores` out; scikit-learn's habits kept.

    A subclass gives `kind` (its name in `core.kinds`), stores its constructor's arguments as they are, and implements
    `_fit` and `_score`; to be saved, also `_write` and `_read`. Everything a caller sees is here.
    """

    kind: ClassVar[str]
    learns: ClassVar[bool] = True
    """Whether it has to be fitted; others predict with `labels=` alone."""
    asks_llm: ClassVar[bool] = False
    """Whether scoring a text asks a language model, which costs time or money."""

    schema_: LabelSchema
    training_facts_: dict[str, Any] | None = None
    """Number and content hash of the rows that it was fitted on; None = it was not, or they are not known."""

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that a classifier which is not trained has seen all the same, as examples in a prompt."""
        return np.zeros(0, dtype=np.uint64)

    @abstractmethod
    def _fit(self, data: TrainingData) -> None:
        """Learn from checked data; `schema_` is set already."""

    @abstractmethod
    def _score(self, texts: list[str]) -> Scores:
        """Return scores for checked, non-blank texts; `row_ids` are filled in by the caller."""

    def _write(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002 - for subclasses
        """Write what was learned into `folder`; return what belongs into JSON."""
        raise StorageError(f"{type(self).__name__} cannot be saved")

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:  # noqa: ARG002 - for subclasses
        """Restore what `_write` wrote."""
        raise StorageError(f"{type(self).__name__} cannot be loaded")

    @property
    def model_used(self) -> str:
        """Name of the model behind the classifier; its kind where there is none to name."""
        return self.kind

    def check_model(self) -> None:
        """Make sure that the model behind the classifier can be had, without loading it.

        Raises:
            ModelError: it cannot; the message names the remedy.
            MissingDependencyError: an extra is not installed.

        """

    def fit(
        self,
        texts: Any,
        labels: Any = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: Iterable[Any] | None = None,
    ) -> Self:
        """Learn from labelled texts.

        Args:
            texts: texts, a data frame with a text and a label column, or `TrainingData`.
            labels: one label per text, or lists of labels; None when `texts` holds them.
            sample_weight: (n,) weights >= 0.
            groups: (n,) group names; rows of one group are never split.

        Raises:
            DataError: texts or labels cannot be used; the message names the row.
            ConfigError: an option is out of range.

        """
        check_seed(getattr(self, "random_state", 0))
        data = self._training_data(texts, labels, sample_weight, groups)
        self.schema_ = data.schema
        self._fit(data)
        self.training_facts_ = {"rows": len(data), "sha256": dataset.content_hash(data)}
        return self

    def fit_as_source(self, data: TrainingData) -> Self:
        """Learn only what an ensemble cannot learn on top of the scores; the same as `fit` unless a subclass differs.

        A row that a classifier learns from counts as seen, and is lost to whatever is learned from its scores.
        """
        return self.fit(data)

    def predict_scores(self, texts: Any) -> Scores:
        """Return `Scores` of n texts, in their order; blank texts come back with status INVALID.

        Raises:
            NotFittedError: not fitted, and the labels are not known either.
            DataError: a text is missing or not a string.

        """
        rows, asked, blank = self._rows_of(texts)
        return self._completed(self._score(asked), rows, blank)

    async def apredict_scores(self, texts: Any) -> Scores:
        """Return what `predict_scores` returns, without blocking the running event loop."""
        rows, asked, blank = self._rows_of(texts)
        return self._completed(await self._ascore(asked), rows, blank)

    async def _ascore(self, texts: list[str]) -> Scores:
        """Return what `_score` returns; a subclass that waits for others rather than computing overrides it."""
        return await asyncio.to_thread(self._score, texts)

    def _texts_in(self, texts: Any) -> list[str]:
        """Return the texts that a caller means."""
        return dataset.texts_of(texts)

    def _rows_of(self, texts: Any) -> tuple[list[str], list[str], NDArray[np.bool_]]:
        """Return all texts, those that are not blank, and which are."""
        self._require_schema()
        rows = self._texts_in(texts)
        blank = blank_rows(rows)
        return (
            rows,
            [text for text, empty in zip(rows, blank, strict=True) if not empty] if blank.any() else rows,
            blank,
        )

    def _completed(self, scores: Scores, rows: list[str], blank: NDArray[np.bool_]) -> Scores:
        """Return scores of non-blank texts as scores of all."""
        check_same_labels(self._require_schema().names, scores.labels, scores.source)
        if blank.any():
            scores = _with_blank_rows(scores, blank)
        return replace(scores, row_ids=hash_texts(rows))

    def predict(self, texts: Any, labels: Any = None) -> ClassificationResult:
        """Return a `ClassificationResult`: a sequence of labels with probabilities, status and sources.

        Args:
            texts: n texts.
            labels: gold labels; they fill `metadata["metrics"]` and change nothing else. Multi-label, its `accuracy`
                is the share of texts whose set of labels is exactly right.

        """
        return self._with_metrics(self._decide(self.predict_scores(texts)), labels)

    def predict_proba(self, texts: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities in the order of `classes_`; rows of NaN where there is no answer."""
        return self.predict_scores(texts).probabilities

    def score(
        self,
        texts: Any,
        labels: Any,
        sample_weight: ArrayLike | None = None,
        *,
        abstentions: Literal["error", "wrong", "drop"] = "error",
    ) -> float:
        """Return the accuracy (multi-label: the share of texts whose set of labels is exactly right).

        Args:
            texts: n texts.
            labels: their gold labels.
            sample_weight: (n,) weights.
            abstentions: what a row without an answer is: "error", "wrong" or "drop".

        Raises:
            DataError: a row has no answer and `abstentions` is "error".

        """
        from textclassify.statistics import metrics

        result = self.predict(texts)
        gold = gold_for(labels, self._require_schema(), len(result))
        unanswered = result.status != Status.OK
        codes = result.codes.astype(np.int64)
        codes[unanswered] = NO_LABEL
        measure = metrics.subset_accuracy if result.multi_label else metrics.accuracy
        unweighted = measure(gold, codes, abstentions=abstentions)
        if sample_weight is None:
            return unweighted
        weight = as_weights(sample_weight).copy()
        if weight.shape != gold.shape[:1]:
            raise DataError(f"{len(gold)} texts but sample_weight of shape {weight.shape}; pass one weight per text")
        if abstentions == "drop":
            weight[unanswered] = 0
        if not weight.sum() > 0:
            raise DataError("sample_weight is 0 on every row that counts; pass weights >= 0, not all 0")
        return float(np.average(metrics.correct_per_row(gold, codes), weights=weight))

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, in the order of every score matrix; shape (K,)."""
        return np.array(self._require_schema().names)

    def save(self, folder: str | Path, *, card: Mapping[str, Any] | None = None) -> None:
        """Write the classifier into a folder that `load` reads: JSON and safetensors, no pickle, no keys.

        A model card for people, `README.md`, says what it is, which labels it knows and what it was trained on.

        Args:
            folder: a new or empty one, or that of a saved classifier, which is replaced.
            card: what the card says beside that: `metrics`, `intended_use`, `data`, `limitations`.

        Raises:
            StorageError: the folder cannot be written or holds something else.
            NotFittedError: there is nothing to save yet.
            ConfigError: the card has an unknown key.

        """
        self._require_schema()
        given = {} if card is None else card
        check_card(given)
        with new_folder(folder) as temporary:
            self._write_parts(temporary, given)

    def write_into(self, folder: Path) -> None:
        """Write the classifier into an existing, empty folder, as a part of a larger one, which has the card."""
        self._write_parts(folder, None)

    def _write_parts(self, folder: Path, card: Mapping[str, Any] | None) -> None:
        learned = self._write(folder)
        state = {
            "parameters": self._stored_parameters(),
            "schema": self._require_schema().to_dict(),
            "learned": learned,
            "training": self.training_facts_,
        }
        if card is not None:
            write_card(folder, facts_of(self, self._require_schema(), card))
        write_manifest(folder, self.kind, state)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the classifier that `save` wrote; it predicts bit for bit as the saved one did.

        Raises:
            StorageError: no saved classifier, one of another class, damaged, or of another version.

        """
        found = load(folder)
        if not isinstance(found, cls):
            raise StorageError(
                f"{str(folder)!r} holds a {type(found).__name__}, not a {cls.__name__}; use textclassify.load"
            )
        return found

    def _stored_parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON; keys and live objects stay out."""
        parameters: dict[str, Any] = self.get_params(deep=False)
        parameters.pop("labels", None)
        return parameters

    def _training_data(
        self, texts: Any, labels: Any, sample_weight: ArrayLike | None, groups: Iterable[Any] | None
    ) -> TrainingData:
        """Return what `fit` was given as checked data.

        Raises:
            ConfigError: they are of the other kind than `multi_label` says.

        """
        several = getattr(self, "multi_label", None)
        data = dataset.training_data(
            texts,
            labels,
            schema=self._given_schema(),
            multi_label=several,
            sample_weight=sample_weight,
            groups=groups,
        )
        if several is not None and bool(several) != data.multi_label:
            raise ConfigError(
                f"multi_label={several} of {type(self).__name__} does not fit the data, which are "
                f"{data.classification_type}; leave it out, or give the data the other classification_type"
            )
        return data

    def _given_schema(self) -> LabelSchema | None:
        given = getattr(self, "labels", None)
        if given is None:
            return None
        return LabelSchema.of(given, multi_label=getattr(self, "multi_label", None))

    def _require_schema(self) -> LabelSchema:
        if hasattr(self, "schema_"):
            return self.schema_
        schema = None if self.learns else self._given_schema()
        if schema is None:
            remedy = (
                "call fit(texts, labels) first" if self.learns else "pass labels=[...] to the constructor, or call fit"
            )
            raise _SklearnNotFittedError(f"{type(self).__name__} does not know its labels yet; {remedy}")
        return schema

    def _decide(self, scores: Scores) -> ClassificationResult:
        return decide(scores)

    def _with_metrics(self, result: ClassificationResult, labels: Any) -> ClassificationResult:
        result = replace(result, parents=self._require_schema().parents)
        if labels is None:
            return result
        from textclassify.statistics import metrics

        gold = gold_for(labels, self._require_schema(), len(result))
        answered = result.status == Status.OK
        if not answered.any():
            raise DataError("no text has an answer, so there is nothing to measure; see result.status")
        figures = metrics.headline_metrics(
            gold[answered], result.codes[answered], result.probabilities[answered], result.multi_label
        )
        if result.multi_label:
            figures["accuracy"] = figures["subset_accuracy"]
        figures["coverage"] = float(answered.mean())
        return replace(result, metadata={**result.metadata, "metrics": figures})


def _with_blank_rows(scores: Scores, blank: NDArray[np.bool_]) -> Scores:
    """Return the scores with rows of status INVALID put in where a text was blank."""
    place = np.cumsum(~blank) - 1
    place[blank] = -1
    columns: dict[str, Any] = {}
    for name in ("values", "status", "method", "cost", "fold"):
        column = getattr(scores, name)
        if column is not None:
            columns[name] = np.concatenate([column, np.zeros_like(column, shape=(1, *column.shape[1:]))])[place]
    columns["values"][blank] = np.nan
    columns["status"][blank] = Status.INVALID
    return replace(scores, row_ids=None, **columns)
