"""Text in CSV cells that a spreadsheet would run as a formula, and how it is kept from doing so."""

from __future__ import annotations

import re
from typing import Any

MARK = "'"
"""Stands before a text that would be a formula; spreadsheets show such a cell as text."""

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How formulas begin, also in wide characters; tab and line ends, which spreadsheets drop, may stand before them."""
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?\s?%?")


def escaped_cell(value: Any) -> Any:
    """Return a cell with a quotation mark before a text that a spreadsheet would run; numbers stay, also as text.

    >>> escaped_cell("=1+1"), escaped_cell("-5.2"), escaped_cell(-5.2), escaped_cell("a = b")
    ("'=1+1", '-5.2', -5.2, 'a = b')

    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return MARK + value
    return value


def unescaped_cell(value: Any) -> Any:
    """Return what `escaped_cell` was given."""
    if isinstance(value, str) and value.startswith(MARK) and escaped_cell(value[1:]) == value:
        return value[1:]
    return value
