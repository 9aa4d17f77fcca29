"""What a question would ask, counted in requests."""

from types import SimpleNamespace

import pytest

from textclassify.core.scales import Method
from textclassify.llm.chat import ChatRequest, Message
from textclassify.llm.money.prices import Price
from textclassify.llm.money.question_estimates import estimate_of, requests_left

TEXTS = ["rain", "war", "goal", "strike", "example"]


class Votes:
    """Stands for a `Question` with samples, whose texts share requests but for one that goes alone."""

    model, method, n_labels, max_tokens = "m", Method.VOTES, 2, 20
    prompts = SimpleNamespace(identity="")

    def __init__(self, n_samples=3, texts_per_request=1):
        self.n_samples, self.texts_per_request = n_samples, texts_per_request

    def requests(self, texts):
        return [self.pack_requests([text]) for text in texts]

    def pack_requests(self, texts):
        turns = (Message("system", "Sort."), Message("user", " ".join(texts)))
        return [ChatRequest("m", turns, sample_index=number) for number in range(self.n_samples)]

    def goes_alone(self, text):
        return self.texts_per_request == 1 or text == "example"


def key(request):
    return f"{request.messages[1].content} {request.sample_index}".encode()


def left_of(question, kept, texts=TEXTS):
    return requests_left(question, texts, key, lambda keys: {one for one in keys if one in kept})


def test_samples_that_are_kept_are_not_asked_for_again():
    """A run that stopped between two samples has paid for the first."""
    kept = {b"rain 0", b"war 0", b"war 1", b"war 2", b"goal 2"}
    assert left_of(Votes(), kept) == {"rain": 2, "goal": 2, "strike": 3, "example": 3}


def test_packs_that_are_kept_are_not_asked_for_again():
    """A reply about two texts is kept under a key of both; the example is asked about by itself."""
    kept = {b"rain war 0", b"rain war 1", b"rain war 2", b"goal strike 1", b"example 0"}
    left = left_of(Votes(texts_per_request=2), kept)
    assert left == {"goal": 2, "strike": 2, "example": 2}


@pytest.mark.parametrize("texts_per_request", [1, 2])
def test_the_estimate_counts_what_is_left(texts_per_request):
    """Its requests are those that a run would send, and its cached rows those that it would not ask about."""
    question, asked = Votes(texts_per_request=texts_per_request), [*TEXTS[:4], "rain"]
    kept = {b"rain 0", b"rain 1", b"rain 2", b"war 0", b"rain war 0", b"rain war 1", b"rain war 2"}
    left = left_of(question, kept, TEXTS[:4])
    found = estimate_of(question, asked, TEXTS[:4], left, price=Price(1.0, 1.0, 1.0), provider="p", blank=1)

    assert (found.rows, found.distinct, found.blank) == (6, 4, 1)
    assert (found.requests, found.cached) == ((8, 2) if texts_per_request == 1 else (3, 3))
