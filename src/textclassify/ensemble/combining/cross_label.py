"""The rung for labels that depend on each other: each label's answer from all labels' scores.

Stacked generalisation with a regularised linear model on all sources' scores of all labels (Wolpert 1992; Ting and
Witten 1999); in multi-label data it learns which labels come together, and which one a source mistakes for another.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from textclassify.ensemble.combining.combiners import Combiner, Evidence, loss_and_residual, targets_of
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import FusionRows
from textclassify.ensemble.pooling import LABEL_BIAS, pooled, stacked_evidence
from textclassify.statistics.folds import assign_folds

INNER_FOLDS = 4
ONE_SPLIT_FROM = 2000
"""Rows from which the strength is chosen on one held-out part, not on all in turn."""


class CrossLabelPool(Combiner):
    """A weight per source, label scored and label answered, and a bias per label, shrunk to the log-linear pool.

    Minimises the log loss summed over rows + strength * sum (weight - pooled weight)^2 + sum bias^2, convex; the
    strength is the one of `strengths` with the smallest log loss on rows held out inside the training rows.
    """

    rung: ClassVar[str] = "cross_label"
    min_rows: ClassVar[int] = 100
    multi_label_only: ClassVar[bool] = True
    strengths: ClassVar[tuple[float, ...]] = (5.0, 20.0, 80.0, 320.0)
    weights_: Floats
    biases_: Floats
    pool_weights_: Floats

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        stacked, targets = stacked_evidence(evidence, self.names), targets_of(rows)
        self.pool_weights_, biases = pooled(stacked, rows)
        kept = self.pool_weights_ > 0  # what the pool leaves out stays out
        scores = np.concatenate(list(stacked[kept]), axis=1)
        base = np.tensordot(self.pool_weights_, stacked, axes=1) + biases
        problem = _Problem(scores, base, targets, rows.weight, multi_label=self.multi_label)
        strength = _best_strength(problem, self._splits(rows), self.strengths)
        found = problem.solved(strength, np.zeros((scores.shape[1] + 1, targets.shape[1])))
        n_labels = targets.shape[1]
        self.weights_ = np.zeros((len(self.names), n_labels, n_labels))
        self.weights_[kept] = found[:-1].reshape(-1, n_labels, n_labels)
        self.weights_ += self.pool_weights_[:, None, None] * np.eye(n_labels)
        self.biases_ = found[-1] + biases

    def _splits(self, rows: FusionRows) -> list[NDArray[np.bool_]]:
        folds = assign_folds(rows.gold, INNER_FOLDS, rows.clusters, random_state=self.random_state)
        held_out = [folds == fold for fold in np.unique(folds[folds >= 0])]
        return held_out[:1] if len(rows) >= ONE_SPLIT_FROM else held_out

    @property
    def needs(self) -> tuple[str, ...]:
        """The sources that the pool gives a weight."""
        return tuple(name for name, w in zip(self.names, self.pool_weights_, strict=True) if w > 0) or self.names[:1]

    def weights(self) -> dict[str, float]:
        """Return each source's weight in the pool that this is shrunk to."""
        return {name: float(weight) for name, weight in zip(self.names, self.pool_weights_, strict=True)}

    def _parts(self, evidence: Evidence) -> Evidence:
        parts = {name: evidence[name] @ self.weights_[self.names.index(name)] for name in self.needs}
        parts[LABEL_BIAS] = np.broadcast_to(self.biases_, next(iter(parts.values())).shape)
        return parts


class _Problem:
    """Corrections (S K + 1, K) to the logits of the pool, the last row the biases."""

    def __init__(self, scores: Floats, base: Floats, targets: Floats, weight: Floats, *, multi_label: bool) -> None:
        self.inputs = np.column_stack([scores, np.ones(len(scores))])
        self.base, self.targets, self.weight, self.multi_label = base, targets, weight, multi_label

    def take(self, rows: NDArray[np.bool_]) -> _Problem:
        parts = (self.inputs[rows, :-1], self.base[rows], self.targets[rows], self.weight[rows])
        return _Problem(*parts, multi_label=self.multi_label)

    def loss(self, corrections: Floats) -> float:
        logits = self.base + self.inputs @ corrections
        return loss_and_residual(logits, self.targets, self.weight, multi_label=self.multi_label)[0]

    def solved(self, strength: float, start: Floats) -> Floats:
        held = np.full(start.shape, strength)
        held[-1] = 1.0

        def objective(flat: Floats) -> tuple[float, Floats]:
            corrections = flat.reshape(start.shape)
            logits = self.base + self.inputs @ corrections
            loss, residual = loss_and_residual(logits, self.targets, self.weight, multi_label=self.multi_label)
            gradient = self.inputs.T @ residual + 2 * held * corrections
            return loss + float((held * corrections**2).sum()), gradient.ravel()

        options = {"maxiter": 200, "ftol": 1e-8, "gtol": 1e-4}
        return np.asarray(minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options).x).reshape(
            start.shape
        )


def _best_strength(problem: _Problem, splits: list[NDArray[np.bool_]], strengths: tuple[float, ...]) -> float:
    """Return the strength with the smallest held-out log loss; the firmest where nothing can be held out."""
    firm_first = sorted(strengths, reverse=True)
    losses = np.zeros(len(firm_first))
    for outside in splits:
        inside, held_out = problem.take(~outside), problem.take(outside)
        found = np.zeros((problem.inputs.shape[1], problem.targets.shape[1]))
        for number, strength in enumerate(firm_first):
            found = inside.solved(strength, found)
            losses[number] += held_out.loss(found)
    return firm_first[int(np.argmin(losses))]
