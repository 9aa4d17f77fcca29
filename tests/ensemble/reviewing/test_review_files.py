"""A file goes out with an empty column and comes back with what a person wrote."""

import json

import numpy as np
import pandas as pd
import pytest

from textclassify import LabelSchema, Scores, TrainingData
from textclassify.ensemble.review import label_errors, rows_to_label
from textclassify.ensemble.reviewing.review_files import read_review_file, with_reviewed, write_review_file
from textclassify.errors import ConfigError, DataError, LabelError, StorageError

SCHEMA = LabelSchema(("news", "sports"))
TOPICS = LabelSchema(("corn", "earn", "grain"), multi_label=True)
SUFFIXES = ["csv", "jsonl", "parquet"]


def to_label(n=20, share=0.2):
    shares = np.linspace(0.4, 0.9, n)
    scores = Scores.from_probabilities(np.column_stack([shares, 1 - shares]), SCHEMA.names)
    return rows_to_label(scores, [f"text {row}, with a comma" for row in range(n)], random_share=share)


def filled(path, labels):
    """Write labels into the file's first rows, as a person would with a spreadsheet or an editor."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row, label in zip(rows, labels, strict=False):
            row["label"] = label
        path.write_text("\n".join(map(json.dumps, rows)))
        return path
    frame = pd.read_csv(path, dtype=object) if path.suffix == ".csv" else pd.read_parquet(path)
    frame["label"] = [*labels, *[None] * (len(frame) - len(labels))]
    (frame.to_csv if path.suffix == ".csv" else frame.to_parquet)(path, index=False)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_filled_in_comes_back_with_how_it_was_chosen(suffix, tmp_path):
    """Rows without a label are left out; nothing else changes."""
    path, table = tmp_path / f"review.{suffix}", to_label()
    write_review_file(table, path)

    data = read_review_file(filled(path, ["sports", None, " news ", ""]), SCHEMA)

    assert data.texts == table.text[[0, 2]].tolist()
    assert data.labels == ["sports", "news"]
    assert data.chosen_by.tolist() == table.chosen_by[[0, 2]].tolist()
    assert data.schema == SCHEMA


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_labels_are_joined_by_a_bar_and_none_is_an_answer(suffix, tmp_path):
    """An empty cell is no answer; `[]` is one."""
    path = tmp_path / f"review.{suffix}"
    scores = Scores.from_probabilities(np.full((5, 3), 0.4), TOPICS.names, multi_label=True)
    write_review_file(rows_to_label(scores, list("vwxyz"), random_share=0), path)

    data = read_review_file(filled(path, ["corn|grain", "[]", "earn", None, '["corn", "earn"]']), TOPICS)

    assert data.schema.decode(data.gold) == [["corn", "grain"], [], ["earn"], ["corn", "earn"]]


def test_every_row_says_what_to_write(tmp_path):
    """Sorted or cut, the file explains itself; a line above the header would break its readers."""
    write_review_file(to_label(), tmp_path / "review.csv")

    frame = pd.read_csv(tmp_path / "review.csv")

    assert frame.columns[:3].tolist() == ["row", "text", "label"]
    assert set(frame.instructions) == {"write into label: one of news, sports; empty = skip the row"}
    assert frame.label.isna().all()


def test_the_answer_to_a_random_row_is_not_shown(tmp_path):
    """Whoever sees it agrees with it, and the measurement is worth nothing."""
    write_review_file(to_label(), tmp_path / "review.csv")

    frame = pd.read_csv(tmp_path / "review.csv")

    at_random = frame.chosen_by == "random"
    assert frame[["prediction", "confidence", "score", "uncertainty"]][at_random].isna().all(axis=None)
    assert frame.prediction[~at_random].notna().all()


def test_a_file_that_may_be_filled_in_is_not_overwritten(tmp_path):
    """Days of somebody's work are in it."""
    path = tmp_path / "review.csv"
    write_review_file(to_label(), path)

    with pytest.raises(StorageError, match="may be filled in"):
        write_review_file(to_label(), path)
    write_review_file(to_label(5), path, overwrite=True)
    assert len(pd.read_csv(path)) == 5


def test_an_unknown_label_is_refused_with_its_row(tmp_path):
    """A typing error must not become a label."""
    write_review_file(to_label(), tmp_path / "review.csv")

    with pytest.raises(LabelError, match="unknown label 'sprots' in row 2; did you mean 'sports'"):
        read_review_file(filled(tmp_path / "review.csv", ["news", None, "sprots"]), SCHEMA)


def test_labels_that_are_numbers_come_back_as_numbers(tmp_path):
    """Spreadsheets and JSON readers make them text or 3.0."""
    schema = LabelSchema((1, 3))
    scores = Scores.from_probabilities([[0.5, 0.5]] * 3, schema.names)
    for suffix in SUFFIXES:
        path = tmp_path / f"review.{suffix}"
        write_review_file(rows_to_label(scores, list("xyz"), random_share=0), path)
        assert read_review_file(filled(path, ["3", None, "1"]), schema).labels == [3, 1]


def test_what_is_no_filled_in_review_file_is_refused(tmp_path):
    """With the remedy."""
    write_review_file(to_label(), tmp_path / "review.csv")
    with pytest.raises(DataError, match=r"no row of .* has a label"):
        read_review_file(tmp_path / "review.csv", SCHEMA)
    (tmp_path / "other.csv").write_text("text,topic\na,news\n")
    with pytest.raises(DataError, match="has no column 'label'"):
        read_review_file(tmp_path / "other.csv", SCHEMA)
    (tmp_path / "blank.csv").write_text("text,label\na,\n ,news\n")
    with pytest.raises(DataError, match=r"row 1 of .* has a label and no text"):
        read_review_file(tmp_path / "blank.csv", SCHEMA)


def test_a_file_without_the_choice_is_taken_for_a_ranking(tmp_path):
    """The cautious reading: such rows only train."""
    (tmp_path / "review.csv").write_text("text,label\na,news\nb,sports\n")

    assert set(read_review_file(tmp_path / "review.csv", SCHEMA).chosen_by) == {"ranking"}


def test_what_cannot_be_written_is_refused(tmp_path):
    """Before a person waits for it."""
    scores = Scores.from_probabilities([[0.5, 0.5]], SCHEMA.names)
    with pytest.raises(ConfigError, match="cannot tell the format"):
        write_review_file(to_label(), tmp_path / "review.xlsx")
    with pytest.raises(DataError, match="no column 'text'"):
        write_review_file(rows_to_label(scores), tmp_path / "review.csv")


def test_label_errors_go_out_with_both_answers(tmp_path):
    """A person decides between them."""
    shares = [[0.1, 0.9], *[[0.9, 0.1]] * 20, *[[0.1, 0.9]] * 20]
    table = label_errors(
        Scores.from_probabilities(shares, SCHEMA.names),
        ["news"] * 21 + ["sports"] * 20,
        [f"text {row}" for row in range(41)],
    )
    write_review_file(table, tmp_path / "doubts.csv")

    frame = pd.read_csv(tmp_path / "doubts.csv")

    assert frame[["row", "gold", "suggested", "chosen_by"]].to_numpy().tolist() == [[0, "news", "sports", "ranking"]]


def reviewed(texts, labels, ways=None):
    return TrainingData(texts, labels, schema=SCHEMA, chosen_by=None if ways is None else np.array(ways))


def test_known_texts_are_corrected_and_new_ones_added():
    """The rows that were there stay honest; those of the review are what it says."""
    data = TrainingData(["x", "y", "z"], ["news", "sports", "news"], groups=["g", "g", "h"])

    merged = with_reviewed(data, reviewed(["Y", "new"], ["news", "sports"], ["ranking", "random"]))

    assert merged.texts == ["x", "y", "z", "new"]
    assert merged.schema.decode(merged.gold) == ["news", "news", "news", "sports"]
    assert merged.chosen_by.tolist() == ["random", "ranking", "random", "random"]
    assert merged.groups[3] not in data.groups


def test_several_labels_are_merged_too():
    """As a 0/1 matrix."""
    data = TrainingData(["x", "y"], [["corn"], []], schema=TOPICS)

    merged = with_reviewed(data, TrainingData(["x", "w"], [["earn", "corn"], []], schema=TOPICS))

    assert merged.schema.decode(merged.gold) == [["corn", "earn"], [], []]


def test_a_review_that_contradicts_itself_or_the_schema_is_refused():
    """One text, one label."""
    data = TrainingData(["x", "y"], ["news", "sports"])

    with pytest.raises(DataError, match="gives one text two labels, in its rows 0 and 1: 'X'"):
        with_reviewed(data, reviewed(["x", "X"], ["news", "sports"]))
    with pytest.raises(LabelError, match=r"read it with schema=data\.schema"):
        with_reviewed(data, TrainingData(["x", "y"], ["a", "b"]))
