"""Reading replies: which label or labels an answer names, or None when it does not say so clearly.

Answers are positions in the order of the label codes that the prompt gave out, which is the order of the schema.
Nothing is ever guessed: an answer that names two labels, or a label and a negation, is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from textclassify.llm.reading.label_reader import (
    LabelReader,
    json_in,
    says_none,
    telling_items,
    visible,
)


def named_label(content: str, reader: LabelReader, *, cut_off: bool = False) -> int | None:
    """The position of the one label that an answer names, by its code or name; None when it names none or several.

    Case, quoting, punctuation, code fences and a short JSON object around it do not matter.

    Args:
        content: the answer.
        reader: of the schema.
        cut_off: the answer may lack its end, so that the beginning of a longer label is no label.

    >>> named_label('{"label": "Sports."}', LabelReader(["A", "B"], ["world", "sports"]))
    1

    """
    if not cut_off:
        as_written = reader.written.get(content)
        if as_written is not None:
            return as_written
    answer = visible(content)
    found = reader.labels_in(answer)
    if len(found) != 1:
        return None
    label = found.pop()
    return None if cut_off and reader.may_go_on(answer, label) else label


def named_labels(content: str, reader: LabelReader) -> tuple[int, ...] | None:
    """Positions of all labels that an answer lists, ascending; () for a plain "none", None when a part is unclear.

    Understands JSON lists, JSON objects of true and false, and lists separated by commas, semicolons or lines.

    >>> reader = LabelReader(["A", "B"], ["joy", "fear"])
    >>> named_labels("B, a", reader), named_labels("none", reader)
    ((0, 1), ())

    """
    as_written = reader.written.get(content)
    if as_written is not None:
        return (as_written,)
    answer = visible(content)
    items = _listed_items(answer, reader) if answer else None
    if items is None:
        return None
    if len(items) == 1 and says_none(items[0], reader.words) and reader.exactly(items[0]) is None:
        return ()
    found = {reader.exactly(item) for item in items}
    return None if None in found else tuple(sorted(position for position in found if position is not None))


def _listed_items(answer: str, reader: LabelReader) -> list[Any] | None:
    """The items of a multi-label answer, each of which must name a label; None when it is no list."""
    if reader.exactly(answer) is not None:
        return [answer]
    value, _ = json_in(answer)
    if isinstance(value, dict):
        told = telling_items(value, reader.words)
        return _raised_flags(value, reader) if told is None else told
    if isinstance(value, list):
        return value
    items: list[str] = []
    for line in re.split(r"[,;|\n]", reader.words.leading_cue.sub("", answer)):
        part = line.strip(" \t-*\u2022")
        items += [part] if reader.exactly(part) is not None else reader.words.conjunction.split(part)
    return [item.strip() for item in items if item.strip()] or None


def _raised_flags(value: Mapping[str, Any], reader: LabelReader) -> list[str] | None:
    """The keys that a JSON object of true and false (or 1 and 0) sets; None when it is no such object."""
    flags = all(isinstance(flag, int) and flag in (0, 1) for flag in value.values())
    known = all(reader.exactly(key) is not None for key in value)
    return [key for key, flag in value.items() if flag] if value and flags and known else None
