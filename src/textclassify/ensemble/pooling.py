"""Rungs without a network: the best source alone, log-linear pooling, a weight per label, and a pool without any rows.

Log-linear (logarithmic opinion) pooling: Genest and Zidek 1986; weights by maximum likelihood, kept non-negative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize

from textclassify.core.scales import NEVER_TRAINED
from textclassify.core.scores import Scores
from textclassify.ensemble.combining.combiners import Combiner, Evidence, loss_and_residual, targets_of
from textclassify.ensemble.combining.readings import Floats, RawReading, Reading
from textclassify.ensemble.combining.rows import FusionRows

LABEL_BIAS = "label bias"
"""The part of the logits that comes from no source."""

PRICE_OF_A_SOURCE = 1.0
"""Nats that a source must save over all rows to get a weight: what one parameter costs (Akaike 1974)."""

PRIOR_STRENGTH = 1.0
"""How strongly weights are held at their prior: (weight - prior)^2 costs this many nats, whatever the rows."""


class LogLinearPool(Combiner):
    """Sum of weight * calibrated log-probability over sources, weights >= 0; multi-label adds a shrunk bias per label.

    Minimises the log loss summed over rows + `PRIOR_STRENGTH` * (sum (weight - 1 / S)^2 + sum bias^2), a convex
    problem: with no rows it is the plain average of S sources, with many the maximum-likelihood pool.
    """

    rung: ClassVar[str] = "pooling"
    weights_: Floats
    biases_: Floats

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        self.weights_, self.biases_ = pooled(stacked_evidence(evidence, self.names), rows)

    @property
    def needs(self) -> tuple[str, ...]:
        """The sources with a weight above 0."""
        weighted = tuple(name for name, weight in zip(self.names, self.weights_, strict=True) if weight > 0)
        return weighted or self.names[:1]

    def weights(self) -> dict[str, float]:
        """Return each source's weight."""
        return {name: float(weight) for name, weight in zip(self.names, self.weights_, strict=True)}

    def _parts(self, evidence: Evidence) -> Evidence:
        parts = {name: self.weights()[name] * evidence[name] for name in self.needs}
        if self.multi_label:
            parts[LABEL_BIAS] = np.broadcast_to(self.biases_, next(iter(parts.values())).shape)
        return parts


class BestSingle(LogLinearPool):
    """The one source with the smallest log loss once it is calibrated (multi-label: with a bias per label)."""

    rung: ClassVar[str] = "best_single"

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        losses, learned = [], []
        for name in self.names:
            # For a single label the temperature, part of the evidence, is the weight already.
            weights, biases = np.ones(1), np.zeros(len(rows.labels))
            if self.multi_label:
                weights, biases = pooled(evidence[name][None], rows)
            logits = weights[0] * evidence[name] + biases
            losses.append(loss_and_residual(logits, targets_of(rows), rows.weight, multi_label=self.multi_label)[0])
            learned.append((weights[0], biases))
        best = int(np.argmin(losses))
        self.weights_ = np.where(np.arange(len(self.names)) == best, max(learned[best][0], 1e-6), 0.0)
        self.biases_ = learned[best][1]


class PriorPool(LogLinearPool):
    """The pool for too few rows: equal weights, nothing learned, no calibration.

    Sources that were never trained (a language model, similarity to the label cards) share the weight; only where there
    is none do trained ones. It does not know how good it is.
    """

    rung: ClassVar[str] = "prior_pool"

    def _reading(self, scores: Scores) -> Reading:  # noqa: ARG002 - the same for every scale
        return RawReading()

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:  # noqa: ARG002 - nothing is learned from it
        folds = [scores.fold for scores in rows.sources.values()]
        untrained = np.array(
            [fold is not None and len(fold) > 0 and bool((fold == NEVER_TRAINED).all()) for fold in folds]
        )
        sharing = untrained if untrained.any() else np.ones(len(folds), dtype=bool)
        self.weights_ = sharing / sharing.sum()
        self.biases_ = np.zeros(len(rows.labels))


class VectorScalingPool(Combiner):
    """A weight per source and label and a bias per label, shrunk to the log-linear pool.

    Minimises the log loss summed over rows + `l2` * sum (weight - pooled weight)^2 + sum bias^2; convex. Evidence spans
    several nats, so weights need a firmer hold than biases.
    """

    rung: ClassVar[str] = "vector_scaling"
    min_rows: ClassVar[int] = 60
    l2: ClassVar[float] = 20.0
    weights_: Floats
    biases_: Floats

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        stacked, targets = stacked_evidence(evidence, self.names), targets_of(rows)
        shared, _ = pooled(stacked, rows)
        stacked = stacked * (shared > 0)[:, None, None]  # what the pool leaves out stays out
        shape = (len(self.names), stacked.shape[2])
        prior = np.concatenate([np.repeat(shared, shape[1]), np.zeros(shape[1])])
        strength = np.concatenate([np.full(shape[0] * shape[1], self.l2), np.ones(shape[1])])

        def objective(parameters: Floats) -> tuple[float, Floats]:
            weights, biases = parameters[: -shape[1]].reshape(shape), parameters[-shape[1] :]
            logits = np.einsum("sk,snk->nk", weights, stacked) + biases
            loss, residual = loss_and_residual(logits, targets, rows.weight, multi_label=self.multi_label)
            by_weight = np.einsum("snk,nk->sk", stacked, residual).ravel()
            away = parameters - prior
            gradient = np.concatenate([by_weight, residual.sum(axis=0)]) + 2 * strength * away
            return loss + float(strength @ away**2), gradient

        found = minimised(objective, prior, n_bounded=shape[0] * shape[1])
        self.weights_ = found[: -shape[1]].reshape(shape) * (shared > 0)[:, None]
        self.biases_ = found[-shape[1] :]

    @property
    def needs(self) -> tuple[str, ...]:
        """The sources with a weight above 0 for some label."""
        return (
            tuple(name for name, row in zip(self.names, self.weights_, strict=True) if (row > 0).any())
            or self.names[:1]
        )

    def weights(self) -> dict[str, float]:
        """Return each source's mean weight over labels."""
        return {name: float(row.mean()) for name, row in zip(self.names, self.weights_, strict=True)}

    def _parts(self, evidence: Evidence) -> Evidence:
        parts = {name: self.weights_[self.names.index(name)] * evidence[name] for name in self.needs}
        parts[LABEL_BIAS] = np.broadcast_to(self.biases_, next(iter(parts.values())).shape)
        return parts


def pooled(stacked: Floats, rows: FusionRows) -> tuple[Floats, Floats]:
    """Return weights (S,) and label biases (K,) of the log-linear pool of stacked evidence (S, n, K).

    Sources that save less than `PRICE_OF_A_SOURCE` are left out one by one, the one that moves least first: their
    weight is 0, and they need not be asked.
    """
    kept = np.arange(len(stacked))
    loss, weights, biases = _pooled_all(stacked, rows)
    while len(kept) > 1:
        weakest = int(np.argmin(weights * np.abs(stacked[kept]).mean(axis=(1, 2))))
        fewer = np.delete(kept, weakest)
        loss_without, *without = _pooled_all(stacked[fewer], rows)
        if loss_without - loss >= PRICE_OF_A_SOURCE:
            break
        kept, loss, (weights, biases) = fewer, loss_without, without
    everywhere = np.zeros(len(stacked))
    everywhere[kept] = weights
    return everywhere, biases


def _pooled_all(stacked: Floats, rows: FusionRows) -> tuple[float, Floats, Floats]:
    """Return the summed log loss, the weights and the label biases of the pool of all sources."""
    targets, (n_sources, _, n_labels) = targets_of(rows), stacked.shape
    prior = np.concatenate([np.full(n_sources, 1 / n_sources), np.zeros(n_labels if rows.multi_label else 0)])

    def objective(parameters: Floats) -> tuple[float, Floats]:
        logits = np.tensordot(parameters[:n_sources], stacked, axes=1)
        logits = logits + parameters[n_sources:] if rows.multi_label else logits
        loss, residual = loss_and_residual(logits, targets, rows.weight, multi_label=rows.multi_label)
        by_weight = np.tensordot(stacked, residual, axes=((1, 2), (0, 1)))
        by_bias = residual.sum(axis=0) if rows.multi_label else np.zeros(0)
        away = parameters - prior
        gradient = np.concatenate([by_weight, by_bias]) + 2 * PRIOR_STRENGTH * away
        return loss + PRIOR_STRENGTH * float(away @ away), gradient

    found = minimised(objective, prior, n_bounded=n_sources)
    loss = objective(found)[0] - PRIOR_STRENGTH * float((found - prior) @ (found - prior))
    return loss, found[:n_sources], found[n_sources:] if rows.multi_label else np.zeros(n_labels)


def stacked_evidence(evidence: Evidence, names: tuple[str, ...]) -> Floats:
    """Return the sources' evidence as one array (S, n, K)."""
    return np.stack([evidence[name] for name in names])


def minimised(objective: Callable[[Floats], tuple[float, Floats]], start: Floats, *, n_bounded: int) -> Floats:
    """Return the minimum of a convex function whose first parameters are >= 0."""
    bounds = [(0.0, None)] * n_bounded + [(None, None)] * (len(start) - n_bounded)
    options = {"maxiter": 500, "ftol": 1e-10, "gtol": 1e-6}
    return np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
