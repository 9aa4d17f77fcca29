"""Labelled examples for prompts: drawn once for all texts, or the nearest ones for each text."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report
from textclassify.core.texts import hash_wordings
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, MissingDependencyError, ModelError, StorageError
from textclassify.models.sources import EMBEDDED_ENCODER, ModelSource, resolve

TFIDF = "tfidf"
"""The similarity that needs no encoder: the cosine of TF-IDF vectors."""

_FILE = "nearest_examples.json"
_TEXTS_AT_ONCE = 4096
_SIMILARITIES_AT_ONCE = 4_000_000  # 16 MB
_STEPS = 10_000
"""Similarities are compared in steps of 1/10,000: smaller differences are an encoder's noise between batches."""
_COMMON_SHARE, _COMMON_ROWS = 0.2, 50
"""TF-IDF leaves out what more than this share of a pool has, but nothing that fewer than so many rows have."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A labelled example: its text and its label (a list of labels for multi-label)."""

    text: str
    label: Any


def drawn_examples(data: TrainingData, per_label: int, rng: np.random.Generator) -> tuple[Demonstration, ...]:
    """Return examples of every label in random order, no text twice in whatever case or white space.

    Args:
        data: labelled texts.
        per_label: how many of each label, where there are as many.
        rng: which ones, and in which order.

    """
    chosen: dict[int, Demonstration] = {}
    order = rng.permutation(len(data))
    wordings = data.wording_ids.tolist()
    for k in range(len(data.schema)):
        rows = order[data.gold[order, k] == 1] if data.multi_label else order[data.gold[order] == k]
        for row in islice((row for row in rows.tolist() if wordings[row] not in chosen), per_label):
            chosen[wordings[row]] = Demonstration(data.texts[row], data.schema.decode(data.gold[[row]])[0])
    examples = list(chosen.values())
    return tuple(examples[place] for place in rng.permutation(len(examples)))


class NearestExamples:
    """For each text the labelled examples that are most similar to it, from a pool of training rows.

    Similar is what has a high cosine in a frozen sentence encoder, or where there is none, in TF-IDF of sequences of
    characters. All rows of the pool count as seen: any of them may be shown.

    Args:
        examples_per_text: how many are shown beside a text.
        encoder: name or folder of a sentence encoder; "tfidf" = none; None = the embedded one where it is installed.

    Learned: `texts_` and `labels_`, the pool; `similarity_`, the encoder's name or "tfidf".

    >>> pool = TrainingData(["parcel late", "wrong bill"], ["delivery", "billing"])
    >>> NearestExamples(1, encoder="tfidf").fit(pool).for_texts(["a late parcel"])
    [(Demonstration(text='parcel late', label='delivery'),)]

    """

    def __init__(self, examples_per_text: int = 8, *, encoder: str | os.PathLike[str] | None = None) -> None:
        self.examples_per_text = examples_per_text
        self.encoder = None if encoder is None else os.fspath(encoder)

    def fit(self, data: TrainingData) -> Self:
        """Take the rows of `data` as the pool.

        Raises:
            ConfigError: `examples_per_text` is below 1.
            ModelError: the encoder that was named cannot be had.

        """
        if self.examples_per_text < 1:
            raise ConfigError(f"examples_per_text must be at least 1, got {self.examples_per_text}")
        chosen = self.encoder or (EMBEDDED_ENCODER if _has_embedded_encoder() else TFIDF)
        self._take(data.texts, data.schema.decode(data.gold), chosen)
        self.check_model()
        return self

    @property
    def texts(self) -> list[str]:
        """All texts of the pool, which count as seen."""
        return self.texts_

    def check_model(self) -> None:
        """Make sure that what the similarity needs is there, without loading it.

        Raises:
            ModelError: it is not; the message says how to get it.
            MissingDependencyError: torch is not installed.

        """
        if self.similarity_ != TFIDF:
            _encoder_source(self.similarity_)

    def for_texts(self, texts: Sequence[str]) -> list[tuple[Demonstration, ...]]:
        """Return the nearest examples of each text, the most similar one last, next to the question.

        A text is never shown beside itself, nor beside a text that differs from it in case or white space only; and
        no two examples of one text are such duplicates. Equally similar examples come in the order of the pool. The
        memory needed does not grow with the number of texts.

        Raises:
            ModelError: the encoder that the pool was fitted with is not there.
            MissingDependencyError: torch is not installed.

        """
        found: list[tuple[Demonstration, ...]] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            found += self._nearest(texts[start : start + _TEXTS_AT_ONCE])
            report("finding similar examples", len(found), len(texts))
        return found

    def save(self, folder: Path) -> None:
        """Write the pool as JSON; vectors are computed again when they are needed."""
        content = {
            "examples_per_text": self.examples_per_text,
            "encoder": self.encoder,
            "similarity": self.similarity_,
            "texts": self.texts_,
            "labels": self.labels_,
        }
        (folder / _FILE).write_text(json.dumps(content), encoding="ascii")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` wrote, with the same similarity; its encoder is looked for when it is needed.

        Raises:
            StorageError: there is no such file, or it is damaged.

        """
        try:
            content = json.loads((folder / _FILE).read_text(encoding="ascii"))
            loaded = cls(content["examples_per_text"], encoder=content["encoder"])
            texts, labels, similarity = (content[key] for key in ("texts", "labels", "similarity"))
            if not (isinstance(similarity, str) and len(texts) == len(labels)):
                raise ValueError("texts, labels and similarity do not fit together")  # noqa: TRY301 - damaged too
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{_FILE} in {str(folder)!r} cannot be read ({error}); copy the whole folder again"
            ) from error
        loaded._take(texts, labels, similarity)
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_space": None}

    def _take(self, texts: list[str], labels: list[Any], similarity: str) -> None:
        self.texts_, self.labels_, self.similarity_ = texts, labels, similarity
        wordings, first = np.unique(hash_wordings(texts), return_index=True)
        rows = np.sort(first)
        self._examples = [Demonstration(texts[row], labels[row]) for row in rows.tolist()]
        self._wordings, self._place = wordings, np.searchsorted(rows, first)
        self._space: _Space | None = None
        pool = json.dumps([similarity, self.examples_per_text, texts, labels])
        self.identity = hashlib.sha256(pool.encode("ascii")).hexdigest()
        """Tells pools apart, and how they are searched."""

    def _nearest(self, texts: Sequence[str]) -> Iterator[tuple[Demonstration, ...]]:
        if self._space is None:
            self._space = _space(self.similarity_, [example.text for example in self._examples])
        vectors, own = self._space.vectors(texts), self._own_places(texts)
        at_once = max(1, _SIMILARITIES_AT_ONCE // len(self._examples))
        for start in range(0, len(texts), at_once):
            steps = np.rint(self._space.similarities(vectors[start : start + at_once]) * _STEPS)
            places = own[start : start + at_once]
            rows = np.flatnonzero(places >= 0)
            steps[rows, places[rows]] = -np.inf
            for ordered in _highest(steps, self.examples_per_text):
                yield tuple(self._examples[place] for place in reversed(ordered))

    def _own_places(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return where in the pool each text stands itself, in whatever case or white space; -1 = nowhere."""
        wordings = hash_wordings(texts)
        at = np.minimum(np.searchsorted(self._wordings, wordings), len(self._wordings) - 1)
        return np.where(self._wordings[at] == wordings, self._place[at], -1)


class _Space(Protocol):
    """Vectors of texts, and how similar they are to those of the pool."""

    def vectors(self, texts: Sequence[str]) -> Any:
        """Return one row per text."""

    def similarities(self, vectors: Any) -> NDArray[np.float32]:
        """Return the cosines (m, P) of m rows and the pool."""


class _Encoded:
    def __init__(self, source: ModelSource, pool: list[str]) -> None:
        from textclassify.models.vectors import shared_encoder

        self._encoder = shared_encoder(source)
        self._pool = self._encoder.encode(pool)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encoder.encode(texts)

    def similarities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return vectors @ self._pool.T


class _Tfidf:
    def __init__(self, pool: list[str]) -> None:
        # Sequences that many texts have say little and cost most: without them a search takes a third of the time.
        common = max(_COMMON_SHARE, min(1.0, _COMMON_ROWS / len(pool)))
        try:
            self._fit(pool, common)
        except ValueError:  # nothing is left: all texts of the pool are alike
            self._fit(pool, 1.0)

    def _fit(self, pool: list[str], common: float) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), max_df=common, sublinear_tf=True, dtype=np.float32
        )
        self._pool = self._vectorizer.fit_transform(pool).T.tocsr()

    def vectors(self, texts: Sequence[str]) -> Any:
        return self._vectorizer.transform(texts)

    def similarities(self, vectors: Any) -> NDArray[np.float32]:
        return np.asarray((vectors @ self._pool).toarray())


def _space(similarity: str, pool: list[str]) -> _Space:
    return _Tfidf(pool) if similarity == TFIDF else _Encoded(_encoder_source(similarity), pool)


def _highest(values: NDArray[np.float32], k: int) -> Iterator[list[int]]:
    """Yield the columns of the k highest finite values of each row, highest first, equal ones in their order."""
    k = min(k, values.shape[1])
    least = np.partition(values, -k, axis=1)[:, -k]
    for row, threshold in zip(values, least, strict=True):
        columns = np.flatnonzero((row >= threshold) & np.isfinite(row))
        yield columns[np.argsort(-row[columns], kind="stable")[:k]].tolist()


def _has_embedded_encoder() -> bool:
    try:
        _encoder_source(EMBEDDED_ENCODER)
    except (ModelError, MissingDependencyError):
        return False
    return True


def _encoder_source(name: str) -> ModelSource:
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError(
                f"similar examples are found with the encoder {name!r}, which needs the package {package!r}; install "
                f'it with: pip install "textclassify[torch]", or fit again with encoder={TFIDF!r}',
                name=package,
            )
    try:
        return resolve(name, "encoder")
    except ModelError as error:
        raise ModelError(
            f"similar examples are found with the encoder {name!r}, which is not here: {error}; or fit again with "
            f"encoder={TFIDF!r}"
        ) from error
