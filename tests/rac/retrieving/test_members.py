"""Members: each says how much a text fits the labels, from cards and examples."""

import numpy as np
import pytest
from scipy.special import log_softmax

from textclassify.rac.retrieving.label_texts import LabelTexts, label_vectors
from textclassify.rac.retrieving.members import DENSE, LARGEST_HEAD, MEMBERS, head_weights, worth_trying

RNG = np.random.default_rng(0)


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def said(cards, vectors=(), codes=()):
    vectors = unit(vectors) if len(vectors) else np.zeros((0, len(cards[0])), dtype=np.float32)
    texts = tuple(f"text {k}" for k in range(len(codes)))
    return LabelTexts(
        tuple(f"card {k}" for k in range(len(cards))), unit(cards), texts, np.asarray(codes, int), vectors
    )


def test_without_examples_a_label_is_its_card():
    alone = said(RNG.standard_normal((5, 16)))

    assert label_vectors(alone) == pytest.approx(alone.card_vectors)


def test_a_card_counts_as_three_examples():
    vectors = label_vectors(said([[1, 0], [0, 1]], [[0, 1]] * 3, [0, 0, 0]))

    assert vectors == pytest.approx(unit([[1, 1], [0, 1]]))


def test_neighbours_weigh_the_mean_not_the_number_of_texts():
    """More examples of a label do not make it more probable."""
    equal = said([[1, 0], [1, 0]], [[1, 0]] * 3, [1, 1, 1])

    logits = MEMBERS["neighbours"](equal, 0.06).logits(["a"], unit([[1, 0.2]]))

    assert logits[0, 0] == pytest.approx(logits[0, 1])


def test_the_nearest_example_leads():
    near = said([[1, 0], [1, 0]], [[0, 1]], [1])

    assert MEMBERS["neighbours"](near, 0.06).logits(["a"], unit([[0, 1]])).argmax() == 1


def test_a_head_without_examples_is_the_label_vectors():
    alone = said(RNG.standard_normal((4, 8)))

    assert head_weights(alone, 0.06) == pytest.approx(label_vectors(alone) / 0.06, rel=1e-5)


def test_a_head_fits_its_examples_better_than_the_label_vectors():
    codes = np.repeat(np.arange(4), 10)
    shown = said(RNG.standard_normal((4, 8)), RNG.standard_normal((4, 8))[codes] + RNG.standard_normal((40, 8)), codes)

    def loss(member):
        return -log_softmax(member.logits(shown.texts, shown.vectors), axis=1)[np.arange(40), codes].mean()

    assert loss(MEMBERS["head"](shown, 0.06)) < loss(MEMBERS[DENSE](shown, 0.06))


def test_a_stronger_penalty_keeps_the_head_nearer_to_the_label_vectors():
    shown = said(RNG.standard_normal((3, 8)), RNG.standard_normal((12, 8)), np.arange(12) % 3)
    start = label_vectors(shown) / 0.06

    weak, strong = head_weights(shown, 0.06, penalty=0.1), head_weights(shown, 0.06, penalty=10.0)

    assert np.abs(strong - start).sum() < np.abs(weak - start).sum()


def test_a_head_that_would_take_minutes_is_not_tried(monkeypatch):
    shown = said(np.eye(3), np.eye(3), [0, 1, 2])

    assert "head" in worth_trying(shown)
    monkeypatch.setattr("textclassify.rac.retrieving.members.LARGEST_HEAD", 10)
    assert "head" not in worth_trying(shown)
    assert LARGEST_HEAD > 10
