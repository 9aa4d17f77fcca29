"""Why a row is put before a person, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.ensemble.combining.rows import complete
from textclassify.ensemble.reviewing.label_value import LabelValue

CLOSE = 0.8
"""Uncertainty from which on an answer is called a close call."""
UNSURE = 0.5
TYPICAL = 0.75
"""Rank of density from which on many texts are like a text."""


def why_random(result: ClassificationResult, row: int) -> str:
    """Return why a row of the random slice is there."""
    return "drawn at random, to measure on" + ("" if complete(result.scores)[row] else f"; {_unanswered(result, row)}")


def why_ranked(result: ClassificationResult, said: Mapping[str, Sequence[Any]], value: LabelValue, row: int) -> str:
    """Return what makes the label of a row worth having.

    Args:
        result: the answers.
        said: each source's answers.
        value: what the labels are worth.
        row: its number.

    """
    if not complete(result.scores)[row]:
        return _unanswered(result, row)
    reasons = []
    if value.disagreement[row] > 0:
        answers = ", ".join(f"{name}: {shown(them[row])}" for name, them in said.items())
        reasons.append(f"sources disagree ({answers})")
    if value.uncertainty[row] > UNSURE:
        how = "a close call" if value.uncertainty[row] > CLOSE else "not sure"
        reasons.append(f"{how} ({_two_best(result, row)})")
    if value.density[row] > TYPICAL:
        reasons.append("many texts are like it")
    return "; ".join(reasons) or "the next by value"


def why_suspect(gold: Any, suggested: Any, p_gold: float, p_suggested: float) -> str:
    """Return why a gold answer is probably wrong: what a model that never saw the text makes of it."""
    if not isinstance(gold, list):
        likelier = f"{shown(suggested)} ({p_suggested:.2f}) is likelier than {shown(gold)} ({p_gold:.2f})"
        return f"{likelier} to a model that never saw it"
    missing = [name for name in suggested if name not in gold]
    surplus = [name for name in gold if name not in suggested]
    changes = [f"{what}: {shown(names)}" for names, what in ((missing, "missing"), (surplus, "too much")) if names]
    return f"{'; '.join(changes)}; a model that never saw it gives the worst part of the label {p_gold:.2f}"


def why_conflicting(other_row: int, other: Any) -> str:
    """Return that an equal text has another answer."""
    return f"the same text has {shown(other)} in row {other_row}"


def shown(answer: Any) -> str:
    """Return an answer in words: labels joined by +."""
    if isinstance(answer, list):
        return " + ".join(map(str, answer)) or "no label"
    return "no answer" if answer is None else str(answer)


def _unanswered(result: ClassificationResult, row: int) -> str:
    return f"no answer: {Status(result.scores.status[row]).name.lower().replace('_', ' ')}"


def _two_best(result: ClassificationResult, row: int) -> str:
    shares = result.probabilities[row]
    if result.multi_label:
        least = int(np.abs(2 * shares - 1).argmin())
        return f"{result.classes[least]} {shares[least]:.2f}"
    best = np.argsort(-shares, kind="stable")[:2]
    return ", ".join(f"{result.classes[k]} {shares[k]:.2f}" for k in best)
