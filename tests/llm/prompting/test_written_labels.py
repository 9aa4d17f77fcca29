"""Label codes: short, unambiguous, and never another label's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.labels import LabelSchema
from textclassify.errors import LabelError
from textclassify.llm.prompting.written_labels import WrittenLabels, codes_for, label_codes
from textclassify.llm.reading.elicitation import named_label, named_labels
from textclassify.llm.reading.label_reader import LabelReader

TOPICS = LabelSchema(("world_news", "sport"), {"sport": "matches and\n teams"})
TAGS = LabelSchema(("late", "broken", "praise"), {"late": "not here yet"}, multi_label=True)


@given(st.integers(1, 1200))
def test_codes_are_unique_and_none_begins_another(n):
    """A model's first token must not leave open which of two labels is meant."""
    codes = label_codes(n)

    assert len(codes) == len(set(codes)) == n
    assert len({len(code) for code in codes}) == 1


@pytest.mark.parametrize(
    ("n", "first", "last"),
    [(2, "A", "B"), (26, "A", "Z"), (27, "01", "27"), (150, "001", "150"), (2000, "0001", "2000")],
)
def test_codes_are_letters_and_then_numbers(n, first, last):
    """One letter is one token; from 27 labels on, numbers of one width."""
    assert (label_codes(n)[0], label_codes(n)[-1]) == (first, last)


@pytest.mark.parametrize(
    "names",
    [["B", "A"], ["yes", "b.", "A"], ["(c)", "x", "y"], list(map(str, range(30))), [f"{n:02}" for n in range(99)]],
)
def test_a_label_that_is_named_like_a_code_has_that_code(names):
    """Otherwise the answer "B" would mean one label as a code and another one as a name."""
    codes = codes_for(names)
    reader = LabelReader(codes, names)

    assert sorted(codes) == sorted(label_codes(len(names)))
    for position, name in enumerate(names):
        assert named_label(codes[position], reader) == position
        assert named_label(name, reader) in {position, None}


@given(st.lists(st.sampled_from(["A", "B", "b", "C", "1", "01", "2", "yes", "d)", "none"]), unique=True, min_size=1))
def test_every_label_has_a_code_of_its_own_whatever_the_names(names):
    """Names that read alike cannot all have the code."""
    assert sorted(codes_for(names)) == sorted(label_codes(len(names)))


def test_ordinary_names_get_the_codes_in_order():
    assert codes_for(["sports", "business", "world"]) == ("A", "B", "C")


def test_labels_are_listed_one_line_each():
    """A description of two lines could look like a label of its own."""
    written = WrittenLabels(TOPICS)

    assert written.lines == "A: world news\nB: sport: matches and teams"
    assert written.names == ("world news", "sport")


def test_a_gold_label_is_written_as_the_answer_that_is_asked_for():
    """What examples show must be what the reader understands."""
    written = WrittenLabels(TAGS)

    assert WrittenLabels(TOPICS).answer("sport") == "B"
    assert [written.answer(label) for label in (["praise", "late"], [])] == ["C, A", "none"]


def test_a_label_called_none_leaves_another_word_for_no_label():
    """Otherwise the answer for no label would be read as that label."""
    written = WrittenLabels(LabelSchema(("None", "no label", "joy"), multi_label=True))

    assert written.no_label == "none of these"
    reader = LabelReader(written.codes, written.names)
    assert named_labels(written.no_label, reader) == ()
    assert named_labels("none", reader) == (0,)


def test_an_example_with_a_label_of_another_schema_is_an_error_that_says_so():
    """Labels can be changed after fitting."""
    with pytest.raises(LabelError, match=r"'weather'.*fit again"):
        WrittenLabels(TOPICS).answer("weather")
    with pytest.raises(LabelError, match="fit again"):
        WrittenLabels(TOPICS).answer(["sport"])


@pytest.mark.parametrize(
    ("n", "expected"), [(3, ": A, B, C."), (30, "28, 29, 30."), (31, ": 01 to 31, all digits."), (2000, "0001 to 2000")]
)
def test_what_counts_is_said_by_codes_alone_and_shortly(n, expected):
    """A name in the notice could be repeated as the answer; two thousand codes cost as much as the question."""
    for multi_label in (False, True):
        written = WrittenLabels(LabelSchema(tuple(f"name {k}" for k in range(n)), multi_label=multi_label))
        for notice in (written.notice, written.scores_notice):
            assert expected in notice
            assert "name" not in notice
            assert len(notice) < 320
