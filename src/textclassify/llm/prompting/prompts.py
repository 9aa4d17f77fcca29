"""Prompts built from a label schema: what is asked, which answers count, and texts that stay data.

A prompt is written once, with `TEXT_SLOT` in the place of the text: the in-process model fills the slot with tokens
that cannot be control tokens, a remote one with a text whose control tokens are broken up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from textclassify.core.labels import Label, LabelSchema
from textclassify.errors import ConfigError
from textclassify.llm.chat import Message
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.texts_as_data import TEXT_SLOT, as_data, delimited, in_one_line, shortened
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.prompting.written_labels import WrittenLabels, label_codes, written_names

__all__ = [
    "TEXT_SLOT",
    "Arranged",
    "Prompt",
    "choice_prompt",
    "conversation",
    "labelled_block",
    "prior_texts",
    "scores_prompt",
    "shown",
    "statement_prompt",
    "turns",
    "yes_no_prompt",
]

Arranged: TypeAlias = Callable[[Sequence[Demonstration]], tuple[Message, ...]]
"""Returns the conversation that shows some examples, in their order, and asks about `TEXT_SLOT`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to ask about one text, and the answers that count.

    Args:
        messages: the conversation, with `TEXT_SLOT` once, in the last message.
        codes: the short code of each label in the prompt, in schema order.
        names: the label names as the prompt writes them, in schema order.
        answers: the whole reply that stands for each label, in schema order.
        notice: what an answer must look like, for a repair question.
        arranged: the conversation beside other examples.
        wording: what the prompt says.

    Raises:
        ConfigError: the place of the text is missing or occurs twice.

    """

    messages: tuple[Message, ...]
    codes: tuple[str, ...]
    names: tuple[str, ...]
    answers: tuple[str, ...]
    notice: str = field(repr=False)
    arranged: Arranged = field(repr=False, compare=False)
    wording: Wording = field(default=ENGLISH, repr=False, compare=False)
    _before: tuple[Message, ...] = field(init=False, repr=False, compare=False)
    _head: str = field(init=False, repr=False, compare=False)
    _tail: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        *before, last = self.messages
        around = last.content.split(TEXT_SLOT)
        if len(around) != 2:
            raise ConfigError("a prompt needs exactly one TEXT_SLOT, the place of the text, in its last message")
        for name, part in (("_before", tuple(before)), ("_head", around[0]), ("_tail", around[1])):
            object.__setattr__(self, name, part)

    def about(self, text: str) -> tuple[Message, ...]:
        """Return the conversation with a text in its place, its control tokens broken up."""
        return (*self._before, Message("user", f"{self._head}{as_data(text)}{self._tail}"))

    def again(self, text: str) -> tuple[Message, ...]:
        """Return what to ask after an answer that could not be read: the same question, and which answers count.

        The useless answer is not shown: it would cost tokens and invite its repetition. The text stands in the last
        message, for servers that read no other, and all before its end is as in the first request, which servers
        remember.
        """
        asked = f"{self._head}{as_data(text)}{self._tail}"
        return (*self._before, Message("user", f"{asked}\n\n{self.wording.unusable} {self.notice}"))

    def with_examples(self, demonstrations: Sequence[Demonstration]) -> Prompt:
        """Return the same question beside other examples; what this costs does not grow with the labels."""
        return replace(self, messages=self.arranged(demonstrations))


def choice_prompt(
    schema: LabelSchema, demonstrations: Sequence[Demonstration] = (), *, wording: Wording = ENGLISH
) -> Prompt:
    """Return the prompt that lists the labels and asks for the code of the one (multi-label: of all) that fits.

    Args:
        schema: labels with descriptions.
        demonstrations: examples in the order shown.
        wording: what it says.

    """
    labels = WrittenLabels(schema, wording)
    rules = f"{wording.sorts} {wording.data_rule}\n\n{wording.labels_head}\n{labels.lines}\n\n{labels.asked}"
    arranged = _as_turns(rules, delimited, labels.answer)
    return Prompt(arranged(demonstrations), labels.codes, labels.names, labels.codes, labels.notice, arranged, wording)


def scores_prompt(
    schema: LabelSchema, demonstrations: Sequence[Demonstration] = (), *, wording: Wording = ENGLISH
) -> Prompt:
    """Return the prompt that asks for one JSON object with a score from 0 to 1 for the code of each label.

    Examples stand among the rules, with their labels: as turns they would have to show scores, which a model copies.

    Args:
        schema: labels with descriptions.
        demonstrations: examples in the order shown.
        wording: what it says.

    """
    labels = WrittenLabels(schema, wording)
    asked = wording.fields_of_scores(multi_label=schema.multi_label)
    rules = f"{wording.judges_labels} {wording.data_rule}\n\n{wording.labels_head}\n{labels.lines}"
    question = Message("user", delimited(TEXT_SLOT))

    def arranged(examples: Sequence[Demonstration]) -> tuple[Message, ...]:
        listed = f"\n\n{wording.examples_head}\n\n{labelled_block(labels, examples)}" if examples else ""
        return (Message("system", f"{rules}{listed}\n\n{asked}"), question)

    notice = labels.scores_notice
    return Prompt(arranged(demonstrations), labels.codes, labels.names, labels.codes, notice, arranged, wording)


def statement_prompt(
    schema: LabelSchema,
    demonstrations: Sequence[Demonstration] = (),
    *,
    list_labels: bool = False,
    wording: Wording = ENGLISH,
) -> Prompt:
    """Return the prompt that asks what a text is about; the answers are sentences with the labels' names.

    It serves likelihoods, which need answers that a model would give by itself: sentences did better than bare names.
    A list of the labels helps a model of 1.5 billion weights and harms one of 135 million.

    Args:
        schema: labels of which one fits.
        demonstrations: examples in the order shown.
        list_labels: whether the labels and their descriptions are shown.
        wording: what it says.

    """
    names = written_names(schema)
    answers = tuple(wording.statement.format(name=name) for name in names)
    rules = wording.labels_texts
    if list_labels:
        cards = (in_one_line(schema.card(name, includes=wording.includes)) for name in schema.names)
        rules += f"\n\n{wording.labels_head}\n" + "\n".join(f"- {card}" for card in cards)
    arranged = _as_turns(
        rules,
        lambda text: wording.what_about.format(text=text),
        lambda label: answers[schema.names.index(label)],
    )
    codes = label_codes(len(schema))
    return Prompt(arranged(demonstrations), codes, names, answers, wording.statement_again, arranged, wording)


def yes_no_prompt(
    schema: LabelSchema, name: Label, demonstrations: Sequence[Demonstration] = (), *, wording: Wording = ENGLISH
) -> Prompt:
    """Return the prompt that asks whether one label fits; the answers are "yes" and "no", in its language."""
    card, asked, both = in_one_line(schema.card(name, includes=wording.includes)), wording.yes_or_no, wording.yes_no
    rules = f"{wording.judges_one} {wording.data_rule}\n\n{wording.label_head} {card}\n\n{asked}"
    arranged = _as_turns(rules, delimited, lambda label: both[0] if name in label else both[1])
    return Prompt(arranged(demonstrations), both, both, both, asked, arranged, wording)


def prior_texts(schema: LabelSchema, wording: Wording = ENGLISH) -> list[str]:
    """Return made-up texts that favour no label; a model's mean score of a label over them is its prior.

    One text per label says nothing but the label, others are sentences as they occur anywhere: together they come
    closer to the mean over real texts than texts without content do ("N/A", Zhao et al. 2021).
    """
    return [*(wording.statement.format(name=name) for name in written_names(schema)), *wording.ordinary_texts]


def shown(prompt: Prompt, text: str) -> str:
    """Return the conversation about a text as a person reads it."""
    return conversation(prompt.about(text))


def conversation(messages: Sequence[Message]) -> str:
    """Return messages under their roles; characters that would steer a terminal are spelled out."""
    whole = "\n\n".join(f"--- {message.role} ---\n{message.content}" for message in messages)
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in whole)


def turns(
    demonstrations: Sequence[Demonstration], asked: Callable[[str], str], answer: Callable[[Any], str]
) -> list[Message]:
    """Return each example as a question with its answer.

    Args:
        demonstrations: examples in the order shown.
        asked: returns the question about a text.
        answer: returns the answer that stands for a label.

    """
    return [
        turn
        for example in demonstrations
        for turn in (
            Message("user", asked(shortened(example.text))),
            Message("assistant", answer(example.label)),
        )
    ]


def labelled_block(labels: WrittenLabels, demonstrations: Sequence[Demonstration]) -> str:
    """Return examples as one block of text, each with the code of its label below it."""
    head = labels.wording.codes_head if labels.schema.multi_label else labels.wording.code_head
    return "\n\n".join(
        f"{delimited(shortened(example.text))}\n{head} {labels.answer(example.label)}" for example in demonstrations
    )


def _as_turns(rules: str, asked: Callable[[str], str], answer: Callable[[Any], str]) -> Arranged:
    first, question = Message("system", rules), Message("user", asked(TEXT_SLOT))
    return lambda demonstrations: (first, *turns(demonstrations, asked, answer), question)
