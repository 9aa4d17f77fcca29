"""How good answers and probabilities are, each number explicit about the rows without an answer.

Single-label: gold is an int array (n,) of label codes 0..K-1, answers the same with -1 = no answer.
Multi-label: gold is a 0/1 array (n, K), answers the same with a row of -1 = no answer.
Probabilities are (n, K); a row with NaN is missing.

`abstentions` says how such rows count: `"error"` refuses them, `"drop"` leaves them out, and `"wrong"` takes an
answer as wrong (its gold labels are missed, nothing is claimed) and a forecast as the uniform one, that is, as knowing
nothing. A number over no rows at all is NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import DataError
from textclassify.statistics.metric_inputs import (
    Abstentions,
    aligned,
    forecasts,
    indicator,
    label_count,
    mean,
    scored_forecasts,
    selected,
    selected_sets,
)

__all__ = [
    "Abstentions",
    "LabelTable",
    "accuracy",
    "brier",
    "classwise_ece",
    "confusion_counts",
    "correct_per_row",
    "ece",
    "equal_bins",
    "headline_metrics",
    "label_table",
    "log_loss",
    "log_loss_per_row",
    "macro_f1",
    "micro_f1",
    "rms_calibration_error",
    "samples_f1",
    "subset_accuracy",
]

# What a forecast of zero is taken for, so that one such row costs 36 and not infinity (as in scikit-learn).
LOWEST_PROBABILITY = float(np.finfo(np.float64).eps)
# Below that many values per bin a calibration error measures the noise of the bins.
FEWEST_PER_BIN = 10


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Counts, precision, recall and F1 of each label, all (K,); NaN where a ratio has nothing below the line."""

    support: NDArray[np.int64]
    predicted: NDArray[np.int64]
    hits: NDArray[np.int64]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the answers that are right; NaN for a label that was never predicted."""
        return _ratio(self.hits, self.predicted)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the gold rows that were found; NaN for a label without gold rows."""
        return _ratio(self.hits, self.support)

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 = 2 hits / (support + predicted); NaN for a label neither in gold nor predicted."""
        return _ratio(2 * self.hits, self.support + self.predicted)


def label_table(
    gold: ArrayLike, codes: ArrayLike, *, n_labels: int | None = None, abstentions: Abstentions = "error"
) -> LabelTable:
    """The counts behind precision, recall and F1, for each label.

    `n_labels` is needed for single-label codes when the last labels occur in neither array.
    """
    gold, codes = selected(gold, codes, abstentions)
    if gold.ndim == 2:
        claimed = codes > 0
        return LabelTable(gold.sum(axis=0), claimed.sum(axis=0), (claimed & (gold > 0)).sum(axis=0))
    n_labels = label_count(gold, codes, n_labels)
    return LabelTable(
        np.bincount(gold, minlength=n_labels),
        np.bincount(codes[codes >= 0], minlength=n_labels),
        np.bincount(gold[gold == codes], minlength=n_labels),
    )


def confusion_counts(gold: ArrayLike, codes: ArrayLike, *, n_labels: int | None = None) -> NDArray[np.int64]:
    """How often each gold label (row) got each answer (column), int (K, K + 1); the last column counts no answer."""
    gold, codes = aligned(gold, codes)
    if gold.ndim == 2:
        raise DataError("confusion_counts needs one label per row; for several, label_table counts each label's hits")
    n_labels = label_count(gold, codes, n_labels)
    columns = np.where(codes < 0, n_labels, codes)
    flat = np.bincount(gold * (n_labels + 1) + columns, minlength=n_labels * (n_labels + 1))
    return flat.reshape(n_labels, n_labels + 1)


def correct_per_row(gold: ArrayLike, codes: ArrayLike) -> NDArray[np.bool_]:
    """Whether each row's whole answer is right, (n,); a row without an answer is not."""
    gold, codes = aligned(gold, codes)
    return np.asarray(gold == codes if gold.ndim == 1 else (gold == codes).all(axis=1))


def accuracy(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Share of rows with the right label (single-label)."""
    if np.ndim(gold) == 2:
        raise DataError("accuracy needs one label per row; for several, ask for subset_accuracy or micro_f1")
    return mean(correct_per_row(*selected(gold, codes, abstentions)))


def subset_accuracy(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Share of rows whose whole set of labels is right (multi-label)."""
    gold, codes = selected_sets("subset_accuracy", gold, codes, abstentions)
    return mean(correct_per_row(gold, codes))


def macro_f1(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Unweighted mean F1 over the labels that occur in gold or among the answers; others have no F1 and no say."""
    scores = label_table(gold, codes, abstentions=abstentions).f1
    return mean(scores[np.isfinite(scores)])


def micro_f1(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """F1 of all (row, label) decisions pooled; NaN when there is neither a gold label nor an answer.

    Equals the accuracy for single-label rows that all have an answer.
    """
    table = label_table(gold, codes, abstentions=abstentions)
    total = table.support.sum() + table.predicted.sum()
    return float(2 * table.hits.sum() / total) if total else float("nan")


def samples_f1(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Mean over rows of the F1 between gold and answered set (multi-label); "no label" rightly answered scores 1."""
    gold, codes = selected_sets("samples_f1", gold, codes, abstentions)
    claimed = codes > 0
    per_row = _ratio(2 * (claimed & (gold > 0)).sum(axis=1), claimed.sum(axis=1) + gold.sum(axis=1))
    rightly_empty = (codes >= 0).all(axis=1)
    return mean(np.where(np.isnan(per_row), rightly_empty, per_row))


def log_loss_per_row(
    gold: ArrayLike, probabilities: ArrayLike, *, abstentions: Abstentions = "error"
) -> NDArray[np.float64]:
    """Natural-log loss of each row, (n,): the row count never changes, so that two sources stay paired.

    Single-label: -log p[gold]. Multi-label: the binary cross-entropy averaged over the K labels (their sum / K).
    A missing row is NaN under `"drop"` and the loss of the uniform forecast (log K; log 2 per label) under `"wrong"`.
    """
    gold, forecast, scored = forecasts(gold, probabilities, abstentions)
    if gold.ndim == 1:
        given_to_gold = forecast[np.arange(len(gold)), gold]
        losses = -np.log(np.clip(given_to_gold, LOWEST_PROBABILITY, 1.0))
    else:
        right = np.where(gold > 0, forecast, 1.0 - forecast)
        losses = -np.log(np.clip(right, LOWEST_PROBABILITY, 1.0)).mean(axis=1)
    if abstentions == "drop":
        losses[~scored] = np.nan
    return losses


def log_loss(gold: ArrayLike, probabilities: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Mean of `log_loss_per_row`."""
    losses = log_loss_per_row(gold, probabilities, abstentions=abstentions)
    return mean(losses[np.isfinite(losses)])


def brier(gold: ArrayLike, probabilities: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Mean squared error of the probabilities.

    Single-label: summed over the K labels, 0 to 2 (Brier 1950). Multi-label: averaged over rows and labels, 0 to 1.
    """
    gold, forecast, scored = forecasts(gold, probabilities, abstentions)
    squares = (forecast - indicator(gold, forecast.shape[1])) ** 2
    per_row = squares.sum(axis=1) if gold.ndim == 1 else squares.mean(axis=1)
    return mean(per_row[scored] if abstentions == "drop" else per_row)


def ece(gold: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 15, abstentions: Abstentions = "error") -> float:
    """Adaptive expected calibration error: the mean gap between confidence and hit rate over bins of equal mass.

    Single-label: of the top label's probability (a tie counts as the share of it that is right). Multi-label: of all
    n x K label probabilities. Equal values share a bin, so the order of rows and labels does not matter; there are
    fewer than `n_bins` bins when they would hold under 10 values. A missing row claims no confidence: `"wrong"` leaves
    it out as `"drop"` does, because uniform forecasts would dilute the error.
    """
    confidence, hit = _claims(gold, probabilities, abstentions)
    return _binned_gap(confidence, hit, n_bins)


def rms_calibration_error(
    gold: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 15, abstentions: Abstentions = "error"
) -> float:
    """Root of the mean squared gap between confidence and hit rate, less what chance alone puts there; at least 0.

    Kumar, Liang and Ma 2019, definition 5.2, with bins and missing rows as in `ece`. In few rows `ece` is mostly the
    noise of its bins; this is 0 on average where the probabilities are right.
    """
    confidence, hit = _claims(gold, probabilities, abstentions)
    if not len(confidence):
        return float("nan")
    bins, sizes = equal_bins(confidence, n_bins)
    gap = np.bincount(bins, confidence - hit) / np.maximum(sizes, 1)
    rate = np.bincount(bins, hit) / np.maximum(sizes, 1)
    chance = rate * (1 - rate) / np.maximum(sizes - 1, 1)
    return float(np.sqrt(max(0.0, float(sizes @ (gap**2 - chance)) / len(confidence))))


def classwise_ece(
    gold: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 15, abstentions: Abstentions = "error"
) -> float:
    """Mean over the K labels of the calibration error of that label's probability; bins and missing rows as in `ece`.

    Kull et al. 2019, equation 4, with bins of equal mass.
    """
    gold, forecast = scored_forecasts(gold, probabilities, abstentions)
    is_gold = indicator(gold, forecast.shape[1])
    gaps = [_binned_gap(forecast[:, k], is_gold[:, k], n_bins) for k in range(forecast.shape[1])]
    return mean(np.asarray(gaps))


def headline_metrics(
    gold: ArrayLike,
    codes: ArrayLike,
    probabilities: ArrayLike,
    multi_label: bool,  # noqa: FBT001 - part of the four things every evaluation passes on, in this order
    *,
    abstentions: Abstentions = "error",
) -> dict[str, float]:
    """The few numbers that every evaluation shows.

    Single-label: accuracy, macro_f1, log_loss, ece, brier. Multi-label: subset_accuracy, micro_f1, macro_f1,
    samples_f1, log_loss, ece.
    """
    if multi_label != (np.ndim(gold) == 2):
        expected = "(n, K)" if multi_label else "(n,)"
        raise DataError(f"gold of shape {np.shape(gold)} does not fit multi_label={multi_label}; pass {expected}")
    of_answers = [subset_accuracy, micro_f1, macro_f1, samples_f1] if multi_label else [accuracy, macro_f1]
    of_forecasts: list[Any] = [log_loss, ece] if multi_label else [log_loss, ece, brier]
    values = {metric.__name__: metric(gold, codes, abstentions=abstentions) for metric in of_answers}
    return values | {metric.__name__: metric(gold, probabilities, abstentions=abstentions) for metric in of_forecasts}


def _claims(
    gold: ArrayLike, probabilities: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probabilities that claim something, and how far each claim is right; both (n,), or (n * K,)."""
    gold, forecast = scored_forecasts(gold, probabilities, abstentions)
    if gold.ndim == 2:
        return forecast.ravel(), (gold.ravel() > 0).astype(np.float64)
    if not len(gold):
        return np.zeros(0), np.zeros(0)
    confidence = forecast.max(axis=1)
    is_top = forecast == confidence[:, None]
    return confidence, is_top[np.arange(len(gold)), gold] / is_top.sum(axis=1)


def equal_bins(confidence: NDArray[np.float64], n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each value's bin of equal mass (n,) and how many values each bin holds; equal values share one."""
    n = len(confidence)
    n_bins = max(1, min(n_bins, n // FEWEST_PER_BIN))
    bins = np.searchsorted(np.sort(confidence), confidence, side="left") * n_bins // n
    return bins, np.bincount(bins)


def _binned_gap(confidence: NDArray[np.float64], hit: NDArray[Any], n_bins: int) -> float:
    if not len(confidence):
        return float("nan")
    bins, _ = equal_bins(confidence, n_bins)
    return float(np.abs(np.bincount(bins, confidence - hit)).sum() / len(confidence))


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.full(below.shape, np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out
