"""Answers to made-up texts, for tests that save them as runs."""

from __future__ import annotations

import numpy as np

from textclassify.core.result import ClassificationResult, decide
from textclassify.core.scores import Scores

LABELS = ("ham", "news", "spam")
TEXTS = [f"text {row}" for row in range(120)]
GOLD = [LABELS[row % 3] for row in range(120)]


def answers(n_right: int, gold: list[str] | None = None) -> ClassificationResult:
    """Return answers of which the first so many are right, with a probability of 0.8."""
    gold = gold or GOLD
    codes = [LABELS.index(label) if row < n_right else LABELS.index(label) - 1 for row, label in enumerate(gold)]
    probabilities = np.full((len(gold), 3), 0.1)
    probabilities[np.arange(len(gold)), codes] = 0.8
    return decide(Scores.from_probabilities(probabilities, LABELS))
