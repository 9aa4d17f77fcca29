"""How rows were chosen travels with them, and rows that a ranking picked judge nothing."""

import numpy as np
import pandas as pd
import pytest

from textclassify.core.dataset import content_hash, labelled_data, texts_of, training_data
from textclassify.core.splits import honest_part, split
from textclassify.core.types import TrainingData
from textclassify.errors import DataError

TABLE = {"text": ["p q", "r s", "t u"], "label": ["x", "y", "x"], "chosen_by": ["random", "ranking", "random"]}


def chosen(*ways):
    """Rows that were chosen so, of two labels in turn."""
    rows = range(len(ways))
    return TrainingData([f"text {row}" for row in rows], [row % 2 for row in rows], chosen_by=np.array(ways))


def test_without_the_column_every_row_is_honest():
    """The usual data set says nothing, and works as ever."""
    data = TrainingData(["s", "t"], ["a", "b"])

    assert data.chosen_by is None
    assert data.honest_rows.all()
    assert data.selection_note == ""


@pytest.mark.parametrize(
    ("ways", "honest"),
    [
        (["random", "ranking", "unknown"], [True, False, False]),
        (["unknown", "ranking", "unknown"], [True, False, True]),
        (["unknown", "unknown", ""], [True, True, True]),
        (["ranking", "ranking", "ranking"], [False, False, False]),
    ],
)
def test_rows_drawn_at_random_judge_and_unknown_ones_only_where_there_are_none(ways, honest):
    """A file whose older rows say nothing must not lose them; one that says what is random is taken at its word."""
    assert chosen(*ways).honest_rows.tolist() == honest


def test_the_note_counts_the_rows_that_only_train_and_names_the_remedy():
    """Somebody whose thousand rows stop calibrating has to learn why."""
    note = chosen("random", "ranking", "unknown", "unknown").selection_note

    assert "1 rows were chosen by ranking" in note
    assert "of 2 nobody knows how they were chosen (write random if it was at random)" in note
    assert "1 of 4 rows calibrate and evaluate" in note


@pytest.mark.parametrize(
    ("ways", "message"),
    [
        (["random", "by hand"], "chosen_by in row 1 is 'by hand'; known: random, ranking, unknown"),
        (["random", "Rankng"], "did you mean 'ranking'"),
        (["random"], "2 texts but 1 values of chosen_by"),
    ],
)
def test_other_values_are_refused_by_name(ways, message):
    """A column of that name may hold something else."""
    with pytest.raises(DataError, match=message):
        TrainingData(["s", "t"], ["a", "b"], chosen_by=ways)


def test_it_is_taken_along_with_the_rows():
    """A fold that forgot it would calibrate on the hardest rows."""
    assert chosen("random", "ranking", "unknown").take([2, 1]).chosen_by.tolist() == ["unknown", "ranking"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_files_keep_it_and_an_empty_cell_is_unknown(suffix, tmp_path):
    """It has to survive the file that a person filled in; it is neither the text nor a label."""
    frame = pd.DataFrame(TABLE | {"chosen_by": ["random", "ranking", None]})
    path = tmp_path / f"rows.{suffix}"
    write = {"csv": frame.to_csv, "parquet": frame.to_parquet}
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        write[suffix](path, index=False)

    data = training_data(path)

    assert data.chosen_by.tolist() == ["random", "ranking", "unknown"]
    assert data.schema.names == ("x", "y")
    assert texts_of(path) == TABLE["text"]


def test_an_argument_goes_before_the_column_and_the_column_serves_labels_from_elsewhere():
    """As for groups and weights."""
    given = ["unknown", "random", "random"]

    assert labelled_data(TABLE, chosen_by=given).chosen_by.tolist() == given
    assert labelled_data(TABLE, ["a", "b", "c"]).chosen_by.tolist() == TABLE["chosen_by"]
    assert labelled_data(TABLE["text"], ["a", "b", "c"], chosen_by=given).chosen_by.tolist() == given
    assert labelled_data(training_data(TABLE), chosen_by=given).chosen_by.tolist() == given


def test_a_column_that_was_named_something_else_is_not_taken():
    """The user's word counts more than a name."""
    data = labelled_data({"chosen_by": ["ann", "bob"], "text": ["s", "t"], "label": [0, 1]}, group_column="chosen_by")

    assert data.chosen_by is None
    assert data.groups == ["ann", "bob"]


def test_it_is_no_part_of_the_content():
    """Texts and labels are what two data sets are compared by."""
    assert content_hash(chosen("random", "ranking")) == content_hash(chosen("unknown", "unknown"))


def test_a_split_holds_out_honest_rows_only_and_trains_on_the_rest():
    """A test on rows that were picked for being hard tells nothing of the others."""
    training, test = split(chosen(*["random", "ranking"] * 50), 0.2)

    assert set(test.chosen_by) == {"random"}
    assert len(test) == 10
    assert (training.chosen_by == "ranking").sum() == 50


def test_a_picked_row_does_not_train_where_its_group_is_held_out():
    """The rest of the group is the test."""
    data = chosen(*["random", "ranking"] * 40)
    data = TrainingData(data.texts, data.labels, groups=[row // 4 for row in range(80)], chosen_by=data.chosen_by)

    training, test = split(data, 0.25)

    assert set(test.chosen_by) == {"random"}
    assert not set(training.groups) & set(test.groups)


def test_the_honest_part_says_what_it_leaves_out():
    """Nothing disappears from an evaluation without a word."""
    data, note = honest_part(chosen("random", "ranking", "random"))

    assert data.texts == ["text 0", "text 2"]
    assert note == "1 of 3 rows were not drawn at random (chosen_by) and are left out"
    assert honest_part(TrainingData(["s", "t"], ["a", "b"]))[1] == ""


def test_rows_that_were_all_picked_measure_nothing():
    """Better no figure than a wrong one."""
    for judged in (honest_part, split):
        with pytest.raises(DataError, match="all 2 rows were chosen by ranking"):
            judged(chosen("ranking", "ranking"))
