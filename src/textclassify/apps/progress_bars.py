"""Progress on standard error: one calm bar per stage on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from textclassify.core.progress import listening

_PART = re.compile(r"(\d+) of (\d+)")
_SHORTEST_ESTIMATE = 0.02
"""Share of the work that has to be done before the rest of the time is guessed."""


class ProgressBars:
    """Hears `core.progress` reports and shows them; use it as a context.

    A task such as "encoder: model 2 of 5: epochs" belongs to the stage "encoder", of which "2 of 5" tells the share.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            _TimeLeft(),
            TextColumn("[dim]{task.fields[detail]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=console,
            expand=True,  # a long detail is cut, and never narrows the bars
            refresh_per_second=8,
        )
        self._stages: dict[str, TaskID] = {}
        self._moving = Stage()
        self._listening = listening(self.show)

    def show(self, task: str, done: int, total: int, figures: str = "") -> None:
        """Show how far a task has come, and the figures that it tells."""
        stage, *parts = [part for part in task.split(": ") if part]
        if stage not in self._stages:
            self._begin(stage)
        if self._live:
            share = self._moving.moved(parts, done, total, monotonic())
            left = self._moving.seconds_left(monotonic())
            self._bars.update(
                self._stages[stage], completed=share, detail=", ".join(filter(None, (*parts, figures))), left=left
            )

    def _begin(self, stage: str) -> None:
        if not self._live:
            self._stages[stage] = TaskID(len(self._stages))
            self.console.print(f"{stage} ...", markup=False)
            return
        self._finish()
        self._moving = Stage()
        self._stages[stage] = self._bars.add_task(f"{stage:<12}", total=1.0, detail="", left=None)

    def _finish(self) -> None:
        for bar in self._bars.tasks:
            self._bars.update(bar.id, completed=1.0, detail="")

    def __enter__(self) -> Self:
        self._listening.__enter__()
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listening.__exit__(kind, error, traceback)
        if self._live:
            if error is None:
                self._finish()
            self._bars.stop()


@dataclass
class Stage:
    """How far a stage is, guessed from what it reports.

    A stage does its units ("model 2 of 5") one after the other, and in each unit some steps. How long the steps take is
    known from the unit before, which may have had a step more; in the first unit each new step is taken for half of
    what is left.
    """

    units: list[str] = field(default_factory=list)
    step: str = ""
    done: int = 0
    share: float = 0.0
    _of_step: float = 0.0
    _stage_began: float | None = None
    _began: float = 0.0
    _spent: list[tuple[str, float]] = field(default_factory=list)
    _expected: list[tuple[str, float]] = field(default_factory=list)
    _place: int = 0

    def moved(self, parts: list[str], done: int, total: int, now: float) -> float:
        """Return the share that is done, 0 to 1, after a report; it never falls."""
        units, step = [part for part in parts if _PART.search(part)], parts[-1] if parts else ""
        if self._stage_began is None:
            self._stage_began = self._began = now
        if units != self.units:
            self._expected = [*self._spent, (self.step, now - self._began)] if self.step else []
            self._spent, self._began, self._place = [], now, self._next_place(step, 0)
        elif step != self.step or done < self.done:
            self._spent.append((self.step, now - self._began))
            self._began, self._place = now, self._next_place(step, self._place + 1)
        self.units, self.step, self.done = units, step, done
        self._of_step = done / total if total else 1.0
        start, width = window_of(units)
        self.share = max(self.share, start + width * self._within_unit())
        return self.share

    def seconds_left(self, now: float) -> float | None:
        """Return what the stage will still take if it goes on as it has; None = too early to tell.

        In a stage of one unit, the step itself tells; in the first of several units nothing does.
        """
        if self.units and not self._expected:
            return None
        began, share = (self._stage_began or 0.0, self.share) if self.units else (self._began, self._of_step)
        return None if share < _SHORTEST_ESTIMATE else (now - began) * (1 - share) / share

    def _next_place(self, step: str, start: int) -> int:
        """Return where in the unit before this step stood; steps between were left out. Past the end = it had none."""
        names = [name for name, _ in self._expected]
        return names.index(step, start) if step in names[start:] else len(names)

    def _within_unit(self) -> float:
        seconds = [spent for _, spent in self._expected]
        if self._place < len(seconds) and sum(seconds) > 0:
            return (sum(seconds[: self._place]) + self._of_step * seconds[self._place]) / sum(seconds)
        return 1 - 0.5 ** len(self._spent) * (1 - 0.5 * self._of_step)


def window_of(units: list[str]) -> tuple[float, float]:
    """Return where in a stage nested units stand: start and width, each in 0 to 1."""
    start, width = 0.0, 1.0
    for unit in units:
        found = _PART.search(unit)
        if found and int(found[2]) > 0:
            width /= int(found[2])
            start += width * (int(found[1]) - 1)
    return start, width


class _TimeLeft(ProgressColumn):
    """What the stage will still take if it goes on as it has."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.finished or task.fields["left"] is None:
            return Text(" " * 10)
        left = round(task.fields["left"])
        return Text(f"{left // 60:>3}:{left % 60:02} left", style="dim")
