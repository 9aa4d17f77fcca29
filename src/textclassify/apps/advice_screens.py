"""What a terminal shows of budgets, guarantees and calibration, as rich renderables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from textclassify.ensemble.combining.calibration_report import CalibrationReport
    from textclassify.ensemble.deferring.cost_report import CostCurve
    from textclassify.runs.advice import Advice
    from textclassify.runs.evaluation import Evaluation

SHOWN_SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Of a curve on the screen, beside the recommended one; the report has them all."""


def advice_screen(advice: Advice) -> RenderableType:
    """Return what a freshly fitted fusion says of its own use."""
    lines: list[RenderableType] = []
    if advice.curve is not None:
        lines += [curve_screen(advice.curve, "cross-fitted on {} training rows"), Text()]
    lines.append(Text.assemble(("Guarantees  ", "bold"), str(advice.guard)))
    if advice.without_effect:
        lines.append(Text.assemble(("No effect   ", "bold"), ", ".join(advice.without_effect)))
    return Group(*lines)


def curve_screen(curve: CostCurve, measured: str) -> RenderableType:
    """Return the curve at a few shares, and what follows from it; the latter alone, where asking may gain nothing.

    Args:
        curve: quality by the share of texts that are asked about.
        measured: on what; "{}" stands for how many texts.

    """
    from textclassify.runs.report_sections import ASKING

    title = Text.assemble((ASKING, "bold"), (f"  {measured.format(f'{curve.n_rows:,}')}", "dim"))
    advice = Text(_sentence(str(curve.recommended)))
    if not curve.recommended.share:
        return Group(title, advice)
    return Group(title, _curve_table(curve), advice, Text(_sentence(str(curve.price_of_last_point))))


def _curve_table(curve: CostCurve) -> Table:
    from textclassify.runs.report_sections import kept_in_words

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in ("asked", "calls", curve.metric.replace("_", "-"), "gain kept", "random", "most unsure"):
        table.add_column(name, justify="right")
    best = curve.recommended.share
    for point in curve.points:
        if point.share in SHOWN_SHARES or point.share == best:
            quality = f"{point.quality.estimate:.3f} [{point.quality.low:.2f}, {point.quality.high:.2f}]"
            rivals = (f"{point.random:.3f}", f"{point.max_entropy:.3f}")
            cells = (f"{point.share:.0%}", f"{point.calls:,}", quality, kept_in_words(point), *rivals)
            table.add_row(*cells, style="bold" if point.share == best else "")
    return table


def checks_screen(evaluation: Evaluation) -> RenderableType:
    """Return what a budget would buy on these texts, and how promises came out, where there is any."""
    lines: list[RenderableType] = []
    if evaluation.cost_curve is not None:
        lines += [Text(), curve_screen(evaluation.cost_curve, "on these {} texts")]
    return Group(*lines, *promise_lines(evaluation))


def promise_lines(evaluation: Evaluation) -> list[Text]:
    """Return how the promises that were asked for came out; none where none was asked for."""
    checks = [Text(str(check)) for check in (evaluation.risk, evaluation.sets) if check is not None]
    return [Text(), Text("What was promised, on these texts", style="bold"), *checks] if checks else []


def calibration_line(report: CalibrationReport | None) -> Text | None:
    """Return each source's calibration error before and after, on one line; None where there is nothing to show."""
    if report is None or not report.sources:
        return None
    changes = (f"{source.name} {source.ece[0]:.3f} → {source.ece[1]:.3f}" for source in report.sources)
    return Text(f"ECE of each source before → after calibration: {', '.join(changes)}.", style="dim")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
