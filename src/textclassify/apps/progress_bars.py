"""Progress on standard error: one calm bar per stage on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import re
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
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            refresh_per_second=8,
        )
        self._stages: dict[str, TaskID] = {}
        self._listening = listening(self.show)

    def show(self, task: str, done: int, total: int) -> None:
        """Show how far a task has come."""
        stage, *parts = [part for part in task.split(": ") if part]
        if stage not in self._stages:
            self._begin(stage)
        if self._live:
            share, detail = share_of(parts, done, total), ", ".join(parts)
            bar = self._stages[stage]
            before = next(one.completed for one in self._bars.tasks if one.id == bar)
            self._bars.update(bar, completed=max(share, before), detail=detail if share < 1 else "")

    def _begin(self, stage: str) -> None:
        if not self._live:
            self._stages[stage] = TaskID(len(self._stages))
            self.console.print(f"{stage} ...", markup=False)
            return
        self._finish()
        self._stages[stage] = self._bars.add_task(f"{stage:<12}", total=1.0, detail="")

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


def share_of(parts: list[str], done: int, total: int) -> float:
    """Return the share of a stage that is done, 0 to 1: each "2 of 5" among its parts narrows where it stands."""
    start, width = 0.0, 1.0
    for part in parts:
        found = _PART.search(part)
        if found and int(found[2]) > 0:
            start += width * (int(found[1]) - 1) / int(found[2])
            width /= int(found[2])
    return min(1.0, start + width * (done / total if total else 1.0))


class _TimeLeft(ProgressColumn):
    """What the stage will still take if it goes on as it has."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.finished or task.elapsed is None or task.completed < _SHORTEST_ESTIMATE:
            return Text(" " * 10)
        left = round(task.elapsed * (1 - task.completed) / task.completed)
        return Text(f"{left // 60:>3}:{left % 60:02} left", style="dim")
