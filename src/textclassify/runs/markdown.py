"""Markdown out of values: nothing that comes from data or configuration is markup."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

SHOWN_TEXT = 160
"""Characters of a text that a report shows."""
_MARKUP = re.compile(r"([\\`*\[\]#~|$]|(?<!\w)_|_(?!\w))")
_NUMBER = re.compile(r"(&lt;)?[-+\d]|n/a$|$")


def escaped(value: object, limit: int = SHOWN_TEXT) -> str:
    """Return a value as one line of plain text in Markdown, cut to a limit: nothing in it is markup or a link."""
    line = " ".join(str(value).split())
    line = "".join(character if character.isprintable() else "\ufffd" for character in line)
    line = line if len(line) <= limit else f"{line[: limit - 1]}…"
    return _MARKUP.sub(r"\\\1", html.escape(line, quote=False)).replace("://", ":&#47;&#47;")


def fenced(content: str, language: str) -> str:
    """Return a code block, its fence longer than any in the content."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", content)), default=0))
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"


def bullets(lines: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {escaped(line, 1000)}" for line in lines)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; columns of numbers are aligned right."""
    rows = list(rows)
    numeric = [all(_NUMBER.match(row[column]) for row in rows) for column in range(len(header))]
    lines = [header, ["---:" if one else "---" for one in numeric], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float) -> str:
    """Return a figure, "n/a" for NaN."""
    return "n/a" if math.isnan(value) else f"{value:.3f}"
