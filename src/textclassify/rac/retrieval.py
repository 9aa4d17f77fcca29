"""`SimilarityClassifier`: how much a text resembles what each label is about; needs no labelled row and no API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import Label, LabelSchema
from textclassify.core.progress import report
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED, SMALLEST_PROBABILITY, Method, Scale
from textclassify.core.scores import Scores
from textclassify.core.texts import hash_texts
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError
from textclassify.models.sources import EMBEDDED_ENCODER, ModelSource, sentence_encoder
from textclassify.rac.retrieving.candidates import Candidates, checked_k
from textclassify.rac.retrieving.hierarchy import LabelTree
from textclassify.rac.retrieving.label_texts import Floats, LabelTexts, Vectors
from textclassify.rac.retrieving.member_choice import RetrievalReport
from textclassify.rac.retrieving.no_label import NO_LABEL_SIMILARITY, check_other, with_code_left_out, without
from textclassify.rac.retrieving.retriever import Retriever
from textclassify.rac.retrieving.search import with_blank_rows


class SimilarityClassifier(TextClassifier):
    """Zero-shot scores: cosine similarity of the text and each label's card in a frozen encoder.

    The card is the label's name and description; where the schema has examples, the label's vector is that of 3 times
    the card plus the examples. Log-probabilities are log_softmax(cosine / temperature). From 30 examples on that can be
    held out, keywords, nearest examples and a linear head on the vectors are added with weights, each only where it
    lowers the held-out log loss by a standard error (see `retrieval_`).
    Multi-label: the labels and "no label" share one such distribution, and each label's share becomes its log-odds:
    texts have about one label each. Nothing is learned from gold answers, so `fold` is NEVER_TRAINED, but for texts
    that are examples of the schema, which are IN_SAMPLE; better descriptions and more examples are what improves it. A
    text's scores never depend on the other texts.

    Args:
        labels: the label schema; with it the classifier predicts unfitted.
        encoder: name or folder of a sentence encoder; None = the embedded one where it is installed (encoders that
            were not trained to compare sentences, such as `roberta-base`, are little use here).
        multi_label: overrides what the schema says.
        temperature: of the softmax over cosines. 0.06 has the best mean log loss of the embedded encoder on topic,
            question, spam, emotion and intent data.
        max_length: tokens of a text that are read.
        descend: where labels have parents, score them from the top downwards (see `LabelTree.descended`) instead of all
            at once, which was better by three points and more with groups of emotions.
        other: the label for texts that fit no other one; nothing is said about it, all texts are as similar to it.

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
        descend: bool = False,
        other: Label | None = None,
    ) -> None:
        self.labels = labels
        self.encoder = encoder
        self.multi_label = multi_label
        self.temperature = temperature
        self.max_length = max_length
        self.descend = descend
        self.other = other

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

    @property
    def retrieval_(self) -> RetrievalReport:
        """Which members score the labels, with what weights and why; computed when first asked for."""
        return self._retriever(self._require_schema()).report

    def top_labels(self, texts: Any, k: int, *, approximate: bool = False) -> Candidates:
        """Return the k labels that rank highest for each of n texts, best first, without the scores of all others.

        Args:
            texts: n texts; blank ones have no candidates.
            k: labels per text; all where there are fewer. `other` is never among them.
            approximate: beyond 50,000 labels, a faster search that misses some of them.

        Raises:
            ConfigError: k is no whole number of 1 or more.

        """
        checked_k(k)
        schema = self._require_schema()
        _, asked, blank = self._rows_of(texts)
        retriever = self._retriever(schema)
        vectors = self._vectors(asked) if asked else retriever.label_vectors[:0]
        found = retriever.top(asked, vectors, k, approximate=approximate)
        if self.other is not None:
            found = with_code_left_out(found, schema.names.index(self.other))
        return with_blank_rows(found, blank)

    def _score(self, texts: list[str]) -> Scores:
        schema = self._require_schema()
        scale = Scale.LOG_ODDS if schema.multi_label else Scale.LOG_PROBABILITY
        retriever = self._retriever(schema)
        values = np.zeros((0, len(schema)))
        if texts:
            vectors = self._vectors(texts)
            logits = retriever.logits(texts, vectors)
            values = self._values(schema, logits, retriever.cosines(vectors))
        fold = np.where(np.isin(hash_texts(texts), self.seen_row_ids), IN_SAMPLE, NEVER_TRAINED)
        return Scores.build(values, schema.names, scale, source=self.kind, method=Method.SIMILARITY, fold=fold)

    def _values(self, schema: LabelSchema, logits: Floats, cosines: Floats) -> Floats:
        """Return scores (n, K) of all labels from logits and cosines of those that have a card."""
        if schema.multi_label:
            return self._log_odds(logits, cosines)
        if self.other is None:
            return _normalised(logits)
        values = self._beside_none(logits, cosines, self._retriever(schema).other_similarity)
        return np.insert(values[:, :-1], schema.names.index(self.other), values[:, -1], axis=1)

    def _log_odds(self, logits: Floats, cosines: Floats) -> Floats:
        shares = np.exp(self._beside_none(logits, cosines, NO_LABEL_SIMILARITY))[:, :-1]
        shares = np.clip(shares, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        return np.asarray(np.log(shares) - np.log1p(-shares))

    def _beside_none(self, logits: Floats, cosines: Floats, none: float) -> Floats:
        """Return log-probabilities of (n, k) logits with "no label" of similarity `none` behind them, (n, k + 1).

        It takes as large a share as of the cosines alone.
        """
        lead = logsumexp(logits, axis=1) - logsumexp(cosines / self.temperature, axis=1)
        return _normalised(np.column_stack([logits, none / self.temperature + lead]))

    def _retriever(self, schema: LabelSchema) -> Retriever:
        """Return what scores the labels; computed once for as long as nothing it depends on changes."""
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}")
        if self.other is not None:
            check_other(self.other, schema)
            schema = without(schema, self.other)
        wanted = (schema, self.encoder, self.max_length, self.temperature, self.descend)
        known = getattr(self, "_known", None)
        if known is not None and known[0] == wanted:
            return known[1]  # type: ignore[no-any-return]
        tree = LabelTree(schema)
        retriever = Retriever(self._said(schema), self.temperature, tree=tree if self.descend and tree else None)
        self._known = (wanted, retriever)
        return retriever

    def _said(self, schema: LabelSchema) -> LabelTexts:
        """Return the cards and examples of the labels, with their vectors."""
        cards = [schema.card(name) for name in schema.names]
        pairs = [(k, text) for k, name in enumerate(schema.names) for text in schema.examples.get(name, ())]
        texts = tuple(text for _, text in pairs)
        card_vectors = self._vectors(cards)
        vectors = self._vectors(list(texts)) if texts else card_vectors[:0]
        codes = np.array([k for k, _ in pairs], dtype=np.int64)
        return LabelTexts(tuple(cards), card_vectors, texts, codes, vectors)

    def _vectors(self, texts: list[str]) -> Vectors:
        from textclassify.models.vectors import shared_encoder

        encoder = shared_encoder(self._source())
        return encoder.encode(
            texts,
            max_length=self.max_length,
            show_progress=lambda done, total: report("comparing texts with labels", done, total),
        )

    def _source(self) -> ModelSource:
        return sentence_encoder(self.encoder if self.encoder is not None else getattr(self, "encoder_name_", None))

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


def _normalised(logits: Floats) -> Floats:
    return np.asarray(log_softmax(logits, axis=1))
