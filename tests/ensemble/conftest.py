"""Simulated sources: how right and how sure they are is known, so what a fusion should do is known too."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit, softmax

from textclassify import Scores

LABELS = ("a", "b", "c", "d")


@dataclass
class Simulation:
    """Gold answers of n texts, and sources made from them."""

    n: int
    seed: int = 0
    labels: tuple[str, ...] = LABELS

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.codes = self.rng.integers(0, len(self.labels), self.n)
        self.gold = [self.labels[code] for code in self.codes]

    def source(self, signal, *, sharpness=1.0, name="simulated"):
        """Scores whose logits are noise plus `signal` on the right label, times `sharpness` (1 = calibrated)."""
        logits = self.rng.normal(size=(self.n, len(self.labels)))
        logits[np.arange(self.n), self.codes] += signal
        return Scores.from_probabilities(softmax(signal * sharpness * logits, axis=1), self.labels, source=name)

    def expert(self, known, *, name="expert"):
        """Scores that are nearly always right on texts of the `known` labels and know nothing about the others."""
        sure = np.isin(self.codes, known)
        logits = np.where(sure[:, None], 4.0 * np.eye(len(self.labels))[self.codes], 0.0)
        return Scores.from_probabilities(
            softmax(logits + self.rng.normal(size=logits.shape), axis=1), self.labels, source=name
        )

    def votes(self, accuracy, *, missing=0.0):
        """Hard labels that are right with a given probability; a share of them missing."""
        right = self.rng.random(self.n) < accuracy
        wrong = self.rng.integers(0, len(self.labels), self.n)
        named = [self.labels[code] for code in np.where(right, self.codes, wrong)]
        lost = self.rng.random(self.n) < missing
        return Scores.from_votes(
            [None if gone else label for label, gone in zip(named, lost, strict=True)], self.labels
        )


@dataclass
class MultiLabelSimulation:
    """Sets of labels for n texts, and sources made from them."""

    n: int
    seed: int = 0
    labels: tuple[str, ...] = LABELS

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.indicator = (self.rng.random((self.n, len(self.labels))) < 0.3).astype(int)
        self.gold = [[label for label, there in zip(self.labels, row, strict=True) if there] for row in self.indicator]

    def source(self, signal):
        """Log-odds: noise plus `signal` on labels that are there, minus it on others."""
        odds = (2 * self.indicator - 1) * signal + self.rng.normal(size=self.indicator.shape)
        return Scores.from_probabilities(expit(2 * signal * odds), self.labels, multi_label=True)

    def votes(self, accuracy):
        """Sets of labels in which each label's presence is right with a given probability."""
        flipped = np.where(self.rng.random(self.indicator.shape) < accuracy, self.indicator, 1 - self.indicator)
        named = [[label for label, there in zip(self.labels, row, strict=True) if there] for row in flipped]
        return Scores.from_votes(named, self.labels, multi_label=True)


@pytest.fixture
def simulate():
    return Simulation


@pytest.fixture
def simulate_multi_label():
    return MultiLabelSimulation
