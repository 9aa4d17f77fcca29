"""Members of ensembles whose answers are given, and texts that only some of them can tell apart."""

import numpy as np

from textclassify import TrainingData
from textclassify.testing import FixedClassifier

LABELS = ["billing", "delivery", "login"]
WORDS = ["invoice charged twice", "parcel never came", "password does not work"]


class PaidClassifier(FixedClassifier):
    """Given answers that count as a language model's."""

    asks_llm = True


def member(*answers, labels=("a", "b", "c"), **options):
    """A member that gives the texts "0", "1", ... these probabilities; None = it fails on the text."""
    given = {str(row): answer for row, answer in enumerate(answers)}
    return FixedClassifier(given, list(labels), **options)


def texts_of(*members):
    """The texts that such members have answers to."""
    return list(next(iter(members)).answers)


def messages(n=90, seed=0):
    """Texts about billing and delivery share their words, so that a model of words only knows login."""
    codes = np.random.default_rng(seed).permutation(np.arange(n) % 3)
    texts = [f"{WORDS[code if code == 2 else 0]} {row * 7919 % 1000} row{row}" for row, code in enumerate(codes)]
    return TrainingData(texts, [LABELS[code] for code in codes])


def oracle(data, kind=FixedClassifier):
    """A member that tells billing from delivery and knows nothing about login, which it never answers."""
    sure = {0: [0.9, 0.05, 0.05], 1: [0.05, 0.9, 0.05], 2: [0.34, 0.33, 0.33]}
    answers = dict(zip(data.texts, [sure[code] for code in data.gold], strict=True))
    return kind(answers, LABELS, default=[1 / 3] * 3)
