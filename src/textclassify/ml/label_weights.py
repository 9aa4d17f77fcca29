"""How much each row counts in training, and the rows that the label schema itself provides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.texts import did_you_mean
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError

CARD_ROWS = 2.0
"""How many rows a label's card counts for; 1 to 3 measured alike on news with 3 to 8 rows per label."""


def with_label_cards(data: TrainingData) -> TrainingData:
    """Return the data with the label cards as further rows at the end, if every label has a description.

    Bare names stay out, because a name may mean nothing ("1", "HUM"); so do cards of labels that do not exclude each
    other, because a card shows nothing about the other labels.
    """
    schema = data.schema
    if data.multi_label or not all(schema.descriptions.get(name) for name in schema.names):
        return data
    cards = [schema.card(name) for name in schema.names]
    weight = np.ones(len(data)) if data.sample_weight is None else data.sample_weight
    return TrainingData(
        texts=[*data.texts, *cards],
        labels=[*schema.decode(data.gold), *schema.names],
        schema=schema,
        classification_type=data.classification_type,
        sample_weight=np.concatenate([weight, np.full(len(cards), CARD_ROWS * weight.mean())]),
        groups=None if data.groups is None else [*data.groups, *cards],
    )


def row_weights(
    data: TrainingData, class_weight: str | Mapping[Any, float] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return row weights (n,) of mean 1 and, multi-label with class weights, weights (K,) of the rows with a label.

    Args:
        data: training data.
        class_weight: None, "balanced" (labels count alike; multi-label: having and lacking one), or {label: weight}.

    Raises:
        ConfigError: another word, a label that the schema does not know, or a weight that is not above 0.

    """
    given = np.ones(len(data)) if data.sample_weight is None else data.sample_weight
    if class_weight is None:
        return given / given.mean(), None
    of_labels = _label_weights(data, class_weight)
    if data.multi_label:
        return given / given.mean(), of_labels
    weights = given * of_labels[data.gold]
    return weights / weights.mean(), None


def _label_weights(data: TrainingData, class_weight: str | Mapping[Any, float]) -> NDArray[np.float64]:
    names = data.schema.names
    if isinstance(class_weight, Mapping):
        for name, weight in class_weight.items():
            if name not in names:
                raise ConfigError(f"class_weight names unknown label {name!r}{did_you_mean(name, names)}")
            if not weight > 0:
                raise ConfigError(f"class_weight of {name!r} must be above 0, got {weight}; leave its rows out instead")
        return np.array([float(class_weight.get(name, 1.0)) for name in names])
    if class_weight != "balanced":
        raise ConfigError(f"class_weight must be None, 'balanced' or {{label: weight}}, got {class_weight!r}")
    if data.multi_label:
        having = data.gold.sum(axis=0)
        return np.asarray(np.maximum(len(data) - having, 1) / np.maximum(having, 1))
    counts = np.bincount(data.gold, minlength=len(names))
    return np.asarray(len(data) / (np.count_nonzero(counts) * np.maximum(counts, 1)))
