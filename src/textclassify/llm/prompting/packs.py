"""Several texts in one request: numbered, each between its own marks, answered by one JSON object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from textclassify.core.labels import LabelSchema
from textclassify.errors import ConfigError
from textclassify.llm.chat import Message
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.texts_as_data import as_data, shortened
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.prompting.written_labels import WrittenLabels
from textclassify.llm.reading.elicitation import named_label, named_labels
from textclassify.llm.reading.label_reader import LabelReader, visible

_LONGEST_ROW = 1_000
"""Characters of an answer per text; a longer answer is none."""
_NUMBER = re.compile(r"\s*[\"']?(?:te(?:xt[eo]?|sto)\s*)?(\d{1,9})[\"']?\s*:\s*", re.IGNORECASE)
_BARE = re.compile(r"[^\s,{}\[\]\"]+(?=\s*[,}])")  # a code without quotes, with its end in sight
_NEXT = re.compile(r"\s*,")
_decoder = json.JSONDecoder()


class PackPrompt:
    """What to ask about several texts at once, and how the answer is read.

    Args:
        n_texts: how many.
        messages: the conversation before the question.
        labels: the labels as the conversation writes them.

    """

    def __init__(self, n_texts: int, messages: tuple[Message, ...], labels: WrittenLabels) -> None:
        self.n_texts = n_texts
        self.messages = messages
        self._multi_label = labels.schema.multi_label
        self._wording = labels.wording
        self._reader = LabelReader(labels.codes, labels.names, labels.wording.replies)
        self._no_votes = [0.0] * len(labels.codes)

    def about(self, texts: Sequence[str]) -> tuple[Message, ...]:
        """Return the conversation about `n_texts` texts, their control tokens broken up.

        Raises:
            ValueError: these are more or fewer texts.

        """
        if len(texts) != self.n_texts:
            raise ValueError(f"{len(texts)} texts for a prompt about {self.n_texts}")
        return (*self.messages, Message("user", _numbered(map(as_data, texts), self._wording)))

    def read(self, content: str) -> list[list[float] | None]:
        """Return for each text one vote, K numbers of 0 or 1 in schema order; None where the answer has none for it.

        In an answer that was cut off, or is broken in the middle, the rows before that count. An answer that names a
        number twice, or one that was not asked for, is none for any text: its numbers may have been shifted.
        """
        found: dict[int, Any] = {}
        for number, value in _rows(visible(content, longest=_LONGEST_ROW * self.n_texts)):
            if number in found or not 1 <= number <= self.n_texts:
                return [None] * self.n_texts
            found[number] = value
        return [self._votes(found.get(number)) for number in range(1, self.n_texts + 1)]

    def _votes(self, value: Any) -> list[float] | None:
        named = self._named(value)
        if named is None:
            return None
        votes = self._no_votes.copy()
        for position in named:
            votes[position] = 1.0
        return votes

    def _named(self, value: Any) -> tuple[int, ...] | None:
        """Return the positions of the labels that a value of the answer names."""
        if isinstance(value, list):
            if not all(isinstance(item, str | int) for item in value):
                return None
            value = json.dumps(value)
        if not isinstance(value, str):
            return None
        if self._multi_label:
            return named_labels(value, self._reader)
        label = named_label(value, self._reader)
        return None if label is None else (label,)


def pack_prompt(
    schema: LabelSchema, demonstrations: Sequence[Demonstration], n_texts: int, *, wording: Wording = ENGLISH
) -> PackPrompt:
    """Return the prompt that shows several numbered texts and asks for one JSON object from numbers to codes.

    Args:
        schema: labels with descriptions.
        demonstrations: examples in the order shown, in packs as large as the one that is asked about.
        n_texts: how many texts it asks about. The rules are the same for any number.
        wording: what it says.

    Raises:
        ConfigError: `n_texts` is below 1.

    """
    if n_texts < 1:
        raise ConfigError(f"a request needs at least 1 text, got {n_texts}")
    labels = WrittenLabels(schema, wording)
    asked = wording.pack_asked.format(asked=wording.pack_of_several if schema.multi_label else wording.pack_of_one)
    task = f"{wording.sorts} {wording.data_rule_of_several}"
    rules = f"{task}\n\n{wording.labels_head}\n{labels.lines}\n\n{asked}"
    turns = [Message("system", rules)]
    for start in range(0, len(demonstrations), n_texts):
        pack = demonstrations[start : start + n_texts]
        turns.append(Message("user", _numbered((shortened(example.text) for example in pack), wording)))
        turns.append(Message("assistant", _answer(labels, pack)))
    return PackPrompt(n_texts, tuple(turns), labels)


def _answer(labels: WrittenLabels, pack: Sequence[Demonstration]) -> str:
    found: dict[str, Any] = {}
    for number, example in enumerate(pack, start=1):
        codes = labels.codes_of(example.label)
        found[str(number)] = codes if labels.schema.multi_label else codes[0]
    return json.dumps(found)


def _numbered(texts: Iterable[str], wording: Wording) -> str:
    """Return texts between numbered marks, which no text can hold: its own are broken up."""
    marked = [f"<text {number}>\n{text}\n</text {number}>" for number, text in enumerate(texts, start=1)]
    return "\n\n".join([*marked, wording.pack_numbers.format(n=len(marked))])


def _rows(answer: str) -> Iterator[tuple[int, Any]]:
    """Yield each number with its value, as far as an answer is a flat JSON object, and the only one."""
    if answer.count("{") != 1:
        return
    at = answer.index("{") + 1
    while number := _NUMBER.match(answer, at):
        value, at = _value(answer, number.end())
        if at < 0:
            return
        yield int(number[1]), value
        following = _NEXT.match(answer, at)
        if following is None:
            return
        at = following.end()


def _value(answer: str, at: int) -> tuple[Any, int]:
    """Return the whole value that starts at a place, and the place behind it; -1 when there is none."""
    if answer[at : at + 1] not in {'"', "["}:
        bare = _BARE.match(answer, at)
        return (bare[0], bare.end()) if bare else (None, -1)
    try:
        return _decoder.raw_decode(answer, at)
    except (ValueError, RecursionError):
        return None, -1
