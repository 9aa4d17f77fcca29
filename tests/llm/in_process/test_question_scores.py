"""Scores of many questions at once: those of one forward pass for each answer."""

import numpy as np
import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify.llm.in_process import question_scores as module  # noqa: E402
from textclassify.llm.in_process.answer_scores import score_answers  # noqa: E402
from textclassify.llm.in_process.prompt_forest import TokenQuestion  # noqa: E402
from textclassify.llm.in_process.question_scores import question_scores  # noqa: E402

from .tiny import tiny_folder  # noqa: E402

TEXTS = [(3, 4, 5, 6, 7, 8), (3, 4, 9), (20, 21)]
QUESTIONS = [
    TokenQuestion((0, 2, *text, 11, label), ((12, 1), (13, 14, 1), (12, 15, 1))[: 2 + label % 2])
    for text in TEXTS
    for label in (30, 31, 32)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tiny_folder(tmp_path_factory.mktemp("tiny"))
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def naive(model):
    return [score_answers(model, [question.prompt], question.answers)[0] for question in QUESTIONS]


def assert_scores(model, expected):
    found = dict(question_scores(model, QUESTIONS))
    assert sorted(found) == list(range(len(QUESTIONS)))
    for number, scores in enumerate(expected):
        np.testing.assert_allclose(found[number], scores, atol=1e-4)


@pytest.mark.parametrize(("tokens", "logits"), [(384, 1 << 25), (20, 1 << 25), (384, 1), (1, 1)])
def test_scores_do_not_depend_on_what_is_read_together(model, monkeypatch, tokens, logits):
    """Sharing beginnings saves time; it is no approximation."""
    monkeypatch.setattr(module, "_TOKENS_PER_PAGE", {"cpu": tokens})
    monkeypatch.setattr(module, "_LOGITS", logits)
    assert_scores(model, naive(model))


def test_prompts_too_long_for_a_page_and_models_without_masks_are_scored_one_by_one(model, monkeypatch):
    expected = naive(model)
    monkeypatch.setattr(module, "_LONGEST_PROMPT", 4)
    assert_scores(model, expected)
    monkeypatch.setattr(module, "reads_trees", lambda *_: False)
    assert_scores(model, expected)


def test_no_questions_have_no_scores(model):
    assert list(question_scores(model, [])) == []
