"""`Questions`: what a model is asked about the candidates of a text, in few and plain words.

In a yes/no question the text stands before the label, so that a model in this process, or a server that remembers
beginnings, reads it once for all candidates. The answers are "yes", "no" (in the language of the questions) or the code
of an option, never a label's name: no name can be mistaken for an answer.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textclassify.core.labels import LabelSchema
from textclassify.llm.chat import Message
from textclassify.llm.choices import Choice
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.texts_as_data import TEXT_SLOT, delimited, in_one_line, shortened
from textclassify.llm.prompting.wording import ENGLISH_YES_NO, Wording
from textclassify.llm.prompting.written_labels import codes_for, written_names
from textclassify.rac.verifying.references import NO_LABEL, Reference


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about any text, and its answers.

    Args:
        messages: the conversation, with `TEXT_SLOT` once, in the last message.
        answers: the answers that count; of a choice between options, one per option in the order shown.
        language: the code of the one that it is asked in.

    """

    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    language: str = ENGLISH.language

    def about(self, text: str) -> Choice:
        """Return the question about one text."""
        return Choice(self.messages, text, self.answers, self.language)


class Questions:
    """The questions about the labels of a schema, which are given by their codes.

    Args:
        schema: labels with all that is known about them.
        shown: texts about labels that every question is demonstrated with. Where the text is a label's description,
            the labels are shown by their names alone, so that nothing can be answered by comparing words.
        wording: what the questions say.

    """

    def __init__(self, schema: LabelSchema, shown: Sequence[Reference] = (), wording: Wording = ENGLISH) -> None:
        self.schema = schema
        self._wording = wording
        self._system = Message("system", f"{wording.labels_texts} {wording.data_rule}")
        self._text = f"{wording.text_head}\n{delimited(TEXT_SLOT)}"
        self._names = written_names(schema)
        self._card = functools.cache(self._card_of)
        self._shown = [reference for reference in shown if reference.label != NO_LABEL and reference.near]
        self._list_turns = functools.cache(self._list_turns_of)
        self.yes_no = functools.cache(self._yes_no)

    def _yes_no(self, code: int) -> Question:
        """Return the question whether one label fits; the answers are "yes" and "no", in its language."""
        return self._asking(self._yes_no_turns, self._yes_no_about(self._one_card(code)), self._wording.yes_no)

    def listwise(self, codes: Sequence[int], *, none_option: bool = False) -> Question:
        """Return the question which of several labels fits best; the answers are the codes of the options.

        These are letters, and numbers beyond 26 options. A label whose name reads like one of them has that one, so
        that no answer has two meanings.

        Args:
            codes: the labels in the order shown.
            none_option: whether "none of these" stands behind them.

        """
        asked, options = self._list(codes, none_option=none_option)
        return self._asking(self._list_turns(len(codes), none_option), asked, options)

    def pairwise(self, first: int, second: int) -> Question:
        """Return the question which of two labels fits better; the answers are the codes of the two, as shown."""
        asked, options = self._pair(first, second)
        return self._asking(self._pair_turns, asked, options)

    def _asking(self, turns: Sequence[Message], asked: str, answers: tuple[str, ...]) -> Question:
        return Question((self._system, *turns, Message("user", asked)), answers, self._wording.language)

    @functools.cached_property
    def _yes_no_turns(self) -> tuple[Message, ...]:
        """A label that fits and one that does not, for each text."""
        turns: list[Message] = []
        for text, label, near in self._shown:
            for code, answer in zip((label, near[0]), self._wording.yes_no, strict=True):
                turns += _turns(self._yes_no_about(self._one_card(code, by_name=self._by_name(label))), text, answer)
        return tuple(turns)

    def _list_turns_of(self, n_labels: int, none_option: bool) -> tuple[Message, ...]:  # noqa: FBT001 - cached
        """The label of each text among as many as will be listed, in another place each time."""
        turns: list[Message] = []
        for row, (text, label, near) in enumerate(self._shown if n_labels > 1 else ()):
            others = near[: n_labels - 1]
            place = (2 * row + 1) % (len(others) + 1)
            listed = [*others[:place], label, *others[place:]]
            asked, options = self._list(listed, none_option=none_option, by_name=self._by_name(label))
            turns += _turns(asked, text, options[place])
        return tuple(turns)

    @functools.cached_property
    def _pair_turns(self) -> tuple[Message, ...]:
        """The label of each text beside the nearest other one."""
        turns: list[Message] = []
        for row, (text, label, near) in enumerate(self._shown):
            pair = (near[0], label) if row % 2 else (label, near[0])
            asked, options = self._pair(*pair, by_name=self._by_name(label))
            turns += _turns(asked, text, options[row % 2])
        return tuple(turns)

    def _list(self, codes: Sequence[int], *, none_option: bool, by_name: bool = False) -> tuple[str, tuple[str, ...]]:
        names = [self._names[code] for code in codes]
        cards = names.copy() if by_name else [self._card(code) for code in codes]
        if none_option:
            taken = {name.casefold() for name in names}
            wordings = self._wording.none_fits
            nothing = next((words for words in wordings if words.casefold() not in taken), wordings[0])
            names.append(nothing)
            cards.append(nothing)
        options = codes_for(names)
        letters = len(options) <= len(string.ascii_uppercase)
        answer = self._wording.best_of(letters=letters, none=options[-1] if none_option else None)
        listed = f"{self._wording.labels_head}\n{_lines(options, cards)}"
        return f"{self._wording.which_best}\n\n{self._text}\n\n{listed}\n\n{answer}", options

    def _pair(self, first: int, second: int, *, by_name: bool = False) -> tuple[str, tuple[str, ...]]:
        options = codes_for([self._names[first], self._names[second]])
        cards = [self._names[code] if by_name else self._card(code) for code in (first, second)]
        one, other = sorted(options)
        answer = self._wording.one_of_two.format(first=one, second=other)
        asked = f"{self._wording.which_better}\n\n{self._text}\n\n{_lines(options, cards)}\n\n{answer}"
        return asked, options

    def _one_card(self, code: int, *, by_name: bool = False) -> str:
        """Return a label for a yes/no question; one that reads like an answer stands in quotation marks."""
        name = self._names[code]
        card = name if by_name else self._card(code)
        is_answer = name.casefold() in {*self._wording.yes_no, *ENGLISH_YES_NO}
        return f'"{name}"{card.removeprefix(name)}' if is_answer else card

    def _yes_no_about(self, card: str) -> str:
        asked = f"{self._wording.does_it_fit} {self._wording.yes_or_no}"
        return f"{self._text}\n\n{self._wording.label_head} {card}\n\n{asked}"

    def _by_name(self, code: int) -> bool:
        """Return whether the text about a label is its description, rather than an example."""
        return not self.schema.examples.get(self.schema.names[code])

    def _card_of(self, code: int) -> str:
        words = self._wording
        card = self.schema.card_in_full(self.schema.names[code], includes=words.includes, excludes=words.excludes)
        return in_one_line(card)


def _turns(asked: str, text: str, answer: str) -> tuple[Message, Message]:
    """Return a question about a text, and its answer."""
    return Message("user", asked.replace(TEXT_SLOT, shortened(text))), Message("assistant", answer)


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
