"""What users are told about their data: counts and an example row, and silence when all is well."""

import numpy as np
import pytest

from textclassify.core.dataset import training_data
from textclassify.core.findings import describe
from textclassify.core.types import TrainingData


def the_only(findings):
    assert len(findings) == 1, findings
    return findings[0]


def test_sound_data_give_no_findings():
    """A warning that always shows is read by nobody."""
    train = training_data(["a", "b", "c", "d"], ["x", "y", "x", "y"])

    assert describe(train, training_data(["e", "f"], ["x", "y"])) == []


def test_duplicates_are_counted():
    """They are kept together when data are split."""
    data = training_data(["same", "b", "same", "c", "same"], ["x", "y", "x", "y", "x"])

    assert the_only(describe(data)).startswith(
        "2 rows repeat the text and the answer of an earlier one, e.g. row 2 those of row 0: 'same'"
    )


def test_conflicting_duplicates_show_both_answers():
    """One of them is wrong, and both are learned from."""
    data = training_data(["same", "b", "same", "c"], ["x", "y", "y", "x"])

    finding = the_only(describe(data))
    assert finding.startswith(
        "1 row repeats the text of an earlier one with another answer, e.g. row 0 ('x') and row 2 ('y')"
    )


def test_repetitions_in_another_writing_are_counted_and_called_so():
    """Case and white space make no new text."""
    data = training_data(["Same text", "b", " same  TEXT", "c"], ["x", "y", "x", "y"])

    assert the_only(describe(data)).startswith(
        "1 row repeats the text and the answer of an earlier one, case and white space aside, e.g. row 2 those of row 0"
    )


def test_overlap_in_another_writing_is_found():
    """A line break at the end of a file's last column hides it from a comparison of exact texts."""
    train = training_data(["a", "b c", "d", "e"], ["x", "y", "x", "y"])

    finding = the_only(describe(train, training_data(["f", "B c\n"], ["x", "y"])))
    assert "e.g. test row 1 that of training row 1" in finding


def test_overlap_of_training_and_test_names_both_rows():
    """Results on texts that were learned by heart are too good."""
    train = training_data(["a", "b", "c", "d"], ["x", "y", "x", "y"])

    finding = the_only(describe(train, training_data(["e", "d"], ["x", "y"])))
    assert finding.startswith(
        "1 of 2 test rows have a text of the training data, e.g. test row 1 that of training row 3: 'd'"
    )


def test_a_label_with_one_row_and_a_label_without_are_named():
    """One cannot be checked, the other not even be learned; both stay in the schema."""
    data = training_data(["a", "b", "c"], ["x", "x", "y"], schema=["x", "y", "z"])

    assert [finding.partition(";")[0] for finding in describe(data)] == [
        "1 label has no row: 'z'",
        "1 label has a single row: 'y', e.g. row 2",
    ]
    assert data.schema.names == ("x", "y", "z")


def test_an_all_zero_label_column_is_reported_and_kept():
    """The label never occurs; columns that vanish silently would shift all others."""
    data = training_data({"text": list("abcd"), "toxic": [1, 0, 1, 0], "spam": [0, 0, 0, 0]})

    findings = describe(data)
    assert findings[0].startswith("1 label has no row: 'spam'")
    assert findings[1].startswith("2 of 4 rows have no label, e.g. row 1")
    assert data.schema.names == ("toxic", "spam")


def test_a_single_class_is_reported():
    """TrainingData may hold it; learning from it is refused elsewhere."""
    assert the_only(describe(TrainingData(["a", "b"], ["x", "x"]))).startswith("every row (2 in all) has the label 'x'")


def test_very_long_texts_name_the_longest():
    """Encoders read the beginning only."""
    data = training_data(["a", "b" * 100_000, "c" * 20_000, "d"], ["x", "x", "y", "y"])

    assert the_only(describe(data)).startswith(
        "2 texts are longer than 10,000 characters, the longest (100,000) in row 1"
    )


def test_label_names_that_differ_only_in_writing_are_reported():
    """'Sports' and 'sports ' are two classes to a computer."""
    data = training_data(["a", "b", "c", "d"], ["Sports", "sports ", "Sports", "sports "])

    assert the_only(describe(data)).startswith("the labels 'Sports' and 'sports ' differ only in writing")


@pytest.mark.parametrize("share_of_duplicates", [0.0, 0.5])
def test_fifty_thousand_rows_are_described_at_once(share_of_duplicates):
    """It runs before every training."""
    numbers = np.arange(50_000) % int(50_000 * (1 - share_of_duplicates))
    data = training_data([f"text {number}" for number in numbers], numbers % 3)

    assert len(describe(data)) == (share_of_duplicates > 0)
