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


def test_a_step_is_known_again_where_the_one_before_it_is_left_out() -> None:
    """Texts that were read for an earlier model are not read again; tuning takes as long as it did."""
    stage = Stage()
    for model, start in (("model 1 of 2", 0), ("model 2 of 2", 10)):
        if start == 0:
            stage.moved([model, "reading"], 0, 1, now=0)
        stage.moved([model, "tuning"], 0, 10, now=start + 1)
    assert stage.moved(["model 2 of 2", "tuning"], 5, 10, now=16) == pytest.approx(0.5 + 0.5 * (1 + 5) / 11)


def test_the_time_left_is_told_only_where_something_tells_it() -> None:
    """A guess that triples in the first minute is worse than none."""
    alone, several = Stage(), Stage()
    alone.moved(["texts"], 0, 100, now=0)
    alone.moved(["texts"], 25, 100, now=10)
    several.moved(["model 1 of 2", "tuning"], 0, 10, now=0)
    several.moved(["model 1 of 2", "tuning"], 5, 10, now=10)

    assert alone.seconds_left(now=10) == pytest.approx(30)
    assert several.seconds_left(now=10) is None
    several.moved(["model 2 of 2", "tuning"], 0, 10, now=20)
    assert several.seconds_left(now=20) == pytest.approx(20)


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


def test_a_long_detail_is_cut_and_leaves_the_bars_as_they_are() -> None:
    """At 100 columns every bar stays in its line and keeps its width, whatever is being done."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    bars = ProgressBars(screen)
    with bars:
        for step in ("texts", "source 3 of 3 (similarity): comparing texts with the descriptions of labels"):
            with doing("evaluation: "):
                report(step, 1, 2)
            lines = screen.render_lines(bars._bars.get_renderable(), pad=False)
            (line,) = ("".join(segment.text for segment in one) for one in lines)
            assert line.count("━") + line.count("╸") + line.count("╺") == 24

    assert "…" in line


def test_nothing_is_heard_after_the_end() -> None:
    """A later report must not draw on somebody else's screen."""
    stream = io.StringIO()
    with ProgressBars(Console(file=stream)):
        pass
    report("late", 1, 2)

    assert stream.getvalue() == ""
