import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.llm.reading.elicitation import named_label, named_labels
from textclassify.llm.reading.label_reader import LabelReader

CODES = ["A", "B", "C", "D"]
NAMES = ["world", "sports", "business", "sci/tech"]
READER = LabelReader(CODES, NAMES)
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
    assert named_label(answer, READER) == 1


@pytest.mark.parametrize(
    "answer",
    ["", "  ", "E", "none of the above", "sports or business", "sports, business", "A, B", "A) sports", "not sports",
     "It isn't sports", "I can't help with that", "The answer is a tricky one", "sportsmanship", "<think>sports",
     '{"label": "sports", "label": "world"}', '{"label": ["A", "B"]}', '{"label": null}', '{"label": 1}', "{}", "[]",
     'Business, so {"label": "B"}', '{"label": "spo', "sports " * 3000, "[" * 3000, "\x00\ufffd{{{[strops", "-", "3"],
)  # fmt: skip
def test_an_unclear_answer_is_no_label(answer):
    """A wrong label looks like any other and is never found again."""
    assert named_label(answer, READER) is None


def test_a_negation_inside_a_label_is_part_of_its_name():
    """Spam filters have labels like these."""
    spam = LabelReader(["1", "2"], ["spam", "not spam"])
    assert [named_label(a, spam) for a in ("This is not spam.", "spam!", "2", "Not-Spam")] == [1, 0, 1, 1]


def test_numbers_are_labels_only_where_they_answer():
    """Integer labels must not be found in every sentence with a number."""
    numbers = LabelReader(["0", "1", "2"], ["0", "1", "2"])
    answers = ["1", "Label: 2", "I found 1 reason", "1. The text is about", "**0**"]
    assert [named_label(a, numbers) for a in answers] == [1, 2, None, 1, 0]


def test_names_that_differ_in_punctuation_or_case_stay_apart():
    """Exact spelling wins; anything looser is ambiguous and so no answer."""
    alike = LabelReader(["1", "2", "3", "4", "5"], ["C", "C++", "C#", "us", "US"])
    answers = ("C++", "C#", "C", "us", "US", "c", "Us")
    assert [named_label(a, alike) for a in answers] == [1, 2, 0, 3, 4, None, None]


def test_a_label_as_it_is_written_is_that_label():
    """The ligature and the two letters are one text to a reader that folds them, and two labels to the user."""
    names = ["\ufb01", "fi"]
    ligature = LabelReader(["A", "B"], names)
    assert [named_label(name, ligature) for name in names] == [0, 1]
    assert [named_labels(name, ligature) for name in names] == [(0,), (1,)]


def test_a_code_wins_over_another_labels_name():
    """The prompt asked for codes."""
    assert named_label("B", LabelReader(["A", "B"], ["B", "A"])) == 1


def test_an_answer_cut_off_inside_a_longer_label_is_no_label():
    """'business' may be the beginning of 'business travel'."""
    reader = LabelReader(["A", "B"], ["business", "business travel"])
    assert named_label("business", reader) == 0
    assert named_label("business", reader, cut_off=True) is None
    assert named_label("A", reader, cut_off=True) == 0


def names_it(answer, label):
    plain = unicodedata.normalize("NFKC", answer).casefold()
    return CODES[label].casefold() in plain or NAMES[label] in plain


@given(ANYTHING)
def test_a_label_that_is_found_is_there(answer):
    """Whatever comes, there is no default."""
    found = named_label(answer, READER)
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
    assert named_label(answer, READER) == (first if first == second else None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("A, C", (0, 2)), ("sports", (1,)), ("B\nA", (0, 1)), ("- world\n- sports", (0, 1)), ("world and sports", (0, 1)),
     ('["A", "Business"]', (0, 2)), ('{"labels": ["D"]}', (3,)), ('{"A": true, "B": false, "C": 1}', (0, 2)),
     ("Labels: A; D", (0, 3)), ("A) world, B) sports", (0, 1)), ("none", ()), ("None.", ()), ("[]", ()),
     ('{"labels": []}', ()), ('{"A": false}', ()), ("none of these", ())],
)  # fmt: skip
def test_lists_of_labels_are_understood(answer, expected):
    """An empty list is an answer as well."""
    assert named_labels(answer, READER) == expected


@pytest.mark.parametrize(
    "answer", ["", "A, maybe", "none, A", "{}", '["A", 3]', '{"x": true}', '{"A": 0.5}', "I cannot say"]
)
def test_an_unclear_list_is_no_answer(answer):
    """A label left out in silence is a wrong answer."""
    assert named_labels(answer, READER) is None


def test_a_label_called_none_is_a_label():
    """Data sets have one."""
    assert named_labels("none", LabelReader(["A", "B"], ["none", "joy"])) == (0,)


@given(ANYTHING)
def test_labels_that_are_found_are_there(answer):
    """As for a single label."""
    for found in named_labels(answer, READER) or ():
        assert names_it(answer, found)
