"""Scores whose probabilities can be taken at their word: learned on rows that the source was not trained on.

Single-label calibrators take log-probabilities (n, K) with codes (n,) as gold and return normalised log-probabilities;
multi-label ones take log-odds (n, K) with a 0/1 array (n, K) and return log-odds. Rows with NaN are not scored: they
are left out of `fit` and stay NaN in `transform`. What is learned is numbers and arrays in attributes that end in `_`,
which `state` hands over for saving and `load_state` takes back.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from textclassify.errors import ConfigError, DataError, NotFittedError, ScoresError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The rows a calibrator learns from: values and targets (m, K), weights (m,), all finite."""

    values: Floats
    targets: Floats
    weights: Floats
    multi_label: bool


class Calibrator(ABC):
    """What all calibrators share; one of your own needs `_learn` and `_calibrated`."""

    multi_label_: bool
    n_rows_: int

    def fit(self, values: ArrayLike, gold: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from scores (n, K) and gold; rows that are NaN or weigh nothing do not count towards `n_rows_`."""
        rows = scored_rows(values, gold, sample_weight)
        self.multi_label_, self.n_rows_ = rows.multi_label, len(rows.values)
        self._learn(rows)
        return self

    def transform(self, values: ArrayLike) -> Floats:
        """The calibrated scores (n, K) in the scale they came in; NaN rows stay NaN."""
        if not hasattr(self, "n_rows_"):
            name = type(self).__name__
            raise NotFittedError(f"this {name} has learned nothing yet; call fit(values, gold) first")
        raw = np.asarray(values, dtype=np.float64)
        scored = ~np.isnan(raw).any(axis=1)
        calibrated = np.full(raw.shape, np.nan)
        calibrated[scored] = self._calibrated(raw[scored])
        return calibrated

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that was learned, as arrays by attribute name."""
        return {name: np.asarray(value) for name, value in vars(self).items() if name.endswith("_")}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> Self:
        """Take over what another of the same class learned; `transform` then returns the same bits."""
        for name, value in state.items():
            setattr(self, name, value.item() if value.ndim == 0 else value)
        return self

    @abstractmethod
    def _learn(self, rows: ScoredRows) -> None: ...

    @abstractmethod
    def _calibrated(self, values: Floats) -> Floats: ...


class TemperatureScaling(Calibrator):
    """One temperature T for all labels: scores / T (Guo et al. 2017), `temperature_` above 1 softens.

    Minimises the log loss over log T without a penalty. Its minimum over 1 / T is the root of a monotone slope, so
    there are no local ones; log T is kept within +-`log_bound` (3: T from 0.05 to 20), which decides only where the
    rows do not: perfectly separated rows end at the lower bound, scores that point the wrong way at the upper. Without
    a scored row, or when T makes no difference, T is 1.
    """

    temperature_: float

    def __init__(self, *, log_bound: float = 3.0) -> None:
        self.log_bound = log_bound

    def _learn(self, rows: ScoredRows) -> None:
        if not 0 < self.log_bound <= 10:
            raise ConfigError(f"log_bound={self.log_bound} is out of range; pass a number above 0 and up to 10")
        self.temperature_ = float(np.exp(-_log_sharpness(rows, self.log_bound)))

    def _calibrated(self, values: Floats) -> Floats:
        return _normalised(values / self.temperature_, multi_label=self.multi_label_)


class VectorScaling(Calibrator):
    """A scale and a bias per label on top of one temperature (Guo et al. 2017), shrunk to that temperature.

    Minimises log loss summed over rows + l2 / 2 * (sum (scale - 1)^2 + sum bias^2) with scales not below 0; the
    problem is convex. For multi-label scores this is Platt scaling per label, shrunk to one shared by all.
    """

    temperature_: float
    scale_: Floats
    bias_: Floats

    def __init__(self, *, l2: float = 1.0) -> None:
        self.l2 = l2

    def _learn(self, rows: ScoredRows) -> None:
        if self.l2 <= 0:
            raise ConfigError(f"l2={self.l2} must be above 0; 1.0 is usual, and more for fewer rows")
        self.temperature_ = TemperatureScaling().fit_rows(rows)
        n_labels = rows.values.shape[1]
        warmed = ScoredRows(rows.values / self.temperature_, rows.targets, rows.weights, rows.multi_label)
        neutral = np.concatenate([np.ones(n_labels), np.zeros(n_labels)])
        found = optimize.minimize(
            _penalised_loss,
            neutral,
            args=(warmed, neutral, self.l2),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * n_labels + [(None, None)] * n_labels,
            options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7},
        )
        self.scale_, self.bias_ = found.x[:n_labels], found.x[n_labels:]

    def _calibrated(self, values: Floats) -> Floats:
        scaled = values / self.temperature_ * self.scale_ + self.bias_
        return _normalised(scaled, multi_label=self.multi_label_)
