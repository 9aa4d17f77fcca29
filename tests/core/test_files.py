"""Files of every kind: read as they were written, or refused with the line and the remedy."""

import gzip
import io
import json
import sys
import time

import pandas as pd
import pytest

from textclassify.core.files import read_hub, read_table
from textclassify.errors import DataError, MissingDependencyError

TEXTS = ["plain", 'with "quotes", commas', "two\nlines", "NA", "null", "emoji 🙂 ünïcode", "zero\0byte"]
LABELS = ["None", "NA", "nan", "x", "true", "007", "1.0"]


@pytest.fixture
def frame():
    return pd.DataFrame({"text": TEXTS, "label": LABELS, "number": range(7)})


def write(frame, path):
    if path.suffix in {".csv", ".gz"}:
        frame.to_csv(path, index=False)
    elif path.suffix == ".tsv":
        frame.to_csv(path, index=False, sep="\t")
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=path.suffix != ".json")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.csv.gz", "a.tsv", "a.jsonl", "a.ndjson", "a.json", "a.parquet"])
def test_every_format_gives_the_same_rows(tmp_path, frame, name):
    """Texts such as 'NA' and labels such as 'None' are strings, not missing values; row order is kept."""
    path = write(frame, tmp_path / name.lower()).rename(tmp_path / name)

    table = read_table(path)

    assert table.columns.tolist() == ["text", "label", "number"]
    assert [table[name].tolist() for name in table] == [TEXTS, LABELS, list(range(7))]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_standard_input_is_recognised_by_its_content(tmp_path, monkeypatch, frame, name):
    """`cat file | textclassify predict -` needs no flag."""
    content = write(frame, tmp_path / name).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    assert read_table("-").text.tolist() == TEXTS
    assert read_table(io.BytesIO(content)).text.tolist() == TEXTS


def test_types_of_csv_columns_are_recovered():
    """Integers, booleans and decimals come back; a gap among numbers stays a gap, and text columns stay text."""
    content = b"text,whole,truth,part,gap,code\n1,1,True,0.5,1,01\n2,-2,False,1.0,,02\n"

    table = read_table(io.BytesIO(content))

    assert table.text.tolist() == ["1", "2"]
    assert table.whole.tolist() == [1, -2]
    assert table.truth.tolist() == [True, False]
    assert table.part.tolist() == [0.5, 1.0]
    assert table.gap.isna().tolist() == [False, True]
    assert table.code.tolist() == ["01", "02"]
    assert read_table(io.BytesIO(b"numbers,label\n1,a\n"), text_column="numbers").numbers.tolist() == ["1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path, encoding):
    """Excel writes one."""
    (tmp_path / "a.csv").write_text("text,label\nä,b\n", encoding=encoding)

    assert read_table(tmp_path / "a.csv").columns.tolist() == ["text", "label"]


def test_semicolons_and_an_exported_index_are_understood():
    """What spreadsheets and `to_csv` write by default in half of the world."""
    assert read_table(io.BytesIO(b"text;label\na, b;c\n")).to_numpy().tolist() == [["a, b", "c"]]
    assert read_table(io.BytesIO(b",text,label\n0,a,b\n")).columns.tolist() == ["text", "label"]


def test_another_encoding_names_the_byte_and_the_remedy(tmp_path):
    """And the remedy works."""
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nso,a\nschön,b\n".encode("latin-1"))

    with pytest.raises(DataError, match=r"not utf-8: byte 19 \(line 3\) is 0xf6; pass encoding='latin-1'"):
        read_table(path)
    assert read_table(path, encoding="latin-1").text.tolist() == ["so", "schön"]
    with pytest.raises(DataError, match="unknown encoding 'utf8000'"):
        read_table(path, encoding="utf8000")


def test_utf_16_is_suggested_where_it_is_likely():
    """Its byte order mark gives it away."""
    with pytest.raises(DataError, match="pass encoding='utf-16'"):
        read_table(io.BytesIO("text\na\n".encode("utf-16")))


@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    """Not with a parser's traceback."""
    (tmp_path / "a.csv").write_bytes(content)

    with pytest.raises(DataError, match="is empty; it needs a header line"):
        read_table(tmp_path / "a.csv")


def test_a_header_alone_is_a_table_without_rows():
    """Nothing to predict is not an error; nothing to train on is one elsewhere."""
    assert read_table(io.BytesIO(b"text,label\n")).shape == (0, 2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,b\nc,d,e\n", "line 3: 3 cells where the header has 2; quote texts that hold ','"),
        ("a.csv", "text,label\na\n", "line 2: 1 cells where the header has 2"),
        ("a.csv", 'text,label\n"a,b\n', "line 2: unexpected end of data; put cells with quotes in quotes"),
        ("a.csv", "text,label,label\na,b,c\n", "2 columns named 'label'; rename all but one"),
        ("a.jsonl", '{"text": "a", "text": "b"}\n', "line 1 has 2 columns named 'text'"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2: no valid JSON"),
        ("a.jsonl", '{"text": "a"}\n"b"\n', "row 1 is 'b', not an object"),
        ("a.json", '[{"text": "a"}, 3]', "row 1 is 3, not an object"),
        ("a.json", "{", "no valid JSON"),
        ("a.json", '{"text": ["a"], "label": []}', "columns differ in length: 'text' has 1, 'label' has 0"),
        ("a.parquet", "text", "no Parquet file, or a damaged one"),
        ("a.csv.gz", "\x1f\x8brubbish", "damaged gzip file"),
        ("a.xlsx", "text", r"cannot tell the format of .* from '.xlsx'; known: .csv, .tsv, .jsonl"),
    ],
)
def test_a_broken_file_says_where_and_how_to_mend_it(tmp_path, name, content, message):
    """Rows that shift, columns that vanish and names that change silently are the worst of all outcomes."""
    (tmp_path / name).write_bytes(content.encode("latin-1"))

    with pytest.raises(DataError, match=message):
        read_table(tmp_path / name)


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    """Typing errors are the usual reason."""
    (tmp_path / "train.csv").write_text("text\na\n")

    with pytest.raises(DataError, match=r"no file at .*trian.csv'; did you mean 'train.csv'"):
        read_table(tmp_path / "trian.csv")
    with pytest.raises(DataError, match="cannot read"):
        read_table(tmp_path)


def test_rows_of_json_lines_may_lack_keys_and_hold_lists(tmp_path):
    """A list stays a list, and line separators inside strings are no line ends."""
    rows = [{"text": "a\u2028b", "labels": ["x", "y"]}, {"text": "c", "labels": [], "more": 1}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")

    table = read_table(path)

    assert table.text.tolist() == ["a\u2028b", "c"]
    assert table.labels.tolist() == [["x", "y"], []]


def test_a_json_mapping_of_columns_is_a_table(tmp_path):
    """The other way in which tables are written as JSON."""
    path = tmp_path / "a.json"
    path.write_text('{"text": ["a", "b"], "label": [1, 2]}')

    assert read_table(path).to_numpy().tolist() == [["a", 1], ["b", 2]]


def test_texts_beyond_the_csv_modules_limit_are_read():
    """It stops at 131,072 characters by default, and its limit is global: it is put back."""
    import csv

    before = csv.field_size_limit()

    table = read_table(io.BytesIO(b"text,label\n" + b"x" * 200_000 + b",a\n"))

    assert len(table.text[0]) == 200_000
    assert csv.field_size_limit() == before


def test_a_hundred_thousand_rows_are_read_in_seconds(tmp_path):
    """0.5 s of work; the bound leaves room for a busy machine."""
    row = "a customer message of usual length, with a comma and some words"
    content = "text,label\n" + "".join(f'"{row} {i}",{i % 7}\n' for i in range(100_000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content.encode(), 1))

    start = time.process_time()
    table = read_table(tmp_path / "a.csv.gz")

    assert time.process_time() - start < 5
    assert table.shape == (100_000, 2)


def test_a_hub_name_needs_a_split():
    """`hf:ag_news` could mean any of its parts."""
    with pytest.raises(DataError, match="names no split; write hf:name/split"):
        read_hub("hf:ag_news")


def test_a_hub_that_cannot_be_reached_says_what_to_do_instead(monkeypatch):
    """Offline machines are an everyday case."""
    datasets = pytest.importorskip("datasets")

    def unreachable(*_, **__):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)

    with pytest.raises(DataError, match=r"cannot get split 'train' of 'ag_news' .*no route.* or save the data as CSV"):
        read_hub("hf:ag_news/train")


def test_the_hub_without_its_package_names_the_package(monkeypatch):
    """It is not among the dependencies."""
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(MissingDependencyError, match="pip install datasets"):
        read_hub("hf:ag_news/train")


@pytest.mark.parametrize(
    "cells", [["1.0", "1.00", "2.0"], ["0", "-0"], ["1.10", "1.1"], ["07", "7"], ["9" * 5000, "1"]]
)
def test_numbers_that_python_writes_otherwise_stay_text(cells):
    """Two labels would become one, and answers would not be written as the labels were."""
    content = "text,label\n" + "\n".join(f"a,{cell}" for cell in cells)

    assert read_table(io.BytesIO(content.encode())).label.tolist() == cells


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_a_line_that_names_the_separator_is_no_header(line):
    """Spreadsheets write it for each other."""
    table = read_table(io.BytesIO(f"{line}\ntext;label\na, b, c, d;e\n".encode()))

    assert table.to_numpy().tolist() == [["a, b, c, d", "e"]]


def test_half_a_surrogate_pair_becomes_a_replacement_character():
    """It is legal in JSON, and no file that is UTF-8 can hold it; whole pairs are characters."""
    content = b'{"text": "a \\ud83d", "list": ["\\ud83d\\ude42"]}\n'

    table = read_table(io.BytesIO(content), file_format="jsonl")

    assert table.text.tolist() == ["a \ufffd"]
    assert table["list"].tolist() == [["🙂"]]


def test_closed_standard_input_is_said(monkeypatch):
    """`textclassify predict model <&-` is how some schedulers start programs."""
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(DataError, match="standard input is closed; name a file"):
        read_table("-")
