"""`WrittenLabels`: the labels of a schema as prompts write them, and the short codes that stand for them."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import Any

from textclassify.core.labels import Label, LabelSchema
from textclassify.errors import LabelError
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.texts_as_data import in_one_line
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.reading.label_reader import EDGES

MOST_LISTED = 30
"""Codes that a repair question lists; of more it says the form."""


class WrittenLabels:
    r"""The labels of a schema as prompts write them, in schema order.

    Args:
        schema: labels with descriptions.
        wording: of the prompts.

    Attributes:
        names: the names in words.
        codes: a short code for each, none of which is the name of another label.
        lines: code, name and description, one line per label.
        no_label: what stands for "no label fits".
        which_codes: the codes there are, in words: all of them, or the first and the last.

    >>> WrittenLabels(LabelSchema(("late", "lost"), {"lost": "never came"})).lines
    'A: late\nB: lost: never came'

    """

    def __init__(self, schema: LabelSchema, wording: Wording = ENGLISH) -> None:
        self.schema = schema
        self.wording = wording
        self.names = written_names(schema)
        self.codes = codes_for(self.names)
        self.lines = "\n".join(
            f"{code}: {in_one_line(schema.card(name, includes=wording.includes))}"
            for code, name in zip(self.codes, schema.names, strict=True)
        )
        readings = {_reading(name) for name in self.names}
        unread = (words for words in wording.no_label if _reading(words) not in readings)
        self.no_label = next(unread, wording.no_label[0])
        codes = sorted(self.codes)
        self.which_codes = ", ".join(codes)
        if len(codes) > MOST_LISTED:
            self.which_codes = wording.codes_from_to.format(first=codes[0], last=codes[-1])
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
    def asked(self) -> str:
        """Return which answer is wanted."""
        if self.schema.multi_label:
            return self.wording.codes_asked.format(no_label=self.no_label)
        return self.wording.code_asked

    @property
    def notice(self) -> str:
        """Return what an answer with codes must look like."""
        if self.schema.multi_label:
            return f"{self.asked} {self._the_codes}"
        return self.wording.one_of_codes.format(codes=self.which_codes)

    @property
    def scores_notice(self) -> str:
        """Return what an answer with scores must look like."""
        return f"{self.wording.scores_again} {self._the_codes}"

    @property
    def _the_codes(self) -> str:
        return self.wording.the_codes.format(codes=self.which_codes)


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
