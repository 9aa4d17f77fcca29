"""`Questions`: what a model is asked about the candidates of a text, in few and plain words.

In a yes/no question the text stands before the label, so that a model in this process, or a server that remembers
beginnings, reads it once for all candidates. The answers are "yes", "no" or the code of an option, never a label's
name: no name can be mistaken for an answer.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textclassify.core.labels import LabelSchema
from textclassify.llm.chat import Message
from textclassify.llm.choices import Choice
from textclassify.llm.prompting.prompts import DATA_RULE
from textclassify.llm.prompting.texts_as_data import TEXT_SLOT, delimited, in_one_line
from textclassify.llm.prompting.written_labels import codes_for, written_names

YES_NO = ("yes", "no")
"""The answers to a question about one label."""

_RULES = f"You label texts. {DATA_RULE}"
_TEXT = f"Text:\n{delimited(TEXT_SLOT)}"
_NONE_FITS = ("none of these", "no label of this list", "all of these labels are wrong")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about any text, and its answers.

    Args:
        messages: the conversation, with `TEXT_SLOT` once, in the last message.
        answers: the answers that count; of a choice between options, one per option in the order shown.

    """

    messages: tuple[Message, ...]
    answers: tuple[str, ...]

    def about(self, text: str) -> Choice:
        """Return the question about one text."""
        return Choice(self.messages, text, self.answers)


class Questions:
    """The questions about the labels of a schema, which are given by their codes.

    Args:
        schema: labels with all that is known about them.

    """

    def __init__(self, schema: LabelSchema) -> None:
        self.schema = schema
        self._names = written_names(schema)
        self._card = functools.cache(self._card_of)
        self.yes_no = functools.cache(self._yes_no)

    def _yes_no(self, code: int) -> Question:
        """Return the question whether one label fits; the answers are "yes" and "no"."""
        card, name = self._card(code), self._names[code]
        if name.casefold() in YES_NO:
            card = f'"{name}"{card.removeprefix(name)}'  # "Label: yes" would read like the answer
        return _question(
            f"{_TEXT}\n\nLabel: {card}\n\nDoes the label fit the text? Answer {' or '.join(YES_NO)}.", YES_NO
        )

    def listwise(self, codes: Sequence[int], *, none_option: bool = False) -> Question:
        """Return the question which of several labels fits best; the answers are the codes of the options.

        These are letters, and numbers beyond 26 options. A label whose name reads like one of them has that one, so
        that no answer has two meanings.

        Args:
            codes: the labels in the order shown.
            none_option: whether "none of these" stands behind them.

        """
        names, cards = [self._names[code] for code in codes], [self._card(code) for code in codes]
        if none_option:
            taken = {name.casefold() for name in names}
            nothing = next((words for words in _NONE_FITS if words not in taken), _NONE_FITS[0])
            names.append(nothing)
            cards.append(nothing)
        options = codes_for(names)
        what = "letter" if len(options) <= len(string.ascii_uppercase) else "number"
        asked = f"Answer with the {what} of the best label" + (
            f", or {options[-1]} if none fits." if none_option else "."
        )
        return _question(
            f"Which label fits the text best?\n\n{_TEXT}\n\nLabels:\n{_lines(options, cards)}\n\n{asked}", options
        )

    def pairwise(self, first: int, second: int) -> Question:
        """Return the question which of two labels fits better; the answers are the codes of the two, as shown."""
        options = codes_for([self._names[first], self._names[second]])
        lines = _lines(options, [self._card(first), self._card(second)])
        asked = f"Answer {' or '.join(sorted(options))}."
        return _question(f"Which of the two labels fits the text better?\n\n{_TEXT}\n\n{lines}\n\n{asked}", options)

    def _card_of(self, code: int) -> str:
        return in_one_line(self.schema.card_in_full(self.schema.names[code]))


def _question(asked: str, answers: tuple[str, ...]) -> Question:
    return Question((Message("system", _RULES), Message("user", asked)), answers)


def _lines(options: Sequence[str], cards: Sequence[str]) -> str:
    return "\n".join(f"{option}: {card}" for option, card in zip(options, cards, strict=True))


def previewed(choices: Sequence[Choice], preview: Callable[[Choice], str]) -> str:
    """Return the first of the questions with each set of answers, as a person reads it, and how many more there are.

    Args:
        choices: questions about one text.
        preview: returns a question as a person reads it.

    """
    kinds: dict[frozenset[str], list[Choice]] = {}
    for choice in choices:
        kinds.setdefault(frozenset(choice.answers), []).append(choice)
    parts = []
    for first, *others in kinds.values():
        more = f"\n\n(and at most {len(others)} more like it about this text)" if others else ""
        parts.append(f"{preview(first)}{more}")
    return "\n\n".join(parts)
