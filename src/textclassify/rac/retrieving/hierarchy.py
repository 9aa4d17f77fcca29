"""`LabelTree`: labels with broader ones above them; what to answer when the narrow label is not sure enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.core.labels import LabelSchema
from textclassify.errors import ConfigError
from textclassify.rac.retrieving.label_texts import Floats, Vectors

TOP = -1
"""Code of no label: above the broadest ones."""


class LabelTree:
    """The labels of a schema below their parents; every label, broad or narrow, can be an answer.

    Args:
        schema: the labels and their parents, which go in no circle.

    >>> tree = LabelTree(LabelSchema(("animal", "cat", "dog"), parents={"cat": "animal", "dog": "animal"}))
    >>> tree.backed_off(np.array([[0.1, 0.5, 0.4], [0.1, 0.8, 0.1]]), 0.6).tolist()
    [0, 1]

    """

    def __init__(self, schema: LabelSchema) -> None:
        code = {name: k for k, name in enumerate(schema.names)}
        self.parents = tuple(code[schema.parents[name]] if name in schema.parents else TOP for name in schema.names)
        self._children: dict[int, list[int]] = {TOP: []}
        for child, parent in enumerate(self.parents):
            self._children.setdefault(parent, []).append(child)
        self._downwards = list(self._children[TOP])
        for label in self._downwards:  # which grows
            self._downwards += self._children.get(label, [])

    def __bool__(self) -> bool:
        """Return whether any label has a parent."""
        return any(parent != TOP for parent in self.parents)

    def below(self, probabilities: Floats) -> Floats:
        """Return the probability (n, K) that a label or any label below it is right, from (n, K) of the labels."""
        sums = np.array(probabilities, dtype=np.float64)
        for code in reversed(self._downwards):
            if self.parents[code] != TOP:
                sums[:, self.parents[code]] += sums[:, code]
        return sums

    def backed_off(self, probabilities: Floats, min_probability: float) -> NDArray[np.int64]:
        """Return the narrowest label that is sure enough, (n,) codes; -1 where not even a broad one is.

        From the top, the branch with the highest probability is followed, for as long as it has `min_probability`, and
        until a label is more probable by itself than the best branch below it. A broader answer is right whenever the
        narrower ones below it are.

        Args:
            probabilities: (n, K) of each label by itself; rows add up to 1. Rows of NaN get -1.
            min_probability: from 0 to 1.

        Raises:
            ConfigError: `min_probability` is out of range.

        """
        if not 0 <= min_probability <= 1:
            raise ConfigError(f"min_probability={min_probability} is no probability; pass a number from 0 to 1")
        probabilities = np.asarray(probabilities, dtype=np.float64)
        masses = self.below(probabilities)
        answers = np.full(len(masses), TOP, dtype=np.int64)
        waiting = [(TOP, np.flatnonzero(~np.isnan(masses).any(axis=1)))]
        while waiting:
            label, rows = waiting.pop()
            children = np.asarray(self._children.get(label, []), dtype=np.int64)
            if not len(rows) or not len(children):
                continue
            best = children[masses[np.ix_(rows, children)].argmax(axis=1)]
            needed = min_probability if label == TOP else np.maximum(probabilities[rows, label], min_probability)
            goes_on = masses[rows, best] >= needed
            rows, best = rows[goes_on], best[goes_on]
            answers[rows] = best
            waiting += [(child, rows[best == child]) for child in np.unique(best).tolist()]
        return answers

    def descended(self, vectors: Vectors, label_vectors: Vectors, temperature: float) -> Floats:
        """Return log-probabilities (n, K) of labels that are found from the top downwards.

        The probability of a label is the product, over its path, of a softmax of cosine / temperature among siblings,
        where a branch is represented by the mean vector of its labels; a label with others below it competes with them
        for the answer.
        """
        own = np.asarray(vectors @ label_vectors.T, dtype=np.float64) / temperature
        branch = np.asarray(vectors @ self._branch_vectors(label_vectors).T, dtype=np.float64) / temperature
        answered = np.zeros_like(own)
        reached = np.zeros_like(own)
        for at in [TOP, *self._downwards]:
            children = self._children.get(at, [])
            if not children:
                continue
            rivals = branch[:, children] if at == TOP else np.column_stack([branch[:, children], own[:, at]])
            shares = log_softmax(rivals, axis=1)
            before = 0.0 if at == TOP else reached[:, [at]]
            reached[:, children] = before + shares[:, : len(children)]
            answered[:, children] = reached[:, children]
            if at != TOP:
                answered[:, at] = reached[:, at] + shares[:, -1]
        return answered

    def _branch_vectors(self, label_vectors: Vectors) -> Vectors:
        sums = np.array(label_vectors, dtype=np.float32)
        for code in reversed(self._downwards):
            if self.parents[code] != TOP:
                sums[self.parents[code]] += sums[code]
        unit: Vectors = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return unit
