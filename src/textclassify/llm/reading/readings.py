"""`ReplyReader`: one reply of a language model as one value per label, in schema order.

A reader is made once per prompt and is asked for every reply, so whatever can be worked out beforehand is. It reads
what was answered; whether there is an answer at all (a refusal, a filter) says `ChatReply.status`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Final, Protocol

from textclassify.core.scales import SMALLEST_PROBABILITY, Method, Scale
from textclassify.llm.chat import ChatReply
from textclassify.llm.reading.elicitation import named_label, named_labels
from textclassify.llm.reading.label_reader import LabelReader
from textclassify.llm.reading.remembered import Remembered
from textclassify.llm.reading.reply_words import ENGLISH_REPLIES, ReplyWords


class ReplyReader(Protocol):
    """A way of reading replies to one prompt."""

    @property
    def method(self) -> Method:
        """How the values are obtained."""
        ...

    @property
    def scale(self) -> Scale:
        """What the values are."""
        ...

    def read(self, reply: ChatReply) -> list[float] | None:
        """One finite value per label, in schema order; None when the reply does not say it clearly."""
        ...


class HardReader:
    """Reads the label that a reply names as 1 and all others as 0; multi-label: every label that it lists as 1.

    Args:
        codes: label codes as in the prompt, schema order.
        names: label names, schema order.
        multi_label: whether any number of labels may be named; a plain "none" is then 0 for all.
        words: of the language in which is asked.

    >>> HardReader(["A", "B"], ["world", "sports"], multi_label=False).read(ChatReply("Sports."))
    [0.0, 1.0]

    """

    method: Final = Method.HARD
    scale: Final = Scale.VOTE_SHARE

    def __init__(
        self, codes: Sequence[str], names: Sequence[str], *, multi_label: bool, words: ReplyWords = ENGLISH_REPLIES
    ) -> None:
        self._labels = LabelReader(codes, names, words)
        self._multi_label = multi_label
        self._none_named = [0.0] * len(codes)
        known = {text: (label,) for text, label in self._labels.written.items()}
        self._named: Remembered[tuple[int, ...] | None] = Remembered(self._labels_named, known)

    def read(self, reply: ChatReply) -> list[float] | None:
        """One vote; None when the reply names no label (multi-label: no list of labels) or is cut off inside one."""
        named = self._named_by_beginning(reply.content) if reply.cut_off else self._named[reply.content]
        if named is None:
            return None
        votes = self._none_named.copy()
        for label in named:
            votes[label] = 1.0
        return votes

    def _labels_named(self, content: str) -> tuple[int, ...] | None:
        if self._multi_label:
            return named_labels(content, self._labels)
        label = named_label(content, self._labels)
        return None if label is None else (label,)

    def _named_by_beginning(self, content: str) -> tuple[int, ...] | None:
        """The label named by an answer that lacks its end; the rest of a list is never known."""
        label = None if self._multi_label else named_label(content, self._labels, cut_off=True)
        return None if label is None else (label,)


def share_of_votes(readings: Sequence[list[float] | None]) -> list[float] | None:
    """The mean of several samples' votes per label, over those samples that were read; None when none was.

    >>> share_of_votes([[1.0, 0.0], [0.0, 1.0], None, [0.0, 1.0], [0.0, 1.0]])
    [0.25, 0.75]

    """
    read = [votes for votes in readings if votes is not None]
    return [sum(votes) / len(read) for votes in zip(*read, strict=True)] if read else None


def as_log_probabilities(weights: Sequence[float]) -> list[float]:
    """Logarithms of weights that are scaled to add up to 1, each first raised to `SMALLEST_PROBABILITY` of their sum.

    The weights are at least 0, and at least one is not vanishingly small (1e-200 is still fine).
    """
    smallest = SMALLEST_PROBABILITY * sum(weights)
    if min(weights) < smallest:
        weights = [max(weight, smallest) for weight in weights]
    log_sum = log(sum(weights))
    return [log(weight) - log_sum for weight in weights]


def as_log_odds(probabilities: Sequence[float]) -> list[float]:
    """log(p / (1 - p)) of each probability, kept `SMALLEST_PROBABILITY` away from 0 and 1."""
    kept = [min(max(p, SMALLEST_PROBABILITY), 1.0 - SMALLEST_PROBABILITY) for p in probabilities]
    return [log(p / (1.0 - p)) for p in kept]
