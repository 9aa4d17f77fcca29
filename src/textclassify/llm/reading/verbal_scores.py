"""`VerbalReader`: scores that a model writes down, as a JSON object with a number per label."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from math import isfinite, nan
from typing import Any, Final

from textclassify.core.scales import Method, Scale
from textclassify.llm.chat import ChatReply
from textclassify.llm.reading.label_reader import LabelReader, visible, without_repeats
from textclassify.llm.reading.readings import as_log_odds, as_log_probabilities
from textclassify.llm.reading.remembered import Remembered
from textclassify.llm.reading.reply_words import ENGLISH_REPLIES, ReplyWords

_CHARACTERS_PER_LABEL = 100
_CHARACTERS_AROUND = 4_000
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e-?[0-9]+)?|\.[0-9]+) ?(%?)", re.IGNORECASE)
_NUMBERS = {int, float}  # and no bool
_JSON = json.JSONDecoder(object_pairs_hook=without_repeats)


class VerbalReader:
    """Reads a JSON object of scores by label code or name, as it is or under a key like "scores".

    Single-label to log-probabilities: the scores, on whatever scale, divided by their sum. Multi-label to log-odds of
    scores in [0, 1]; in [0, 100] where one exceeds 1. A label that the object leaves out has the score 0.

    Args:
        codes: label codes as in the prompt, schema order.
        names: label names, schema order.
        multi_label: whether each label is judged by itself.
        words: of the language in which is asked.

    >>> reader = VerbalReader(["A", "B"], ["world", "sports"], multi_label=False)
    >>> [round(score, 2) for score in reader.read(ChatReply('{"scores": {"A": "20%", "Sports": "80%"}}'))]
    [-1.61, -0.22]

    """

    method: Final = Method.VERBAL

    def __init__(
        self, codes: Sequence[str], names: Sequence[str], *, multi_label: bool, words: ReplyWords = ENGLISH_REPLIES
    ) -> None:
        self.scale: Final = Scale.LOG_ODDS if multi_label else Scale.LOG_PROBABILITY
        self._multi_label = multi_label
        self._n_labels = len(codes)
        self._longest = _CHARACTERS_AROUND + sum(_CHARACTERS_PER_LABEL + len(name) for name in names)
        reader = LabelReader(codes, names, words)
        self._score_key = words.score_key
        self._label_of: Remembered[int | None] = Remembered(reader.exactly, reader.written)

    def read(self, reply: ChatReply) -> list[float] | None:
        """One score per label; None when the reply is cut off, or is anything but scores of known labels."""
        given = None if reply.cut_off else _scores_in(visible(reply.content, longest=self._longest), self._score_key)
        numbers, percent = _as_numbers(given.values()) if given else (None, False)
        labels = [self._label_of[key] for key in given or ()]
        if numbers is None or len(set(labels)) < len(labels):
            return None
        scores = [0.0] * self._n_labels
        for label, number in zip(labels, numbers, strict=True):
            if label is None:
                return None
            scores[label] = number
        return _as_odds(scores, percent=percent) if self._multi_label else _as_shares(scores)


def verbal_schema(codes: Sequence[str], *, most_properties: int) -> dict[str, Any] | None:
    """The JSON schema of an object with a number for every label code, as strict modes want it.

    None when there are more labels than the provider allows properties: then the prompt alone asks for the object.

    >>> verbal_schema(["A"], most_properties=100)["required"], verbal_schema(["A", "B"], most_properties=1)
    (['A'], None)

    """
    if len(codes) > most_properties:
        return None
    return {
        "type": "object",
        "properties": {code: {"type": "number"} for code in codes},
        "required": list(codes),
        "additionalProperties": False,
    }


def _scores_in(answer: str, score_key: re.Pattern[str]) -> dict[str, Any] | None:
    """The JSON object that an answer holds, or the one under its telling key; None when it holds none or several."""
    start, end = answer.find("{"), answer.rfind("}") + 1
    if not 0 <= start < end:
        return None
    try:
        found: dict[str, Any] = _JSON.decode(answer[start:end])
    except (ValueError, RecursionError):
        return None
    inner = [value for key, value in found.items() if isinstance(value, dict) and score_key.fullmatch(key)]
    if inner:
        return inner[0] if len(inner) == 1 else None
    return found


def _as_numbers(values: Collection[Any]) -> tuple[list[float] | None, bool]:
    """Values as finite numbers of at least 0, and whether they are written with "%"; None when one is no number."""
    percent = False
    if not {*map(type, values)} <= _NUMBERS:
        written = [_as_number(value) for value in values]
        signs = {has_sign for number, has_sign in written if number}
        if len(signs) > 1:  # "70%" beside 0.3 or 30: which is meant is anybody's guess
            return None, False
        values, percent = [number for number, _ in written], True in signs
    try:
        numbers = [float(value) for value in values]
    except OverflowError:
        return None, False
    return (numbers if all(map(isfinite, numbers)) and min(numbers) >= 0.0 else None), percent


def _as_number(value: Any) -> tuple[Any, bool]:
    """A number and whether it is written with "%"; NaN for anything else."""
    if type(value) in _NUMBERS:
        return value, False
    written = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    return (nan, False) if written is None else (float(written[1]), bool(written[2]))


def _as_shares(scores: Sequence[float]) -> list[float] | None:
    """Log-probabilities of scores on any scale; None when all are 0."""
    largest = max(scores)
    return as_log_probabilities([score / largest for score in scores]) if largest > 0.0 else None


def _as_odds(scores: Sequence[float], *, percent: bool) -> list[float] | None:
    """Log-odds of scores up to 1, or up to 100 where they are percent; None when one is larger."""
    largest = max(scores)
    whole = 100.0 if percent or largest > 1.0 else 1.0
    return as_log_odds([score / whole for score in scores]) if largest <= whole else None
