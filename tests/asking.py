"""A fusion that asks a language model: both sources are given, so that it is fitted in a moment."""

from functools import cache

import numpy as np

from textclassify import AutoFusionClassifier, FusionEnsemble, TrainingData
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.testing import FixedClassifier

LABELS = ["billing", "delivery", "login"]


class PaidClassifier(FixedClassifier):
    """A given source that counts as a language model."""

    asks_llm = True


class QuickFusion(FusionEnsemble):
    """A fusion that compares the pool only, without networks."""

    def _score_fusion(self):
        fusion = super()._score_fusion()
        fusion.rungs = [LogLinearPool]
        return fusion


def messages(n, seed):
    """Return texts and their labels; a text says how sure its encoder is, and what is right."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, n)
    hard = rng.random(n) < 0.3
    texts = [
        f"{'hard' if one else 'easy'} {LABELS[code]} {seed}-{row}"
        for row, (code, one) in enumerate(zip(codes, hard, strict=True))
    ]
    return texts, [LABELS[code] for code in codes]


def answers(texts, gold, *, right_if_hard, seed):
    """Return probabilities: of easy texts nearly always right and sure, of hard ones right as often as given."""
    rng, found = np.random.default_rng(seed), {}
    for text, label in zip(texts, gold, strict=True):
        hard = text.startswith("hard")
        is_right = rng.random() < (right_if_hard if hard else 0.995)
        code = LABELS.index(label) if is_right else (LABELS.index(label) + rng.integers(1, 3)) % 3
        sure = 0.5 if hard else 0.9
        found[text] = [sure if k == code else (1 - sure) / 2 for k in range(3)]
    return found


TRAIN, TRAIN_GOLD = messages(1050, 1)
TEST, TEST_GOLD = messages(300, 2)


@cache
def asking_fusion():
    """Return a fusion of an encoder that fails on hard texts and a model that does not; 210 rows are its guard."""
    texts, gold = TRAIN + TEST, TRAIN_GOLD + TEST_GOLD
    sources = {
        "encoder": FixedClassifier(answers(texts, gold, right_if_hard=0.5, seed=3), LABELS, default=[0.4, 0.3, 0.3]),
        "llm": PaidClassifier(answers(texts, gold, right_if_hard=0.95, seed=4), LABELS, default=[0.4, 0.3, 0.3]),
    }
    return QuickFusion(sources, fusion_epochs=1, fusion_rows=1050).fit(TrainingData(TRAIN, TRAIN_GOLD))


def asking_classifier(**config):
    """Return a classifier that was made from a configuration, and whose fusion is the one above."""
    classifier = AutoFusionClassifier({"encoder": False, "similarity": False, "llm_provider": None, **config})
    classifier.ensemble_ = asking_fusion()
    classifier.schema_, classifier.findings_, classifier.text_column_ = classifier.ensemble_.schema_, [], "text"
    return classifier
