"""A rising curve of any shape per label."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import isotonic_regression

from textclassify.statistics.calibration_base import Calibrator, Floats, ScoredRows, refuse_single_label
from textclassify.statistics.calibration_platt import PlattScaling


class IsotonicPerLabel(Calibrator):
    """A rising curve per label (Zadrozny and Elkan 2002) as a correction to its sigmoid; multi-label only, many rows.

    Pooled rows are worth their hit rate, drawn to the sigmoid of `PlattScaling` as if `strength` further rows had it:
    a step of three rows says nothing, one of three hundred speaks for itself. Between the middles of two steps, and
    beyond the outermost, it is the sigmoid that runs on, moved by what was found there. Labels with fewer than
    `min_positives` positive or negative rows keep the sigmoid as it is.
    """

    name: ClassVar[str] = "isotonic"
    slope_: Floats
    bias_: Floats
    knots_: Floats
    moves_: Floats
    starts_: NDArray[np.int64]

    def __init__(self, *, min_positives: int = 100, strength: float = 20.0) -> None:
        self.min_positives = min_positives
        self.strength = strength

    def _learn(self, rows: ScoredRows) -> None:
        refuse_single_label(self, rows)
        lines = PlattScaling().fit(rows.values, rows.targets, rows.weights)
        self.slope_, self.bias_ = lines.slope_, lines.bias_
        positives = rows.targets.sum(axis=0)
        enough = np.minimum(positives, len(rows.targets) - positives) >= max(1, self.min_positives)
        drawn_to = self._lines(rows.values)
        curves = [self._curve(rows, drawn_to, k) if enough[k] else np.empty((2, 0)) for k in range(len(enough))]
        self.knots_, self.moves_ = np.concatenate(curves, axis=1)
        self.starts_ = np.cumsum([0] + [curve.shape[1] for curve in curves], dtype=np.int64)

    def _calibrated(self, values: Floats) -> Floats:
        calibrated = self._lines(values)
        for k in np.flatnonzero(np.diff(self.starts_)):
            part = slice(self.starts_[k], self.starts_[k + 1])
            calibrated[:, k] += np.interp(values[:, k], self.knots_[part], self.moves_[part])
        return calibrated

    def _lines(self, values: Floats) -> Floats:
        return np.asarray(values * self.slope_ + self.bias_)

    def _curve(self, rows: ScoredRows, lines: Floats, k: int) -> Floats:
        """Return log-odds of label k and by how much the sigmoid is moved there, (2, m)."""
        at, row = np.unique(rows.values[:, k], return_inverse=True)
        weight, expected = rows.weights, np.clip(special.expit(lines[:, k]), 1e-9, 1 - 1e-9)
        columns = np.stack(
            [np.bincount(row, part) for part in (weight, weight * rows.targets[:, k], weight * expected)]
        )
        pooled = isotonic_regression(columns[1] / columns[0], weights=columns[0]).blocks[:-1]
        size, hits, claimed = np.add.reduceat(columns, pooled, axis=1)
        middle = np.add.reduceat(columns[0] * at, pooled) / size
        drawn = (hits + self.strength * claimed / size) / (size + self.strength)
        rising = isotonic_regression(drawn, weights=size)  # drawn in, two steps may have changed places
        steps = rising.blocks[:-1]
        middle = np.add.reduceat(size * middle, steps) / np.add.reduceat(size, steps)
        return np.stack([middle, special.logit(rising.x[steps]) - (middle * self.slope_[k] + self.bias_[k])])
