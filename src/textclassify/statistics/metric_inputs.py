"""What metrics are given, checked: gold and answers that fit together, and the rows without an answer."""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import ConfigError, DataError

Abstentions = Literal["error", "wrong", "drop"]


def aligned(gold: ArrayLike, codes: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return gold and answers as int arrays of one shape, (n,) or (n, K)."""
    gold, codes = np.asarray(gold), np.asarray(codes)
    if gold.shape != codes.shape or gold.ndim not in {1, 2}:
        raise DataError(f"gold {gold.shape} and answers {codes.shape} differ in shape; pass both (n,) or both (n, K)")
    gold, codes = gold.astype(np.int64), codes.astype(np.int64)
    refuse_unknown(gold)
    if codes.size and codes.min() < -1:
        raise DataError(f"answer {codes.min()} is not a label code; use codes from 0 on, and -1 for no answer")
    return gold, codes


def refuse_unknown(gold: NDArray[np.int64], n_labels: int | None = None) -> None:
    """Raise DataError for gold outside 0..K - 1, or for multi-label outside 0 and 1."""
    highest = 1 if gold.ndim == 2 else (np.inf if n_labels is None else n_labels - 1)
    if gold.size and (gold.min() < 0 or gold.max() > highest):
        bad = gold.min() if gold.min() < 0 else gold.max()
        raise DataError(f"gold value {bad} is outside 0..{highest}; leave out rows whose gold label is not known")


def selected(
    gold: ArrayLike, codes: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return gold and answers of the rows that count."""
    gold, codes = aligned(gold, codes)
    answered = np.asarray(codes >= 0 if codes.ndim == 1 else (codes >= 0).all(axis=1))
    check_abstentions(answered, abstentions, "answer")
    return (gold[answered], codes[answered]) if abstentions == "drop" else (gold, codes)


def selected_sets(
    name: str, gold: ArrayLike, codes: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return them for a metric, named in the error, that is for sets of labels only."""
    if np.ndim(gold) != 2:
        raise DataError(f"{name} needs 0/1 columns per label, (n, K); for one label per row ask for accuracy")
    return selected(gold, codes, abstentions)


def forecasts(
    gold: ArrayLike, probabilities: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return gold, probabilities with missing rows uniform, and which rows were scored (n,)."""
    gold, forecast = np.asarray(gold).astype(np.int64), np.array(probabilities, dtype=np.float64)
    fits = gold.shape == forecast.shape if gold.ndim == 2 else gold.shape == forecast.shape[:1]
    if forecast.ndim != 2 or not fits:
        raise DataError(f"probabilities {forecast.shape} do not fit gold {gold.shape}; pass (n, K) for the same rows")
    refuse_unknown(gold, forecast.shape[1])
    scored = np.asarray(~np.isnan(forecast).any(axis=1))
    check_abstentions(scored, abstentions, "probabilities")
    known = forecast[scored]
    if known.size and (known.min() < 0 or known.max() > 1 + 1e-4):
        raise DataError(f"probabilities reach from {known.min():.3g} to {known.max():.3g}; pass values from 0 to 1")
    forecast[~scored] = 0.5 if gold.ndim == 2 else 1.0 / forecast.shape[1]
    return gold, forecast, scored


def scored_forecasts(
    gold: ArrayLike, probabilities: ArrayLike, abstentions: Abstentions
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return gold and probabilities of the scored rows."""
    gold, forecast, scored = forecasts(gold, probabilities, abstentions)
    return gold[scored], forecast[scored]


def check_abstentions(present: NDArray[np.bool_], abstentions: Abstentions, what: str) -> None:
    """Raise DataError where rows are missing and nothing says how they count."""
    if abstentions not in get_args(Abstentions):
        raise ConfigError(f"abstentions={abstentions!r} is unknown; choose 'error', 'wrong' or 'drop'")
    if abstentions == "error" and not present.all():
        missing = np.flatnonzero(~present)
        raise DataError(
            f"{len(missing)} of {len(present)} rows have no {what}, the first is row {missing[0]}; "
            "pass abstentions='wrong' or abstentions='drop' to say how they count"
        )


def label_count(gold: NDArray[np.int64], codes: NDArray[np.int64], n_labels: int | None) -> int:
    """Return how many labels there are, at least those that occur."""
    highest = max(int(gold.max()), int(codes.max())) if len(gold) else -1
    if n_labels is not None and highest >= n_labels:
        raise DataError(f"label code {highest} is outside 0..{n_labels - 1}; pass a larger n_labels")
    return highest + 1 if n_labels is None else n_labels


def indicator(gold: NDArray[np.int64], n_labels: int) -> NDArray[np.float64]:
    """Return gold as (n, K) zeros and ones."""
    if gold.ndim == 2:
        return gold.astype(np.float64)
    is_gold = np.zeros((len(gold), n_labels))
    is_gold[np.arange(len(gold)), gold] = 1.0
    return is_gold


def mean(values: NDArray[Any]) -> float:
    """Return the mean; NaN of nothing."""
    return float(values.mean()) if values.size else float("nan")
