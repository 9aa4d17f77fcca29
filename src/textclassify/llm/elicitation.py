"""Reading replies: which label, labels or scores an answer names, or None when it does not say so clearly.

Every function takes the label codes that the prompt gave out and the label names, both in schema order, and answers in
positions of that order. Nothing is ever guessed: an answer that names two labels, or a label and a negation, is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.llm.chat import ChatReply
from textclassify.llm.label_reader import (
    EDGES,
    LabelReader,
    json_in,
    label_reader,
    says_none,
    telling_items,
    visible,
    without_cue,
)

_LEAST_LABEL_MASS = 0.5
"""Share of the first token's probability that label codes must hold; below it, the model is saying something else."""
_RULED_OUT = -9_000.0
"""Servers write -9999 for "as good as impossible"."""


def parse_label(content: str, codes: Sequence[str], names: Sequence[str], *, cut_off: bool = False) -> int | None:
    """The position of the one label that an answer names, by its code or name; None when it names none or several.

    Case, quoting, punctuation, code fences and a short JSON object around it do not matter.

    Args:
        content: the answer.
        codes: label codes as in the prompt, schema order.
        names: label names, schema order.
        cut_off: the answer may lack its end, so that the beginning of a longer label is no label.

    >>> parse_label('{"label": "Sports."}', ["A", "B"], ["world", "sports"])
    1

    """
    answer = visible(content)
    reader = label_reader(tuple(codes), tuple(names))
    found = reader.labels_in(answer)
    if len(found) != 1:
        return None
    label = found.pop()
    return None if cut_off and reader.may_go_on(answer, label) else label


def parse_labels(content: str, codes: Sequence[str], names: Sequence[str]) -> tuple[int, ...] | None:
    """Positions of all labels that an answer lists, ascending; () for a plain "none", None when a part is unclear.

    Understands JSON lists, JSON objects of true and false, and lists separated by commas, semicolons or lines.

    >>> parse_labels("B, a", ["A", "B"], ["joy", "fear"]), parse_labels("none", ["A", "B"], ["joy", "fear"])
    ((0, 1), ())

    """
    answer = visible(content)
    reader = label_reader(tuple(codes), tuple(names))
    items = _listed_items(answer, reader) if answer else None
    if items is None:
        return None
    if len(items) == 1 and says_none(items[0]) and reader.exactly(items[0]) is None:
        return ()
    found = {reader.exactly(item) for item in items}
    return None if None in found else tuple(sorted(position for position in found if position is not None))


def parse_scores(
    content: str, codes: Sequence[str], names: Sequence[str], *, multi_label: bool = False
) -> NDArray[np.float64] | None:
    """(K,) probabilities from a JSON object of one number per label; None unless every label has a usable one.

    Single-label scores are divided by their sum, so that percentages do as well; multi-label ones must lie in [0, 1].

    >>> parse_scores('{"A": 30, "B": 10}', ["A", "B"], ["joy", "fear"])
    array([0.75, 0.25])

    """
    given, _ = json_in(visible(content))
    if isinstance(given, Mapping) and len(given) == 1:
        (inner,) = given.values()
        given = inner if isinstance(inner, Mapping) else given
    if not isinstance(given, Mapping):
        return None
    reader = label_reader(tuple(codes), tuple(names))
    scores = np.full(len(codes), np.nan)
    for key, value in given.items():
        position, score = reader.exactly(key), _number(value)
        if position is None and score is None:  # a remark beside the scores
            continue
        if position is None or score is None or not math.isnan(scores[position]):
            return None  # mass for no label, a label without a number, or two scores for one label
        scores[position] = score
    return _normalised(scores, multi_label=multi_label)


def label_logprobs(reply: ChatReply, codes: Sequence[str]) -> NDArray[np.float64] | None:
    """(K,) log-probabilities over the label codes from the first token's alternatives; they add up to 1.

    A token counts for the code that it is or begins. A code that is not among the alternatives gets the most it can
    have: no more than the least likely alternative, nor than its share of the probability that was not listed.

    None when the server's log-probabilities make no sense (absent, all 0 or -9999, above 1 in sum), when a token could
    begin several codes, or when the model was about to say something other than a code.
    """
    alternatives = _first_alternatives(reply)
    if alternatives is None:
        return None
    found = np.full(len(codes), -np.inf)
    for token, logprob in alternatives.items():
        text = token.strip(EDGES)
        begun = [position for position, code in enumerate(codes) if text and code.startswith(text)]
        if len(begun) > 1:
            return None
        for position in begun:
            found[position] = np.logaddexp(found[position], logprob)
    listed = np.isfinite(found)
    if np.exp(found[listed]).sum() < _LEAST_LABEL_MASS:
        return None
    if not listed.all():
        unlisted = 1.0 - math.fsum(map(math.exp, alternatives.values()))
        share = max(unlisted, 1e-6) / np.count_nonzero(~listed)
        found[~listed] = min(math.log(share), *alternatives.values())
    return np.asarray(found - np.logaddexp.reduce(found))


def _listed_items(answer: str, reader: LabelReader) -> list[Any] | None:
    """The items of a multi-label answer, each of which must name a label; None when it is no list."""
    if reader.exactly(answer) is not None:
        return [answer]
    value, _ = json_in(answer)
    if isinstance(value, dict):
        told = telling_items(value)
        return _raised_flags(value, reader) if told is None else told
    if isinstance(value, list):
        return value
    items: list[str] = []
    for line in re.split(r"[,;|\n]", without_cue(answer)):
        part = line.strip(" \t-*\u2022")
        items += [part] if reader.exactly(part) is not None else re.split(r"\band\b|&", part)
    return [item.strip() for item in items if item.strip()] or None


def _raised_flags(value: Mapping[str, Any], reader: LabelReader) -> list[str] | None:
    """The keys that a JSON object of true and false (or 1 and 0) sets; None when it is no such object."""
    flags = all(isinstance(flag, int) and flag in (0, 1) for flag in value.values())
    known = all(reader.exactly(key) is not None for key in value)
    return [key for key, flag in value.items() if flag] if value and flags and known else None


def _number(value: Any) -> float | None:
    """A JSON number; NaN when it is beyond all floats, None when it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _normalised(scores: NDArray[np.float64], *, multi_label: bool) -> NDArray[np.float64] | None:
    if not np.isfinite(scores).all() or (scores < 0).any():
        return None
    if multi_label:
        return scores if (scores <= 1).all() else None
    total = math.fsum(scores)
    return scores / total if 0 < total < math.inf else None


def _first_alternatives(reply: ChatReply) -> dict[str, float] | None:
    """Token -> log-probability of the first token that says something; None when they make no sense."""
    first = next((token for token in reply.logprobs if token.token.strip(EDGES)), None)
    if first is None:
        return None
    likely = {token: logprob for token, logprob in first.alternatives if not logprob <= _RULED_OUT}
    likely.setdefault(first.token, first.logprob)
    values = likely.values()
    makes_sense = (
        len(set(values)) > 1
        and all(_RULED_OUT < logprob <= 1e-3 for logprob in values)
        and math.fsum(map(math.exp, values)) <= 1.02  # rounding
    )
    return likely if makes_sense else None
