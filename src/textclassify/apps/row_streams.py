"""Rows of a file or of standard input in pieces, and labelled rows out again: memory stays bounded, order is kept."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, cast

from textclassify.core.files import FORMATS, read_table
from textclassify.core.progress import report
from textclassify.core.tables import refuse_repeated
from textclassify.core.texts import did_you_mean
from textclassify.errors import DataError

Row: TypeAlias = dict[str, Any]

STANDARD_INPUT = "-"
OUTPUT_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
"""Output format by the end of a file's name."""
LONGEST_CELL = 2**31 - 1


@contextmanager
def rows_in(source: str, *, lines: bool = False) -> Iterator[Iterator[Row]]:
    """Give the rows of a file, or of standard input ("-"), one at a time; CSV cells stay the strings that they are.

    Args:
        source: a CSV, TSV, JSON Lines, JSON or Parquet file, also gzipped, or "-".
        lines: every line is a text by itself, in a column `text`.

    Raises:
        DataError: there is no such file, or a row cannot be read; the message names the line.

    """
    if source == STANDARD_INPUT:
        stream = io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer), 1 << 16)
        yield _rows(stream, "standard input", "lines" if lines else _sniffed(stream))
        return
    path = Path(source).expanduser()
    try:
        opened = path.open("rb")
    except FileNotFoundError:
        near = did_you_mean(path.name, [other.name for other in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(f"no file at {source!r}{near or '; check the path'}") from None
    except OSError as error:
        raise DataError(f"cannot read {source!r}: {error.strerror}; name a file that you may read") from error
    with opened:
        size = path.stat().st_size
        packed = path.suffix.lower() == ".gz"
        unpacked = cast("IO[bytes]", gzip.GzipFile(fileobj=opened)) if packed else opened
        rows = _rows(unpacked, source, "lines" if lines else _format_of(path.with_suffix("") if packed else path))
        yield _told(rows, opened, size)


def pieces(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """Return the rows as lists of a size; the last may be shorter."""
    while piece := list(islice(rows, size)):
        yield piece


def _told(rows: Iterator[Row], opened: IO[bytes], size: int) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number % 100 == 0:
            report("reading", min(opened.tell(), size), size)
        yield row


def _format_of(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(
            f"cannot tell the format of {str(path)!r} from {suffix!r}; known: {', '.join(FORMATS)}; "
            "pass --lines for one text per line"
        )
    return FORMATS[suffix]


def _sniffed(stream: Any) -> str:
    start = stream.peek(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:4]
    if start == b"PAR1":
        return "parquet"
    return {b"{": "jsonl", b"[": "json"}.get(start[:1], "csv")


def _rows(stream: IO[bytes], name: str, file_format: str) -> Iterator[Row]:
    if file_format in {"json", "parquet"}:
        frame = read_table(io.BytesIO(stream.read()), file_format=file_format)
        columns = [frame[column].tolist() for column in frame.columns]
        return (dict(zip(frame.columns, cells, strict=True)) for cells in zip(*columns, strict=True))
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    readers = {"lines": _lines, "jsonl": _json_lines, "csv": _csv_rows, "tsv": _csv_rows}
    return _readable(readers[file_format](text, name), name)


def _readable(rows: Iterator[Row], name: str) -> Iterator[Row]:
    """Give the rows, with failures to decode them in words."""
    number = 0
    try:
        for row in rows:
            number += 1
            yield row
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8: 0x{error.object[error.start]:02x} after row {number}; save the file as UTF-8, "
            "e.g. iconv -f latin1 -t utf-8"
        ) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{name} is a damaged gzip file ({error}); copy it again") from error
    if number == 0:
        raise DataError(f"{name} has no rows; give it at least one text")


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    del name
    for line in text:
        yield {"text": line.rstrip("\r\n")}


def _json_lines(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{name}, line {number}: no valid JSON ({error.msg}); mend or remove it") from error
        if not isinstance(row, dict):
            raise DataError(f'{name}, line {number}: {line.strip()[:40]!r} is no object; write {{"text": ...}}')
        yield row


def _csv_rows(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    first = next((line for line in text if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(_again(first, text), delimiter=delimiter, strict=True)
    header = [title.strip() for title in next(reader, [])]
    refuse_repeated([title for title in header if title], name)
    try:
        for cells in reader:
            if cells and len(cells) != len(header):
                raise DataError(
                    f"{name}, line {reader.line_num}: {len(cells)} cells where the header has {len(header)}; "
                    f"quote texts that hold {delimiter!r}, or pass --lines for one text per line"
                )
            if cells:
                yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}: {error}; put cells with quotes in quotes and double those inside"
        ) from error


def _again(first: str, text: io.TextIOWrapper) -> Iterator[str]:
    yield first
    yield from text


class RowWriter(Protocol):
    """Takes rows piece by piece."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows; the first ones decide the columns."""

    def close(self) -> None:
        """Finish the file."""


def writer_for(file_format: str, stream: IO[bytes]) -> RowWriter:
    """Return what writes rows in a format, "csv", "jsonl" or "parquet", to a binary stream."""
    writers: dict[str, type[CsvWriter | JsonLinesWriter | ParquetWriter]] = {
        "csv": CsvWriter,
        "jsonl": JsonLinesWriter,
        "parquet": ParquetWriter,
    }
    return writers[file_format](stream)


class CsvWriter:
    """CSV with a header; lists are written as JSON, missing values as empty cells."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._columns: list[str] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows; the first ones decide the columns."""
        buffer = io.StringIO(newline="")
        if not self._columns:
            self._columns = list(dict.fromkeys(name for row in rows for name in row))
            csv.writer(buffer, lineterminator="\n").writerow(self._columns)
        writer = csv.DictWriter(buffer, self._columns, lineterminator="\n")
        for row in rows:
            extra = row.keys() - set(self._columns)
            if extra:
                raise DataError(f"a row has a column {min(extra)!r} that the first rows lack; write --format jsonl")
            writer.writerow({name: _as_cell(value) for name, value in row.items()})
        self._stream.write(buffer.getvalue().encode("utf-8", "surrogatepass"))
        self._stream.flush()

    def close(self) -> None:
        """Finish the file."""
        self._stream.flush()


def _as_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value


class JsonLinesWriter:
    """One JSON object per line."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, default=str)
            self._stream.write(line.encode("utf-8", "backslashreplace") + b"\n")
        self._stream.flush()

    def close(self) -> None:
        """Finish the file."""
        self._stream.flush()


class ParquetWriter:
    """Parquet; the first rows decide the columns and their types."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._writer: Any = None

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows; the first ones decide the columns and their types."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self._writer is None:
                table = pa.Table.from_pylist(list(rows))
                types = [
                    pa.field(one.name, pa.string() if pa.types.is_null(one.type) else one.type) for one in table.schema
                ]
                self._writer = pq.ParquetWriter(self._stream, pa.schema(types))
            self._writer.write_table(pa.Table.from_pylist(list(rows), schema=self._writer.schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"the columns change their type in between ({error}); write --format jsonl") from error

    def close(self) -> None:
        """Write the file's end."""
        if self._writer is not None:
            self._writer.close()
