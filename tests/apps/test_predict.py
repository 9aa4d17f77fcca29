"""`textclassify predict`: every row comes out once, in its place."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pandas as pd
import pytest

import textclassify
from textclassify import FusionEnsemble
from textclassify.apps import predicting
from textclassify.testing import FixedClassifier

from .conftest import assert_one_clear_line, json_lines


def test_csv_goes_to_standard_output_with_the_input_columns(run, model: Path) -> None:
    """Answers have to be joined to what they belong to; a gold `label` column is not overwritten."""
    result = run("predict", model, "test.csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == ["id", "text", "label", "predicted_label", "probability", "status", "source"]
    assert [row["id"] for row in rows] == [str(number) for number in range(24)]
    assert {row["source"] for row in rows} == {"linear"}


def test_answers_are_those_of_the_model(run, model: Path) -> None:
    """The command line adds nothing and takes nothing away."""
    frame = pd.read_csv("test.csv")
    expected = textclassify.load(model).predict(frame["text"].tolist())

    rows = json_lines(run("predict", model, "test.csv", "--json").stdout)

    assert [row["predicted_label"] for row in rows] == expected.predictions
    assert [row["probability"] for row in rows] == pytest.approx(expected.confidence.tolist(), abs=1e-6)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_name_of_the_file_decides_the_format(suffix: str, run, model: Path) -> None:
    """And nothing but data ever goes to standard output."""
    result = run("predict", model, "test.csv", "--out", f"made/answers.{suffix}")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    assert len(read[suffix](f"made/answers.{suffix}")) == 24
    assert "24 rows written" in result.stderr


def test_lines_of_standard_input_are_texts(run, model: Path) -> None:
    """The quickest way to try a model; a blank line keeps its place and says why it has no label."""
    result = run("predict", model, "-", "--lines", "--json", stdin="my invoice\n\nmy parcel, late\n")

    rows = json_lines(result.stdout)
    assert [(row["text"], row["label"], row["status"]) for row in rows] == [
        ("my invoice", "billing", "ok"),
        ("", None, "invalid"),
        ("my parcel, late", "delivery", "ok"),
    ]
    assert "1 of 3 rows have no answer" in result.stderr


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_standard_input_may_have_any_format(kind: str, run, model: Path) -> None:
    """What it is shows from its first bytes."""
    frame = pd.read_csv("test.csv")
    buffer = io.BytesIO()
    write = {
        "csv": frame.to_csv,
        "jsonl": lambda b, **_: frame.to_json(b, orient="records", lines=True),
        "parquet": frame.to_parquet,
    }
    write[kind](buffer, index=False)

    rows = json_lines(run("predict", model, "-", "--json", stdin=buffer.getvalue()).stdout)

    assert [row["text"] for row in rows] == frame["text"].tolist()


def test_a_missing_text_keeps_its_row(run, folder: Path, model: Path) -> None:
    """A row that were dropped would shift all answers after it."""
    (folder / "some.jsonl").write_text('{"id": 1, "text": null}\n{"id": 2, "text": "my parcel"}\n{"id": 3}\n')

    rows = json_lines(run("predict", model, "some.jsonl", "--json").stdout)

    assert [(row["id"], row["status"]) for row in rows] == [(1, "invalid"), (2, "ok"), (3, "invalid")]


def test_long_input_is_taken_in_pieces(run, model: Path, monkeypatch) -> None:
    """Memory stays bounded, and the order survives the seams."""
    monkeypatch.setattr(predicting, "PIECE", 7)
    sizes = []
    whole = FusionEnsemble.predict
    monkeypatch.setattr(
        FusionEnsemble,
        "predict",
        lambda self, texts, **options: sizes.append(len(texts)) or whole(self, texts, **options),
    )

    rows = json_lines(run("predict", model, "test.csv", "--json").stdout)

    assert sizes == [7, 7, 7, 3]
    assert [row["id"] for row in rows] == [str(number) for number in range(24)]


def test_probabilities_of_every_label_are_added_on_request(run, model: Path) -> None:
    """Whoever sets an own threshold needs them."""
    row = json_lines(run("predict", model, "test.csv", "--json", "--probabilities").stdout)[0]

    assert row["p_billing"] + row["p_delivery"] == pytest.approx(1, abs=1e-5)
    assert max(row["p_billing"], row["p_delivery"]) == row["probability"]


def test_several_labels_are_a_json_list(run) -> None:
    """Names may hold any separator."""
    labels = {"labels": ["a, b", "c"], "multi_label": True}
    FixedClassifier({"one": [0.9, 0.8], "two": [0.1, 0.2]}, labels).save("several")

    result = run("predict", "several", "-", "--lines", stdin="one\ntwo\n")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [json.loads(row["label"]) for row in rows] == [["a, b", "c"], []]


def test_gzipped_files_are_read(run, folder: Path, model: Path) -> None:
    """As everywhere else."""
    (folder / "test.csv.gz").write_bytes(gzip.compress((folder / "test.csv").read_bytes()))

    assert run("predict", model, "test.csv.gz").stdout == run("predict", model, "test.csv").stdout


def test_no_half_file_is_left_behind(run, folder: Path, model: Path) -> None:
    """A file under its final name is complete."""
    (folder / "bad.jsonl").write_text('{"text": "x"}\n{"text": 5}\n')

    result = run("predict", model, "bad.jsonl", "--out", "answers.csv")

    assert_one_clear_line(result, "the text in row 1 is 5 (int)")
    assert [path.name for path in folder.glob("*answers*")] == []


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["tset.csv"], ["no file at 'tset.csv'", "did you mean 'test.csv'"]),
        (["test.csv", "--text-column", "txt"], ["unknown text column 'txt'", "did you mean 'text'"]),
        (["test.csv", "--out", "answers.doc"], ["cannot tell the format of 'answers.doc'", "--format"]),
        (["test.csv", "--out", "test.csv/answers.csv"], ["cannot write to 'test.csv/answers.csv'", "--out"]),
        (["test.csv", "--format", "xml"], ["unknown format 'xml'", "jsonl"]),
        (["empty.csv"], ["empty.csv has no rows"]),
        (["latin.csv"], ["not UTF-8", "0xe9"]),
        (["uneven.csv"], ["uneven.csv, line 3", "2 cells where the header has 1"]),
        (["numbers.csv"], ["text"]),
        (["notes.txt"], ["cannot tell the format", "--lines"]),
    ],
)
def test_bad_input_of_predict(words: list[str], wanted: list[str], run, folder: Path, model: Path) -> None:
    """One line, the value and the remedy."""
    (folder / "empty.csv").write_text("")
    (folder / "latin.csv").write_bytes("text\ncaf\xe9\n".encode("latin-1"))
    (folder / "uneven.csv").write_text("text\na\nb,c\n")
    (folder / "numbers.csv").write_text("a,b\n")
    (folder / "notes.txt").write_text("x")

    result = run("predict", model, *words)

    assert result.exit_code == 1
    for part in wanted:
        assert part in result.stderr
    assert "Traceback" not in result.stderr
