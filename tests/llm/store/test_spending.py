"""What a block asked and paid is known when it ends, by model."""

from __future__ import annotations

import gc
import math
from time import monotonic

import pytest

from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.llm.store.spending import Spending, Waits, begin_counting, counted, end_counting, listeners
from textclassify.llm.store.tally import Tally
from textclassify.testing import ScriptedChat


class Asked:
    """A round of questions that is over."""

    def __init__(self, tries: int = 0, waited: tuple[float, ...] = (), **counts: float) -> None:
        self.tally = Tally(**counts)
        self.waits = Waits()
        for seconds in waited:
            self.waits.add(monotonic() - seconds)
        self.tries = tries


def test_rounds_with_one_model_add_up():
    """Five folds and an evaluation are one bill."""
    with counted() as spending:
        for one in (Asked(3, (0.1, 0.3), asked=2, answers=2, cost=0.5), Asked(1, (0.2,), asked=1, known=4, cost=0.25)):
            spending.watch("openai", "gpt", one)

    (found,) = spending.by_model()

    assert (found.calls, found.tries, found.answers, found.cached, found.cost_usd) == (3, 4, 2, 4, 0.75)
    assert found.latency_median == pytest.approx(0.2, abs=0.05)
    assert found.seconds >= 0.3


def test_one_unknown_price_makes_the_bill_unknown():
    """A sum that leaves something out would look like the bill."""
    with counted() as spending:
        spending.watch("openai", "gpt", Asked(1, asked=1, cost=0.5))
        spending.watch("openai", "gpt", Asked(1, asked=1, cost=math.nan))

    assert spending.by_model()[0].cost_usd is None


def test_a_classifier_is_counted_in_every_block_around_it(tmp_path):
    """A run counts as a whole, and its parts by themselves; what was kept costs no call."""
    classifier = LLMClassifier(chat=ScriptedChat({"one": "b", "two": "a"}), labels=["a", "b"], cache_dir=tmp_path)
    with counted() as whole:
        with counted() as first:
            classifier.predict(["one", "two"])
        with counted() as second:
            classifier.predict(["one", "two"])

    assert [one.calls for one in first.by_model()] == [2]
    assert [(one.calls, one.cached) for one in second.by_model()] == [(0, 2)]
    assert [(one.calls, one.cached) for one in whole.by_model()] == [(2, 2)]


def test_prompts_of_a_model_of_this_process_are_counted_without_a_price():
    """They cost time, which is there."""
    with counted() as spending:
        for one in listeners():
            one.add_local("smollm2", calls=5, cached=2, prompt_tokens=100, seconds=1.5)

    (found,) = spending.by_model()

    assert (found.provider, found.calls, found.cached, found.cost_usd, found.seconds) == ("local", 5, 2, 0.0, 1.5)


def test_nobody_counts_after_the_end():
    """What is asked later belongs to somebody else; ending twice does no harm."""
    before = listeners()
    with counted() as spending:
        begin_counting(spending)
        end_counting(spending)
        end_counting(spending)

    assert listeners() == before


def test_whoever_is_dropped_without_an_end_counts_no_more():
    """A run that was begun and forgotten must not hold on to all that is asked later."""
    before = listeners()
    begin_counting(Spending())
    gc.collect()

    assert listeners() == before
