"""`Retriever`: fitted members and their weights, which score and search the labels of one schema."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textclassify.rac.retrieving.candidates import Candidates, highest
from textclassify.rac.retrieving.hierarchy import LabelTree
from textclassify.rac.retrieving.label_texts import Floats, LabelTexts, Vectors, label_vectors
from textclassify.rac.retrieving.levelling import Levelled, fitted_member
from textclassify.rac.retrieving.member_choice import RetrievalReport, choose_members
from textclassify.rac.retrieving.members import DENSE, LinearMember
from textclassify.rac.retrieving.no_label import other_similarity
from textclassify.rac.retrieving.search import block_rows, nearest


class Retriever:
    """Scores of K labels for texts and their vectors.

    Args:
        said: the labels' cards and examples.
        temperature: what cosines are divided by.
        tree: where given, labels are scored from the top downwards by their vectors, and no member is added.

    """

    def __init__(self, said: LabelTexts, temperature: float, *, tree: LabelTree | None = None) -> None:
        self.temperature = temperature
        self.label_vectors = label_vectors(said)
        self.other_similarity = other_similarity(said)
        self.report = choose_members(said, temperature) if tree is None else _from_the_top()
        self._tree = tree
        self._members = {name: fitted_member(name, said, temperature) for name in self.report.weights}

    def logits(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """Return (n, K) logits: log-probabilities up to a constant of the row."""
        if self._tree is not None:
            return self._tree.descended(vectors, self.label_vectors, self.temperature)
        weighted = (weight * self._members[name].logits(texts, vectors) for name, weight in self.report.weights.items())
        total = next(weighted)
        for one in weighted:
            total += one
        return total

    def cosines(self, vectors: Vectors) -> Floats:
        """Return (n, K) cosines of texts and label vectors."""
        return np.asarray((vectors @ self.label_vectors.T).astype(np.float64))

    def top(self, texts: Sequence[str], vectors: Vectors, k: int, *, approximate: bool = False) -> Candidates:
        """Return the k labels with the highest logits for each text; see `search.nearest`."""
        linear = self._linear_weights()
        if linear is not None:
            ones = np.ones((len(vectors), linear.shape[1] - vectors.shape[1]), dtype=np.float32)
            return nearest(np.hstack([vectors, ones]), linear, k, approximate=approximate)
        n_labels, rows = len(self.label_vectors), block_rows(len(self.label_vectors))
        width = min(k, n_labels)
        codes = np.empty((len(texts), width), dtype=np.int32)
        scores = np.empty((len(texts), width), dtype=np.float32)
        for start in range(0, len(texts), rows):
            block = slice(start, start + rows)
            logits = self.logits(texts[block], vectors[block]).astype(np.float32)
            codes[block], scores[block] = highest(logits, width)
        return Candidates(codes, scores)

    def _linear_weights(self) -> Vectors | None:
        """Return (K, d) weights of a text's vector, or (K, d + 1) of it and 1, where the logits are linear in them."""
        if self._tree is not None:
            return None
        weights, lifts = np.zeros_like(self.label_vectors), np.zeros(len(self.label_vectors))
        for name, weight in self.report.weights.items():
            member = self._members[name]
            if isinstance(member, Levelled):
                lifts += weight * member.lifts
                member = member.member
            if not isinstance(member, LinearMember):
                return None
            weights += np.float32(weight / member.temperature) * member.weights
        return np.column_stack([weights, -lifts]).astype(np.float32) if lifts.any() else weights


def _from_the_top() -> RetrievalReport:
    return RetrievalReport({DENSE: 1.0}, 0, 0, (), "labels are found from the top downwards, by vectors alone")
