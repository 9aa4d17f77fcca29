"""Keywords: labels are known by their words, cut to their beginnings, and by pairs of words."""

import numpy as np
import pytest

from textclassify.rac.retrieving.keywords import Keywords, terms
from textclassify.rac.retrieving.label_texts import LabelTexts

NOTHING = np.zeros((0, 1), dtype=np.float32)


def keywords(cards, examples=()):
    codes = np.array([code for code, _ in examples], dtype=np.int64)
    return Keywords(LabelTexts(tuple(cards), NOTHING, tuple(text for _, text in examples), codes, NOTHING))


def test_the_label_that_shares_rare_words_scores_highest():
    scores = keywords(["card payment", "card delivery", "card theft"]).logits(["the delivery of my card"], NOTHING)

    assert scores.argmax() == 1


def test_words_are_joined_by_their_beginning():
    """Inflections are one word, in any language with endings."""
    assert keywords(["deliveries", "payments"]).logits(["delivered"], NOTHING).argmax() == 0


def test_examples_add_words_to_their_label():
    scores = keywords(["one", "two"], [(1, "pelican crossing")]).logits(["a pelican"], NOTHING)

    assert scores[0, 1] > scores[0, 0]


@pytest.mark.parametrize("text", ["", "?!", "unheard of", "日本語"])
def test_a_text_without_known_words_is_equally_far_from_all_labels(text):
    assert keywords(["one", "two"]).logits([text], NOTHING).tolist() == [[0.0, 0.0]]


def test_labels_without_words_can_be_told_apart():
    assert keywords(["+", "-"]).logits(["-"], NOTHING).argmax() == 1


def test_terms_are_words_and_pairs_without_case():
    assert terms("Who was IT?") == ["who", "was", "it", "^ who", "who was", "was it"]
