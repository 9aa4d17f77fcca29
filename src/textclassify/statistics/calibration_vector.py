"""A scale and a bias per label on top of one temperature."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from textclassify.errors import ConfigError
from textclassify.statistics.calibration_base import (
    Floats,
    OneStepCalibrator,
    ScoredRows,
    loss_and_probabilities,
    normalised,
)
from textclassify.statistics.calibration_temperature import best_temperature

MAX_ROUNDS = 40
FIRST_STRENGTH = 20.0
"""Strength of the shrinkage, 1 / variance between labels, that the search starts from."""
PRIOR_VARIANCE = 0.01
"""Variance between labels that counts as seen in one label: it keeps the spread of two or three labels sober."""
LARGEST_LEVERAGE = 0.9
"""No row decides more of its own logits than this when it is taken out: the one Newton step ends there."""


class VectorScaling(OneStepCalibrator):
    """A scale and a bias per label on top of one temperature (Guo et al. 2017), shrunk to that temperature.

    Minimises log loss summed over rows (each as often as it weighs) + strength / 2 * (sum (scale - 1)^2 + sum bias^2)
    with scales not below 0; the problem is convex. Scores of a single label are taken less their mean over labels,
    which leaves their probabilities as they are and what scale and bias mean apart.

    `l2=None` learns one strength for scales and one for biases from the rows: the most probable ones under Laplace's
    approximation (MacKay 1992, equation 4.6). Where the labels need no scales of their own that is the temperature.
    A round costs rows * labels^2 for single-label scores; thousands of labels are none of its business.
    """

    name: ClassVar[str] = "vector"
    temperature_: float
    scale_: Floats
    bias_: Floats
    strength_: Floats

    def __init__(self, *, l2: float | None = None) -> None:
        self.l2 = l2

    def _learn(self, rows: ScoredRows) -> None:
        if self.l2 is not None and self.l2 <= 0:
            raise ConfigError(f"l2={self.l2} must be above 0 or None; 20 is usual, and more for fewer rows")
        self.temperature_ = best_temperature(rows)
        problem = _Problem(self._warm(rows.values), rows)
        if self.l2 is not None:
            self.strength_ = np.full(2, self.l2)
            found = problem.solved(problem.neutral, self.strength_)
        else:
            found, self.strength_ = problem.solved_with_strength()
        self.scale_, self.bias_ = found

    def _calibrated(self, values: Floats) -> Floats:
        return normalised(self._warm(values) * self.scale_ + self.bias_, multi_label=self.multi_label_)

    def _own_influence(self, rows: ScoredRows) -> Floats:
        return _Problem(self._warm(rows.values), rows).own_influence(
            np.stack([self.scale_, self.bias_]), self.strength_
        )

    def _warm(self, values: Floats) -> Floats:
        warm = values / self.temperature_
        return warm if self.multi_label_ else warm - warm.mean(axis=1, keepdims=True)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Logits scale * warm + bias of all labels at once; parameters are (2, K): scales, then biases."""

    warm: Floats
    rows: ScoredRows

    @property
    def neutral(self) -> Floats:
        """The parameters that change nothing."""
        return np.stack([np.ones(self.warm.shape[1]), np.zeros(self.warm.shape[1])])

    def solved_with_strength(self) -> tuple[Floats, Floats]:
        """Return parameters, and the strengths (2,) of the shrinkage that explain the rows best."""
        parameters, strength, n_labels = self.neutral, np.full(2, FIRST_STRENGTH), self.warm.shape[1]
        for _ in range(MAX_ROUNDS):
            before, old = parameters, strength
            parameters, covariance = self._newton_step(parameters, strength)
            determined = n_labels - strength * np.diag(covariance).reshape(2, n_labels).sum(axis=1)
            away = ((parameters - self.neutral) ** 2).sum(axis=1)
            strength = (np.maximum(determined, 0.0) + 1.0) / (away + PRIOR_VARIANCE)
            strength = np.clip(strength, 1e-4, 1e6)
            if np.abs(parameters - before).max(initial=0.0) < 1e-3 and np.abs(np.log(strength / old)).max() < 0.02:
                break
        return self.solved(parameters, strength), strength

    def solved(self, parameters: Floats, strength: Floats) -> Floats:
        """Return the best parameters for these strengths."""
        for _ in range(MAX_ROUNDS):
            before, (parameters, _) = parameters, self._newton_step(parameters, strength)
            if np.abs(parameters - before).max(initial=0.0) < 1e-6:
                break
        return parameters

    def own_influence(self, parameters: Floats, strength: Floats) -> Floats:
        """Return by how much each row's logits change when it is left out, (n, K)."""
        (_, p), n_labels = self._penalised(parameters, strength), self.warm.shape[1]
        covariance = _inverted(self._curvature(p, strength), _free(parameters, np.zeros_like(parameters)))
        blocks = covariance.reshape(2, n_labels, 2, n_labels)
        weights, warm = self.rows.weights[:, None], self.warm
        residual = weights * (p - self.rows.targets)
        by_scale, by_bias = (warm * residual), residual
        moved = warm * (by_scale @ blocks[0, :, 0] + by_bias @ blocks[0, :, 1].T)
        moved += by_scale @ blocks[0, :, 1] + by_bias @ blocks[1, :, 1]
        spread = [np.diag(blocks[a, :, b]) for a, b in ((0, 0), (0, 1), (1, 1))]
        reach = warm**2 * spread[0] + 2 * warm * spread[1] + spread[2]
        leverage = (weights * p * (1 - p) * reach).max(axis=1, keepdims=True)
        return np.asarray(moved / (1 - np.minimum(leverage, LARGEST_LEVERAGE)))

    def _newton_step(self, parameters: Floats, strength: Floats) -> tuple[Floats, Floats]:
        """Return the parameters one step on, and their covariance (2K, 2K) before it."""
        now, p = self._penalised(parameters, strength)
        residual = self.rows.weights[:, None] * (p - self.rows.targets)
        slope = np.stack([np.einsum("nk,nk->k", residual, self.warm), residual.sum(axis=0)])
        slope += strength[:, None] * (parameters - self.neutral)
        covariance = _inverted(self._curvature(p, strength), _free(parameters, slope))
        step = -(covariance @ slope.ravel()).reshape(parameters.shape)
        for halvings in range(20):
            there = parameters + 0.5**halvings * step
            there[0] = np.maximum(there[0], 0.0)
            if self._penalised(there, strength)[0] <= now + 1e-9 * abs(now):
                return there, covariance
        return parameters, covariance

    def _curvature(self, p: Floats, strength: Floats) -> Floats:
        """Return the second derivative of the penalised loss by all parameters, (2K, 2K)."""
        (n, k), warm, weights = p.shape, self.warm, self.rows.weights[:, None]
        own = weights * (p * (1 - p) if self.rows.multi_label else p)
        squared, crossed = np.einsum("nk,nk,nk->k", own, warm, warm), np.einsum("nk,nk->k", own, warm)
        curvature = np.diag(np.concatenate([squared + strength[0], own.sum(axis=0) + strength[1]]))
        curvature[:k, k:] = curvature[k:, :k] = np.diag(crossed)
        if not self.rows.multi_label:
            between = np.empty((n, 2 * k))
            np.multiply(p, np.sqrt(weights), out=between[:, k:])
            np.multiply(between[:, k:], warm, out=between[:, :k])
            curvature -= between.T @ between
        return curvature

    def _penalised(self, parameters: Floats, strength: Floats) -> tuple[float, Floats]:
        """Return the penalised loss, and the probabilities (n, K)."""
        loss, p = loss_and_probabilities(self.warm * parameters[0] + parameters[1], self.rows)
        away = strength @ ((parameters - self.neutral) ** 2).sum(axis=1)
        return loss + 0.5 * float(away), p


def _free(parameters: Floats, slope: Floats) -> NDArray[np.bool_]:
    """Return which parameters may move, (2K,): all but scales at 0 that would fall below."""
    free = np.ones(parameters.shape, dtype=bool)
    free[0] = (parameters[0] > 0) | (slope[0] < 0)
    return free.ravel()


def _inverted(curvature: Floats, free: NDArray[np.bool_]) -> Floats:
    """Return the inverse over the parameters that are free to move, 0 for the others."""
    both = free[:, None] & free[None, :]
    return np.where(both, np.linalg.inv(np.where(both, curvature, np.eye(len(curvature)))), 0.0)
