"""`SimilarityClassifier`: how much a text resembles what each label is about; needs no labelled row and no API."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.progress import report
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED, SMALLEST_PROBABILITY, Method, Scale
from textclassify.core.scores import Scores
from textclassify.core.texts import hash_texts
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, ModelError
from textclassify.models.sources import EMBEDDED_ENCODER, ModelSource, resolve

logger = logging.getLogger(__name__)

NO_LABEL_SIMILARITY = 0.1
"""Multi-label: the similarity that "no label at all" is given, so that a text far from every card has no label."""


class SimilarityClassifier(TextClassifier):
    """Zero-shot scores: cosine similarity of the text and each label's card in a frozen encoder.

    The card is the label's name and description; where the schema has examples, the label's vector is the mean of the
    card's vector and of the examples' mean vector. Log-probabilities are log_softmax(cosine / temperature).
    Multi-label: the labels and "no label" share one such distribution, and each label's share becomes its log-odds:
    texts have about one label each. Nothing is learned from gold answers, so `fold` is NEVER_TRAINED, but for texts
    that are examples of the schema, which are IN_SAMPLE; better descriptions are what improves it. A text's scores
    never depend on the other texts.

    Args:
        labels: the label schema; with it the classifier predicts unfitted.
        encoder: name or folder of a sentence encoder; None = the embedded one where it is installed (encoders that
            were not trained to compare sentences, such as `roberta-base`, are little use here).
        multi_label: overrides what the schema says.
        temperature: of the softmax over cosines. 0.06 has the best mean log loss of the embedded encoder on topic,
            question, spam, emotion and intent data.
        max_length: tokens of a text that are read.

    >>> from textclassify import SimilarityClassifier
    >>> SimilarityClassifier(["sports", "politics"], encoder="minilm").predict(["They won the cup."]).predictions
    ['sports']

    """

    kind: ClassVar[str] = "similarity"
    learns: ClassVar[bool] = False

    def __init__(
        self,
        labels: Any = None,
        *,
        encoder: str | os.PathLike[str] | None = None,
        multi_label: bool | None = None,
        temperature: float = 0.06,
        max_length: int = 256,
    ) -> None:
        self.labels = labels
        self.encoder = encoder
        self.multi_label = multi_label
        self.temperature = temperature
        self.max_length = max_length

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that the schema has as examples."""
        return hash_texts([text for texts in self._require_schema().examples.values() for text in texts])

    @property
    def model_used(self) -> str:
        """The encoder that texts and label cards are compared in, and where it was found."""
        source = self._source()
        return f"{source.name} ({source.origin})"

    def check_model(self) -> None:
        """Make sure that the encoder can be had, without loading it."""
        self._source()

    def _fit(self, data: TrainingData) -> None:
        """Learn nothing: the schema is all that is needed."""

    def _score(self, texts: list[str]) -> Scores:
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}")
        schema = self._require_schema()
        scale = Scale.LOG_ODDS if schema.multi_label else Scale.LOG_PROBABILITY
        values = np.zeros((0, len(schema)))
        if texts:
            values = self._values(self._vectors(texts) @ self._label_vectors(schema).T, multi_label=schema.multi_label)
        fold = np.where(np.isin(hash_texts(texts), self.seen_row_ids), IN_SAMPLE, NEVER_TRAINED)
        return Scores.build(values, schema.names, scale, source=self.kind, method=Method.SIMILARITY, fold=fold)

    def _values(self, cosines: NDArray[Any], *, multi_label: bool) -> NDArray[np.float64]:
        """Return log-probabilities or log-odds of (n, K) cosines."""
        if not multi_label:
            return np.asarray(log_softmax(cosines.astype(np.float64) / self.temperature, axis=1))
        with_none = np.pad(cosines.astype(np.float64), ((0, 0), (0, 1)), constant_values=NO_LABEL_SIMILARITY)
        shares = np.exp(log_softmax(with_none / self.temperature, axis=1))[:, :-1]
        shares = np.clip(shares, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        return np.asarray(np.log(shares) - np.log1p(-shares))

    def _label_vectors(self, schema: LabelSchema) -> NDArray[np.float32]:
        """Return one unit vector per label, (K, d); computed once for as long as nothing they depend on changes."""
        wanted = (schema, self.encoder, self.max_length)
        known = getattr(self, "_known", None)
        if known is not None and known[0] == wanted:
            return known[1]  # type: ignore[no-any-return]
        vectors = self._vectors([schema.card(name) for name in schema.names])
        for k, name in enumerate(schema.names):
            if schema.examples.get(name):
                vectors[k] += self._vectors(list(schema.examples[name])).mean(axis=0)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self._known = (wanted, unit)
        return unit

    def _vectors(self, texts: list[str]) -> NDArray[np.float32]:
        from textclassify.models.vectors import shared_encoder

        encoder = shared_encoder(self._source())
        return encoder.encode(
            texts,
            max_length=self.max_length,
            show_progress=lambda done, total: report("comparing texts with labels", done, total),
        )

    def _source(self) -> ModelSource:
        wanted = self.encoder if self.encoder is not None else getattr(self, "encoder_name_", None)
        if wanted is not None:
            return resolve(wanted, "encoder")
        try:
            return resolve(EMBEDDED_ENCODER, "encoder")
        except ModelError:
            logger.info("the embedded encoder is not installed; similarity uses the default encoder")
            return resolve(None, "encoder")

    def _write(self, folder: Path) -> dict[str, Any]:
        """Write no weights: the encoder is found again by its name."""
        del folder
        source = self._source()
        return {"encoder": EMBEDDED_ENCODER if source.origin == "embedded" else source.requested or source.location}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        del folder
        self.encoder_name_ = learned["encoder"]

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        parameters["encoder"] = None if self.encoder is None else os.fspath(self.encoder)
        return parameters
