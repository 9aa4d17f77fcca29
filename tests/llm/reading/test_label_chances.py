"""P(label) at one place, step by step."""

from math import exp, log, nan

import pytest

from textclassify.llm.chat import TokenLogprob
from textclassify.llm.reading.label_beginnings import LabelBeginnings
from textclassify.llm.reading.label_chances import label_chances

CODES, NAMES = ["A", "B", "C", "D"], ["world", "sports", "business", "tech"]


def token(text, probabilities):
    alternatives = tuple((other, log(p)) for other, p in probabilities.items())
    return TokenLogprob(text, dict(alternatives).get(text, -9999.0), alternatives)


def chances(*tokens, label, codes=CODES, names=NAMES):
    beginnings = LabelBeginnings(codes, names, may_say_none=True)
    return label_chances(tokens, label, beginnings, len(codes))


def test_spellings_of_a_label_add_up():
    """'B', ' b' and 'Sports' are one answer."""
    place = token("B", {"B": 0.4, " b": 0.2, "Sports": 0.1, "A": 0.1, "C": 0.1, "D": 0.1})
    assert chances(place, label=1) == pytest.approx([0.1, 0.7, 0.1, 0.1])


def test_labels_that_are_not_reported_share_the_rest():
    """0.1 is not reported; two labels have half of it each."""
    place = token("B", {"B": 0.6, "A": 0.2, "The": 0.1})
    assert chances(place, label=1) == pytest.approx([0.2, 0.6, 0.05, 0.05])


def test_an_unreported_label_is_no_likelier_than_the_least_reported_token():
    """The server reports the likeliest ones; 0.6 of the mass are of tokens that are none of ours."""
    place = token("B", {"B": 0.38, "A": 0.02})
    assert chances(place, label=1) == pytest.approx([0.02, 0.38, 0.02, 0.02])


def test_an_unreported_label_never_ties_with_the_written_one():
    """Only 'B' is reported, with 0.3: the decision stays with what the model wrote."""
    found = chances(token("B", {"B": 0.3}), label=1, codes=CODES[:2], names=NAMES[:2])
    assert found[1] > found[0] > 0.29


def test_the_written_token_counts_though_it_is_not_among_the_likeliest():
    """With a temperature, a model writes such tokens."""
    place = TokenLogprob("C", log(0.1), (("A", log(0.5)), ("B", log(0.2))))
    assert chances(place, label=2) == pytest.approx([0.5, 0.2, 0.1, 0.0999])


def test_codes_of_several_tokens_are_walked_digit_by_digit():
    """P(12) = P(1) P(2 | 1); the codes behind other first digits share evenly."""
    codes, names = ["01", "02", "11", "12"], ["a", "b", "c", "d"]
    first = token("1", {"1": 0.5, " 1": 0.1, "0": 0.4})
    second = token("2", {"2": 0.6, "1": 0.2, "st": 0.2})
    assert chances(first, second, label=3, codes=codes, names=names) == pytest.approx([0.2, 0.2, 0.15, 0.45])


def test_names_that_begin_alike_are_told_apart_by_what_follows():
    """The first token says both, the second which."""
    names = ["business", "business travel", "x", "y"]
    first = token("business", {"business": 0.8, "x": 0.1, "y": 0.1})
    on = token(" travel", {" travel": 0.6, "<|im_end|>": 0.3, ".": 0.1})
    end = token("<|im_end|>", {"<|im_end|>": 0.9, " travel": 0.1})
    assert chances(first, on, label=1, names=names) == pytest.approx([0.32, 0.48, 0.1, 0.1])
    assert chances(first, end, label=0, names=names) == pytest.approx([0.72, 0.08, 0.1, 0.1])
    assert chances(first, label=0, names=names) == pytest.approx([0.8, 0.0, 0.1, 0.1])


def test_a_place_without_a_label_has_chances_too():
    """The model said "none"; how close a label came is known."""
    assert chances(token("none", {"none": 0.7, "A": 0.2, "B": 0.1}), label=None) == pytest.approx([0.2, 0.1, 0, 0])


@pytest.mark.parametrize(
    "place",
    [
        TokenLogprob("B", -0.1),
        TokenLogprob("B", -0.1, (("B", nan),)),
        TokenLogprob("B", -0.1, (("B", 0.9), ("A", 0.1))),
        TokenLogprob("B", -9999.0, (("A", -0.1),)),
        TokenLogprob("A", -0.1, (("A", -0.1), ("B", -3.0))),
    ],
    ids=["no alternatives", "NaN", "probabilities", "impossible", "another label"],
)
def test_what_is_no_report_of_the_label_is_none(place):
    """Scores made of such numbers would look like any others."""
    assert chances(place, label=1) is None


def test_logprobs_that_round_to_zero_are_certain():
    """Rounding makes 1e-7 of them."""
    certain = TokenLogprob("B", 1e-7, (("B", 1e-7), ("A", -9999.0)))
    assert chances(certain, label=1) == pytest.approx([0.0, 1.0, 0.0, 0.0])
    assert exp(-9999.0) == 0.0
