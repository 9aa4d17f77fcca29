"""`LinearClassifier`: the torch-free baseline that every report shows."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack
from scipy.special import log_softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from textclassify.core.contract import TextClassifier
from textclassify.core.number_checks import is_count, is_number
from textclassify.core.scales import Method, Scale
from textclassify.core.scores import Scores, log_normalised
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.core.texts import listed
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, StorageError

logger = logging.getLogger(__name__)

SMOOTHING_ROWS = 0.5
"""Rows that every label is granted on top of its own where no model can be fitted (Jeffreys' prior)."""

_WORDS = r"(?u)\w+|[^\w\s]"
"""Words, and every mark that is neither a letter nor white space: no text that shows something is empty."""
_VOCABULARY = "vocabulary.json"
_ARRAYS = "linear.safetensors"


class LinearClassifier(TextClassifier):
    """Logistic regression on TF-IDF of words and of characters inside words.

    Each text becomes two vectors of length 1, side by side. Labels without a training row (multi-label: without a row
    that has it, or without one that lacks it) keep a small constant probability, (rows + 1/2) / (all rows + 1/2 per
    label). Multi-label: one model per label. Fitting is deterministic.

    Args:
        labels: the label schema; None = the labels that occur in training.
        C: inverse strength of the L2 penalty. 10 is near the best log loss and the best accuracy on topic, question,
            intent, emotion and spam data of 32 to 5,000 rows.
        word_ngrams: shortest and longest sequence of words.
        char_ngrams: shortest and longest sequence of characters within a word.
        max_features: the most frequent sequences that are kept, of words and of characters each.
        multi_label: overrides what the schema says.
        random_state: handed to the solver, which draws no random numbers.

    >>> LinearClassifier().fit(["a fine day", "a bad day"], ["good", "poor"]).predict(["fine"]).predictions
    ['good']

    """

    kind: ClassVar[str] = "linear"

    def __init__(
        self,
        labels: Any = None,
        *,
        C: float = 10.0,
        word_ngrams: tuple[int, int] = (1, 2),
        char_ngrams: tuple[int, int] = (2, 4),
        max_features: int = 100_000,
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
        self.labels = labels
        self.C = C
        self.word_ngrams = word_ngrams
        self.char_ngrams = char_ngrams
        self.max_features = max_features
        self.multi_label = multi_label
        self.random_state = random_state

    def _fit(self, data: TrainingData) -> None:
        self._check_options()
        self.vectorizers_ = self._new_vectorizers()
        features = _side_by_side([vectorizer.fit_transform(data.texts) for vectorizer in self.vectorizers_])
        weight = np.ones(len(data)) if data.sample_weight is None else data.sample_weight
        fit = self._fit_each if data.multi_label else self._fit_competing
        fit(features, data.gold, weight)

    def _check_options(self) -> None:
        if not is_number(self.C) or not 0 < self.C < np.inf:
            raise ConfigError(f"C must be a number above 0, got {self.C!r}")
        if not is_count(self.max_features):
            raise ConfigError(f"max_features must be a whole number of at least 1, got {self.max_features!r}")
        for name in ("word_ngrams", "char_ngrams"):
            lengths = getattr(self, name)
            pair = isinstance(lengths, tuple | list) and len(lengths) == 2 and all(map(is_count, lengths))
            if not pair or lengths[0] > lengths[1]:
                raise ConfigError(
                    f"{name} must be the shortest and the longest length, such as (1, 2), got {lengths!r}"
                )

    def _fit_competing(self, features: csr_array, gold: NDArray[Any], weight: NDArray[np.float64]) -> None:
        """Learn one softmax over the labels that have rows."""
        K = len(self.schema_)
        counts = np.bincount(gold, weights=weight, minlength=K)
        seen = np.flatnonzero(counts)
        shares = (counts + SMOOTHING_ROWS) / (counts.sum() + SMOOTHING_ROWS * K)
        self.unseen_shares_ = np.where(counts > 0, 0.0, shares)
        self.coefficients_ = np.zeros((K, features.shape[1]), dtype=np.float32)
        self.intercepts_ = np.zeros(K, dtype=np.float32)
        if len(seen) < K:
            unseen = [self.schema_.names[k] for k in np.flatnonzero(counts == 0)]
            logger.warning("no training row for label %s: it keeps a small constant probability", listed(unseen))
        if len(seen) > 1:
            rows = weight > 0
            model = self._new_regression().fit(features[rows], gold[rows], sample_weight=weight[rows])
            # Two labels have one row of coefficients, the second label's over the first.
            targets = seen[1:] if len(seen) == 2 else seen
            self.coefficients_[targets] = model.coef_
            self.intercepts_[targets] = model.intercept_

    def _fit_each(self, features: csr_array, gold: NDArray[Any], weight: NDArray[np.float64]) -> None:
        """Learn one model per label; a constant where all rows have the label or none has it."""
        K = len(self.schema_)
        self.unseen_shares_ = np.zeros(K)
        self.coefficients_ = np.zeros((K, features.shape[1]), dtype=np.float32)
        self.intercepts_ = np.zeros(K, dtype=np.float32)
        rows = weight > 0
        features, gold, weight = features[rows], gold[rows], weight[rows]
        for k in range(K):
            positive = gold[:, k] @ weight
            negative = weight.sum() - positive
            if positive > 0 and negative > 0:
                model = self._new_regression().fit(features, gold[:, k], sample_weight=weight)
                self.coefficients_[k] = model.coef_[0]
                self.intercepts_[k] = model.intercept_[0]
            else:
                logger.warning("label %r is on no training row or on all: a constant", self.schema_.names[k])
                self.intercepts_[k] = np.log((positive + SMOOTHING_ROWS) / (negative + SMOOTHING_ROWS))

    def _score(self, texts: list[str]) -> Scores:
        options: dict[str, Any] = {"source": self.kind, "method": Method.TRAINED}
        names = self.schema_.names
        if not texts:
            scale = Scale.LOG_ODDS if self.schema_.multi_label else Scale.LOG_PROBABILITY
            return Scores.build(np.zeros((0, len(names))), names, scale, **options)
        features = _side_by_side([vectorizer.transform(texts) for vectorizer in self.vectorizers_])
        logits = np.asarray(features @ self.coefficients_.T + self.intercepts_, dtype=np.float64)
        if self.schema_.multi_label:
            return Scores.build(logits, names, Scale.LOG_ODDS, **options)
        seen = self.unseen_shares_ == 0
        probabilities = np.tile(self.unseen_shares_, (len(texts), 1))
        probabilities[:, seen] = np.exp(log_softmax(logits[:, seen], axis=1)) * (1 - self.unseen_shares_.sum())
        return Scores.build(log_normalised(probabilities), names, Scale.LOG_PROBABILITY, **options)

    def _write(self, folder: Path) -> dict[str, Any]:
        words, characters = (list(vectorizer.get_feature_names_out()) for vectorizer in self.vectorizers_)
        # Escaped, because a vocabulary may hold half surrogate pairs, which no file encoding can.
        content = json.dumps({"words": words, "characters": characters})
        (folder / _VOCABULARY).write_text(content, encoding="ascii")
        arrays = {
            "word_idf": self.vectorizers_[0].idf_,
            "character_idf": self.vectorizers_[1].idf_,
            "coefficients": self.coefficients_,
            "intercepts": self.intercepts_,
            "unseen_shares": self.unseen_shares_,
        }
        write_arrays(folder / _ARRAYS, arrays)
        return {}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        del learned  # everything is in the two files
        try:
            vocabulary = json.loads((folder / _VOCABULARY).read_text(encoding="ascii"))
            terms = [vocabulary["words"], vocabulary["characters"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{_VOCABULARY} in {str(folder)!r} is damaged ({error}); copy the whole folder again"
            ) from error
        arrays = read_arrays(folder / _ARRAYS)
        self.vectorizers_ = self._new_vectorizers(terms)
        self.vectorizers_[0].idf_ = arrays["word_idf"]
        self.vectorizers_[1].idf_ = arrays["character_idf"]
        self.coefficients_ = arrays["coefficients"]
        self.intercepts_ = arrays["intercepts"]
        self.unseen_shares_ = arrays["unseen_shares"]

    def _new_vectorizers(self, terms: list[list[str]] | None = None) -> list[Any]:
        """Return the vectorizers of words and of characters, empty or of known vocabularies."""
        words, characters = terms or (None, None)
        common = {"sublinear_tf": True, "dtype": np.float32, "max_features": self.max_features}
        return [
            TfidfVectorizer(token_pattern=_WORDS, ngram_range=tuple(self.word_ngrams), vocabulary=words, **common),
            TfidfVectorizer(analyzer="char_wb", ngram_range=tuple(self.char_ngrams), vocabulary=characters, **common),
        ]

    def _new_regression(self) -> LogisticRegression:
        return LogisticRegression(C=self.C, max_iter=200, tol=1e-3, random_state=self.random_state)


def _side_by_side(blocks: list[Any]) -> csr_array:
    return csr_array(hstack(blocks, format="csr"))
