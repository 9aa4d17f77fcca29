import time

import pytest

from textclassify.llm.label_reader import LabelReader, label_reader, visible


def test_an_endless_answer_takes_no_time():
    """5 MB of prose, or of opened quotes, must not stall a worker."""
    reader = LabelReader(["A", "B"], ["world", "sports"])
    started = time.monotonic()

    for text in ("x" * 5_000_000, "<think>" * 700_000, "\"'`*_(" * 800_000, "answer: " * 400_000):
        assert reader.labels_in(visible(text)) == set()
    for text in ("\"'`*_([" * 500, "answer is " * 400, "A: " * 1300, "n't " * 1000, "{" * 3900):
        reader.labels_in(visible(text))

    assert time.monotonic() - started < 2.0


def test_codes_and_names_must_fit_together():
    """Positions would be meaningless otherwise."""
    with pytest.raises(ValueError, match="2 label codes for 1 label names"):
        LabelReader(["A", "B"], ["world"])


def test_a_schemas_tables_are_made_once():
    """They are needed for every row."""
    assert label_reader(("A",), ("x",)) is label_reader(("A",), ("x",))
