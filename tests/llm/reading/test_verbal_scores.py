"""Scores that a model writes down."""

import json
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.scales import Method, Scale
from textclassify.llm.chat import ChatReply
from textclassify.llm.reading.verbal_scores import VerbalReader, verbal_schema

CODES, NAMES = ["A", "B", "C"], ["world", "sports", "business"]


def probabilities(answer, **fields):
    content = answer if isinstance(answer, str) else json.dumps(answer)
    scores = VerbalReader(CODES, NAMES, multi_label=False).read(ChatReply(content, **fields))
    return None if scores is None else [exp(score) for score in scores]


def odds(answer):
    return VerbalReader(CODES, NAMES, multi_label=True).read(ChatReply(json.dumps(answer)))


@pytest.mark.parametrize(
    "answer",
    ['{"A": 0.2, "B": 0.7, "C": 0.1}', '{"a": 20, "Sports": 70, "C) business": 10}',
     '{"B": "70%", "A": "20 %", "C": "10%"}', '{"A": "0.2", "B": ".7", "C": "1e-1"}',
     '{"scores": {"A": 2, "B": 7, "C": 1}}',
     '{"why": "a game", "Probabilities": {"world": 0.2, "sports": 0.7, "business": 0.1}, "label": "B"}',
     '```json\n{"A": 0.2, "B": 0.7, "C": 0.1}\n```', 'Here you are: {"A": 0.2, "B": 0.7, "C": 0.1}. Fine?',
     '<think>{"A": 1}</think>{"A": 0.2, "B": 0.7, "C": 0.1}'],
)  # fmt: skip
def test_scores_are_read_whatever_their_scale_and_dress(answer):
    """Models answer 0.7, 70 and 70% to the same question."""
    assert probabilities(answer) == pytest.approx([0.2, 0.7, 0.1], abs=1e-6)


def test_a_label_that_is_left_out_has_the_score_0():
    """The prompt says so, as a list of 200 zeros costs tokens."""
    assert probabilities({"B": 0.8, "A": 0.2}) == pytest.approx([0.2, 0.8, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    "answer",
    ["", "B", "0.7", "[0.2, 0.7, 0.1]", "{}", '{"A": 0.2, "B": 0.7', '{"A": 0.2, "E": 0.7}', '{"A": 0.2, "A": 0.7}',
     '{"A": 0.2, "world": 0.7}', '{"A": NaN, "B": 1}', '{"A": Infinity}', '{"A": 1e999}', '{"A": -0.1, "B": 1.1}',
     '{"A": 0, "B": 0}', '{"A": null, "B": 1}', '{"A": true}', '{"A": "high"}', '{"A": [1]}', '{"A": {"B": 1}}',
     '{"A": "nan"}', '{"A": "1_0"}', '{"A": "70%", "B": 0.3}', '{"scores": {"A": 1}, "labels": {"B": 1}}',
     '{"A": 1} {"B": 1}', '{"A": 1' + "0" * 400 + "}", '{"A": ' + "[" * 3000 + "}"],
)  # fmt: skip
def test_anything_else_is_no_answer(answer):
    """A score that is made up is never found again."""
    assert probabilities(answer) is None


def test_an_answer_that_is_cut_off_is_no_answer():
    """What looks whole may be the first of two objects."""
    assert probabilities({"A": 1.0}, finish_reason="length") is None


def test_every_label_of_several_is_judged_by_itself():
    """They need not add up to 1; 0 and 1 are nearly certain."""
    assert odds({"A": 0.5, "B": 0.9}) == pytest.approx([0.0, log(9), log(1e-9)])
    assert odds({"A": 1, "B": 0, "C": 0}) == pytest.approx([-log(1e-9), log(1e-9), log(1e-9)])
    assert probabilities({"A": 1, "B": 0}) == pytest.approx([1, 0, 0], abs=1e-6)


@pytest.mark.parametrize("percent", [{"A": 50, "B": 90, "C": 1}, {"A": "50%", "B": "90%", "C": "1%"}])
def test_scores_up_to_100_are_percent(percent):
    """As soon as one exceeds 1, or is written as such."""
    assert odds(percent) == pytest.approx([0.0, log(9), log(1 / 99)])
    assert odds({"A": "0.5%"}) == pytest.approx([log(0.005 / 0.995), *[log(1e-9)] * 2])
    assert [odds({"A": 101}), odds({"A": "150%"}), odds({"A": -1})] == [None] * 3


def test_the_reader_says_what_it_reads():
    for multi_label, scale in ((False, Scale.LOG_PROBABILITY), (True, Scale.LOG_ODDS)):
        reader = VerbalReader(CODES, NAMES, multi_label=multi_label)
        assert (reader.method, reader.scale) == (Method.VERBAL, scale)


def test_hundreds_of_labels_can_be_scored():
    """Their object is long, and still an answer."""
    codes = [f"{number:03}" for number in range(500)]
    reader = VerbalReader(codes, [f"L{code}" for code in codes], multi_label=False)
    equal = ChatReply(json.dumps(dict.fromkeys(codes, 0.25), indent=4))
    assert reader.read(equal) == pytest.approx([-log(500)] * 500)


@given(st.permutations(range(3)), st.lists(st.floats(0.0, 1e300), min_size=3, max_size=3).filter(any))
def test_another_order_of_labels_is_the_same_answer(order, scores):
    """Codes travel with their names; and probabilities add up to 1."""
    answer = dict(zip(CODES, scores, strict=True))
    moved = VerbalReader([CODES[k] for k in order], [NAMES[k] for k in order], multi_label=False)
    found = probabilities(answer)
    assert list(map(exp, moved.read(ChatReply(json.dumps(answer))))) == pytest.approx([found[k] for k in order])
    assert sum(found) == pytest.approx(1.0)


def test_the_schema_lists_every_code_and_nothing_else():
    """Strict modes demand that all properties are required."""
    schema = verbal_schema(CODES, most_properties=3)
    assert schema["properties"] == {code: {"type": "number"} for code in CODES}
    assert (schema["required"], schema["additionalProperties"]) == (CODES, False)


def test_more_labels_than_a_provider_allows_have_no_schema():
    """The prompt alone asks for the object then."""
    assert verbal_schema(CODES, most_properties=2) is None
