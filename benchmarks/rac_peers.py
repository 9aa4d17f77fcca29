"""What stands beside retrieval with examples: bare centroids, two simple models, and a contrastively tuned encoder.

Every system gets the same examples and returns probabilities of the same texts.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from textclassify import LinearClassifier
from textclassify.core.labels import Label, LabelSchema
from textclassify.models.sources import resolve
from textclassify.models.vectors import SentenceEncoder, shared_encoder

Examples = Mapping[Label, Sequence[str]]

ENCODER = "minilm"
TEMPERATURE = 0.06
"""Of the softmax over cosines that makes centroids' certainties comparable over texts."""
SETFIT = "SetFit"
SETFIT_PAIRS = 4_000
"""Pairs of texts that SetFit learns from, so that 770 examples take minutes on one core, not hours."""


def frozen_encoder() -> SentenceEncoder:
    """Return the encoder that every system here starts from."""
    return shared_encoder(resolve(ENCODER, "encoder"))


def remember_vectors() -> None:
    """Let the shared encoder compute every text once in this process: systems and seeds share most of their texts.

    Not for timings.
    """
    encoder = frozen_encoder()
    compute = encoder.encode
    known: dict[tuple[bytes, int], NDArray[np.float32]] = {}

    def encode(texts: Sequence[str], *, max_length: int = 256, **options: Any) -> NDArray[np.float32]:
        keys = [(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), max_length) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        found = compute(list(missing.values()), max_length=max_length, **options)
        known.update(zip(missing, found, strict=True))
        return np.array([known[key] for key in keys], dtype=np.float32).reshape(len(keys), found.shape[1])

    vars(encoder)["encode"] = encode


def card_cosines(schema: LabelSchema, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return cosines of texts and bare label cards, (n, K)."""
    encoder = frozen_encoder()
    return np.asarray(encoder.encode(texts) @ encoder.encode([schema.card(name) for name in schema.names]).T)


def centroids(schema: LabelSchema, examples: Examples, texts: Sequence[str], *, cards: bool = True) -> NDArray[Any]:
    """Return probabilities from cosines to each label's centroid: of its examples, and of its card where wanted."""
    encoder = frozen_encoder()
    of_cards = encoder.encode([schema.card(name) for name in schema.names])
    vectors = of_cards.copy() if cards else np.zeros_like(of_cards)
    for k, name in enumerate(schema.names):
        vectors[k] += encoder.encode(list(examples[name])).mean(axis=0) if examples[name] else of_cards[k]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(softmax(encoder.encode(texts) @ vectors.T / TEMPERATURE, axis=1))


def linear(schema: LabelSchema, examples: Examples, texts: Sequence[str]) -> NDArray[Any]:
    """Return probabilities of the linear model on words and characters."""
    return np.asarray(LinearClassifier(schema).fit(*_flat(examples)).predict_proba(list(texts)))


def frozen_regression(schema: LabelSchema, examples: Examples, texts: Sequence[str]) -> NDArray[Any]:
    """Return probabilities of a logistic regression on frozen sentence vectors."""
    encoder = frozen_encoder()
    return _regression(schema, examples, encoder.encode(_flat(examples)[0]), encoder.encode(texts))


def setfit_runs() -> bool:
    """Return whether SetFit is installed and can be imported beside the installed transformers."""
    try:
        import setfit  # type: ignore[import-not-found]
    except ImportError:
        return False
    return bool(setfit.__version__)


def setfit_itself(schema: LabelSchema, examples: Examples, texts: Sequence[str], seed: int) -> NDArray[Any]:
    """Return probabilities of SetFit: the same encoder tuned on pairs of examples for an epoch, then its head."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    train_texts, names = _flat(examples)
    codes = [schema.names.index(name) for name in names]
    model = SetFitModel.from_pretrained(resolve(ENCODER, "encoder").location, local_files_only=True)
    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            output_dir=folder,
            num_epochs=1,
            num_iterations=max(1, SETFIT_PAIRS // (2 * len(codes))),
            seed=seed,
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        Trainer(model, options, train_dataset=Dataset.from_dict({"text": train_texts, "label": codes})).train()
    found = np.zeros((len(texts), len(schema)))
    found[:, model.model_head.classes_] = model.predict_proba(list(texts), as_numpy=True)
    return found


def _regression(
    schema: LabelSchema, examples: Examples, train: NDArray[np.float32], test: NDArray[np.float32]
) -> NDArray[Any]:
    """Return probabilities (n, K) of a logistic regression; labels without an example have 0."""
    code = {name: k for k, name in enumerate(schema.names)}
    model = LogisticRegression(C=10.0, max_iter=2000).fit(train, [code[name] for name in _flat(examples)[1]])
    found = np.zeros((len(test), len(schema)))
    found[:, model.classes_] = model.predict_proba(test)
    return found


def _flat(examples: Examples) -> tuple[list[str], list[Label]]:
    """Return all examples, and the label of each."""
    pairs = [(text, name) for name, texts in examples.items() for text in texts]
    return [text for text, _ in pairs], [name for _, name in pairs]
