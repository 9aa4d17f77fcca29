import time

import pytest

from textclassify.llm.reading.label_reader import LabelReader, visible


def test_an_endless_answer_takes_no_time():
    """5 MB of prose, or of opened quotes, must not stall a worker."""
    reader = LabelReader(["A", "B"], ["world", "sports"])
    started = time.monotonic()

    for text in ("x" * 5_000_000, "<think>" * 700_000, "\"'`*_(" * 800_000, "answer: " * 400_000):
        assert reader.labels_in(visible(text)) == set()
    for text in ("\"'`*_([" * 500, "answer is " * 400, "A: " * 1300, "n't " * 1000, "{" * 3900):
        reader.labels_in(visible(text))

    assert time.monotonic() - started < 2.0


def test_an_item_longer_than_any_label_names_none():
    """Folding it would take a second per megabyte, and marks that combine take minutes."""
    reader = LabelReader(["A", "B"], ["world", "sports"])
    started = time.monotonic()
    assert reader.exactly("a" + "\u0316\u0300" * 1_000_000) is None
    assert time.monotonic() - started < 0.5
    assert reader.exactly("A) world" + "." * 20) == 0


@pytest.mark.parametrize(
    ("answer", "place"),
    [("B", 0), ("(b)", 1), ("The answer is B.", 14), ('{"label": "B"}', 11), ("A sports article", 2), ("**SPORTS**", 2),
     ("B) sports", 0), ("It is sci-fi", None), ("sportsman", None), ("\u0130 sports", 2)],
)  # fmt: skip
def test_a_label_is_placed_where_it_is_written(answer, place):
    """The log-probabilities of its first token are those of the labels; an article "A" is no code."""
    assert LabelReader(["A", "B"], ["world", "sports"]).place(answer, 1) == place


def test_a_name_that_is_written_differently_is_placed_at_its_first_word():
    """Hyphens, spaces and underscores are one, so the whole name may not be there as it is."""
    assert LabelReader(["A"], ["sci fi"]).place("Topic: Sci-Fi", 0) == 7


def test_codes_and_names_must_fit_together():
    """Positions would be meaningless otherwise."""
    with pytest.raises(ValueError, match="2 label codes for 1 label names"):
        LabelReader(["A", "B"], ["world"])
