"""What answers the test texts of the emotion data sets: floors, heads on frozen features with and without each part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from emotions_data import EmotionPart, Frozen
from textclassify import EmbeddingClassifier, LinearClassifier
from textclassify.core.labels import LabelSchema

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse penalties of the logistic regressions; the validation part chooses."""


@dataclass(frozen=True)
class Task:
    """A data set: its labels and its three parts."""

    schema: LabelSchema
    train: EmotionPart
    validation: EmotionPart
    test: EmotionPart


@dataclass(frozen=True)
class System:
    """A way of answering: `answers(task, frozen, seed)` returns probabilities (n, K) of the test texts.

    `is_seeded` tells whether another seed would give other answers.
    """

    answers: Callable[[Task, Frozen, int], NDArray[np.float64]]
    is_seeded: bool = True


def words(task: Task, _: Frozen, seed: int) -> NDArray[np.float64]:
    """Return what TF-IDF and a linear model answer."""
    model = LinearClassifier(task.schema, random_state=seed)
    model.fit(task.train.texts, task.train.labels)
    return np.asarray(model.predict_proba(task.test.texts))


def support_vectors(task: Task, _: Frozen, __: int) -> NDArray[np.float64]:
    """Return answers of support vectors on TF-IDF of words and characters; the validation part chose the penalty."""
    words_and_characters = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
    )
    train = words_and_characters.fit_transform(task.train.texts)
    validation, test = (words_and_characters.transform(part.texts) for part in (task.validation, task.test))
    tried = [LinearSVC(C=penalty, random_state=0).fit(train, task.train.gold) for penalty in (0.03, 0.1, 0.3, 1.0)]
    best = max(tried, key=lambda model: model.score(validation, task.validation.gold))
    return np.asarray(np.eye(len(task.schema))[best.predict(test)])


def regression(vectors: Callable[[Frozen, list[str]], NDArray[np.float32]]) -> System:
    """Return logistic regression on standardised frozen vectors, its penalty chosen on the validation part."""

    def answers(task: Task, frozen: Frozen, _: int) -> NDArray[np.float64]:
        parts = [vectors(frozen, part.texts) for part in (task.train, task.validation, task.test)]
        mean, spread = parts[0].mean(axis=0), parts[0].std(axis=0) + 1e-6
        train, validation, test = ((part - mean) / (spread * np.sqrt(len(mean))) for part in parts)
        best, best_right = None, -1.0
        for penalty in PENALTIES:
            model = LogisticRegression(C=penalty, max_iter=500, tol=1e-3).fit(train, task.train.gold)
            right = model.score(validation, task.validation.gold)
            if right > best_right:
                best, best_right = model, right
        if best is None:
            raise RuntimeError("no penalty was tried")
        found = np.zeros((len(test), len(task.schema)))
        found[:, best.classes_] = best.predict_proba(test)
        return found

    return System(answers, is_seeded=False)


def head(*sources: str, **options: Any) -> System:
    """Return the network over frozen features, of the sources of these names (attributes of `Frozen`)."""

    def answers(task: Task, frozen: Frozen, seed: int) -> NDArray[np.float64]:
        used = [getattr(frozen, name) for name in sources]
        classifier = EmbeddingClassifier(used, task.schema, random_state=seed, **options)
        classifier.fit(task.train.texts, task.train.labels)
        return np.asarray(classifier.predict_proba(task.test.texts))

    return System(answers)


SYSTEMS = {
    "TF-IDF, linear": System(words, is_seeded=False),
    "floor: TF-IDF, support vectors": System(support_vectors, is_seeded=False),
    "regression: MiniLM, last layer": regression(lambda frozen, texts: frozen.encoder.encode(texts)[:, 0]),
    "regression: MiniLM, mean of 5 layers": regression(lambda frozen, texts: frozen.encoder.encode(texts).mean(axis=1)),
    "regression: SmolLM2, last layer": regression(lambda frozen, texts: frozen.causal.encode(texts)[:, 0]),
    "regression: SmolLM2, mean of 5 layers": regression(lambda frozen, texts: frozen.causal.encode(texts).mean(axis=1)),
    "head": head("encoder", "causal"),
    "head without the Gram block": head("encoder", "causal", use_gram=False),
    "head, Gram block alone": head("encoder", "causal", use_vectors=False, linear_part=False),
    "head without logistic regression": head("encoder", "causal", linear_part=False),
    "head without MiniLM": head("causal"),
    "head without SmolLM2": head("encoder"),
    "head, last layers as published": head("last_layers", "first_token"),
    "published form, tanh(2x)": head("last_layers", "first_token", compat="llmembed"),
    "published form, tanh(x/2)": head("last_layers", "first_token", compat="llmembed", power_norm="code"),
}
