"""What all calibrators share: the rows they learn from, the contract, and scores of rows as if not learned from."""

from abc import ABC, abstractmethod
from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from textclassify.errors import DataError, NotFittedError, ScoresError
from textclassify.statistics.folds import assign_folds

Floats = NDArray[np.float64]

N_FOLDS = 5
"""Folds in which rows are held out where there is no shorter way to take out their own influence."""


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The rows a calibrator learns from: values and targets (m, K), weights (m,), all finite."""

    values: Floats
    targets: Floats
    weights: Floats
    multi_label: bool


class Calibrator(ABC):
    """What all calibrators share; one of your own needs `_learn` and `_calibrated`, and a `name` to be saved under."""

    name: ClassVar[str] = ""
    multi_label_: bool
    n_rows_: int

    def fit(self, values: ArrayLike, gold: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from scores (n, K) and gold; rows that are NaN or weigh nothing do not count towards `n_rows_`."""
        rows = scored_rows(values, gold, sample_weight)
        self.multi_label_, self.n_rows_ = rows.multi_label, len(rows.values)
        self._learn(rows)
        return self

    def fit_held_out(
        self,
        values: ArrayLike,
        gold: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        clusters: ArrayLike | None = None,
    ) -> Floats:
        """Learn from all rows, and return their calibrated scores (n, K), each row's as if it had not been there.

        What is learned next on these scores then sees them as new rows will be seen. Rows of one cluster (n,) are taken
        out together. Here: each fifth of the rows is calibrated by what the others teach; rows whose label has no other
        row teach every part.
        """
        raw, answers = np.asarray(values, dtype=np.float64), np.asarray(gold)
        calibrated = self.fit(raw, answers, sample_weight).transform(raw)
        weights = np.ones(len(raw)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        known = np.flatnonzero(~np.isnan(raw).any(axis=1) & (weights > 0))
        if len(known) < N_FOLDS:
            return calibrated
        groups = None if clusters is None else np.asarray(clusters)[known]
        folds = assign_folds(answers[known], N_FOLDS, groups)
        for fold in np.unique(folds[folds >= 0]):
            inside, outside = known[folds != fold], known[folds == fold]
            other = deepcopy(self).fit(raw[inside], answers[inside], weights[inside])
            calibrated[outside] = other.transform(raw[outside])
        return calibrated

    def transform(self, values: ArrayLike) -> Floats:
        """Return the calibrated scores (n, K) in the scale they came in; NaN rows stay NaN."""
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


class OneStepCalibrator(Calibrator):
    """A smooth calibrator: without one row it is one Newton step away, so nothing has to be learned five times over."""

    def fit_held_out(
        self,
        values: ArrayLike,
        gold: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        clusters: ArrayLike | None = None,
    ) -> Floats:
        """Learn from all rows, and return their calibrated scores (n, K), each row's as if it had not been there.

        One Newton step from what all rows teach (approximate leave-one-out, Rad and Maleki 2020), the temperature and
        the strength of the shrinkage as they are. Where several rows share a cluster, by fifths of the rows.
        """
        if clusters is not None and len(np.unique(clusters)) < len(np.asarray(values)):
            return super().fit_held_out(values, gold, sample_weight, clusters=clusters)
        calibrated = self.fit(values, gold, sample_weight).transform(values)
        rows = scored_rows(values, gold, sample_weight)
        if len(rows.values) < 2:  # without the only row there is nothing
            return calibrated
        weights = np.ones(len(calibrated)) if sample_weight is None else np.asarray(sample_weight)
        known = ~np.isnan(calibrated).any(axis=1) & (weights > 0)
        calibrated[known] = normalised(calibrated[known] + self._own_influence(rows), multi_label=rows.multi_label)
        return calibrated

    @abstractmethod
    def _own_influence(self, rows: ScoredRows) -> Floats:
        """Return by how much each row's logits change when it is left out, (m, K)."""


def scored_rows(values: ArrayLike, gold: ArrayLike, sample_weight: ArrayLike | None) -> ScoredRows:
    """Return the rows without NaN and with some weight; raises where scores, gold and weights do not fit together."""
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


def refuse_single_label(calibrator: Calibrator, rows: ScoredRows) -> None:
    """Raise DataError where a calibrator that treats labels one by one is given one label per row."""
    if not rows.multi_label:
        name = type(calibrator).__name__
        raise DataError(f"{name} needs 0/1 gold (n, K); for one label per row use TemperatureScaling or VectorScaling")


def probabilities_of(logits: Floats, *, multi_label: bool) -> Floats:
    """Return softmax over labels, or for multi-label the sigmoid of each."""
    if multi_label:
        return np.asarray(special.expit(logits))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))  # three times as fast as scipy's
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares)


def loss_and_probabilities(logits: Floats, rows: ScoredRows) -> tuple[float, Floats]:
    """Return the log loss summed over rows, each as often as it weighs, and the probabilities (m, K)."""
    if rows.multi_label:
        losses = (np.logaddexp(0.0, logits) - rows.targets * logits).sum(axis=1)
        return float(rows.weights @ losses), np.asarray(special.expit(logits))
    shifted = logits - logits.max(axis=1, keepdims=True)
    of_gold = np.einsum("nk,nk->n", rows.targets, shifted)
    shares = np.exp(shifted, out=shifted)
    total = shares.sum(axis=1)
    shares /= total[:, None]
    return float(rows.weights @ (np.log(total) - of_gold)), shares


def normalised(logits: Floats, *, multi_label: bool) -> Floats:
    """Return log-probabilities that add up to one; log-odds as they are."""
    normal: Floats = logits if multi_label else special.log_softmax(logits, axis=1)
    return normal
