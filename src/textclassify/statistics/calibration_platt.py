"""A curve per label, each held to one that all labels share as firmly as the rows say that they are alike.

Labels are few rows each and one family all together: their curves are taken as drawn from a normal distribution whose
centre and spread are learned too (empirical Bayes; the spread by MacKay 1992, equation 4.6, with Laplace's
approximation). Where labels are alike this ends at one curve for all, where they differ and have rows at a curve each;
a label without a single positive row gets the shared one.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from textclassify.statistics.calibration_base import Floats, OneStepCalibrator, ScoredRows, refuse_single_label
from textclassify.statistics.calibration_temperature import best_temperature

MAX_ROUNDS = 40
FIRST_STRENGTH = 10.0
"""Strength of the shrinkage, 1 / variance between labels, that the search starts from."""
PRIOR_VARIANCE = 0.01
"""Variance between labels that counts as seen in one label: it keeps the spread of two or three labels sober."""
CENTRE_STRENGTH = 3.0
"""How firmly the shared curve is held to the scores as they are: some 50 rows outweigh it."""
LARGEST_LEVERAGE = 0.9
"""No row decides more of its own logit than this when it is taken out: the one Newton step ends there."""


class CurvePerLabel(OneStepCalibrator):
    """A sum of rising features of the log-odds per label; what `PlattScaling` and `BetaCalibration` share."""

    temperature_: float
    pivot_: float
    coefficients_: Floats
    centre_: Floats
    strength_: Floats

    def _learn(self, rows: ScoredRows) -> None:
        refuse_single_label(self, rows)
        self.temperature_ = best_temperature(rows)
        self.pivot_ = _pivot(rows, self.temperature_)
        found = _LabelFamily(self._design(rows.values), rows).fit(self._neutral())
        self.coefficients_, self.centre_, self.strength_ = found.coefficients, found.centre, found.strength

    def _calibrated(self, values: Floats) -> Floats:
        return np.asarray(np.einsum("kd,dnk->nk", self.coefficients_, self._design(values)))

    def _own_influence(self, rows: ScoredRows) -> Floats:
        family = _LabelFamily(self._design(rows.values), rows)
        return family.own_influence(_Fit(self.coefficients_, self.centre_, self.strength_))

    def _design(self, values: Floats) -> Floats:
        """Return the features (D, n, K): 0 at the pivot, and a last one that is 1."""
        warm = values / self.temperature_
        pivot = self._features(np.asarray(self.pivot_))
        return np.stack(
            [feature - at for feature, at in zip(self._features(warm), pivot, strict=True)] + [np.ones_like(warm)]
        )

    def _neutral(self) -> Floats:
        """Return the coefficients (D,) that leave the scores as they are, but for the temperature."""
        return np.asarray([1.0] * len(self._features(np.zeros(1))) + [self.pivot_])

    @staticmethod
    @abstractmethod
    def _features(log_odds: Floats) -> list[Floats]:
        """Return rising functions of the log-odds that add up to them."""


class PlattScaling(CurvePerLabel):
    """A sigmoid per label, slope * log-odds + bias with a slope not below 0 (Platt 1999); multi-label only.

    Slopes and biases are held to those that all labels share, as firmly as the labels are alike: with few rows, or
    where a source treats all labels the same, this is one sigmoid for all, with many rows that differ one for each.
    """

    name: ClassVar[str] = "platt"

    @property
    def slope_(self) -> Floats:
        """Slope per label, (K,)."""
        return np.asarray(self.coefficients_[:, 0] / self.temperature_)

    @property
    def bias_(self) -> Floats:
        """Log-odds per label, (K,), that a score of 0 is worth."""
        return np.asarray(self.coefficients_[:, 1] - self.pivot_ * self.coefficients_[:, 0])

    @staticmethod
    def _features(log_odds: Floats) -> list[Floats]:
        return [log_odds]


class BetaCalibration(CurvePerLabel):
    """A beta curve per label, a * log p - b * log(1 - p) + c with a, b >= 0 (Kull et al. 2017); multi-label only.

    Bends where a sigmoid cannot: a source may be too sure of a label's presence and too unsure of its absence. Held to
    the shared curve as `PlattScaling` is.
    """

    name: ClassVar[str] = "beta"

    @staticmethod
    def _features(log_odds: Floats) -> list[Floats]:
        return [-np.logaddexp(0.0, -log_odds), np.logaddexp(0.0, log_odds)]


@dataclass(frozen=True, slots=True)
class _Fit:
    """Coefficients (K, D), the centre (D,) they are drawn from, and 1 / their variance around it (D,)."""

    coefficients: Floats
    centre: Floats
    strength: Floats


@dataclass(frozen=True, slots=True)
class _LabelFamily:
    """One logistic regression per label on features (D, n, K) of its own, all drawn from one distribution."""

    design: Floats
    rows: ScoredRows

    @property
    def lowest(self) -> Floats:
        """The least that each coefficient may be, (D,): no feature turns a score around."""
        return np.asarray([0.0] * (len(self.design) - 1) + [-np.inf])

    def fit(self, neutral: Floats) -> _Fit:
        """Return the coefficients for the spread between labels that explains the rows best."""
        n_labels = self.design.shape[2]
        fit = _Fit(np.tile(neutral, (n_labels, 1)), neutral.copy(), np.full(len(neutral), FIRST_STRENGTH))
        for _ in range(MAX_ROUNDS):
            before = fit
            for _ in range(2):
                fit, covariance = self._newton_step(fit, neutral)
            determined = n_labels - fit.strength * np.einsum("kdd->d", covariance)
            away = ((fit.coefficients - fit.centre) ** 2).sum(axis=0)
            variance = (away + PRIOR_VARIANCE) / (np.maximum(determined, 0.0) + 1.0)
            fit = _Fit(fit.coefficients, fit.centre, 1.0 / np.clip(variance, 1e-6, 1e4))
            moved = np.abs(fit.coefficients - before.coefficients).max(initial=0.0)
            if moved < 1e-3 and np.abs(np.log(fit.strength / before.strength)).max() < 0.01:
                break
        return self._settled(fit, neutral)

    def own_influence(self, fit: _Fit) -> Floats:
        """Return by how much each row's logits change when it is left out, (n, K): through curves and centre."""
        weights, p = self.rows.weights[:, None], special.expit(self._logits(fit))
        covariance = _inverted(self._curvature(p) + np.diag(fit.strength), fit.coefficients > self.lowest)
        towards = np.einsum("kde,enk->dnk", covariance, self.design)
        reach = np.einsum("dnk,dnk->nk", self.design, towards)
        leverage = np.minimum(weights * p * (1 - p) * reach, LARGEST_LEVERAGE)
        left_out = weights * (p - self.rows.targets) / (1 - leverage)
        by_centre = np.einsum("dnk,nk->nd", towards, left_out) * fit.strength
        shift = by_centre @ np.linalg.inv(self._hold_of_centre(covariance, fit.strength))
        return np.asarray(left_out * reach + np.einsum("dnk,d,nd->nk", towards, fit.strength, shift, optimize=True))

    def _hold_of_centre(self, covariance: Floats, strength: Floats) -> Floats:
        """Return how firmly the centre is held, (D, D), once the labels move along with it."""
        own = np.diag(len(covariance) * strength + CENTRE_STRENGTH)
        return np.asarray(own - strength[:, None] * covariance.sum(axis=0) * strength)

    def _curvature(self, p: Floats) -> Floats:
        """Return the second derivative of each label's loss by its coefficients, (K, D, D)."""
        weighed = self.rows.weights[:, None] * p * (1 - p)
        width, n_labels = len(self.design), p.shape[1]
        curvature = np.empty((n_labels, width, width))
        for d, e in np.ndindex(width, width):
            if e <= d:
                column = np.einsum("nk,nk,nk->k", weighed, self.design[d], self.design[e])
                curvature[:, d, e] = curvature[:, e, d] = column
        return curvature

    def _settled(self, fit: _Fit, neutral: Floats) -> _Fit:
        for _ in range(10):
            before, (fit, _) = fit, self._newton_step(fit, neutral)
            if np.abs(fit.coefficients - before.coefficients).max(initial=0.0) < 1e-7:
                break
        return fit

    def _newton_step(self, fit: _Fit, neutral: Floats) -> tuple[_Fit, Floats]:
        """Return coefficients and centre one step on, and the coefficients' covariance (K, D, D) before it."""
        strength, p = fit.strength, special.expit(self._logits(fit))
        residual = self.rows.weights[:, None] * (p - self.rows.targets)
        away = fit.coefficients - fit.centre
        slope = np.stack([np.einsum("nk,nk->k", residual, feature) for feature in self.design], axis=1)
        slope = slope + strength * away
        free = ~((fit.coefficients <= self.lowest) & (slope > 0))
        covariance = _inverted(self._curvature(p) + np.diag(strength), free)
        alone = np.einsum("kde,ke->kd", covariance, slope)
        # The centre moves with the labels: eliminated from their equations, it is the solution of a D x D system.
        pull = (strength * (away - alone)).sum(axis=0) - CENTRE_STRENGTH * (fit.centre - neutral)
        shift = np.linalg.solve(self._hold_of_centre(covariance, strength), pull)
        step = np.einsum("kde,e->kd", covariance, strength * shift) - alone
        return self._shortened(fit, step, shift, neutral), covariance

    def _shortened(self, fit: _Fit, step: Floats, shift: Floats, neutral: Floats) -> _Fit:
        """Return the fit after a step, halved until it is no step back."""
        now = self._penalised_loss(fit, neutral)
        for halvings in range(20):
            size = 0.5**halvings
            there = _Fit(
                np.maximum(fit.coefficients + size * step, self.lowest), fit.centre + size * shift, fit.strength
            )
            if self._penalised_loss(there, neutral) <= now + 1e-9 * abs(now):
                return there
        return fit

    def _penalised_loss(self, fit: _Fit, neutral: Floats) -> float:
        logits = self._logits(fit)
        losses = (np.logaddexp(0.0, logits) - self.rows.targets * logits).sum(axis=1)
        away = (fit.strength * (fit.coefficients - fit.centre) ** 2).sum()
        return float(
            self.rows.weights @ losses + 0.5 * away + 0.5 * CENTRE_STRENGTH * ((fit.centre - neutral) ** 2).sum()
        )

    def _logits(self, fit: _Fit) -> Floats:
        return np.asarray(np.einsum("kd,dnk->nk", fit.coefficients, self.design))


def _pivot(rows: ScoredRows, temperature: float) -> float:
    """Return the log-odds around which the rows can tell most: there slope and level are learned apart."""
    warm = rows.values / temperature
    p = special.expit(warm)
    weighed = rows.weights[:, None] * p * (1 - p)
    total = float(weighed.sum())
    return float((weighed * warm).sum()) / total if total > 0 else 0.0


def _inverted(curvature: Floats, free: NDArray[np.bool_]) -> Floats:
    """Return the inverses (K, D, D) over the coefficients that are free to move, 0 for the others."""
    both = free[:, :, None] & free[:, None, :]
    filled = np.where(both, curvature, np.eye(curvature.shape[1]))
    return np.where(both, np.linalg.inv(filled), 0.0)
