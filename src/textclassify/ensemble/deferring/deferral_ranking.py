"""The order in which texts are asked about: entropy, and as much learned from gains as held-out rows speak for.

Rows are ranked by a blend of two standardised scores: the entropy of the free scores, and what a ridge regression
expects asking to change in the headline metric. How much the learned one weighs is n / (n + 50) * P(it ranks better),
from the paired difference that it makes to the area under the gain curve on rows that it was not fitted on: few rows,
or free scores that say nothing more, leave the ranking by entropy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from textclassify.ensemble.combining.readings import Floats
from textclassify.statistics.resampling import paired_difference, row_groups

N_FOLDS = 5
FEWEST_GROUPS = 10
"""Groups of rows below which nothing is learned: asking by entropy."""
HALF_WEIGHT_ROWS = 50
"""Rows at which the learned ranking weighs half of what it weighs with many."""
RIDGE = 10.0
"""Rows' worth of evidence that an effect of one standard deviation, or of one label, must outweigh."""


@dataclass(frozen=True, eq=False)
class Blend:
    """How texts are ranked: a weighted sum of the evidence about them, and the line from it to a gain."""

    weight: float
    """Of what was learned; the rest is entropy."""
    coefficients: Floats
    line: Floats

    @classmethod
    def of(cls, evidence: Floats, gains: Floats, clusters: NDArray[np.int64]) -> Blend:
        """Return what is learned from standardised evidence (n, P), entropy first, and the gains (n,) of asking."""
        n = len(gains)
        by_entropy = np.eye(1, evidence.shape[1])[0]
        folds = folds_of(clusters, 0) if n else np.zeros(0, dtype=np.int64)
        held_out = np.zeros(n)
        weight, trust = 0.0, n / (n + HALF_WEIGHT_ROWS)
        if n and len(np.unique(clusters)) >= FEWEST_GROUPS:
            for fold in np.unique(folds):
                own = folds == fold
                coefficients, offset = _learned(evidence[~own], gains[~own])
                held_out[own] = evidence[own] @ coefficients + offset
            blended = trust * held_out + (1 - trust) * evidence[:, 0]
            weight = trust * _chance_of_better(blended, evidence[:, 0], gains, clusters)
        learned, offset = _learned(evidence, gains) if weight else (np.zeros(evidence.shape[1]), 0.0)
        ranks = weight * (held_out - offset) + (1 - weight) * evidence[:, 0]
        return cls(weight, weight * learned + (1 - weight) * by_entropy, _line(ranks, gains, trust))


def _learned(evidence: Floats, gains: Floats) -> tuple[Floats, float]:
    """Return a ridge regression's coefficients and offset, scaled so that it predicts a mean of 0 and a spread of 1."""
    centred = evidence - evidence.mean(axis=0)
    penalty = RIDGE * np.eye(evidence.shape[1])
    found = np.linalg.solve(centred.T @ centred + penalty, centred.T @ (gains - gains.mean()))
    spread = float((centred @ found).std())
    if spread < 1e-12:  # nothing was gained or lost anywhere
        return np.zeros_like(found), 0.0
    return found / spread, -float(evidence.mean(axis=0) @ found) / spread


def _chance_of_better(blended: Floats, entropy: Floats, gains: Floats, clusters: NDArray[np.int64]) -> float:
    """Return how likely a ranking has the larger area under the curve of gain against share of calls.

    A row adds its gain times the share of budgets under which it is asked, so that the areas' difference is a mean over
    rows with a paired, clustered standard error.
    """
    difference = paired_difference(gains * _place(blended), gains * _place(entropy), clusters)
    if not 0 < difference.standard_error < np.inf:
        return 0.5
    return float(ndtr(difference.mean / difference.standard_error))


def _line(ranks: Floats, gains: Floats, trust: float) -> Floats:
    """Return offset and slope of the gain that goes with a rank; the slope is above 0, or the order would be lost."""
    if not len(gains):
        return np.array([0.0, 1e-6])
    spread = float(ranks.var())
    slope = float(((ranks - ranks.mean()) * (gains - gains.mean())).mean()) / spread if spread > 0 else 0.0
    slope = max(trust * slope, 0.01 * float(gains.std()), 1e-6)
    return np.array([float(gains.mean()) - slope * float(ranks.mean()), slope])


def _place(values: Floats) -> Floats:
    """Return each value's place from 0 (lowest) to 1, equal ones in the middle of theirs."""
    ordered = np.sort(values)
    both = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.asarray(both / (2 * len(values)))


def folds_of(clusters: NDArray[np.int64], random_state: int) -> NDArray[np.int64]:
    """Return a fold from 0 to 4 for each row, (n,), clusters whole."""
    inverse, n_groups = row_groups(clusters, len(clusters))
    return np.asarray((np.random.default_rng(random_state).permutation(n_groups) % N_FOLDS)[inverse])
