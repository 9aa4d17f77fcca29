"""Sections of a report on what asking buys, what can be promised and what calibration was worth, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator

from textclassify.ensemble.combining.calibration_report import MEASURES, CalibrationReport
from textclassify.ensemble.deferring.cost_report import CostCurve, CurvePoint
from textclassify.runs.advice import Advice
from textclassify.runs.markdown import bullets, escaped, fenced, number, table
from textclassify.runs.systems import Evaluation
from textclassify.statistics.resampling import Interval

ASKING = "What asking the language model buys"


def advice_blocks(advice: Advice, predict_command: str) -> Iterator[str]:
    """Return the sections on the use of a freshly fitted fusion.

    Args:
        advice: what it says.
        predict_command: how texts are labelled with it; the recommended budget is put behind it.

    """
    if advice.curve is not None:
        yield f"## {ASKING}"
        yield "Cross-fitted on the training rows: each row is judged by what was learned on the others."
        yield from curve_blocks(advice.curve)
        if advice.budget is not None and predict_command:
            yield fenced(with_budget(predict_command, advice.budget), "sh")
    yield "## What can be promised"
    yield bullets([str(advice.guard), *([advice.guard.words] if advice.guard.share_accepted is not None else [])])
    if advice.without_effect:
        yield f"Settings without effect: {', '.join(f'`{name}`' for name in advice.without_effect)}."


def with_budget(predict_command: str, budget: str) -> str:
    """Return the command that labels texts within a budget."""
    return f"{predict_command} --llm-budget {budget}"


def curve_blocks(curve: CostCurve) -> Iterator[str]:
    """Return the whole curve and what follows from it."""
    name = curve.metric.replace("_", "-")
    rows = [
        [
            f"{point.share:.0%}",
            f"{point.calls:,}",
            _interval(point.quality),
            kept_in_words(point),
            number(point.random),
            number(point.max_entropy),
        ]
        for point in curve.points
    ]
    yield table(["asked", "calls", name, "gain kept", "chosen at random", "most uncertain first"], rows)
    yield bullets([_sentence(str(curve.recommended)), _sentence(str(curve.price_of_last_point))])


def kept_in_words(point: CurvePoint) -> str:
    """Return the share of the full gain that a point keeps; empty where that gain is not significant."""
    kept = point.kept
    return "" if math.isnan(kept.estimate) else f"{kept.estimate:.0%} [{kept.low:.0%}, {kept.high:.0%}]"


def check_blocks(evaluation: Evaluation) -> Iterator[str]:
    """Return the sections on a budget and on guarantees, held against the test texts."""
    if evaluation.cost_curve is not None:
        yield f"## {ASKING}, on these texts"
        yield from curve_blocks(evaluation.cost_curve)
    checks = [check for check in (evaluation.risk, evaluation.sets) if check is not None]
    if checks:
        yield "## What was promised, and what came"
        yield bullets([line for check in checks for line in (check.promised, _sentence(f"Here: {check}"))])


def calibration_blocks(report: CalibrationReport | None) -> Iterator[str]:
    """Return the section on how far probabilities can be trusted, before and after calibration."""
    if report is None or not report.sources:
        return
    yield "## Calibration"
    yield (
        "Of each source on these texts, before → after what was learned on the training rows; lower is better. "
        "*Beyond chance* is the calibration error less the noise of its bins."
    )
    rows = [
        [escaped(source.name), *(" → ".join(map(number, getattr(source, measure.__name__))) for measure in MEASURES)]
        for source in report.sources
    ]
    yield table(["source", *MEASURES.values()], rows)


def _interval(found: Interval) -> str:
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
