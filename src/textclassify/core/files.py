"""Files, standard input and data sets of the Hugging Face hub as tables."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textclassify.core.columns import TEXT_NAMES
from textclassify.core.tables import checked, from_arrow, from_columns, from_rows, refuse_repeated, to_frame
from textclassify.core.texts import did_you_mean
from textclassify.errors import DataError, MissingDependencyError

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Format by the end of a file's name; each may be followed by `.gz`."""

HUB = "hf:"
"""Beginning of a data set's name on the Hugging Face hub: `hf:name/split`."""

STANDARD_INPUT = "-"
_WHOLE = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_SEPARATOR = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
"""First line of a CSV file by which spreadsheets tell each other the delimiter."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_table(
    source: str | Path | IO[bytes],
    *,
    file_format: str | None = None,
    encoding: str = "utf-8-sig",
    text_column: str | None = None,
) -> pd.DataFrame:
    """Return the table in a CSV, TSV, JSON Lines, JSON or Parquet file, cells as they were written.

    A CSV column of numbers becomes int or float where every cell is written as Python writes it (1.10 and 007 stay
    text), of True and False bool; an empty cell stays an empty text, and "NA" and "None" are strings like others.

    Args:
        source: a path, "-" for standard input, or an open binary file.
        file_format: "csv", "tsv", "jsonl", "json" or "parquet"; None = by the name's end, else by the content.
        encoding: of text files.
        text_column: a column whose cells stay text.

    Raises:
        DataError: the file is missing, empty, of another format or encoding, or broken; the message names the line.

    """
    content, name = _content(source)
    if not content.strip():
        raise DataError(f"{name} is empty; it needs a header line and at least one row")
    file_format = file_format or _format_of(name if isinstance(source, str | Path) and source != "-" else None, content)
    if file_format == "parquet":
        return checked(_read_parquet(content, name))
    text = _decoded(content, name, encoding)
    readers: dict[str, Callable[[str, str], pd.DataFrame]] = {
        "csv": partial(_read_csv, text_column=text_column),
        "tsv": partial(_read_csv, text_column=text_column, delimiter="\t"),
        "jsonl": _read_json_lines,
        "json": _read_json,
    }
    if file_format not in readers:
        raise DataError(f"unknown format {file_format!r}; known: {', '.join(sorted({*FORMATS.values()}))}")
    return checked(readers[file_format](text, name))


def read_hub(name: str) -> pd.DataFrame:
    """Return one split of a data set from the Hugging Face hub, or from its cache on this machine.

    Raises:
        DataError: the name has no split, or the hub does not answer or know it.
        MissingDependencyError: the package `datasets` is not installed.

    """
    try:
        from datasets import load_dataset
    except ImportError:
        raise MissingDependencyError(f"{name!r} needs the package datasets; pip install datasets") from None
    repository, _, split = name.removeprefix(HUB).rpartition("/")
    if not repository or not split:
        raise DataError(f"{name!r} names no split; write hf:name/split, such as hf:ag_news/train")
    try:
        return to_frame(load_dataset(repository, split=split))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot get split {split!r} of {repository!r} from the Hugging Face hub ({error}); check the name and the "
            "connection, or save the data as CSV, JSON Lines or Parquet and name that file"
        ) from error


def standard_input() -> IO[bytes]:
    """Return standard input.

    Raises:
        DataError: it was closed by whoever started the program.

    """
    if sys.stdin is None:
        raise DataError("standard input is closed; name a file, or pipe the texts in")
    return sys.stdin.buffer


def _content(source: str | Path | IO[bytes]) -> tuple[bytes, str]:
    if not isinstance(source, str | Path):
        return source.read(), str(getattr(source, "name", "the stream"))
    if source == STANDARD_INPUT:
        return standard_input().read(), "standard input"
    path = Path(source).expanduser()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        near = did_you_mean(path.name, [other.name for other in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(f"no file at {str(source)!r}{near or '; check the path'}") from None
    except OSError as error:
        raise DataError(f"cannot read {str(source)!r}: {error.strerror}; name a file that you may read") from error
    if not content.startswith(b"\x1f\x8b"):
        return content, str(source)
    try:
        return gzip.decompress(content), str(source).removesuffix(".gz")
    except (OSError, EOFError) as error:
        raise DataError(f"{str(source)!r} is a damaged gzip file ({error}); copy it again") from error


def _format_of(name: str | None, content: bytes) -> str:
    if name is not None:
        suffix = Path(name).suffix.lower()
        if suffix not in FORMATS:
            raise DataError(f"cannot tell the format of {name!r} from {suffix!r}; known: {', '.join(FORMATS)}")
        return FORMATS[suffix]
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:4]
    if start == b"PAR1":
        return "parquet"
    return "json" if start[:1] in {b"{", b"["} else "csv"


def _decoded(content: bytes, name: str, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except LookupError:
        raise DataError(f"unknown encoding {encoding!r}; try 'utf-8', 'latin-1' or 'utf-16'") from None
    except UnicodeDecodeError as error:
        likely = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "latin-1"
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not {encoding.removesuffix('-sig')}: byte {error.start} (line {line}) is "
            f"0x{content[error.start]:02x}; pass encoding={likely!r}, or save the file as UTF-8"
        ) from error


def _read_csv(content: str, name: str, *, text_column: str | None, delimiter: str | None = None) -> pd.DataFrame:
    first, _, rest = content.lstrip().partition("\n")
    named = named_delimiter(first)
    content = content if named is None else rest
    delimiter = named or delimiter or likely_delimiter(content.lstrip().partition("\n")[0])
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    with _any_cell_size():
        try:
            header = [cell.strip() for cell in next((row for row in reader if row), [])]
            rows = _even_rows(reader, len(header), name, delimiter)
        except csv.Error as error:
            raise DataError(
                f"{name}, line {reader.line_num}: {error}; put cells with quotes in quotes and double those inside"
            ) from error
    cells = list(zip(*rows, strict=True)) or [()] * len(header)
    kept = [column for column, title in enumerate(header) if title]  # a nameless column is an exported index
    refuse_repeated([header[column] for column in kept], name)
    texts = {*TEXT_NAMES, (text_column or "text").lower()}
    return pd.DataFrame({header[k]: list(cells[k]) if header[k].lower() in texts else _typed(cells[k]) for k in kept})


def named_delimiter(line: str) -> str | None:
    """Return the delimiter that the first line of a CSV file names, as in `sep=;`; None where it does not."""
    found = _SEPARATOR.fullmatch(line)
    return None if found is None else found[1]


def likely_delimiter(header_line: str) -> str:
    """Return the delimiter of a CSV file: the comma, semicolon or tab that its header has most of."""
    return max(",;\t", key=header_line.count)


def _even_rows(reader: Any, width: int, name: str, delimiter: str) -> list[list[str]]:
    rows = []
    for row in reader:
        if len(row) == width:
            rows.append(row)
        elif row:
            raise DataError(
                f"{name}, line {reader.line_num}: {len(row)} cells where the header has {width}; "
                f"quote texts that hold {delimiter!r}"
            )
    return rows


@contextlib.contextmanager
def _any_cell_size() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters per cell, which is global, for a while."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _typed(cells: Sequence[str]) -> list[Any]:
    """Return the cells of a CSV column as numbers or booleans where that loses nothing of how they are written."""
    filled = {cell for cell in cells if cell}
    kinds: list[tuple[Callable[[str], Any], Callable[[str], Any]]] = [
        (_WHOLE.fullmatch, int),
        (_DECIMAL.fullmatch, float),
        ({"True", "False"}.__contains__, "True".__eq__),
    ]
    for matches, convert in kinds:
        if filled and all(map(matches, filled)):
            with contextlib.suppress(ValueError):  # thousands of digits
                values = {cell: convert(cell) for cell in filled}
                if all(str(value) == cell for cell, value in values.items()):
                    return [values.get(cell) for cell in cells]
    return list(cells)


def _read_json_lines(content: str, name: str) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            rows.append(parsed_json(line, f"{name}, line {number}"))
    return from_rows(rows, name)


def _read_json(content: str, name: str) -> pd.DataFrame:
    """Return a list of rows, a mapping of columns, or JSON Lines under a `.json` name."""
    first_line = content.strip().partition("\n")[0]
    with contextlib.suppress(ValueError):
        if isinstance(json.loads(first_line), dict) and first_line.strip() != content.strip():
            return _read_json_lines(content, name)
    parsed = parsed_json(content, name)
    if isinstance(parsed, dict) and parsed and all(isinstance(cells, list) for cells in parsed.values()):
        return from_columns(parsed)
    return from_rows(parsed if isinstance(parsed, list) else [parsed], name)


def parsed_json(content: str, where: str) -> Any:
    """Return a JSON value; half a surrogate pair in a string, which no file can hold, becomes U+FFFD.

    Raises:
        DataError: it is no JSON, or an object has a key twice; the message begins with `where`.

    """
    try:
        value = json.loads(content, object_pairs_hook=partial(_unique_keys, where=where))
    except DataError:
        raise
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: no valid JSON ({error.msg} at character {error.pos}); mend or remove it") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{where}: cannot be read ({error}); mend or remove it") from error
    return _writable(value) if _SURROGATE.search(content) else value


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return {_writable(key): _writable(item) for key, item in value.items()} if isinstance(value, dict) else value


def _unique_keys(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        refuse_repeated([key for key, _ in pairs], where)
    return dict(pairs)


def _read_parquet(content: bytes, name: str) -> pd.DataFrame:
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} is no Parquet file, or a damaged one ({error}); write it again") from error
    return from_arrow(table)
