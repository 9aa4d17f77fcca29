"""Progress is calm: it never goes back, and outside a terminal it is a line per stage."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from textclassify.apps.progress_bars import ProgressBars, Stage, window_of
from textclassify.core.progress import doing, report


def test_nested_units_narrow_where_a_stage_stands() -> None:
    """One bar per stage, whatever goes on inside it."""
    assert window_of([]) == (0, 1)
    assert window_of(["model 2 of 5"]) == pytest.approx((0.2, 0.2))
    assert window_of(["source 1 of 2 (encoder)", "model 2 of 2"]) == pytest.approx((0.25, 0.25))


def test_the_second_unit_knows_how_long_the_steps_of_the_first_took() -> None:
    """Fine-tuning takes nine of ten seconds: the bar should not rush through it or stand still."""
    stage = Stage()
    stage.moved(["model 1 of 2", "reading"], 0, 1, now=0)
    stage.moved(["model 1 of 2", "tuning"], 0, 10, now=1)
    assert stage.moved(["model 2 of 2", "reading"], 0, 1, now=10) == pytest.approx(0.5)

    stage.moved(["model 2 of 2", "tuning"], 0, 10, now=11)
    assert stage.moved(["model 2 of 2", "tuning"], 5, 10, now=15) == pytest.approx(0.5 + 0.5 * 0.55)


def test_outside_a_terminal_each_stage_is_one_line() -> None:
    """A log file needs no animation."""
    stream = io.StringIO()
    with ProgressBars(Console(file=stream)):
        for stage in ("encoder: ", "llm: "):
            with doing(stage):
                for done in range(50):
                    report("texts", done, 50)

    assert stream.getvalue() == "encoder ...\nllm ...\n"


def test_a_bar_never_goes_back() -> None:
    """Training and then scoring inside one model would make it jump."""
    bars = ProgressBars(Console(file=io.StringIO(), force_terminal=True))
    with bars, doing("encoder: "), doing("model 1 of 2: "):
        shares = []
        for step, done in (("reading", 10), ("training", 0), ("training", 10), ("scoring", 0), ("scoring", 10)):
            report(step, done, 10)
            shares.append(bars._bars.tasks[0].completed)

    assert shares == sorted(shares)
    assert shares[-1] <= 0.5


def test_nothing_is_heard_after_the_end() -> None:
    """A later report must not draw on somebody else's screen."""
    stream = io.StringIO()
    with ProgressBars(Console(file=stream)):
        pass
    report("late", 1, 2)

    assert stream.getvalue() == ""
