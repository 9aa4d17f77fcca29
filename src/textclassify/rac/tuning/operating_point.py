"""How many candidates to ask about and from which probability on to give a label, chosen for a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import DataError
from textclassify.rac.tuning.accepting import FEWEST_ACCEPTED, Accepting, Answers, Target
from textclassify.rac.tuning.analytic import AnalyticModel, Prediction

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 20
"""Labelled rows below which nothing is chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class OperatingPoint:
    """A number of candidates and a threshold, with what to expect of them: a target, never a guarantee.

    Args:
        top_k: candidates to ask about.
        min_probability: give a label from this posterior probability on.
        predicted: what to expect.
        rows: labelled rows that it was chosen on.
        note: what else there is to know.
        table: one row per number of candidates: what was to be had with it, and (`analytic_...`) what the analytic
            model says of it without a threshold.

    """

    top_k: int
    min_probability: float
    predicted: Prediction
    rows: int
    note: str = ""
    table: pd.DataFrame | None = field(default=None, repr=False)

    def __str__(self) -> str:
        expected = self.predicted
        return (
            f"top_k={self.top_k}, min_probability={self.min_probability:.3g}: about {expected.coverage:.0%} of the "
            f"texts labelled, {expected.precision:.0%} of the labels right, {expected.calls:.1f} calls per text "
            f"(target, not a guarantee; from {self.rows:,} labelled rows). {self.note}"
        ).rstrip()


def choose_operating_point(
    hits: ArrayLike,
    said_yes: ArrayLike,
    answers: Callable[[int], Answers],
    *,
    decision: str = "best",
    ks: Sequence[int] | None = None,
    min_precision: float | None = None,
    max_calls: float | None = None,
    min_coverage: float | None = None,
) -> OperatingPoint:
    """Return the number of candidates and the threshold that should meet a target, from a few dozen labelled rows.

    With `min_precision` the point that labels most texts is taken, else with `min_coverage` the one whose labels are
    right most often, else the one that labels most texts rightly within `max_calls`, without a threshold; of equals
    the one with the fewest calls.

    What a confidence is worth is learned by a sigmoid held to the confidence itself (`PlattScaling`), with a rising
    curve as a correction where there are rows for it (`IsotonicPerLabel`); the precision above a threshold is the mean
    of that over the rows. For "first_yes" the analytic model, which needs fewer rows, says how many calls each number
    of candidates takes and, where no threshold is needed, everything else.

    A few dozen rows say little: in simulations with 50 of them new texts got the precision asked for within 2 points in
    the mean, and in one draw of ten 5 to 10 points less.

    Args:
        hits: (n, k) whether a candidate is the gold label, the most related first.
        said_yes: (n, k) 1 or 0, as in `Evidence`; NaN = not asked by itself, or no answer.
        answers: number of candidates (1 to k) -> confidence (NaN = no label), whether right, and calls, each (n,).
        decision: how a label is chosen; "first_yes" stops asking at the first yes, all others ask about all.
        ks: numbers of candidates to choose among; None = 1 to k.
        min_precision: share of the labels that should be right.
        max_calls: calls per text, in the mean.
        min_coverage: share of the texts that should get a label.

    Raises:
        ConfigError: no target, or one out of range.
        DataError: too few rows, or nothing meets the target; the message says what can be had.

    """
    target = Target(min_precision, max_calls, min_coverage)
    is_hit, said = np.asarray(hits, dtype=bool), np.asarray(said_yes, dtype=np.float64)
    if is_hit.ndim != 2 or is_hit.shape != said.shape or not is_hit.shape[1]:
        raise DataError(f"hits {is_hit.shape} and said_yes {said.shape} do not fit; pass (n, k) for the same rows")
    if len(is_hit) < FEWEST_ROWS:
        raise DataError(f"{len(is_hit)} labelled rows are too few to choose from; label at least {FEWEST_ROWS}")
    model = _model(is_hit, said, decision)
    points = [
        Accepting.of(
            top_k,
            answers(top_k),
            len(is_hit),
            None if model is None else model.at(top_k),
            first_yes=decision == "first_yes",
        )
        for top_k in (range(1, is_hit.shape[1] + 1) if ks is None else ks)
    ]
    point, size = _chosen(points, target, decision)
    flag = None if model is None or model.counts is None else model.counts.flag()
    note = " ".join([point.seen(size)] + ([f"Note: {flag}."] if flag else []))
    threshold = point.threshold(size, min_precision)
    predicted = _predicted(point, size, target, decision)
    return OperatingPoint(point.top_k, threshold, predicted, len(is_hit), note, _table(points, target, decision))


def _model(hits: NDArray[np.bool_], said_yes: NDArray[np.float64], decision: str) -> AnalyticModel | None:
    """Return the analytic model of the rows; None where there are no checks of single candidates."""
    if np.isnan(said_yes).all():
        return None
    return AnalyticModel.estimate(hits, said_yes, asks_all=decision != "first_yes")


def _predicted(point: Accepting, size: int, target: Target, decision: str) -> Prediction:
    """Return the analytic model's word where it is about just these labels, else that of the rows."""
    if decision == "first_yes" and target.takes_all and point.analytic is not None:
        return point.analytic
    return point.predicted(size)


def _chosen(points: Sequence[Accepting], target: Target, decision: str) -> tuple[Accepting, int]:
    """Return the best point that meets the target, and how many rows it accepts."""
    affordable = [point for point in points if target.max_calls is None or point.calls <= target.max_calls]
    if not affordable:
        cheapest = min(points, key=lambda point: point.calls)
        raise DataError(
            f"max_calls={target.max_calls:g} is less than anything takes: the cheapest is top_k={cheapest.top_k} with "
            f"{cheapest.calls:.2f} calls per text; raise max_calls, or label without a language model (llm=None)"
        )
    sized = [(point, point.size(target)) for point in affordable]
    found = [(point, size) for point, size in sized if size]
    if not found:
        raise DataError(_out_of_reach(affordable, target))

    def worth(one: tuple[Accepting, int]) -> tuple[float, float]:
        point, size = one
        expected = _predicted(point, size, target, decision)
        if target.min_precision is not None:
            return expected.coverage, -point.calls
        return (expected.accuracy if target.takes_all else expected.precision), -point.calls

    return max(found, key=worth)


def _out_of_reach(points: Sequence[Accepting], target: Target) -> str:
    """Return what can be had instead, in words."""
    within = "" if target.max_calls is None else f" within max_calls={target.max_calls:g}"
    surest = [(point.top_k, best) for point in points if (best := point.strictest()) is not None]
    if not surest:
        most = max(len(point.confidence) for point in points)
        return (
            f"at most {most} of the {points[0].n_rows:,} rows get a label{within}, and a threshold needs "
            f"{FEWEST_ACCEPTED}; describe the labels better, or label more rows"
        )
    if target.min_precision is not None and not any(point.size(Target(target.min_precision)) for point in points):
        top_k, best = max(surest, key=lambda pair: pair[1].precision)
        return (
            f"min_precision={target.min_precision:g} cannot be expected from these {points[0].n_rows:,} rows{within}: "
            f"the most is {best.precision:.3f}, on the surest {best.coverage:.0%} with top_k={top_k}; lower "
            "min_precision, describe the labels better or with examples, or label more rows"
        )
    alone = None if target.min_precision is None else Target(target.min_precision)
    reach = [(len(point.confidence) if alone is None else point.size(alone), point) for point in points]
    size, point = max(reach, key=lambda pair: pair[0])
    with_precision = "" if target.min_precision is None else f" at min_precision={target.min_precision:g}"
    return (
        f"min_coverage={target.min_coverage:g} cannot be had{with_precision}{within}: the most is "
        f"{size / point.n_rows:.2f} with top_k={point.top_k}; lower min_coverage"
        f"{' or min_precision' if with_precision else ''}, or describe the labels better"
    )


def _table(points: Sequence[Accepting], target: Target, decision: str) -> pd.DataFrame:
    """Return one row per number of candidates; NaN where no threshold meets the target, calls apart."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for point in points:
        row: dict[str, Any] = {"top_k": point.top_k, "calls": point.calls}
        if size := point.size(target):
            row["min_probability"] = point.threshold(size, target.min_precision)
            row |= asdict(_predicted(point, size, target, decision))
        if point.analytic is not None:
            row |= {f"analytic_{name}": value for name, value in asdict(point.analytic).items()}
        rows.append(row)
    return pd.DataFrame(rows)
