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

# Sharpening scores stops when the rows they are fitted on would claim fewer errors than this between them.
LEAST_CLAIMED = 0.5


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
    there are no local ones. Two limits decide where the rows do not: log T stays within +-`log_bound` (3: T from 0.05
    to 20), which is where scores that point the wrong way end, and a T below 1 goes no further than to where the rows
    would claim half an error between them. Rows that are perfectly separated have no minimum and end there: m rows
    without an error are no evidence for fewer. Without a scored row, or when T makes no difference, T is 1.
    """

    temperature_: float

    def __init__(self, *, log_bound: float = 3.0) -> None:
        self.log_bound = log_bound

    def _learn(self, rows: ScoredRows) -> None:
        if not 0 < self.log_bound <= 10:
            raise ConfigError(f"log_bound={self.log_bound} is out of range; pass a number above 0 and up to 10")
        self.temperature_ = _best_temperature(rows, self.log_bound)

    def _calibrated(self, values: Floats) -> Floats:
        return _normalised(values / self.temperature_, multi_label=self.multi_label_)


class VectorScaling(Calibrator):
    """A scale and a bias per label on top of one temperature (Guo et al. 2017), shrunk to that temperature.

    Minimises log loss summed over rows (each as often as it weighs) + l2 / 2 * (sum (scale - 1)^2 + sum bias^2) with
    scales not below 0; the problem is convex. For multi-label scores this is Platt scaling per
    label, shrunk to one shared by all.
    """

    temperature_: float
    scale_: Floats
    bias_: Floats

    def __init__(self, *, l2: float = 1.0) -> None:
        self.l2 = l2

    def _learn(self, rows: ScoredRows) -> None:
        if self.l2 <= 0:
            raise ConfigError(f"l2={self.l2} must be above 0; 1.0 is usual, and more for fewer rows")
        self.temperature_ = _best_temperature(rows, log_bound=3.0)
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


class PlattScaling(Calibrator):
    """A sigmoid per label, slope * log-odds + bias with a slope not below 0; multi-label only, right for few rows.

    Targets are drawn in from 0 and 1 as by Platt 1999, so that separated rows give a finite slope. Labels with fewer
    than `min_positives` positive or negative rows share one sigmoid learned on all labels.
    """

    slope_: Floats
    bias_: Floats

    def __init__(self, *, min_positives: int = 5) -> None:
        self.min_positives = min_positives

    def _learn(self, rows: ScoredRows) -> None:
        _refuse_single_label(self, rows)
        n_labels = rows.values.shape[1]
        weights = np.repeat(rows.weights, n_labels)
        shared = _platt(rows.values.ravel(), rows.targets.ravel(), weights)
        learned = np.tile(shared, (n_labels, 1))
        for k in np.flatnonzero(_rarer_side(rows.targets) >= self.min_positives):
            learned[k] = _platt(rows.values[:, k], rows.targets[:, k], rows.weights)
        self.slope_, self.bias_ = learned[:, 0].copy(), learned[:, 1].copy()

    def _calibrated(self, values: Floats) -> Floats:
        return values * self.slope_ + self.bias_


class IsotonicPerLabel(Calibrator):
    """A rising curve of any shape per label (Zadrozny and Elkan 2002); multi-label only, for many rows.

    Probabilities stay within 1 / (m + 2) of 0 and 1 for m rows, so that log-odds are finite. Labels with fewer than
    `min_positives` positive or negative rows get the shared temperature instead.
    """

    temperature_: float
    knots_: Floats
    levels_: Floats
    starts_: NDArray[np.int64]

    def __init__(self, *, min_positives: int = 20) -> None:
        self.min_positives = min_positives

    def _learn(self, rows: ScoredRows) -> None:
        _refuse_single_label(self, rows)
        self.temperature_ = _best_temperature(rows, log_bound=3.0)
        enough = _rarer_side(rows.targets) >= max(1, self.min_positives)
        curves = [
            _isotonic_curve(rows.values[:, k], rows.targets[:, k], rows.weights) if enough[k] else np.empty((2, 0))
            for k in range(rows.values.shape[1])
        ]
        self.knots_, self.levels_ = np.concatenate(curves, axis=1)
        self.starts_ = np.cumsum([0] + [curve.shape[1] for curve in curves], dtype=np.int64)

    def _calibrated(self, values: Floats) -> Floats:
        calibrated = values / self.temperature_
        lowest = 1.0 / (self.n_rows_ + 2)
        for k in np.flatnonzero(np.diff(self.starts_)):
            part = slice(self.starts_[k], self.starts_[k + 1])
            level = np.interp(values[:, k], self.knots_[part], self.levels_[part])
            calibrated[:, k] = special.logit(np.clip(level, lowest, 1 - lowest))
        return calibrated


def scored_rows(values: ArrayLike, gold: ArrayLike, sample_weight: ArrayLike | None) -> ScoredRows:
    """The rows without NaN and with some weight; raises where scores, gold and weights do not fit together."""
    raw, answers = np.asarray(values, dtype=np.float64), np.asarray(gold)
    fits = answers.shape == raw.shape if answers.ndim == 2 else answers.shape == raw.shape[:1]
    if raw.ndim != 2 or not fits:
        raise DataError(f"scores {raw.shape} do not fit gold {answers.shape}; pass (n, K) for the same rows")
    n_rows, n_labels = raw.shape
    weights = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_rows,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(f"sample_weight of shape {weights.shape} must be {n_rows} finite numbers not below 0")
    highest = 1 if answers.ndim == 2 else n_labels - 1
    if answers.size and (answers.min() < 0 or answers.max() > highest):
        raise DataError(f"gold reaches from {answers.min()} to {answers.max()}; the scores allow 0..{highest}")
    kept = ~np.isnan(raw).any(axis=1) & (weights > 0)
    if np.isinf(raw[kept]).any():
        raise ScoresError("scores of -inf or inf cannot be calibrated; keep probabilities off 0 and 1")
    targets = answers[kept].astype(np.float64) if answers.ndim == 2 else np.eye(n_labels)[answers[kept]]
    return ScoredRows(raw[kept], targets, weights[kept], answers.ndim == 2)


def _best_temperature(rows: ScoredRows, log_bound: float) -> float:
    pulled_to_gold = (rows.values * rows.targets).sum(axis=1)

    def slope(log_sharpness: float) -> float:
        """Of the log loss by sharpness 1 / T, which rises with it because the loss is convex in it."""
        expected = (
            rows.values * _probabilities(rows.values * np.exp(log_sharpness), multi_label=rows.multi_label)
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
        p = _probabilities(rows.values * np.exp(log_sharpness), multi_label=rows.multi_label)
        claimed = np.minimum(p, 1 - p).sum(axis=1) if rows.multi_label else 1 - p.max(axis=1)
        return float(weights @ claimed) - LEAST_CLAIMED

    if surplus(log_bound) >= 0:
        return log_bound
    if surplus(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(surplus, 0.0, log_bound, xtol=1e-7))


def _penalised_loss(parameters: Floats, rows: ScoredRows, neutral: Floats, l2: float) -> tuple[float, Floats]:
    n_labels = rows.values.shape[1]
    logits = rows.values * parameters[:n_labels] + parameters[n_labels:]
    if rows.multi_label:
        losses = (np.logaddexp(0.0, logits) - rows.targets * logits).sum(axis=1)
    else:
        losses = special.logsumexp(logits, axis=1) - (rows.targets * logits).sum(axis=1)
    residuals = rows.weights[:, None] * (_probabilities(logits, multi_label=rows.multi_label) - rows.targets)
    away = parameters - neutral
    gradient = np.concatenate([(residuals * rows.values).sum(axis=0), residuals.sum(axis=0)])
    return float(rows.weights @ losses + l2 / 2 * (away @ away)), gradient + l2 * away


def _platt(log_odds: Floats, targets: Floats, weights: Floats) -> Floats:
    """Slope and bias of one sigmoid, (2,), by the convex loss against the drawn-in targets."""
    n_positive, n_negative = float(weights @ targets), float(weights @ (1 - targets))
    drawn_in = np.where(targets > 0, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(line: Floats) -> tuple[float, Floats]:
        logits = line[0] * log_odds + line[1]
        residuals = weights * (special.expit(logits) - drawn_in)
        value = float(weights @ (np.logaddexp(0.0, logits) - drawn_in * logits))
        return value, np.asarray([residuals @ log_odds, residuals.sum()])

    start = np.asarray([1.0, 0.0])
    bounds = [(0.0, None), (None, None)]
    line: Floats = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12}).x
    return line


def _isotonic_curve(log_odds: Floats, targets: Floats, weights: Floats) -> Floats:
    """Knots in log-odds and the probabilities there, (2, m)."""
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(y_min=0.0, y_max=1.0).fit(log_odds, targets, sample_weight=weights)
    return np.stack([curve.X_thresholds_, curve.y_thresholds_])


def _rarer_side(targets: Floats) -> Floats:
    positives = targets.sum(axis=0)
    fewer: Floats = np.minimum(positives, len(targets) - positives)
    return fewer


def _refuse_single_label(calibrator: Calibrator, rows: ScoredRows) -> None:
    if not rows.multi_label:
        name = type(calibrator).__name__
        raise DataError(f"{name} needs 0/1 gold (n, K); for one label per row use TemperatureScaling or VectorScaling")


def _probabilities(logits: Floats, *, multi_label: bool) -> Floats:
    probabilities: Floats = special.expit(logits) if multi_label else special.softmax(logits, axis=1)
    return probabilities


def _normalised(logits: Floats, *, multi_label: bool) -> Floats:
    normal: Floats = logits if multi_label else special.log_softmax(logits, axis=1)
    return normal
