"""What a page is made of: words, tables, drawings. Everything in them is plain text; the template escapes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from markupsafe import Markup

from textclassify.runs.markdown import number

HEATS = 10
"""Shades of a cell."""
_LONG_TEXT = 60
_TIED = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Args:
        text: what is read.
        value: what it is sorted by; None = its text.
        heat: shade from 0 to `HEATS`; None = none.
        mark: a word that is set apart behind the text, such as "rare".
        rows: filters of the row explorer that a button in the cell sets; None = no button.

    """

    text: str
    value: float | None = None
    heat: int | None = None
    mark: str = ""
    rows: Mapping[str, Any] | None = None

    @property
    def filters(self) -> str:
        """The filters as an attribute holds them."""
        return json.dumps(self.rows)


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row names it.

    Args:
        caption: what it shows.
        header: names of the columns.
        rows: of as many cells.
        sortable: whether its columns can be sorted by.
        limit: rows shown at first; a button shows the others.

    """

    kind: ClassVar[str] = "table"
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    limit: int | None = None

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers."""
        return [any(row[place].value is not None for row in self.rows) for place in range(len(self.header))]

    @property
    def classes(self) -> str:
        """What the page calls such a table."""
        shaded = any(cell.heat is not None for row in self.rows for cell in row)
        return " ".join(name for name, holds in (("sortable", self.sortable), ("matrix", shaded)) if holds)

    def classes_of(self, cell: Cell, column: int) -> str:
        """Return what the page calls such a cell."""
        kinds = (
            ("number", self.numeric[column]),
            (f"heat-{cell.heat}", cell.heat is not None),
            ("long", len(cell.text) > _LONG_TEXT),
        )
        return " ".join(name for name, holds in kinds if holds)


@dataclass(frozen=True)
class Drawing:
    """A figure with what it says in words."""

    kind: ClassVar[str] = "drawing"
    svg: Markup
    words: str


@dataclass(frozen=True)
class Beside:
    """A figure with a table beside it, where there is room."""

    kind: ClassVar[str] = "beside"
    drawing: Drawing
    table: Table


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    kind: ClassVar[str] = "words"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    lines: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Tiles:
    """The few figures that matter: (name, figure, its interval, what it means)."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[tuple[str, str, str, str]]


@dataclass(frozen=True)
class Code:
    """What is typed, or stands in a file."""

    kind: ClassVar[str] = "code"
    text: str
    what: str


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown on request."""

    kind: ClassVar[str] = "folded"
    title: str
    blocks: Sequence[Any]


@dataclass(frozen=True)
class ShowRows:
    """A button that sets the filters of the row explorer."""

    kind: ClassVar[str] = "show_rows"
    text: str
    rows: Mapping[str, Any]

    @property
    def filters(self) -> str:
        """The filters as an attribute holds them."""
        return json.dumps(self.rows)


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading.

    Args:
        name: its address in the page.
        title: its heading.
        blocks: what is in it.

    """

    name: str
    title: str
    blocks: Sequence[Any] = field(default_factory=tuple)


def figure_cell(value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    """Return a figure with its interval, where one is known."""
    if value is None or math.isnan(value):
        return Cell("n/a", -math.inf)
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return Cell(number(value), value)
    return Cell(f"{number(value)} {interval(number(low), number(high))}", value)


def interval(low: str, high: str) -> str:
    """Return bounds that stay on one line."""
    return f"[{low},{_TIED}{high}]"


def spread(value: float, standard_error: float | None) -> str:
    """Return a difference with its standard error, on one line; None = a single text, which has none."""
    if standard_error is None:
        return f"{value:+.3f}"
    return f"{value:+.3f}{_TIED}±{_TIED}{standard_error:.3f}"


def count_cell(value: float | None) -> Cell:
    """Return a number of things."""
    return Cell("n/a", -math.inf) if value is None else Cell(f"{value:,.0f}", float(value))


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in words."""
    return "n/a" if share is None or math.isnan(share) else f"{share:.{digits}%}"


def share_cell(share: float | None) -> Cell:
    """Return a share."""
    return Cell(percent(share), -math.inf if share is None or math.isnan(share) else share)


def joined(names: Iterable[str] | None) -> str:
    """Return an answer in words."""
    if names is None:
        return "no answer"
    return ", ".join(names) or "no label"
