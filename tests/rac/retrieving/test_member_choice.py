"""What scores the labels is chosen on examples that were held out, or not at all."""

import numpy as np
import pytest
from scipy.special import log_softmax

from textclassify.rac.retrieving.label_texts import LabelTexts
from textclassify.rac.retrieving.member_choice import FEWEST_ROWS, HeldOut, choose_members, fitted_weights

WORDS = ("pelican", "quartz", "ribbon", "saddle")


def described(per_label, *, telling_words, spread=0.0, d=16, seed=0):
    """Return four labels whose examples are random vectors around the card, with or without a word of their own."""
    rng = np.random.default_rng(seed)
    cards = rng.standard_normal((4, d))
    codes = np.repeat(np.arange(4), per_label)
    vectors = cards[codes] * spread + rng.standard_normal((len(codes), d))
    texts = tuple(f"{WORDS[code] if telling_words else 'word'} n{row}" for row, code in enumerate(codes.tolist()))

    def unit(rows):
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return LabelTexts(tuple(f"label {k}" for k in range(4)), unit(cards), texts, codes, unit(vectors))


def test_keywords_are_added_where_they_tell_labels_apart():
    report = choose_members(described(12, telling_words=True), 0.3)

    assert report.members == ("dense", "keywords")
    assert report.losses["dense + keywords"] < report.losses["dense"]
    assert report.rows == 48


def test_a_member_that_does_not_help_is_left_out():
    """An unvalidated weak member hurts."""
    report = choose_members(described(12, telling_words=False, spread=2.0), 0.3)

    assert "keywords" not in report.members
    assert any("keywords" in trial.members and not trial.kept for trial in report.trials)


def test_with_few_examples_vectors_stand_alone():
    """What twenty rows choose is chance."""
    report = choose_members(described(5, telling_words=True), 0.3)

    assert report.weights == {"dense": 1.0}
    assert report.rows == 0
    assert f"fewer than {FEWEST_ROWS}" in report.reason


def test_copies_of_one_text_are_not_held_out_of_each_other():
    """A copy in the training part would make every member look right."""
    copies = described(12, telling_words=True)
    copies = LabelTexts(copies.cards, copies.card_vectors, ("the same",) * 48, copies.codes, copies.vectors)

    assert choose_members(copies, 0.3).weights == {"dense": 1.0}


def test_the_choice_is_the_same_every_time():
    assert choose_members(described(12, telling_words=True), 0.3) == choose_members(
        described(12, telling_words=True), 0.3
    )


def test_more_examples_than_needed_are_sampled(monkeypatch):
    monkeypatch.setattr("textclassify.rac.retrieving.member_choice.MOST_ROWS", 40)

    assert choose_members(described(30, telling_words=True), 0.3).rows == 40


def test_many_labels_are_judged_by_fewer_examples(monkeypatch):
    """Time grows with examples times labels."""
    monkeypatch.setattr("textclassify.rac.retrieving.member_choice.MOST_SCORES", 160)

    assert choose_members(described(30, telling_words=True), 0.3).rows == 40


def test_a_held_out_example_has_no_say_about_itself():
    said = described(12, telling_words=True)
    folds = np.tile([0, 1, 2], 16).astype(np.int16)
    moved = LabelTexts(said.cards, said.card_vectors, said.texts, said.codes, said.vectors.copy())
    moved.vectors[0] *= -1

    first = HeldOut(said, 0.3, folds, np.array([0])).logits(["dense"])
    second = HeldOut(moved, 0.3, folds, np.array([0])).logits(["dense"])

    assert first == pytest.approx(-second)


def test_a_useless_member_gets_no_weight():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 3, 200)
    right = 2.0 * np.eye(3)[gold] + rng.standard_normal((200, 3))

    weights = fitted_weights(np.stack([right, -right]), gold)

    assert weights[1] == 0.0


def test_weights_sharpen_what_is_too_flat():
    """The weight of one member is the inverse of its temperature."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((2000, 3)) * 2
    gold = np.array([rng.choice(3, p=np.exp(row)) for row in log_softmax(logits, axis=1)])

    assert fitted_weights(logits[None] / 4, gold)[0] == pytest.approx(4, rel=0.1)
