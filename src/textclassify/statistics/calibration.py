"""Scores whose probabilities can be taken at their word: learned on rows that the source was not trained on.

Single-label calibrators take log-probabilities (n, K) with codes (n,) as gold and return normalised log-probabilities;
multi-label ones take log-odds (n, K) with a 0/1 array (n, K) and return log-odds. Rows with NaN are not scored: they
are left out of `fit` and stay NaN in `transform`. What is learned is numbers and arrays in attributes that end in `_`,
which `state` hands over for saving and `load_state` takes back.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import TypeAlias

from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import ConfigError
from textclassify.statistics.calibration_base import Calibrator, ScoredRows
from textclassify.statistics.calibration_isotonic import IsotonicPerLabel
from textclassify.statistics.calibration_platt import BetaCalibration, PlattScaling
from textclassify.statistics.calibration_temperature import TemperatureScaling
from textclassify.statistics.calibration_vector import VectorScaling

__all__ = [
    "CALIBRATORS",
    "BetaCalibration",
    "Calibrator",
    "CalibratorChoice",
    "IsotonicPerLabel",
    "PlattScaling",
    "ScoredRows",
    "TemperatureScaling",
    "VectorScaling",
    "calibrator_for",
    "new_calibrator",
]

CalibratorChoice: TypeAlias = str | Calibrator | Callable[[], Calibrator] | None
"""A name in `CALIBRATORS`, a calibrator to copy, what makes one (a class), or None = by the number of rows."""

CALIBRATORS: dict[str, type[Calibrator]] = {
    kind.name: kind for kind in (TemperatureScaling, VectorScaling, PlattScaling, BetaCalibration, IsotonicPerLabel)
}
"""The calibrators of this library by the name that options and saved folders use."""

FEW_ROWS = 50
"""Rows below which one temperature is all that is learned."""
MANY_ROWS = 2000
"""Rows from which on multi-label curves may take any rising shape."""
MOST_WORK = 10**8
"""Rows * labels^2 above which vector scaling takes too long (10,000 rows of 100 labels: some two seconds)."""


def calibrator_for(n_rows: int, n_labels: int, *, multi_label: bool) -> Calibrator:
    """Return a new calibrator that suits so many rows.

    Under 50 rows one temperature. Then vector scaling, for multi-label a sigmoid per label: both are shrunk to one for
    all labels as firmly as the rows ask for, so that no count of rows per label has to be met. From 2,000 rows
    multi-label curves are isotonic, label by label where 100 rows have the label.
    """
    if n_rows < FEW_ROWS:
        return TemperatureScaling()
    if multi_label:
        return PlattScaling() if n_rows < MANY_ROWS else IsotonicPerLabel()
    return VectorScaling() if n_rows * n_labels**2 <= MOST_WORK else TemperatureScaling()


def new_calibrator(choice: CalibratorChoice, n_rows: int, n_labels: int, *, multi_label: bool) -> Calibrator:
    """Return a new calibrator of the chosen kind; None = by the rule of `calibrator_for`.

    Raises:
        ConfigError: the name is unknown, or what was given makes no `Calibrator`.

    """
    if choice is None:
        return calibrator_for(n_rows, n_labels, multi_label=multi_label)
    if isinstance(choice, str):
        if choice not in CALIBRATORS:
            hint = did_you_mean(choice, CALIBRATORS)
            raise ConfigError(f"unknown calibrator {choice!r}{hint}; known: {listed(CALIBRATORS)}")
        return CALIBRATORS[choice]()
    made = choice() if callable(choice) else deepcopy(choice)
    if not isinstance(made, Calibrator):
        raise ConfigError(f"calibrator={choice!r} is no Calibrator class; pass one, or one of {listed(CALIBRATORS)}")
    return made
