"""Rows, examples and kept answers of the benchmark of retrieval-augmented classification."""

import numpy as np
import pandas as pd
import pytest

from textclassify.core.labels import LabelSchema
from textclassify.testing import FixedClassifier


@pytest.fixture
def rows(rac):
    data = rac("rac_data")
    schema = LabelSchema.of({"a": "first", "b": "second", "c": "third", "d": "fourth"})
    return data.Rows(schema, [f"text {row}" for row in range(12)], np.arange(12) % 4)


def test_labels_that_are_held_out_leave_their_rows_outside(rac, rows):
    """Those rows are what abstention is to detect; the others keep their labels under new codes."""
    data = rac("rac_data")

    reduced = data.without_labels(rows, 0.25, seed=1)

    assert len(reduced.schema) == 3
    assert (reduced.gold == data.OUTSIDE).sum() == 3
    for before, after in zip(rows.gold, reduced.gold, strict=True):
        if after != data.OUTSIDE:
            assert reduced.schema.names[after] == rows.schema.names[before]
            assert reduced.schema.descriptions[reduced.schema.names[after]]


def test_examples_never_say_what_a_test_row_says(rac, rows):
    """A test text among the examples would be answered by heart."""
    data = rac("rac_data")
    train = data.Rows(rows.schema, ["TEXT 0", "new 0", "new  0", "new 1", "other"], np.array([0, 0, 0, 0, 1]))

    found = data.drawn_examples(train, 5, 0, unlike=rows)

    assert "TEXT 0" not in found["a"]
    assert len(found["a"]) == 2
    assert found["b"] == ["other"]
    assert found["c"] == []


def test_a_data_set_with_several_labels_a_text_becomes_an_indicator(rac, tmp_path):
    """Blank texts are left out, and the same seed draws the same rows."""
    folder = tmp_path / "made_up"
    folder.mkdir()
    (folder / "card.json").write_text('{"labels": ["x", "y"]}')
    frame = pd.DataFrame({"text": ["one", " ", "two", "three"], "labels": [["x"], ["y"], ["x", "y"], []]})
    frame.to_parquet(folder / "test.parquet")
    read = rac("rac_data").read_rows

    found = read("made_up", "test", str(tmp_path))
    drawn = [read("made_up", "test", str(tmp_path), rows=2, seed=3).texts for _ in range(2)]

    assert found.gold.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert drawn[0] == drawn[1]


def test_answers_that_are_kept_are_not_asked_for_again(rac, rows, tmp_path):
    """A language model takes minutes for a piece; an interrupted run goes on where it stopped."""
    module = rac("rac_llm")
    made = []

    def make():
        made.append(FixedClassifier({}, rows.schema, default=[0.7, 0.1, 0.1, 0.1]))
        return made[-1]

    first = module.answers_of(rows, make, tmp_path / "fixed", str)
    second = module.answers_of(rows, make, tmp_path / "fixed", str)

    assert len(made) == 1
    assert made[0].asked == rows.texts
    assert np.array_equal(first.values, second.values)
    assert module.answers_of(rows, None, tmp_path / "nobody", str) is None


def test_answers_about_other_texts_are_refused(rac, rows, tmp_path):
    """Another draw of rows in the same folder would be compared with the wrong gold labels."""
    module = rac("rac_llm")
    make = lambda: FixedClassifier({}, rows.schema, default=[0.7, 0.1, 0.1, 0.1])  # noqa: E731

    module.answers_of(rows, make, tmp_path / "fixed", str)

    with pytest.raises(SystemExit, match="other texts"):
        module.answers_of(rows.take(np.arange(11, -1, -1)), make, tmp_path / "fixed", str)


def test_a_row_without_an_answer_counts_as_wrong_and_lowers_the_coverage(rac, rows):
    """Abstaining must not raise the accuracy over all; it shows in the precision."""
    module = rac("rac_llm")
    values = np.log(np.eye(4)[rows.gold] * 0.6 + 0.1).astype(np.float32)
    codes = np.where(np.arange(12) < 3, -1, rows.gold)
    answers = module.Answers(values, codes, np.full(12, 5), np.zeros(12, np.uint8), 1.0)

    found = module.report(rows, {module.RETRIEVAL: answers})["systems"][module.RETRIEVAL]

    assert found["accuracy"][0] == pytest.approx(9 / 12)
    assert found["coverage"][0] == pytest.approx(9 / 12)
    assert found["precision"][0] == 1.0
    assert found["accuracy_without_abstention"][0] == 1.0
    assert found["calls_per_text"] == 5.0


def test_abstention_counts_both_what_nothing_fits_and_what_a_threshold_takes_back(rac):
    """Detected are rows of no label that get none; false alarms are rows of a label that get none."""
    gold = np.array([-1, -1, -1, 0, 1])
    codes = np.array([-1, 0, 1, 0, 0])
    withheld = np.array([False, True, False, False, True])

    found = rac("rac_scope").abstention(gold, codes, withheld)

    assert found["detected"][0] == pytest.approx(2 / 3)
    assert found["false_alarms"][0] == pytest.approx(1 / 2)
    assert found["right_where_labelled"][0] == pytest.approx(1 / 2)
