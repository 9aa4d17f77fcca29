"""`LabelTexts`: what is said about each label, its card and its example texts, and their vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
"""Unit vectors of texts, one per row."""
Floats: TypeAlias = NDArray[np.float64]

CARD_AS_EXAMPLES = 3.0
"""A label's card counts as much as this many examples: best of 1 to 4 on question, news and emotion data."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelTexts:
    """The cards of K labels and E examples of them.

    Args:
        cards: one text per label.
        card_vectors: (K, d).
        texts: example texts, in any order; a text may be an example of several labels.
        codes: (E,) the label of each example.
        vectors: (E, d).

    """

    cards: tuple[str, ...]
    card_vectors: Vectors
    texts: tuple[str, ...]
    codes: NDArray[np.int64]
    vectors: Vectors

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many examples each label has, (K,)."""
        return np.bincount(self.codes, minlength=len(self.cards)).astype(np.int64)

    def with_examples(self, rows: NDArray[Any]) -> Self:
        """Return the same labels with only those examples that a boolean mask selects."""
        kept = np.flatnonzero(rows)
        texts = tuple(self.texts[row] for row in kept.tolist())
        return replace(self, texts=texts, codes=self.codes[kept], vectors=self.vectors[kept])


def label_vectors(said: LabelTexts) -> Vectors:
    """Return one unit vector per label, (K, d): of 3 times the card plus the sum of the examples; else of the card."""
    vectors = said.card_vectors.copy()
    if len(said.codes):
        sums = np.zeros_like(vectors)
        np.add.at(sums, said.codes, said.vectors)
        has_examples = said.counts > 0
        vectors[has_examples] = CARD_AS_EXAMPLES * vectors[has_examples] + sums[has_examples]
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
