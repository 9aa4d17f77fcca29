"""`textclassify predict`: whatever is in the input comes out unchanged, and nothing is replaced by accident."""

from __future__ import annotations

import csv
import datetime as dt
import fcntl
import io
import json
import math
import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textclassify.apps import predicting
from textclassify.apps.predicting import output_stream
from textclassify.apps.row_writers import writer_for
from textclassify.testing import FixedClassifier

from .conftest import assert_one_clear_line, json_lines

DAY = dt.date(2024, 2, 29)


@pytest.fixture
def odd(folder: Path) -> Path:
    """Return a Parquet file with every kind of cell."""
    columns = {
        "text": ["my invoice", None, "my parcel"],
        "count": pa.array([1, None, 3], pa.int64()),
        "share": [0.5, math.nan, None],
        "tags": [["a"], [], None],
        "raw": [b"\xff", None, b""],
        "day": [DAY, None, DAY],
    }
    pq.write_table(pa.table(columns), folder / "odd.parquet")
    return folder / "odd.parquet"


def test_json_lines_of_parquet_keep_nulls_and_lists(run, odd: Path, model: Path) -> None:
    """A null must not become NaN, which is no JSON, nor an integer a decimal."""
    out = run("predict", model, odd, "--json").stdout

    rows = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    kept = [[row[name] for name in ("text", "count", "share", "tags", "raw", "day")] for row in rows]
    assert kept == [
        ["my invoice", 1, 0.5, ["a"], "/w==", "2024-02-29"],
        [None, None, None, [], None, None],
        ["my parcel", 3, None, None, "", "2024-02-29"],
    ]


def test_parquet_of_parquet_keeps_types(run, odd: Path, model: Path) -> None:
    """What is read from one end of the tool is what was put in at the other."""
    run("predict", model, odd, "--out", "out.parquet", "--probabilities")

    before, after = pq.read_table(odd), pq.read_table("out.parquet")
    for name in ("text", "count", "tags", "raw", "day"):
        assert after[name].to_pylist() == before[name].to_pylist()
        assert after[name].type == before[name].type
    assert after["label"].to_pylist() == ["billing", None, "delivery"]
    assert after["probability"].null_count == 1


def test_csv_of_parquet_has_empty_cells_for_nulls(run, odd: Path, model: Path) -> None:
    """And lists as JSON."""
    rows = list(csv.DictReader(io.StringIO(run("predict", model, odd).stdout)))

    assert [row["count"] for row in rows] == ["1", "", "3"]
    assert [row["tags"] for row in rows] == ['["a"]', "[]", ""]


def test_parquet_types_do_not_depend_on_the_first_piece(run, folder: Path, model: Path, monkeypatch) -> None:
    """Blank texts have no label, and a number may be missing first and a decimal last."""
    monkeypatch.setattr(predicting, "PIECE", 1)
    lines = ['{"text": "", "n": null}', '{"text": "my invoice", "n": 1}', '{"text": "my parcel", "n": 0.5, "new": "x"}']
    (folder / "in.jsonl").write_text("\n".join(lines))

    result = run("predict", model, "in.jsonl", "--out", "out.parquet")

    assert result.exit_code == 0, result.stderr
    table = pq.read_table("out.parquet")
    assert table["n"].to_pylist() == [None, 1.0, 0.5]
    assert table["label"].to_pylist() == [None, "billing", "delivery"]
    assert table["new"].to_pylist() == [None, None, "x"]


def test_all_texts_blank_still_make_a_parquet_file(run, folder: Path, model: Path) -> None:
    """With the types that answers would have."""
    (folder / "in.jsonl").write_text('{"text": ""}\n{"text": null}\n')

    run("predict", model, "in.jsonl", "--out", "out.parquet")

    schema = pq.read_schema("out.parquet")
    assert [schema.field(name).type for name in ("label", "probability")] == [pa.string(), pa.float64()]


def test_keys_that_come_later_are_kept_in_parquet_and_refused_in_csv(run, folder: Path, model, monkeypatch) -> None:
    """CSV has written its header by then; dropping the cell would lose it."""
    (folder / "in.jsonl").write_text('{"text": "my invoice"}\n{"text": "my parcel", "more": "kept"}\n')

    run("predict", model, "in.jsonl", "--out", "out.parquet")
    assert pq.read_table("out.parquet")["more"].to_pylist() == [None, "kept"]

    monkeypatch.setattr(predicting, "PIECE", 1)
    result = run("predict", model, "in.jsonl", "--out", "out.csv")
    assert_one_clear_line(result, "'more'", "--format jsonl")


def test_columns_of_mixed_types_are_refused_in_parquet(run, folder: Path, model: Path) -> None:
    """Parquet cannot hold them; JSON Lines can."""
    (folder / "in.jsonl").write_text('{"text": "my invoice", "n": 1}\n{"text": "my parcel", "n": "one"}\n')

    assert_one_clear_line(run("predict", model, "in.jsonl", "--out", "o.parquet"), "column 'n'", "--format jsonl")
    assert run("predict", model, "in.jsonl", "--out", "o.jsonl").exit_code == 0


def test_no_column_of_the_input_is_overwritten(run, folder: Path, model: Path) -> None:
    """Whatever it is called, in whichever row it first comes."""
    mine = {"text": "my invoice", "label": 1, "predicted_label": 2, "status": 3, "source": 4, "p_billing": 5}
    (folder / "in.jsonl").write_text('{"text": "my parcel"}\n' + json.dumps(mine))

    row = json_lines(run("predict", model, "in.jsonl", "--json", "--probabilities").stdout)[1]

    assert {name: row[name] for name in mine} == mine
    assert (row["predicted_label_2"], row["predicted_status"]) == ("billing", "ok")
    assert row["predicted_p_billing"] > 0.5


def test_a_column_that_would_be_overwritten_later_is_refused(run, folder: Path, model: Path, monkeypatch) -> None:
    """The names of the answers are fixed by then."""
    monkeypatch.setattr(predicting, "PIECE", 1)
    (folder / "in.jsonl").write_text('{"text": "my parcel"}\n{"text": "my invoice", "label": "gold"}\n')

    result = run("predict", model, "in.jsonl", "--json", "--out", "o.jsonl")

    assert_one_clear_line(result, "row 1 has the columns 'label'", "rename")


def test_one_nameless_column_is_kept_and_two_are_refused(run, folder: Path, model: Path) -> None:
    """Exported indices are nameless; two of them would become one."""
    (folder / "one.csv").write_text(",text\n7,my invoice\n")
    (folder / "two.csv").write_text(",text,\n7,my invoice,8\n")

    assert json_lines(run("predict", model, "one.csv", "--json").stdout)[0][""] == "7"
    assert_one_clear_line(run("predict", model, "two.csv"), "2 columns without a name")


@pytest.mark.parametrize("text", ["my invoice is wrong again\nmy parcel\n", "Is it late?\nYes\n"])
def test_a_first_line_that_is_a_text_is_not_taken_for_a_header(text: str, run) -> None:
    """The row would vanish without a word."""
    FixedClassifier({"one": [0.9, 0.8]}, ["a", "b"]).save("fixed")

    assert_one_clear_line(run("predict", "fixed", "-", stdin=text), "looks like a text", "--lines")


def test_a_column_of_labels_is_not_taken_for_the_texts(run) -> None:
    """A file without texts would be answered."""
    FixedClassifier({"one": [0.9, 0.8]}, ["a", "b"]).save("fixed")

    assert_one_clear_line(run("predict", "fixed", "-", stdin="id,label\n1,one\n"), "no text column", "--text-column")


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("in.jsonl", '{"text": "a", "text": "b"}\n', "2 columns named 'text'"),
        ("in.json", "[]", "has no rows"),
        ("in.json", '[{"text": "a"}, 3]', "entry 2"),
        ("in.csv", "", "has no rows"),
    ],
)
def test_unclear_input_is_refused(name: str, content: str, wanted: str, run, folder: Path, model: Path) -> None:
    """As in training."""
    (folder / name).write_text(content)

    assert_one_clear_line(run("predict", model, name), wanted)


def test_utf_16_names_the_command_that_mends_it(run, folder: Path, model: Path) -> None:
    """What some spreadsheets call Unicode."""
    (folder / "in.csv").write_bytes("text\nmy invoice\n".encode("utf-16"))

    assert_one_clear_line(run("predict", model, "in.csv"), "iconv -f utf-16 -t utf-8")
    assert_one_clear_line(run("train", "in.csv", "-c", "fast.yaml", "-o", "out"), "iconv -f utf-16 -t utf-8")


def test_a_line_that_names_the_separator_is_understood(run, folder: Path, model: Path) -> None:
    """Spreadsheets write it for each other."""
    (folder / "in.csv").write_text("sep=;\nid;text\n1;my invoice, again\n")

    assert json_lines(run("predict", model, "in.csv", "--json").stdout)[0]["text"] == "my invoice, again"


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_half_a_surrogate_pair_becomes_a_replacement_character(file_format: str, run, folder: Path, model) -> None:
    """Broken emoji are legal in JSON, and in no file that is UTF-8."""
    (folder / "in.jsonl").write_text('{"text": "my invoice \\ud83d", "\\udc00": ["\\ud83d"]}\n')

    result = run("predict", model, "in.jsonl", "--out", f"out.{file_format}")

    assert result.exit_code == 0, result.stderr
    if file_format != "parquet":
        assert "my invoice \ufffd" in Path(f"out.{file_format}").read_text(encoding="utf-8")


def test_the_input_is_never_replaced(run, folder: Path, model: Path) -> None:
    """Not even when asked, and not through a link."""
    before = (folder / "test.csv").read_bytes()
    (folder / "link.csv").symlink_to("test.csv")

    for out in ("test.csv", "link.csv"):
        assert_one_clear_line(run("predict", model, "test.csv", "--out", out, "--overwrite"), "is the input itself")
    assert (folder / "test.csv").read_bytes() == before


def test_another_file_is_replaced_only_when_asked(run, folder: Path, model: Path) -> None:
    """A link stays a link."""
    (folder / "real.csv").write_text("precious")
    (folder / "out.csv").symlink_to("real.csv")

    assert_one_clear_line(run("predict", model, "test.csv", "--out", "out.csv"), "exists; pass --overwrite")
    assert (folder / "real.csv").read_text() == "precious"
    assert run("predict", model, "test.csv", "--out", "out.csv", "--overwrite").exit_code == 0
    assert (folder / "out.csv").is_symlink()
    assert len((folder / "real.csv").read_text().splitlines()) == 25


def test_what_a_killed_run_left_is_removed(run, folder: Path, model: Path) -> None:
    """Half files must not pile up; only names of exactly that form, older, regular and held by no run, are ours."""
    left, held = folder / ".out.csv-0123abcd", folder / ".out.csv-11112222"
    others = [
        folder / name for name in (".out.csv-0123abcde", ".out.csv-old", ".other.csv-0123abcd", ".out.csv-99999999")
    ]
    for path in (left, held, *others):
        path.touch()
        os.utime(path, (1.0, 1.0) if path != others[-1] else (4e9, 4e9))
    (link := folder / ".out.csv-33334444").symlink_to("test.csv")

    with held.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert run("predict", model, "test.csv", "--out", "out.csv").exit_code == 0

    assert not left.exists()
    assert all(path.exists() for path in (held, link, *others))


def test_a_run_holds_the_file_that_it_writes(folder: Path) -> None:
    """So that another run to the same name leaves it alone."""
    with output_stream(folder / "out.csv"):
        (ours,) = folder.glob(".out.csv-*")
        os.utime(ours, (1.0, 1.0))
        with output_stream(folder / "out.csv") as other:
            other.write(b"other")
        assert ours.exists()


def test_a_pipe_is_written_into(run, folder: Path, model: Path) -> None:
    """Replacing it, or a device such as /dev/null, by a file would break what reads from it."""
    os.mkfifo(folder / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((folder / "pipe").read_text()))
    reader.start()

    result = run("predict", model, "test.csv", "--out", "pipe", "--format", "csv")

    reader.join(10)
    assert result.exit_code == 0, result.stderr
    assert len(read[0].splitlines()) == 25
    assert (folder / "pipe").is_fifo()


def test_a_folder_is_no_output(run, folder: Path, model: Path) -> None:
    """Said as such."""
    (folder / "there").mkdir()

    assert_one_clear_line(run("predict", model, "test.csv", "--out", "there"), "'there' is a folder")


def test_the_folder_of_a_run_offers_its_model(run, model: Path) -> None:
    """The usual mistake; a file is the next."""
    assert_one_clear_line(run("predict", model.parent, "test.csv"), f"its model is in '{model}'")
    assert_one_clear_line(run("predict", "test.csv", "test.csv"), "'test.csv' is a file", "name the folder")


def test_evaluating_replaces_no_report_of_another_kind(run, folder: Path, model: Path) -> None:
    """Neither a training run's, nor a file in a model, nor, unasked, an earlier one."""
    assert_one_clear_line(run("evaluate", model, "test.csv", "-o", model.parent), "report of a training run")
    assert_one_clear_line(run("evaluate", model, "test.csv", "-o", model / "x"), "inside a model")
    assert_one_clear_line(run("evaluate", model, "test.csv", "-o", "test.csv"), "is a file")
    assert run("evaluate", model, "test.csv", "-o", "tested").exit_code == 0
    assert_one_clear_line(run("evaluate", model, "test.csv", "-o", "tested"), "holds report.md", "--overwrite")
    assert run("evaluate", model, "test.csv", "-o", "tested", "--overwrite").exit_code == 0
    assert (folder / "tested" / "report.md").is_file()


FORMULA = '=HYPERLINK("http://x.example","invoice")'


def test_formulas_come_out_as_they_went_in_unless_they_are_escaped(run, model: Path, folder: Path) -> None:
    """By default nothing changes its value; who opens the file in a spreadsheet asks for marks."""
    given = [["text", "=note", "change"], [FORMULA, "@x", "-5.5"], ["my parcel", "a", "+1"]]
    with (folder / "f.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(given)

    plain = list(csv.reader(io.StringIO(run("predict", model, "f.csv").stdout)))
    escaped = list(csv.reader(io.StringIO(run("predict", model, "f.csv", "--escape-formulas").stdout)))

    assert [row[:3] for row in plain] == given
    assert [row[:3] for row in escaped] == [
        ["text", "'=note", "change"],
        [f"'{FORMULA}", "'@x", "-5.5"],
        ["my parcel", "a", "+1"],
    ]
    assert [row[3:] for row in escaped] == [row[3:] for row in plain]


def test_names_of_labels_that_are_formulas_are_escaped() -> None:
    """Whoever wrote the label file may be a stranger, too; JSON Lines and lists are no formulas."""
    rows = [{"label": "=1+1", "labels": ["@x"], "p": -0.5, "n": None}]
    written = {}
    for kind in ("csv", "jsonl"):
        stream = io.BytesIO()
        writer_for(kind, stream, {}, io.BytesIO(), escape_formulas=True).write(rows)
        written[kind] = stream.getvalue().decode()

    assert written["csv"] == """label,labels,p,n\n'=1+1,"[""@x""]",-0.5,\n"""
    assert json.loads(written["jsonl"]) == rows[0]


@pytest.mark.parametrize("command", ["predict", "label", "review", "label-errors"])
def test_the_help_says_what_escaping_does(run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Every command that writes texts for people has the flag."""
    monkeypatch.setenv("COLUMNS", "200")
    assert "--escape-formulas" in run(command, "--help").stdout
