"""`WrittenLabels`: the labels of a schema as prompts write them, and the short codes that stand for them."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import Any

from textclassify.core.labels import Label, LabelSchema
from textclassify.errors import LabelError
from textclassify.llm.prompting.texts_as_data import in_one_line
from textclassify.llm.reading.label_reader import EDGES

NO_LABEL_ANSWER = "none"
"""What a model answers when no label of a multi-label schema fits, unless that is a label's name."""

MOST_LISTED = 30
"""Codes that a repair question lists; of more it says the form."""

_NO_LABEL_ANSWERS = (NO_LABEL_ANSWER, "no label", "none of these")


class WrittenLabels:
    r"""The labels of a schema as prompts write them, in schema order.

    Args:
        schema: labels with descriptions.

    Attributes:
        names: the names in words.
        codes: a short code for each, none of which is the name of another label.
        lines: code, name and description, one line per label.
        no_label: what stands for "no label fits".
        which_codes: the codes there are, in words: all of them, or the first and the last.

    >>> WrittenLabels(LabelSchema(("late", "lost"), {"lost": "never came"})).lines
    'A: late\nB: lost: never came'

    """

    def __init__(self, schema: LabelSchema) -> None:
        self.schema = schema
        self.names = written_names(schema)
        self.codes = codes_for(self.names)
        self.lines = "\n".join(
            f"{code}: {in_one_line(schema.card(name))}" for code, name in zip(self.codes, schema.names, strict=True)
        )
        readings = {_reading(name) for name in self.names}
        self.no_label = next((words for words in _NO_LABEL_ANSWERS if words not in readings), NO_LABEL_ANSWER)
        codes = sorted(self.codes)
        self.which_codes = ", ".join(codes) if len(codes) <= MOST_LISTED else f"{codes[0]} to {codes[-1]}, all digits"
        self._code = dict(zip(schema.names, self.codes, strict=True))

    def answer(self, label: Any) -> str:
        """Return a gold label (multi-label: a list of them) as a prompt asks for it.

        Raises:
            LabelError: the schema does not have it.

        """
        return ", ".join(self.codes_of(label)) or self.no_label

    def codes_of(self, label: Any) -> list[str]:
        """Return the code of a gold label, or the codes of a list of labels.

        Raises:
            LabelError: the schema does not have one of them.

        """
        wanted: Iterable[Any] = label if self.schema.multi_label else [label]
        try:
            return [self._code[name] for name in wanted]
        except (KeyError, TypeError):
            raise LabelError(
                f"an example has the label {label!r:.60}, which the labels of now do not have; fit again after "
                "changing the labels"
            ) from None

    @property
    def notice(self) -> str:
        """Return what an answer with codes must look like."""
        if self.schema.multi_label:
            return (
                f'Answer with the codes of all labels that fit, separated by commas, or "{self.no_label}". Nothing '
                f"else. The codes: {self.which_codes}."
            )
        return f"Answer with one of these codes and nothing else: {self.which_codes}."

    @property
    def scores_notice(self) -> str:
        """Return what an answer with scores must look like."""
        return (
            "Answer with one JSON object and nothing else. Its keys are codes of labels, its values numbers from 0 to "
            f"1. The codes: {self.which_codes}."
        )


def readable(name: Label) -> str:
    """Return a label's name as words."""
    return str(name).replace("_", " ").strip() or str(name)


def written_names(schema: LabelSchema) -> tuple[str, ...]:
    """Return the names of a schema as a prompt writes them."""
    return tuple(in_one_line(readable(name)) for name in schema.names)


def label_codes(n: int) -> tuple[str, ...]:
    """Return n short codes, none of which begins another: letters up to 26, then numbers of one width."""
    if n <= len(string.ascii_uppercase):
        return tuple(string.ascii_uppercase[:n])
    width = len(str(n))
    return tuple(str(number).zfill(width) for number in range(1, n + 1))


def codes_for(names: Sequence[str]) -> tuple[str, ...]:
    """Return the codes of `label_codes`, dealt out so that a label whose name reads like a code has that code.

    Otherwise "B" could be meant as the code of one label or as the name of another.

    >>> codes_for(["yes", "B", "A"])
    ('C', 'B', 'A')

    """
    codes = label_codes(len(names))
    by_reading = {_reading(code): code for code in codes}
    owner: dict[str, int] = {}
    for position, name in enumerate(names):
        code = by_reading.get(_reading(name))
        if code is not None and (code not in owner or name == code):
            owner[code] = position
    own = {position: code for code, position in owner.items()}
    others = (code for code in codes if code not in owner)
    return tuple(own[position] if position in own else next(others) for position in range(len(names)))


def _reading(text: str) -> str:
    """Return what two texts have in common when one could be taken for the other."""
    return text.strip(EDGES).casefold().lstrip("0")
