"""How good answers and probabilities are, each number explicit about the rows without an answer.

Single-label: gold is an int array (n,) of label codes 0..K-1, answers the same with -1 = no answer.
Multi-label: gold is a 0/1 array (n, K), answers the same with a row of -1 = no answer.
Probabilities are (n, K); a row with NaN is missing.

`abstentions` says how such rows count: `"error"` refuses them, `"drop"` leaves them out, and `"wrong"` takes an
answer as wrong (its gold labels are missed, nothing is claimed) and a forecast as the uniform one, that is, as knowing
nothing. A number over no rows at all is NaN.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import ConfigError, DataError

Abstentions = Literal["error", "wrong", "drop"]

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
    gold, codes = _selected(gold, codes, abstentions)
    if gold.ndim == 2:
        claimed = codes > 0
        return LabelTable(gold.sum(axis=0), claimed.sum(axis=0), (claimed & (gold > 0)).sum(axis=0))
    n_labels = _label_count(gold, codes, n_labels)
    return LabelTable(
        np.bincount(gold, minlength=n_labels),
        np.bincount(codes[codes >= 0], minlength=n_labels),
        np.bincount(gold[gold == codes], minlength=n_labels),
    )


def confusion_counts(gold: ArrayLike, codes: ArrayLike, *, n_labels: int | None = None) -> NDArray[np.int64]:
    """How often each gold label (row) got each answer (column), int (K, K + 1); the last column counts no answer."""
    gold, codes = _aligned(gold, codes)
    if gold.ndim == 2:
        raise DataError("confusion_counts needs one label per row; for several, label_table counts each label's hits")
    n_labels = _label_count(gold, codes, n_labels)
    columns = np.where(codes < 0, n_labels, codes)
    flat = np.bincount(gold * (n_labels + 1) + columns, minlength=n_labels * (n_labels + 1))
    return flat.reshape(n_labels, n_labels + 1)


def correct_per_row(gold: ArrayLike, codes: ArrayLike) -> NDArray[np.bool_]:
    """Whether each row's whole answer is right, (n,); a row without an answer is not."""
    gold, codes = _aligned(gold, codes)
    return np.asarray(gold == codes if gold.ndim == 1 else (gold == codes).all(axis=1))


def accuracy(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Share of rows with the right label (single-label)."""
    if np.ndim(gold) == 2:
        raise DataError("accuracy needs one label per row; for several, ask for subset_accuracy or micro_f1")
    return _mean(correct_per_row(*_selected(gold, codes, abstentions)))


def subset_accuracy(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Share of rows whose whole set of labels is right (multi-label)."""
    gold, codes = _selected_sets("subset_accuracy", gold, codes, abstentions)
    return _mean(correct_per_row(gold, codes))


def macro_f1(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Unweighted mean F1 over the labels that occur in gold or among the answers; others have no F1 and no say."""
    scores = label_table(gold, codes, abstentions=abstentions).f1
    return _mean(scores[np.isfinite(scores)])


def micro_f1(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """F1 of all (row, label) decisions pooled; NaN when there is neither a gold label nor an answer.

    Equals the accuracy for single-label rows that all have an answer.
    """
    table = label_table(gold, codes, abstentions=abstentions)
    total = table.support.sum() + table.predicted.sum()
    return float(2 * table.hits.sum() / total) if total else float("nan")


def samples_f1(gold: ArrayLike, codes: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Mean over rows of the F1 between gold and answered set (multi-label); "no label" rightly answered scores 1."""
    gold, codes = _selected_sets("samples_f1", gold, codes, abstentions)
    claimed = codes > 0
    per_row = _ratio(2 * (claimed & (gold > 0)).sum(axis=1), claimed.sum(axis=1) + gold.sum(axis=1))
    rightly_empty = (codes >= 0).all(axis=1)
    return _mean(np.where(np.isnan(per_row), rightly_empty, per_row))


def log_loss_per_row(
    gold: ArrayLike, probabilities: ArrayLike, *, abstentions: Abstentions = "error"
) -> NDArray[np.float64]:
    """Natural-log loss of each row, (n,): the row count never changes, so that two sources stay paired.

    Single-label: -log p[gold]. Multi-label: the binary cross-entropy averaged over the K labels (their sum / K).
    A missing row is NaN under `"drop"` and the loss of the uniform forecast (log K; log 2 per label) under `"wrong"`.
    """
    gold, forecast, scored = _forecasts(gold, probabilities, abstentions)
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
    return _mean(losses[np.isfinite(losses)])


def brier(gold: ArrayLike, probabilities: ArrayLike, *, abstentions: Abstentions = "error") -> float:
    """Mean squared error of the probabilities.

    Single-label: summed over the K labels, 0 to 2 (Brier 1950). Multi-label: averaged over rows and labels, 0 to 1.
    """
    gold, forecast, scored = _forecasts(gold, probabilities, abstentions)
    squares = (forecast - _indicator(gold, forecast.shape[1])) ** 2
    per_row = squares.sum(axis=1) if gold.ndim == 1 else squares.mean(axis=1)
    return _mean(per_row[scored] if abstentions == "drop" else per_row)


def ece(gold: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 15, abstentions: Abstentions = "error") -> float:
    """Expected calibration error: the mean gap between confidence and hit rate over bins of equal mass.

    Single-label: of the top label's probability (a tie counts as the share of it that is right). Multi-label: of all
    n x K label probabilities. Equal values share a bin, so the order of rows and labels does not matter; there are
    fewer than `n_bins` bins when they would hold under 10 values. A missing row claims no confidence: `"wrong"` leaves
    it out as `"drop"` does, because uniform forecasts would dilute the error.
    """
    gold, forecast = _scored_forecasts(gold, probabilities, abstentions)
    if gold.ndim == 2:
        return _binned_gap(forecast.ravel(), gold.ravel() > 0, n_bins)
    if not len(gold):
        return float("nan")
    confidence = forecast.max(axis=1)
    is_top = forecast == confidence[:, None]
    hit = is_top[np.arange(len(gold)), gold] / is_top.sum(axis=1)
    return _binned_gap(confidence, hit, n_bins)


def classwise_ece(
    gold: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 15, abstentions: Abstentions = "error"
) -> float:
    """Mean over the K labels of the calibration error of that label's probability; bins and missing rows as in `ece`.

    Kull et al. 2019, equation 4, with bins of equal mass.
    """
    gold, forecast = _scored_forecasts(gold, probabilities, abstentions)
    is_gold = _indicator(gold, forecast.shape[1])
    gaps = [_binned_gap(forecast[:, k], is_gold[:, k], n_bins) for k in range(forecast.shape[1])]
    return _mean(np.asarray(gaps))


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


def _aligned(gold: ArrayLike, codes: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    gold, codes = np.asarray(gold), np.asarray(codes)
    if gold.shape != codes.shape or gold.ndim not in {1, 2}:
        raise DataError(f"gold {gold.shape} and answers {codes.shape} differ in shape; pass both (n,) or both (n, K)")
    gold, codes = gold.astype(np.int64), codes.astype(np.int64)
    _refuse_unknown(gold)
    if codes.size and codes.min() < -1:
        raise DataError(f"answer {codes.min()} is not a label code; use codes from 0 on, and -1 for no answer")
    return gold, codes


def _refuse_unknown(gold: NDArray[np.int64], n_labels: int | None = None) -> None:
    highest = 1 if gold.ndim == 2 else (np.inf if n_labels is None else n_labels - 1)
    if gold.size and (gold.min() < 0 or gold.max() > highest):
        bad = gold.min() if gold.min() < 0 else gold.max()
        raise DataError(f"gold value {bad} is outside 0..{highest}; leave out rows whose gold label is not known")


def _selected(
    gold: ArrayLike, codes: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    gold, codes = _aligned(gold, codes)
    answered = np.asarray(codes >= 0 if codes.ndim == 1 else (codes >= 0).all(axis=1))
    _check_abstentions(answered, abstentions, "answer")
    return (gold[answered], codes[answered]) if abstentions == "drop" else (gold, codes)


def _selected_sets(
    name: str, gold: ArrayLike, codes: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if np.ndim(gold) != 2:
        raise DataError(f"{name} needs 0/1 columns per label, (n, K); for one label per row ask for accuracy")
    return _selected(gold, codes, abstentions)


def _forecasts(
    gold: ArrayLike, probabilities: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    gold, forecast = np.asarray(gold).astype(np.int64), np.array(probabilities, dtype=np.float64)
    fits = gold.shape == forecast.shape if gold.ndim == 2 else gold.shape == forecast.shape[:1]
    if forecast.ndim != 2 or not fits:
        raise DataError(f"probabilities {forecast.shape} do not fit gold {gold.shape}; pass (n, K) for the same rows")
    _refuse_unknown(gold, forecast.shape[1])
    scored = np.asarray(~np.isnan(forecast).any(axis=1))
    _check_abstentions(scored, abstentions, "probabilities")
    known = forecast[scored]
    if known.size and (known.min() < 0 or known.max() > 1 + 1e-4):
        raise DataError(f"probabilities reach from {known.min():.3g} to {known.max():.3g}; pass values from 0 to 1")
    forecast[~scored] = 0.5 if gold.ndim == 2 else 1.0 / forecast.shape[1]
    return gold, forecast, scored


def _scored_forecasts(
    gold: ArrayLike, probabilities: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    gold, forecast, scored = _forecasts(gold, probabilities, abstentions)
    return gold[scored], forecast[scored]


def _check_abstentions(present: NDArray[np.bool_], abstentions: Abstentions, what: str) -> None:
    if abstentions not in get_args(Abstentions):
        raise ConfigError(f"abstentions={abstentions!r} is unknown; choose 'error', 'wrong' or 'drop'")
    if abstentions == "error" and not present.all():
        missing = np.flatnonzero(~present)
        raise DataError(
            f"{len(missing)} of {len(present)} rows have no {what}, the first is row {missing[0]}; "
            "pass abstentions='wrong' or abstentions='drop' to say how they count"
        )


def _label_count(gold: NDArray[np.int64], codes: NDArray[np.int64], n_labels: int | None) -> int:
    highest = max(int(gold.max()), int(codes.max())) if len(gold) else -1
    if n_labels is not None and highest >= n_labels:
        raise DataError(f"label code {highest} is outside 0..{n_labels - 1}; pass a larger n_labels")
    return highest + 1 if n_labels is None else n_labels


def _indicator(gold: NDArray[np.int64], n_labels: int) -> NDArray[np.float64]:
    if gold.ndim == 2:
        return gold.astype(np.float64)
    is_gold = np.zeros((len(gold), n_labels))
    is_gold[np.arange(len(gold)), gold] = 1.0
    return is_gold


def _binned_gap(confidence: NDArray[np.float64], hit: NDArray[Any], n_bins: int) -> float:
    n = len(confidence)
    if not n:
        return float("nan")
    n_bins = max(1, min(n_bins, n // FEWEST_PER_BIN))
    first_rank = np.searchsorted(np.sort(confidence), confidence, side="left")
    gaps = np.bincount(first_rank * n_bins // n, weights=confidence - hit, minlength=n_bins)
    return float(np.abs(gaps).sum() / n)


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.full(below.shape, np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if values.size else float("nan")
