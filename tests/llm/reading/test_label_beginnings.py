"""Tokens as beginnings of labels."""

import pytest

from textclassify.llm.reading.label_beginnings import LabelBeginnings

CODES, NAMES = ["A", "B", "C"], ["world", "business", "business travel"]


def beginnings(*, codes=CODES, names=NAMES, may_say_none=False):
    return LabelBeginnings(codes, names, may_say_none=may_say_none)


@pytest.mark.parametrize(
    "token", ["A", " A", "a", '"A', "(A)", "A.", "\n\nA", "\u0120A", "\u2581a", "wor", " World", "WORLD."]
)
def test_a_token_that_writes_a_label_is_told_in_any_dress(token):
    """Each of them is probability of the same label."""
    assert beginnings().after("", token) == (0,)


@pytest.mark.parametrize("token", ["", " ", '"', "{", "D", "The", "worldly", "<|im_end|>", "\ufffd"])
def test_other_tokens_begin_no_label(token):
    assert beginnings().after("", token) == ()


def test_a_code_wins_over_the_beginning_of_a_name():
    """The prompt asked for codes."""
    assert beginnings(names=["b", "world", "c"]).after("", "B") == (1,)
    assert beginnings(names=["bees", "ants", "cows"]).after("", "b") == (1,)
    assert beginnings(names=["b sharp", "c flat", "e"]).after("", "B\n") == (1,)


def test_a_token_may_begin_several_labels():
    """Digits of codes, and names that begin alike."""
    assert beginnings().after("", "bus") == (1, 2)
    assert beginnings(codes=["01", "02", "10"]).after("", " 0") == (0, 1)


@pytest.mark.parametrize(
    ("token", "labels"),
    [(" travel", (2,)), (" tra", (2,)), ("<|im_end|>", (1,)), ("", (1,)), (".", (1,)), ("\n", (1,)), ("man", ())],
)
def test_what_follows_a_label_carries_it_on_or_ends_it(token, labels):
    """'business' is a label, 'businessman' is none."""
    assert beginnings().after("business", token) == labels


def test_the_whole_answer_says_what_an_unclear_token_was():
    """'b' looks like a code, in front of 'usiness' it was the beginning of a name."""
    labels = beginnings(codes=["A", "X", "B"])
    assert labels.after("", "b") == (2,)
    assert labels.of_token("", "b", 1) == (1, 2)
    assert labels.of_token("", "A", 1) == ()


def test_the_beginning_of_none_begins_no_label():
    """In multi-label answers, "no" is more often "none" than a label; unless that is a label's name."""
    names = ["north", "south", "east"]
    assert beginnings(names=names, may_say_none=True).after("", "no") == ()
    assert beginnings(names=names).after("", "no") == (0,)
    assert beginnings(names=["none", "a", "b"], may_say_none=True).after("", "none") == (0,)
