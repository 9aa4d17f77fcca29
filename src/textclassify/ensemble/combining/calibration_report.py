"""What calibration was worth: a few numbers for each source and the fusion, before and after, on rows held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from textclassify.errors import DataError
from textclassify.statistics.metrics import brier, classwise_ece, ece, log_loss, rms_calibration_error

if TYPE_CHECKING:
    import pandas as pd

Compared: TypeAlias = tuple[str, ArrayLike, ArrayLike, ArrayLike]
"""A name, probabilities (n, K) before and after calibration, and gold: codes (n,), or for multi-label 0/1 (n, K)."""

MEASURES = {
    ece: "ECE",
    classwise_ece: "class-wise ECE",
    rms_calibration_error: "beyond chance",
    brier: "Brier",
    log_loss: "log loss",
}
"""What is measured, and what it is called."""


@dataclass(frozen=True)
class Calibrated:
    """How right one source's probabilities were: each measure (before, after); the lower, the better.

    `ece` and `classwise_ece` have bins of equal mass (adaptive); in few rows they are mostly the noise of their bins,
    which `rms_calibration_error` takes off.
    """

    name: str
    n_rows: int
    ece: tuple[float, float]
    classwise_ece: tuple[float, float]
    rms_calibration_error: tuple[float, float]
    brier: tuple[float, float]
    log_loss: tuple[float, float]

    def __str__(self) -> str:
        parts = [f"{called} {_change(getattr(self, measure.__name__))}" for measure, called in MEASURES.items()]
        return f"{self.name} ({self.n_rows} rows): " + ", ".join(parts)


@dataclass(frozen=True)
class CalibrationReport:
    """The measures of every source and of the fusion.

    They are only as honest as the probabilities: pass cross-fitted ones, of rows that the calibrator did not learn
    from.

    >>> report = calibration_report([("llm", [[0.99, 0.01], [0.99, 0.01]], [[0.5, 0.5], [0.5, 0.5]], [0, 1])])
    >>> report.sources[0].brier
    (0.9802, 0.5)

    """

    sources: tuple[Calibrated, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Return two rows per source: its measures before and after."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"source": source.name, "calibrated": bool(after), "n_rows": source.n_rows}
                | {measure.__name__: getattr(source, measure.__name__)[after] for measure in MEASURES}
                for source in self.sources
                for after in (0, 1)
            ]
        )

    def __str__(self) -> str:
        return "\n".join(str(source) for source in self.sources)


def calibration_report(compared: Iterable[Compared]) -> CalibrationReport:
    """Return the report of sources and fusion.

    Rows without probabilities before or after do not count.

    Raises:
        DataError: probabilities and gold do not fit together.

    """
    return CalibrationReport(tuple(_calibrated(*one) for one in compared))


def _calibrated(name: str, before: ArrayLike, after: ArrayLike, gold: ArrayLike) -> Calibrated:
    before, after, gold = np.asarray(before), np.asarray(after), np.asarray(gold)
    if before.shape != after.shape:
        raise DataError(f"{name!r} has probabilities {before.shape} before and {after.shape} after; pass the same rows")
    known = ~(np.isnan(before) | np.isnan(after)).any(axis=1)
    measured = {
        measure.__name__: tuple(measure(gold[known], probabilities[known]) for probabilities in (before, after))
        for measure in MEASURES
    }
    return Calibrated(name, int(known.sum()), **measured)  # type: ignore[arg-type]


def _change(values: tuple[float, float]) -> str:
    return " -> ".join(f"{value:.3f}" for value in values)
