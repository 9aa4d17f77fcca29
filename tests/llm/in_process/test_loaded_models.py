"""Half precision whose range does not suffice: float32 instead, said once, and never mistaken for the other."""

import logging
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify.core.labels import LabelSchema  # noqa: E402
from textclassify.core.scales import Status  # noqa: E402
from textclassify.llm.choices import Choice  # noqa: E402
from textclassify.llm.choosing.local_questions import LocalQuestions  # noqa: E402
from textclassify.llm.in_process.likelihoods import Likelihoods  # noqa: E402
from textclassify.llm.in_process.local import TEXT_SLOT, LocalScorer  # noqa: E402
from textclassify.llm.store.cache import ResponseCache  # noqa: E402

from .tiny import tiny_folder  # noqa: E402


@dataclass(frozen=True)
class Turn:
    role: str
    content: str


TURNS = (Turn("user", f"Text: {TEXT_SLOT}\nLabel:"),)
TEXTS = ["the cat", "sports news", "mat"]
LABELS = ["sports", "world"]
TOPICS = LabelSchema(("sports", "world"))


def folder_with(where, factor):
    """A model whose logits are so many times as large."""
    tiny_folder(where, tie_word_embeddings=False)
    model = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)
    with torch.no_grad():
        model.lm_head.weight.mul_(factor)
    model.save_pretrained(where)
    return str(where)


@pytest.fixture
def folder(tmp_path):
    """Its logits are within float32 and beyond float16."""
    return folder_with(tmp_path / "large", 1e5)


class Silent(LocalScorer):
    """Knows what is kept under the model's identity, and nothing else."""

    def log_likelihoods(self, *_, **__):
        raise AssertionError("computed again")


def test_a_model_beyond_half_precision_goes_on_in_float32_and_says_so_once(folder, caplog):
    """Otherwise all its texts would fail; and what was computed how must be known."""
    scorer, exact = LocalScorer(folder, precision="fp16"), LocalScorer(folder, precision="fp32")
    before = scorer.identity

    with caplog.at_level(logging.WARNING):
        found = [scorer.log_likelihoods(TURNS, TEXTS, LABELS).values for _ in range(2)]

    np.testing.assert_array_equal(found, [exact.log_likelihoods(TURNS, TEXTS, LABELS).values] * 2)
    assert np.isfinite(found).all()
    assert len([record for record in caplog.records if "no numbers in float16" in record.message]) == 1
    assert before != scorer.identity == exact.identity == LocalScorer(folder, precision="fp16").identity


def test_scores_that_fell_back_are_kept_as_those_of_float32(folder, tmp_path):
    """Kept under the precision that failed they would stand beside scores of another."""
    cache = ResponseCache(tmp_path / "cache")
    answers = Likelihoods(LocalScorer(folder, precision="fp16"), cache, list_labels=False).ask(TEXTS, TOPICS, [])

    again = Likelihoods(Silent(folder, precision="fp32"), cache, list_labels=False).ask(TEXTS, TOPICS, [])

    np.testing.assert_array_equal(again.values, answers.values)


def test_questions_fall_back_too(folder, tmp_path):
    """The checks of retrieved labels read the same model."""
    choices = [Choice(TURNS, text, ("yes", "no")) for text in TEXTS]
    cache = ResponseCache(tmp_path / "cache")

    chosen = LocalQuestions(LocalScorer(folder, precision="fp16"), cache).choose(choices, "checks")
    exact = LocalQuestions(LocalScorer(folder, precision="fp32"), cache).choose(choices, "checks")

    assert (chosen.status == Status.OK).all()
    np.testing.assert_array_equal(chosen.values, exact.values)


def test_weights_that_are_no_numbers_fail_their_texts_and_nothing_else(tmp_path, caplog):
    """There is nothing to fall back to; a guess would be worse."""
    scorer = LocalScorer(folder_with(tmp_path / "broken", float("nan")), precision="fp32")
    before = scorer.identity

    answers = Likelihoods(scorer, list_labels=False).ask(TEXTS, TOPICS, [])

    assert (answers.status == Status.FAILED).all()
    assert scorer.identity == before
    assert not caplog.records
