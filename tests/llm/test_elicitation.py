import json
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.llm.chat import ChatReply, TokenLogprob
from textclassify.llm.elicitation import label_logprobs, parse_label, parse_labels, parse_scores

CODES = ["A", "B", "C", "D"]
NAMES = ["world", "sports", "business", "sci/tech"]
ANYTHING = (
    st.text(max_size=60)
    | st.text("ABCD,.:;()[]{}\"' \nabeilnoprstuw", max_size=40)
    | st.lists(
        st.sampled_from([*CODES, *NAMES, "not", "or", "The answer is", "{", "}", '"label":', ",", ".", "\n"]),
        max_size=7,
    ).map(" ".join)
)


@pytest.mark.parametrize(
    "answer",
    ["B", "b", " B.", "(B)", "**B**", "`B`", "B) sports", "B: Sports", "[B] sports", "Sports.", '"SPORTS"',
     "\u201csports\u201d",
     "The answer is B.", "Answer: b", "Final answer:\n\nB", "Category: **B** - because", "The label is sports!",
     "Sports\n\nThis is about football.", '{"label": "B"}', '{"label": "sports", "reason": "not business"}',
     '```json\n{"category": "Sports"}\n```', '{"topic": "sports", "confidence": 0.9}', 'Here: {"label": "B"}',
     "<think>world? No, sports.</think>\nB", "\uff22", '["B"]', "A sports article"],
)  # fmt: skip
def test_a_label_is_understood_however_it_is_dressed(answer):
    """Each form was seen from some model; refusing it would waste a paid answer."""
    assert parse_label(answer, CODES, NAMES) == 1


@pytest.mark.parametrize(
    "answer",
    ["", "  ", "E", "none of the above", "sports or business", "sports, business", "A, B", "A) sports", "not sports",
     "It isn't sports", "I can't help with that", "The answer is a tricky one", "sportsmanship", "<think>sports",
     '{"label": "sports", "label": "world"}', '{"label": ["A", "B"]}', '{"label": null}', '{"label": 1}', "{}", "[]",
     'Business, so {"label": "B"}', '{"label": "spo', "sports " * 3000, "[" * 3000, "\x00\ufffd{{{[strops", "-", "3"],
)  # fmt: skip
def test_an_unclear_answer_is_no_label(answer):
    """A wrong label looks like any other and is never found again."""
    assert parse_label(answer, CODES, NAMES) is None


def test_a_negation_inside_a_label_is_part_of_its_name():
    """Spam filters have labels like these."""
    names = ["spam", "not spam"]
    assert [parse_label(a, ["1", "2"], names) for a in ("This is not spam.", "spam!", "2", "Not-Spam")] == [1, 0, 1, 1]


def test_numbers_are_labels_only_where_they_answer():
    """Integer labels must not be found in every sentence with a number."""
    names = [0, 1, 2]
    codes = ["0", "1", "2"]
    answers = ["1", "Label: 2", "I found 1 reason", "1. The text is about", "**0**"]
    assert [parse_label(a, codes, [str(n) for n in names]) for a in answers] == [1, 2, None, 1, 0]


def test_names_that_differ_in_punctuation_or_case_stay_apart():
    """Exact spelling wins; anything looser is ambiguous and so no answer."""
    names = ["C", "C++", "C#", "us", "US"]
    codes = ["1", "2", "3", "4", "5"]
    assert [parse_label(a, codes, names) for a in ("C++", "C#", "C", "us", "US", "c", "Us")] == [
        1,
        2,
        0,
        3,
        4,
        None,
        None,
    ]


def test_a_code_wins_over_another_labels_name():
    """The prompt asked for codes."""
    assert parse_label("B", ["A", "B"], ["B", "A"]) == 1


def test_an_answer_cut_off_inside_a_longer_label_is_no_label():
    """'business' may be the beginning of 'business travel'."""
    names = ["business", "business travel"]
    assert parse_label("business", ["A", "B"], names) == 0
    assert parse_label("business", ["A", "B"], names, cut_off=True) is None
    assert parse_label("A", ["A", "B"], names, cut_off=True) == 0


def names_it(answer, label):
    plain = unicodedata.normalize("NFKC", answer).casefold()
    return CODES[label].casefold() in plain or NAMES[label] in plain


@given(ANYTHING)
def test_a_label_that_is_found_is_there(answer):
    """Whatever comes, there is no default."""
    found = parse_label(answer, CODES, NAMES)
    if found is not None:
        assert names_it(answer, found)


@given(
    st.sampled_from(range(4)),
    st.sampled_from(range(4)),
    st.sampled_from(["{}, {}", "{} or {}", "{}\n{}", '["{}", "{}"]']),
)
def test_two_labels_are_never_one(first, second, form):
    """Taking the first would be a guess."""
    answer = form.format(NAMES[first], NAMES[second])
    assert parse_label(answer, CODES, NAMES) == (first if first == second else None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("A, C", (0, 2)), ("sports", (1,)), ("B\nA", (0, 1)), ("- world\n- sports", (0, 1)), ("world and sports", (0, 1)),
     ('["A", "Business"]', (0, 2)), ('{"labels": ["D"]}', (3,)), ('{"A": true, "B": false, "C": 1}', (0, 2)),
     ("Labels: A; D", (0, 3)), ("A) world, B) sports", (0, 1)), ("none", ()), ("None.", ()), ("[]", ()),
     ('{"labels": []}', ()), ('{"A": false}', ()), ("none of these", ())],
)  # fmt: skip
def test_lists_of_labels_are_understood(answer, expected):
    """An empty list is an answer as well."""
    assert parse_labels(answer, CODES, NAMES) == expected


@pytest.mark.parametrize(
    "answer", ["", "A, maybe", "none, A", "{}", '["A", 3]', '{"x": true}', '{"A": 0.5}', "I cannot say"]
)
def test_an_unclear_list_is_no_answer(answer):
    """A label left out in silence is a wrong answer."""
    assert parse_labels(answer, CODES, NAMES) is None


def test_a_label_called_none_is_a_label():
    """Data sets have one."""
    assert parse_labels("none", ["A", "B"], ["none", "joy"]) == (0,)


@given(ANYTHING)
def test_labels_that_are_found_are_there(answer):
    """As for a single label."""
    for found in parse_labels(answer, CODES, NAMES) or ():
        assert names_it(answer, found)


def test_verbal_scores_become_probabilities():
    """Codes or names, percentages or shares, wrapped or not."""
    expected = [0.1, 0.2, 0.3, 0.4]
    for answer in (
        '{"A": 10, "B": 20, "C": 30, "D": 40}',
        '{"scores": {"World": 0.1, "b": 0.2, "C": 0.3, "sci/tech": 0.4}}',
    ):
        np.testing.assert_allclose(parse_scores(answer, CODES, NAMES), expected)
    multi = parse_scores('{"A": 1, "B": 0.9, "C": 0, "D": 0.5}', CODES, NAMES, multi_label=True)
    np.testing.assert_allclose(multi, [1, 0.9, 0, 0.5])


@pytest.mark.parametrize(
    "answer",
    ['{"A": 1, "B": 2, "C": 3}', '{"A": 1, "B": 2, "C": 3, "D": -1}', '{"A": NaN, "B": 2, "C": 3, "D": 4}',
     '{"A": 1e999, "B": 2, "C": 3, "D": 4}', '{"A": "1", "B": 2, "C": 3, "D": 4}',
     '{"A": true, "B": 2, "C": 3, "D": 4}',
     '{"A": 0, "B": 0, "C": 0, "D": 0}', '{"A": 1, "A": 2, "B": 2, "C": 3, "D": 4}',
     '{"A": 1, "world": 1, "B": 2, "C": 3, "D": 4}',
     '{"A": 1, "B": 2, "C": 3, "D": 4, "other": 5}', '{"A": 1, "B": 2, "C": 3, "D"', "[1, 2, 3, 4]", "A", "",
     '{"A": ' + "9" * 400 + ', "B": 2, "C": 3, "D": 4}'],
)  # fmt: skip
def test_scores_that_are_not_all_usable_are_no_answer(answer):
    """A missing or nonsensical score must not become a zero."""
    assert parse_scores(answer, CODES, NAMES) is None


@given(st.dictionaries(st.sampled_from([*CODES, "x"]), st.floats() | st.integers() | st.none() | st.text()))
def test_scores_that_are_found_are_a_distribution(given_scores):
    """Whatever comes, nothing that is found is NaN, negative or unnormalised."""
    found = parse_scores(json.dumps(given_scores), CODES, NAMES)
    if found is not None:
        assert (found >= 0).all()
        assert math.isclose(found.sum(), 1.0, rel_tol=1e-6)


def replying(alternatives, token="A", before=()):
    first = TokenLogprob(token, alternatives.get(token, -0.1), tuple(alternatives.items()))
    return ChatReply(token, logprobs=(*before, first))


def test_logprobs_are_read_over_all_codes():
    """Variants of one code add up; what is not listed gets no more than is left."""
    reply = replying({"A": math.log(0.6), " A": math.log(0.1), "B": math.log(0.2), "The": math.log(0.06)})

    probabilities = np.exp(label_logprobs(reply, CODES))

    np.testing.assert_allclose(probabilities[:2] / probabilities[1], [3.5, 1.0])
    np.testing.assert_allclose(probabilities.sum(), 1.0)
    np.testing.assert_allclose(probabilities[2:] / probabilities[1], [0.1, 0.1])  # half of the 0.04 left, each


def test_a_leading_quote_or_space_is_skipped():
    """Some tokenizers write it as a token of its own."""
    reply = replying({"A": -0.5, "B": -1.0}, before=[TokenLogprob(' "', -0.1, ((' "', -0.1), ("A", -3.0)))])
    assert label_logprobs(reply, CODES).argmax() == 0


@pytest.mark.parametrize(
    "alternatives",
    [{}, {"A": 0.0}, {"A": 0.0, "B": 0.0}, {"A": -9999.0, "B": -9999.0}, {"A": 0.0, "B": -9999.0},
     {"A": -0.1, "B": -0.2},
     {"A": math.nan, "B": -1.0}, {"A": math.inf, "B": -1.0}, {"A": 0.01, "B": -9.0}, {"The": -0.1, "A": -3.0}],
)  # fmt: skip
def test_logprobs_that_make_no_sense_are_none(alternatives):
    """Servers that cannot give them often send zeros instead."""
    assert label_logprobs(replying(alternatives, token=next(iter(alternatives), "A")), CODES) is None


def test_no_logprobs_are_none_and_so_are_codes_that_share_a_token():
    """With codes 1 and 10, the token 1 says nothing."""
    assert label_logprobs(ChatReply("A"), CODES) is None
    assert label_logprobs(replying({"1": -0.2, "2": -2.0}, token="1"), ["1", "2", "10"]) is None


@given(st.dictionaries(st.text(max_size=3), st.floats(max_value=0.0) | st.just(-9999.0), max_size=6))
def test_logprobs_that_are_found_are_a_distribution(alternatives):
    """Whatever comes, nothing infinite reaches the scores."""
    found = label_logprobs(replying(alternatives), CODES)
    if found is not None:
        assert np.isfinite(found).all()
        assert math.isclose(np.exp(found).sum(), 1.0, rel_tol=1e-6)
