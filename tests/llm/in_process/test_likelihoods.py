"""Likelihoods of a model in this process: which prompt is scored, and what is computed only once."""

import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest

from textclassify.core.labels import LabelSchema
from textclassify.core.scales import Scale, Status
from textclassify.llm.in_process.likelihoods import Likelihoods
from textclassify.llm.in_process.local import LabelLikelihoods
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.store.cache import ResponseCache

TOPICS = LabelSchema(("world_news", "sport"), {"sport": "matches and teams"})
TAGS = LabelSchema(("late", "broken", "praise"), {"late": "not here yet"}, multi_label=True)


class CountingScorer:
    """Stands in for a model, and remembers what it was asked: long texts and long answers are unlikely."""

    identity = "counting"
    source = SimpleNamespace(name="counting")

    def __init__(self, weights=10**8):
        self.calls = []
        self.weights = weights

    def log_likelihoods(self, turns, texts, answers, *, show_progress=None):
        self.calls.append((turns, list(texts), list(answers)))
        values = [[-float(len(text) + len(answer)) for answer in answers] for text in texts]
        show_progress(len(texts), len(texts))
        return LabelLikelihoods(np.array(values, np.float32), np.zeros(len(texts), bool), np.ones(len(texts), int))


@pytest.mark.parametrize(("weights", "listed"), [(135_000_000, False), (1_500_000_000, True)])
def test_only_large_local_models_are_shown_the_list_of_labels(weights, listed):
    """The list made a small model worse and a large one better."""
    scorer = CountingScorer(weights)
    Likelihoods(scorer).ask(["a"], TOPICS, [])
    Likelihoods(scorer, list_labels=not listed).ask(["a"], TOPICS, [])

    assert ["matches and teams" in turns[0].content for turns, _, _ in scorer.calls] == [listed, not listed]


def test_likelihoods_never_show_a_text_beside_itself():
    """An example that is its own question would be answered by copying."""
    scorer, examples = CountingScorer(), [Demonstration("won", "sport"), Demonstration("war", "world_news")]
    Likelihoods(scorer).ask(["won ", "rain", "war"], TOPICS, examples)

    shown = {text: " ".join(turn.content for turn in turns) for turns, texts, _ in scorer.calls for text in texts}
    assert ["won" in shown["won "], "war" in shown["won "]] == [False, True]
    assert ["won" in shown["war"], "war" in shown["war"]] == [True, False]
    assert ["won" in shown["rain"], "war" in shown["rain"]] == [True, True]


def test_likelihoods_of_equal_texts_are_computed_once_and_come_in_order():
    """Rows are told apart by their text alone."""
    scorer = CountingScorer()
    answers = Likelihoods(scorer).ask(["bb", "a", "bb"], TOPICS, [])

    assert [texts for _, texts, _ in scorer.calls] == [["bb", "a"]]
    assert answers.values[0].tolist() == answers.values[2].tolist() != answers.values[1].tolist()
    assert (answers.scale, answers.status.tolist()) == (Scale.LOG_LIKELIHOOD, [Status.OK] * 3)


def test_likelihoods_of_no_texts_ask_no_model():
    """An empty table has an answer: no rows, all columns."""
    for schema in (TOPICS, TAGS):
        scorer = CountingScorer()
        assert Likelihoods(scorer).ask([], schema, []).values.shape == (0, len(schema))
        assert not scorer.calls


def test_several_labels_are_scored_as_odds_of_yes_against_no():
    """Each label on its own: a text may have all of them or none."""
    scorer = CountingScorer()
    answers = Likelihoods(scorer).ask(["a"], TAGS, [])

    assert [asked for _, _, asked in scorer.calls] == [["yes", "no"]] * len(TAGS)
    assert answers.values.tolist() == [[-1.0] * len(TAGS)]
    assert answers.scale is Scale.LOG_ODDS


def test_known_likelihoods_are_not_computed_again(tmp_path):
    """The cache misses when the prompt changes, and hits when nothing does."""
    scorer, cache = CountingScorer(), ResponseCache(tmp_path)
    first = Likelihoods(scorer, cache).ask(["a", "b"], TOPICS, [])
    again = Likelihoods(scorer, cache).ask(["b", "a"], TOPICS, [])
    assert (len(scorer.calls), again.values.tolist()) == (1, first.values[::-1].tolist())

    Likelihoods(scorer, cache, list_labels=True).ask(["a"], TOPICS, [])
    Likelihoods(scorer, cache).ask(["a"], TOPICS, [Demonstration("c", "sport")])
    assert len(scorer.calls) == 3


@pytest.mark.parametrize(
    "damaged",
    [b"", b"no", b"[]", b"null", b"{}", b'{"log_likelihoods": [-1.0], "truncated": false}',
     b'{"log_likelihoods": [-1.0, null], "truncated": false}', b'{"log_likelihoods": [-1.0, -2.0], "truncated": "no"}',
     b'{"log_likelihoods": 7, "truncated": false}'],
)  # fmt: skip
def test_a_damaged_entry_is_computed_again_and_replaced(damaged, tmp_path):
    """A bit that fell over must cost a moment, not the run."""
    scorer, cache = CountingScorer(), ResponseCache(tmp_path)
    first = Likelihoods(scorer, cache).ask(["a", "b"], TOPICS, [])
    with sqlite3.connect(cache.path) as file:
        file.execute("UPDATE replies SET reply = ? WHERE rowid = 1", (damaged,))
    file.close()

    again = [Likelihoods(scorer, cache).ask(["a", "b"], TOPICS, []).values.tolist() for _ in range(2)]

    assert again == [first.values.tolist()] * 2
    assert [texts for _, texts, _ in scorer.calls] == [["a", "b"], ["a"]]


class FallingBack(CountingScorer):
    """Its second question leaves the range of half precision."""

    def log_likelihoods(self, turns, texts, answers, *, show_progress=None):
        if len(self.calls) == 1:
            self.identity = "float32"
        return super().log_likelihoods(turns, texts, answers, show_progress=show_progress)


def test_texts_known_in_a_precision_that_was_given_up_are_scored_again(tmp_path):
    """One column of scores in two precisions would rank texts by their rounding."""
    scorer, cache = FallingBack(), ResponseCache(tmp_path)
    Likelihoods(scorer, cache).ask(["a"], TOPICS, [])
    Likelihoods(scorer, cache).ask(["a", "b"], TOPICS, [])
    Likelihoods(scorer, cache).ask(["b", "a"], TOPICS, [])

    assert [texts for _, texts, _ in scorer.calls] == [["a"], ["b"], ["a"]]
