"""P(label) of every label at the place where a model wrote one, from what the server reports about its tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp
from typing import NamedTuple

from textclassify.llm.chat import TokenLogprob
from textclassify.llm.reading.label_beginnings import LabelBeginnings

ROUNDING = 1e-3
"""How far above 0 a log-probability may be by rounding."""

_IMPOSSIBLE = 1e-30
"""A token that was written was more likely than this, whatever the server says."""

_JUST_BELOW = 0.999
"""An unreported label stays this much below the one that was written, so that a tie never favours it."""


class _Reported(NamedTuple):
    """What one token's alternatives say: P by label, P of going on as was written, the rest, the smallest P."""

    of_label: dict[int, float]
    onward: float
    left_over: float
    smallest: float


def label_chances(
    tokens: Iterable[TokenLogprob], label: int | None, beginnings: LabelBeginnings, n_labels: int
) -> list[float] | None:
    """P(label) of each label, which add up to at most 1 (but for rounding); None where the server reports none.

    1. P(label) = sum of exp(logprob) over the reported tokens that write it: its code, also in lower case, behind a
       space, a quote or punctuation, or the beginning of its code or name. A code wins over the beginning of a name.
    2. Several labels may begin with one token (codes of digits). Such a token's probability is shared evenly, except
       for the token that was written: P(label) = P(token) P(label | token), read the same way from the next token and
       scaled there to add up to 1.
    3. m labels that no reported token begins share what was not reported, 1 - the sum of all reported: each gets
       min(that / m, the smallest reported probability), which no unreported token exceeds, and less than the label
       that was written.

    Args:
        tokens: the tokens from the one that begins the label on.
        label: the label that they write; None = they say that there is none.
        beginnings: finds the labels that a token begins.
        n_labels: how many there are.

    """
    chances = [0.0] * n_labels
    unreported: list[tuple[list[int], float]] = []
    mass, written = 1.0, ""
    group: Sequence[int] = range(n_labels)
    for token in tokens:
        chosen = () if label is None else beginnings.of_token(written, token.token, label)
        reported = _reported(token, written, chosen, beginnings)
        if reported is None or (label is not None and not chosen):
            return None
        others, each = _shares_of_others(reported, group, chosen)
        whole = sum(reported.of_label.values()) + reported.onward + each * len(others)
        scale = mass / whole if written and whole else mass
        for known, p in reported.of_label.items():
            chances[known] += scale * p
        unreported.append((others, scale * each))
        mass, written, group = scale * reported.onward, written + token.token, chosen
        if len(chosen) < 2:
            break
    else:  # nothing behind it: what was written so far is the whole label
        if label is not None:
            chances[label] += mass
    if label is not None and chances[label] < _IMPOSSIBLE:
        return None
    most = 1.0 if label is None else _JUST_BELOW * chances[label]
    for others, each in unreported:
        share = min(each, most)
        for other in others:
            chances[other] += share
    return chances


def _reported(
    token: TokenLogprob, written: str, chosen: tuple[int, ...], beginnings: LabelBeginnings
) -> _Reported | None:
    """Sum up a token's alternatives, itself among them; None without any, or when one is no log-probability."""
    own, alternatives = token.token, token.alternatives
    if not alternatives:
        return None
    if own != alternatives[0][0] and all(own != text for text, _ in alternatives):
        alternatives = (*alternatives, (own, token.logprob))
    of_label: dict[int, float] = {}
    onward, total, smallest = 0.0, 0.0, 1.0
    for text, logprob in alternatives:
        if not logprob <= ROUNDING:  # NaN is not, either
            return None
        p = exp(logprob) if logprob < 0.0 else 1.0
        total += p
        smallest = min(smallest, p)
        labels = chosen if text == own else beginnings.after(written, text)
        if len(labels) > 1 and labels == chosen:
            onward += p
            continue
        for label in labels:
            of_label[label] = of_label.get(label, 0.0) + p / len(labels)
    return _Reported(of_label, onward, max(0.0, 1.0 - total), smallest)


def _shares_of_others(reported: _Reported, group: Sequence[int], chosen: tuple[int, ...]) -> tuple[list[int], float]:
    """The labels of a group that no reported token begins, and the most that each of them can have."""
    begun = reported.of_label.keys() | chosen if len(chosen) > 1 else reported.of_label
    others = [label for label in group if label not in begun]
    return others, min(reported.left_over / len(others), reported.smallest) if others else 0.0
