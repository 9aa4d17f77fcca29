"""The ways to say how much a text fits each label, fitted on the labels' cards and examples; one table of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from textclassify.rac.retrieving.keywords import Keywords
from textclassify.rac.retrieving.label_texts import Floats, LabelTexts, Vectors, label_vectors

DENSE = "dense"
LARGEST_HEAD = 500_000_000
"""Examples times labels times dimensions up to which a linear head is tried: about a second per fit on one core."""


class Member(Protocol):
    """One way to score texts."""

    def logits(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """Return (n, K) logits: their softmax is what the member thinks of the labels."""


class LinearMember:
    """Logits that are linear in a text's vector: `vectors @ weights.T / temperature`.

    Args:
        weights: (K, d).
        temperature: what the products are divided by.

    """

    def __init__(self, weights: Vectors, temperature: float) -> None:
        self.weights = weights
        self.temperature = temperature

    def logits(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """Return (n, K) logits."""
        del texts
        return np.asarray((vectors @ self.weights.T).astype(np.float64) / self.temperature)


class Neighbours:
    """How near the texts of each label are: log of the mean over the card and the examples of exp(cosine / t).

    Args:
        said: the labels' cards and examples.
        temperature: t; the nearer to 0, the more the nearest text alone decides.

    """

    def __init__(self, said: LabelTexts, temperature: float) -> None:
        codes = np.concatenate([np.arange(len(said.cards)), said.codes])
        by_label = np.argsort(codes, kind="stable")
        self._vectors = np.concatenate([said.card_vectors, said.vectors])[by_label]
        self._counts = said.counts + 1
        self._temperature = temperature

    def logits(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """Return (n, K) logits."""
        del texts
        # Cosines are at most 1, so the largest exponential is 1 and no sum overflows.
        near = np.exp((vectors @ self._vectors.T - np.float32(1)) / np.float32(self._temperature))
        starts = np.cumsum(self._counts) - self._counts
        sums = np.add.reduceat(near.astype(np.float64), starts, axis=1)
        return np.asarray(np.log(np.maximum(sums / self._counts, 1e-30)))


def head_weights(said: LabelTexts, temperature: float, *, penalty: float = 1.0) -> Vectors:
    """Return (K, d) weights of a logistic regression on the examples that is shrunk to the label vectors.

    Logits are V (W / temperature + D)^T with W the label vectors; D minimises the sum of the examples' log losses plus
    penalty / 2 |D|^2. Without examples D is 0.
    """
    from scipy.optimize import minimize

    start = label_vectors(said) / np.float32(temperature)
    fixed = said.vectors @ start.T
    rows, shape = np.arange(len(said.codes)), start.shape

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        moved = flat.reshape(shape).astype(np.float32)
        logits = fixed + said.vectors @ moved.T
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        totals = shares.sum(axis=1)
        loss = float((np.log(totals) - logits[rows, said.codes]).sum(dtype=np.float64))
        shares /= totals[:, None]
        shares[rows, said.codes] -= 1
        gradient = shares.T @ said.vectors + np.float32(penalty) * moved
        return loss + penalty / 2 * float((moved * moved).sum(dtype=np.float64)), gradient.ravel().astype(np.float64)

    options = {"maxiter": 100, "maxcor": 6, "ftol": 1e-6}
    found = minimize(loss_and_gradient, np.zeros(start.size), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(start + found.x.reshape(shape), dtype=np.float32)


def _dense(said: LabelTexts, temperature: float) -> Member:
    return LinearMember(label_vectors(said), temperature)


def _head(said: LabelTexts, temperature: float) -> Member:
    return LinearMember(head_weights(said, temperature), 1.0)


def _keywords(said: LabelTexts, temperature: float) -> Member:
    del temperature
    return Keywords(said)


MEMBERS: dict[str, Callable[[LabelTexts, float], Member]] = {
    DENSE: _dense,
    "keywords": _keywords,
    "neighbours": Neighbours,
    "head": _head,
}
"""Name -> what fits the member, from the labels' texts and the temperature of cosines; `dense` needs no examples."""


def worth_trying(said: LabelTexts) -> tuple[str, ...]:
    """Return the members that may be added to `dense`: all, but for a head that would take too long to fit."""
    too_large = len(said.codes) * said.card_vectors.size > LARGEST_HEAD
    return tuple(name for name in MEMBERS if name != DENSE and not (name == "head" and too_large))
