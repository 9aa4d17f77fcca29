"""Levelling: examples may make a label clearer, not more frequent."""

import numpy as np
import pytest

from textclassify.rac.retrieving.label_texts import LabelTexts
from textclassify.rac.retrieving.levelling import Levelled, fitted_member
from textclassify.rac.retrieving.members import DENSE, LinearMember


def described(counts, d=12, seed=0):
    """Return labels with so many examples each, all of which share a direction, as texts of one language do."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(counts)), counts)
    cards = rng.standard_normal((len(counts), d))
    vectors = cards[codes] + rng.standard_normal((len(codes), d)) + 2.0 * np.eye(1, d)

    def unit(rows):
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    texts = tuple(f"text {row}" for row in range(len(codes)))
    return LabelTexts(tuple(f"card {k}" for k in range(len(counts))), unit(cards), texts, codes, unit(vectors))


def test_labels_with_equally_many_examples_are_left_as_they_are():
    assert isinstance(fitted_member(DENSE, described([5, 5, 5]), 0.06), LinearMember)


def test_labels_with_more_examples_lose_more():
    member = fitted_member(DENSE, described([0, 3, 30, 30]), 0.06)

    assert isinstance(member, Levelled)
    assert member.lifts[0] == 0
    assert 0 < member.lifts[1] <= member.lifts[2] == member.lifts[3]


def test_a_label_with_its_card_alone_is_found_beside_labels_with_examples():
    """Without levelling, nearly all of its texts went to the others."""
    said = described([0, 20, 20, 20])
    texts = said.card_vectors[[0] * 200] + np.random.default_rng(1).standard_normal((200, 12)) / 3 + 1.5 * np.eye(1, 12)

    levelled = fitted_member(DENSE, said, 0.06)
    before, after = (member.logits([], texts).argmax(axis=1) for member in (levelled.member, levelled))

    assert (after == 0).mean() > (before == 0).mean() + 0.1


def test_the_only_label_with_examples_is_compared_by_the_cards_of_the_others():
    assert np.isfinite(fitted_member(DENSE, described([0, 5, 0]), 0.06).lifts).all()


@pytest.mark.parametrize("name", ["dense", "keywords", "neighbours", "head"])
def test_every_member_can_be_levelled(name):
    said = described([0, 5, 9])

    assert fitted_member(name, said, 0.06).logits(said.texts, said.vectors).shape == (14, 3)
