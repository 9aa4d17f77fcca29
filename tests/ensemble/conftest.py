"""Simulated sources: how right and how sure they are is known, so what a fusion should do is known too."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import expit, softmax

from textclassify import FusionEnsemble, Scores
from textclassify.core.scales import Status
from textclassify.ensemble.pooling import LogLinearPool, VectorScalingPool
from textclassify.testing import FixedClassifier

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


@pytest.fixture(scope="session")
def simulate():
    return Simulation


@pytest.fixture(scope="session")
def simulate_multi_label():
    return MultiLabelSimulation


@pytest.fixture(scope="session")
def without():
    """Scores as if the source had failed on some rows, in whatever way it scores."""

    def failed_on(scores, rows):
        values, status = scores.values.copy(), scores.status.copy()
        values[rows], status[rows] = np.nan, Status.FAILED
        return replace(scores, values=values, status=status)

    return failed_on


class PaidClassifier(FixedClassifier):
    """Given answers that count as a language model's and cost a cent each."""

    asks_llm = True

    def _score(self, texts):
        return replace(super()._score(texts), cost=np.full(len(texts), 0.01))


@dataclass
class Messages:
    """n texts of two labels, a free source and a paid one: the free one fails on hard texts, and is unsure of them."""

    n: int
    seed: int = 0
    right_if_hard: float = 0.98
    labels: tuple[str, ...] = ("billing", "delivery")

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        codes, hard = rng.integers(0, 2, self.n), np.arange(self.n) % 3 == 0
        self.texts = [f"{'hard' if one else 'easy'} {self.seed}-{row}" for row, one in enumerate(hard)]
        self.gold = [self.labels[code] for code in codes]
        self.free = self._source(codes, rng, np.where(hard, 0.55, 0.97), np.where(hard, 0.6, 0.95))
        self.paid = self._source(codes, rng, np.where(hard, self.right_if_hard, 0.9), np.full(self.n, 0.85))

    def _source(self, codes, rng, right, sure):
        answers = np.where(rng.random(self.n) < right, codes, 1 - codes)
        sure = sure + 0.04 * rng.random(self.n)  # no two texts alike: ranks have no ties
        return dict(zip(self.texts, np.where(np.eye(2)[answers] == 1, sure[:, None], 1 - sure[:, None]), strict=True))

    def fusion(self, *others, **options):
        """A fusion of both, fitted on these texts (fewer than 100: no networks), that can score the others' texts."""
        free, paid = (
            {text: one for part in (self, *others) for text, one in getattr(part, name).items()}
            for name in ("free", "paid")
        )
        sources = {
            "free": FixedClassifier(free, self.labels, default=[0.5, 0.5]),
            "llm": PaidClassifier(paid, self.labels, default=[0.5, 0.5]),
        }
        fusion = FusionEnsemble(sources, **{"guard": 0, "n_folds": 2, **options}).fit(self.texts, self.gold)
        fusion.sources_["llm"].asked.clear()
        return fusion


@pytest.fixture(scope="session")
def messages():
    return Messages


@pytest.fixture(scope="session")
def paid_classifier():
    return PaidClassifier


@pytest.fixture(scope="session")
def pools():
    """The rungs that need no network: what is tested is seldom which one is taken, and these take milliseconds."""
    return [LogLinearPool, VectorScalingPool]


TINY_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *["my", "parcel", "bill", "late", "is", "the", "a", "was"]]


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory):
    """A tiny encoder with random weights: what is tested with it is who is trained on what, not how well."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-encoder")
    (folder / "vocab.txt").write_text("\n".join(TINY_WORDS))
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(TINY_WORDS), max_position_embeddings=32, **sizes)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)
