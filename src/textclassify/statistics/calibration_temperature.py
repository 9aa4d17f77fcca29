"""One temperature for all labels."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from textclassify.errors import ConfigError
from textclassify.statistics.calibration_base import Calibrator, Floats, ScoredRows, normalised, probabilities_of

# Sharpening scores stops when the rows they are fitted on would claim fewer errors than this between them.
LEAST_CLAIMED = 0.5


class TemperatureScaling(Calibrator):
    """One temperature T for all labels: scores / T (Guo et al. 2017), `temperature_` above 1 softens.

    Minimises the log loss over log T without a penalty. Its minimum over 1 / T is the root of a monotone slope, so
    there are no local ones. Two limits decide where the rows do not: log T stays within +-`log_bound` (3: T from 0.05
    to 20), which is where scores that point the wrong way end, and a T below 1 goes no further than to where the rows
    would claim half an error between them. Rows that are perfectly separated have no minimum and end there: m rows
    without an error are no evidence for fewer. Without a scored row, or when T makes no difference, T is 1.
    """

    name: ClassVar[str] = "temperature"
    temperature_: float

    def __init__(self, *, log_bound: float = 3.0) -> None:
        self.log_bound = log_bound

    def fit_held_out(
        self,
        values: ArrayLike,
        gold: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        clusters: ArrayLike | None = None,  # noqa: ARG002 - no row's own influence needs taking out
    ) -> Floats:
        """Learn, and return the same rows calibrated: one number for all of them is no row's own."""
        return self.fit(values, gold, sample_weight).transform(values)

    def _learn(self, rows: ScoredRows) -> None:
        if not 0 < self.log_bound <= 10:
            raise ConfigError(f"log_bound={self.log_bound} is out of range; pass a number above 0 and up to 10")
        self.temperature_ = best_temperature(rows, self.log_bound)

    def _calibrated(self, values: Floats) -> Floats:
        return normalised(values / self.temperature_, multi_label=self.multi_label_)


def best_temperature(rows: ScoredRows, log_bound: float = 3.0) -> float:
    """Return the temperature with the smallest log loss within the limits that `TemperatureScaling` describes."""
    pulled_to_gold = (rows.values * rows.targets).sum(axis=1)

    def slope(log_sharpness: float) -> float:
        """Of the log loss by sharpness 1 / T, which rises with it because the loss is convex in it."""
        expected = (
            rows.values * probabilities_of(rows.values * np.exp(log_sharpness), multi_label=rows.multi_label)
        ).sum(axis=1)
        return float(rows.weights @ (expected - pulled_to_gold))

    at_one, size = slope(0.0), float(rows.weights @ np.abs(rows.values).sum(axis=1))
    if abs(at_one) <= 1e-12 * size:
        return 1.0
    bound = -log_bound if at_one > 0 else _sharpest_supported(rows, log_bound)
    if bound == 0:
        return 1.0
    if slope(bound) * at_one >= 0:
        return float(np.exp(-bound))
    return float(np.exp(-optimize.brentq(slope, min(0.0, bound), max(0.0, bound), xtol=1e-7)))


def _sharpest_supported(rows: ScoredRows, log_bound: float) -> float:
    """Log of the sharpness at which the rows claim LEAST_CLAIMED errors; 0 if they claim no more as they are."""
    weights = rows.weights / rows.weights.mean()

    def surplus(log_sharpness: float) -> float:
        p = probabilities_of(rows.values * np.exp(log_sharpness), multi_label=rows.multi_label)
        claimed = np.minimum(p, 1 - p).sum(axis=1) if rows.multi_label else 1 - p.max(axis=1)
        return float(weights @ claimed) - LEAST_CLAIMED

    if surplus(log_bound) >= 0:
        return log_bound
    if surplus(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(surplus, 0.0, log_bound, xtol=1e-7))
