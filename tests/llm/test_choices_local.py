"""Choices by a model of this process: exact likelihoods, computed once."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("torch")

from textclassify import LLMClassifier
from textclassify.core.scales import Method, Status
from textclassify.errors import ConfigError
from textclassify.llm.chat import Message
from textclassify.llm.choices import Choice
from textclassify.llm.choosing.local_questions import LocalQuestions
from textclassify.llm.in_process.local import LocalScorer
from textclassify.llm.prompting.texts_as_data import TEXT_SLOT
from textclassify.llm.store.cache import ResponseCache

from .in_process.tiny import tiny_folder

YES_NO = ("yes", "no")


def asking(label):
    return Message("system", "You judge."), Message("user", f"Text: {TEXT_SLOT}\nIs it {label}?")


CHOICES = [Choice(asking(label), text, YES_NO) for label in ("sports", "world") for text in ("the cat", "a mat", "")]


class Counting(LocalScorer):
    """Remembers what it had to compute; stops after so many answers."""

    def __init__(self, model, most=1000):
        super().__init__(model, precision="fp32")
        self.asked = []
        self.most = most

    def choices_scored(self, choices):
        for place, scores, truncated in super().choices_scored(choices):
            if len(self.asked) >= self.most:
                raise KeyboardInterrupt
            self.asked.append(choices[place])
            yield place, scores, truncated

    def written(self, conversations, *, max_tokens):
        self.asked += conversations
        return super().written(conversations, max_tokens=max_tokens)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_folder(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def cache(tmp_path):
    with ResponseCache(tmp_path) as opened:
        yield opened


def test_answers_have_their_exact_likelihoods_among_those_of_the_question(folder, cache):
    """They are those of one prompt at a time, normalised; a blank text is not asked about."""
    chosen = LocalQuestions(Counting(folder), cache).choose(CHOICES, "questions")
    scorer = LocalScorer(folder, precision="fp32")

    for row, choice in enumerate(CHOICES):
        if choice.text:
            alone = scorer.log_likelihoods(choice.messages, [choice.text], YES_NO).values[0]
            assert chosen.values[row] == pytest.approx(alone - np.logaddexp(*alone), abs=1e-4)
    assert chosen.status.tolist() == [Status.OK, Status.OK, Status.INVALID] * 2
    assert set(chosen.method) == {Method.LIKELIHOOD}
    assert not chosen.cost.any()


def test_equal_questions_are_computed_once_and_kept(folder, cache):
    scorer = Counting(folder)
    first = LocalQuestions(scorer, cache).choose([*CHOICES, CHOICES[0]], "questions")
    again = LocalQuestions(scorer, cache).choose(CHOICES, "questions")

    assert len(scorer.asked) == 4
    np.testing.assert_array_equal(again.values, first.values[:6])
    np.testing.assert_array_equal(first.values[6], first.values[0])


def test_what_was_computed_before_an_interrupt_is_kept(folder, cache):
    """A local run takes hours; breaking it off costs what is being computed and no more."""
    with pytest.raises(KeyboardInterrupt):
        LocalQuestions(Counting(folder, most=2), cache).choose(CHOICES, "questions")
    scorer = Counting(folder)
    LocalQuestions(scorer, cache).choose(CHOICES, "questions")

    assert len(scorer.asked) == 2


def test_a_text_that_does_not_fit_is_cut_and_said_to_be(folder, cache):
    long = Choice(asking("sports"), "the cat sat on the mat " * 200, YES_NO)
    chosen = LocalQuestions(Counting(folder), cache).choose([*CHOICES[:1], long], "questions")

    assert chosen.truncated.tolist() == [False, True]
    assert set(chosen.status) == {Status.OK}


def test_a_classifier_without_labels_chooses_and_writes_here(folder, tmp_path):
    """Also inside a running event loop; an estimate says that it is free."""
    classifier = LLMClassifier(provider="local", model=folder, cache_dir=tmp_path)
    chosen = classifier.choose(CHOICES)
    same = asyncio.run(classifier.achoose(CHOICES))
    estimate = classifier.estimate_choices(CHOICES)

    np.testing.assert_array_equal(chosen.values, same.values)
    assert (estimate.rows, estimate.blank, estimate.cost.high) == (6, 2, 0.0)
    assert classifier.write([(Message("user", "the cat"),)], max_tokens=3).status.tolist() == [Status.OK]


def test_options_of_remote_models_are_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="exact likelihoods"):
        LLMClassifier(model=folder, method="votes", cache_dir=tmp_path).choose(CHOICES)


def test_replies_are_the_most_likely_words_whoever_stands_beside_them_and_are_kept(folder, cache):
    """Shorter conversations are padded; what does not fit is not cut, and says so."""
    conversations = [(Message("user", text),) for text in ("the cat", "sports and world news", "mat " * 200)]
    scorer = Counting(folder)
    together = LocalQuestions(scorer, cache).write(conversations, max_tokens=8)
    alone = [LocalScorer(folder, precision="fp32").written([each], max_tokens=8) for each in conversations]
    again = LocalQuestions(scorer, cache).write(conversations[:2], max_tokens=8)

    assert together.texts == [text for replies in alone for _, text in replies]
    assert together.status.tolist() == [Status.OK, Status.OK, Status.TOO_LONG]
    assert again.texts == together.texts[:2]
    assert len(scorer.asked) == 3


def test_a_kept_text_that_is_damaged_is_written_again(folder, cache, caplog):
    scorer = Counting(folder)
    questions = LocalQuestions(scorer, cache)
    first = questions.write([asking("sports")], 4).texts
    (key,) = [questions._writing_key(asking("sports"), 4)]
    cache.forget([key])
    cache.put(key, b'{"written": 5}')
    cache.flush()

    assert questions.write([asking("sports")], 4).texts == first
    assert len(scorer.asked) == 2
    assert "1 kept texts cannot be read" in caplog.text
