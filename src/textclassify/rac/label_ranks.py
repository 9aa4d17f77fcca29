"""`RanksLabels`: the labels of a classifier with all that is known about them, and what ranks them for a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import Label, LabelSchema
from textclassify.core.settings_files import expanded
from textclassify.core.texts import hash_texts, listed
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError
from textclassify.rac.examples import Examples, examples_by_label
from textclassify.rac.retrieving.no_label import check_other
from textclassify.rac.retrieving.ranking import Ranking, schema_in

if TYPE_CHECKING:
    import pandas as pd


class RanksLabels(TextClassifier):
    """A classifier's labels, their examples, and the retriever that ranks them; see `RACClassifier` for its options."""

    labels: Any
    examples: Any
    retriever: TextClassifier | None
    other: Label | None
    multi_label: bool | None
    examples_: Examples
    calibration_row_ids_: NDArray[np.uint64]

    @property
    def known_schema(self) -> LabelSchema | None:
        """The labels; None = not known yet."""
        return self.schema_ if hasattr(self, "schema_") else self._given_schema()

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that are examples of the labels, that calibrated, or that a fitted retriever has seen."""
        texts = [text for texts in self._card_schema().examples.values() for text in texts]
        fitted = self._fitted_retriever
        return np.concatenate(
            [
                hash_texts(texts),
                getattr(self, "calibration_row_ids_", np.zeros(0, np.uint64)),
                np.zeros(0, np.uint64) if fitted is None else fitted.seen_row_ids,
            ]
        )

    def fit_as_source(self, data: TrainingData) -> Self:
        """Learn the labels alone: an ensemble calibrates by itself, and a row that is learned from is lost to it."""
        given = self._given_schema()
        self.schema_ = data.schema if given is None else given
        return self

    def recall_report(self, texts: Any, gold: Any = None, **options: Any) -> pd.DataFrame:
        """Return how often the gold label is among the first k, before anything is spent; see `rac.retrieving.recall`.

        Args:
            texts: n texts.
            gold: their gold labels; None = a proxy for coverage alone.
            **options: of `recall.recall_report`.

        """
        from textclassify.rac.retrieving.recall import recall_report

        return recall_report(self._retriever(), texts, gold, **options)

    @property
    def _fitted_retriever(self) -> TextClassifier | None:
        return self.retriever if hasattr(self.retriever, "schema_") else None

    def _given_schema(self) -> LabelSchema | None:
        if isinstance(self.labels, str | Path):
            return schema_in(expanded(self.labels), self.multi_label)
        return super()._given_schema()

    def _card_schema(self) -> LabelSchema:
        """Return the labels with all examples that are known."""
        schema = self._require_schema()
        if self.other is not None:
            check_other(self.other, schema)
        for examples in (self.examples, getattr(self, "examples_", None)):
            if examples is not None:
                schema = schema.with_examples(examples_by_label(examples, schema))
        return schema

    def _retriever(self) -> TextClassifier:
        """Return what ranks the labels, ready to score; the same as long as nothing about it changes."""
        fitted = self._fitted_retriever
        if fitted is not None:
            _check_labels(self._require_schema(), fitted)
            return fitted
        wanted = Ranking(self._card_schema(), self.retriever, self.other)
        known: tuple[Ranking, TextClassifier] | None = getattr(self, "_ranks", None)
        if known is None or not known[0].is_same(wanted):
            self._ranks = known = (wanted, wanted.classifier())
        return known[1]

    def _remember(self, ranks: TextClassifier) -> None:
        """Have the labels ranked by what ranked them before, as long as nothing about them changes."""
        self._ranks = (Ranking(self._card_schema(), self.retriever, self.other), ranks)


def _check_labels(schema: LabelSchema, retriever: TextClassifier) -> None:
    """Make sure that a retriever that was fitted elsewhere means the same labels.

    Raises:
        ConfigError: it does not.

    """
    theirs = retriever.schema_
    if theirs.names != schema.names or theirs.multi_label != schema.multi_label:
        raise ConfigError(
            f"the retriever was fitted on the labels [{listed(map(repr, theirs.names), 6)}] "
            f"(multi_label={theirs.multi_label}), but labels are [{listed(map(repr, schema.names), 6)}] "
            f"(multi_label={schema.multi_label}); pass one that was fitted on these, in this order, or an unfitted one"
        )
