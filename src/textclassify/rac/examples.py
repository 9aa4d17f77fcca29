"""Example texts by label, from whatever holds labelled texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core import dataset
from textclassify.core.labels import Label, LabelSchema
from textclassify.core.types import TrainingData
from textclassify.errors import LabelError

Examples = dict[Label, list[str]]


def examples_by_label(examples: Any, schema: LabelSchema) -> Examples:
    """Return example texts by label.

    Args:
        examples: {label: [texts]}, `TrainingData`, a table with a text and a label column, or the path of one.
        schema: the labels.

    Raises:
        LabelError: an example is of an unknown label, or what a label has is no list of texts.
        DataError: the table cannot be used.

    """
    if isinstance(examples, Mapping):
        for name, texts in examples.items():
            if not isinstance(texts, Iterable):
                raise LabelError(f"the examples of label {name!r} are {texts!r:.60}; pass a list of texts")
        return {name: [texts] if isinstance(texts, str) else list(texts) for name, texts in examples.items()}
    return examples_in(dataset.labelled_data(examples, schema=schema, multi_label=schema.multi_label))


def examples_in(data: TrainingData, most: int | None = None, random_state: int = 0) -> Examples:
    """Return the texts of each label, at most so many, drawn at random; one with several labels is one of each."""
    rng = np.random.default_rng(random_state)
    found: Examples = {}
    for k, name in enumerate(data.schema.names):
        rows: NDArray[np.intp] = np.flatnonzero(data.gold[:, k] == 1 if data.schema.multi_label else data.gold == k)
        chosen = rows if most is None or len(rows) <= most else np.sort(rng.permutation(rows)[:most])
        if len(chosen):
            found[name] = list(dict.fromkeys(data.texts[row] for row in chosen))
    return found
