"""Metrics of a run as plain values: a number and the bounds of its interval, whatever form they came in."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textclassify.core.number_checks import is_number
from textclassify.core.result import ClassificationResult
from textclassify.core.types import TrainingData
from textclassify.errors import DataError
from textclassify.runs.comparing import Answers, figures
from textclassify.runs.systems import Evaluation, json_safe
from textclassify.statistics.resampling import Interval

HEADLINES = ("micro_f1", "accuracy")
"""Metrics that may stand for a run, the first that it has."""

Metrics = dict[str, dict[str, float | None]]


def metrics_of(given: Evaluation | Mapping[str, Any]) -> Metrics:
    """Return metrics as {name: {"value", "low", "high"}}; bounds are None where there is no interval.

    Args:
        given: an evaluation, whose first system counts; or by name: a number, an `Interval`, (value, low, high), or a
            mapping with `value` (or `estimate`) and perhaps `low` and `high`.

    Raises:
        DataError: a metric is none of these.

    """
    if isinstance(given, Evaluation):
        first = given.systems[0]
        found = _with_intervals(first.metrics, first.intervals)
        return found | {"coverage": {"value": first.coverage, "low": None, "high": None}}
    if not isinstance(given, Mapping):
        raise DataError(f"metrics are {given!r:.60}; pass {{name: number}}, or an Evaluation")
    return {str(name): _one(str(name), value) for name, value in given.items()}


def metrics_of_result(result: ClassificationResult, data: TrainingData, *, random_state: int = 0) -> Metrics:
    """Return the metrics of answers to labelled texts, with 95% intervals; rows without an answer count as wrong."""
    answers = Answers.of(result)
    found = _with_intervals(*figures(data, answers, random_state))
    return found | {"coverage": {"value": answers.coverage, "low": None, "high": None}}


def headline_of(metrics: Metrics) -> str | None:
    """Return the name of the metric that stands for a run; None where there is none."""
    return next((name for name in HEADLINES if name in metrics), next(iter(metrics), None))


def _with_intervals(metrics: Mapping[str, float], intervals: Mapping[str, Interval]) -> Metrics:
    found = {
        name: {
            "value": value,
            "low": intervals[name].low if name in intervals else None,
            "high": intervals[name].high if name in intervals else None,
        }
        for name, value in metrics.items()
    }
    plain: Metrics = json_safe(found)
    return plain


def _fits(number: Any) -> bool:
    return is_number(number) and not (isinstance(number, int) and abs(number) > sys.float_info.max)


def _one(name: str, value: Any) -> dict[str, float | None]:
    if isinstance(value, Interval):
        value = (value.estimate, value.low, value.high)
    elif isinstance(value, Mapping) and ({"value", "estimate"} & value.keys()):
        value = (value.get("value", value.get("estimate")), value.get("low"), value.get("high"))
    elif is_number(value) or value is None:
        value = (value, None, None)
    if isinstance(value, Sequence) and len(value) == 3 and all(one is None or _fits(one) for one in value):
        numbers = [None if one is None else float(np.float64(one)) for one in value]
        plain: dict[str, float | None] = json_safe(dict(zip(("value", "low", "high"), numbers, strict=True)))
        return plain
    raise DataError(f"metric {name!r} is {value!r:.60}; pass a number, an Interval or (value, low, high)")
