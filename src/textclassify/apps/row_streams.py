"""Rows of a file or of standard input in pieces: memory stays bounded, order is kept."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import IO, Any, TypeAlias, cast

from textclassify.core.columns import TEXT_NAMES, looks_like_a_text
from textclassify.core.files import (
    FORMATS,
    STANDARD_INPUT,
    likely_delimiter,
    named_delimiter,
    parsed_json,
    standard_input,
)
from textclassify.core.progress import report
from textclassify.core.tables import refuse_repeated
from textclassify.core.texts import did_you_mean
from textclassify.errors import DataError

Row: TypeAlias = dict[str, Any]

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
        stream = io.BufferedReader(_raw_standard_input(), 1 << 16)
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


def pieces_as_they_come(rows: Iterator[Row], size: int, wait_seconds: float = 0.5) -> Iterator[list[Row]]:
    """Return the rows as lists of at most a size; what has come is given on after a moment, although more may follow.

    The rows are read in a thread, which is left behind where the reader goes away before the end: it may wait for a
    line that never comes.

    Args:
        rows: from somebody who may take long to write them.
        size: most rows in a list.
        wait_seconds: after the first row of a list, how long to wait for further ones.

    """
    came: queue.Queue[Row | BaseException | None] = queue.Queue(size)
    gone = threading.Event()

    def read() -> None:
        end: BaseException | None = None
        try:
            for row in rows:
                came.put(row)
                if gone.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - it is raised where the rows are wanted
            end = error
        came.put(end)

    threading.Thread(target=read, daemon=True).start()
    try:
        yield from _collected(came, size, wait_seconds)
    finally:
        gone.set()
        with contextlib.suppress(queue.Empty):  # room for the row that the thread may be waiting to hand on
            came.get_nowait()


def _collected(came: queue.Queue[Row | BaseException | None], size: int, wait_seconds: float) -> Iterator[list[Row]]:
    """Give lists of the rows in a queue, up to None; an error in it is raised after the rows before it."""
    end: Row | BaseException | None = {}
    while isinstance(end, dict):
        end = came.get()
        piece: list[Row] = []
        until = monotonic() + wait_seconds
        while isinstance(end, dict):
            piece.append(end)
            left = until - monotonic()
            if len(piece) == size or left <= 0:
                break
            try:
                end = came.get(timeout=left)
            except queue.Empty:
                break
        if piece:
            yield piece
    if end is not None:
        raise end


def _raw_standard_input() -> io.RawIOBase:
    """Return standard input past Python's own buffer: a thread that waits in that one would crash a program that ends.

    Raises:
        DataError: it was closed by whoever started the program.

    """
    given = standard_input()
    try:
        return io.FileIO(given.fileno(), "rb", closefd=False)
    except OSError:  # no file, such as a stream in memory
        return cast("io.RawIOBase", given)


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
    if file_format == "parquet":
        return _readable(_parquet_rows(stream, name), name)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    readers = {"lines": _lines, "jsonl": _json_lines, "json": _json_rows, "csv": _csv_rows, "tsv": _csv_rows}
    return _readable(readers[file_format](text, name), name)


def _readable(rows: Iterator[Row], name: str) -> Iterator[Row]:
    """Give the rows, with failures to decode them in words."""
    number = 0
    try:
        for row in rows:
            number += 1
            yield row
    except UnicodeDecodeError as error:
        utf_16 = number == 0 and error.object[:2] in {b"\xff\xfe", b"\xfe\xff"}
        raise DataError(
            f"{name} is not UTF-8: 0x{error.object[error.start]:02x} after {number} rows; save the file as UTF-8, "
            f"e.g. iconv -f {'utf-16' if utf_16 else 'latin1'} -t utf-8"
        ) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{name} is a damaged gzip file ({error}); copy it again") from error
    if number == 0:
        raise DataError(
            f"{name} has no rows; give it at least one text below the header, or pass --lines for one text per line"
        )


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    del name
    for line in text:
        yield {"text": line.rstrip("\r\n")}


def _json_lines(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        if line.strip():
            yield _object(parsed_json(line, f"{name}, line {number}"), f"{name}, line {number}")


def _json_rows(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    """Give the rows of a list of objects, of a mapping of columns, or of JSON Lines under a `.json` name."""
    content = text.read()
    if not content.strip():
        return
    first, _, rest = content.strip().partition("\n")
    if rest and first.rstrip().startswith("{") and first.rstrip().endswith("}"):
        yield from _json_lines(cast("io.TextIOWrapper", io.StringIO(content)), name)
        return
    parsed = parsed_json(content, name)
    if isinstance(parsed, dict) and parsed and all(isinstance(cells, list) for cells in parsed.values()):
        if len({len(cells) for cells in parsed.values()}) > 1:
            raise DataError(f"{name}: the columns differ in length; give each one value per row")
        parsed = [dict(zip(parsed, cells, strict=True)) for cells in zip(*parsed.values(), strict=True)]
    rows = parsed if isinstance(parsed, list) else [parsed]
    for number, row in enumerate(rows, start=1):
        yield _object(row, f"{name}, entry {number}")


def _object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise DataError(f'{where}: {row!r:.40} is no object; write {{"text": ...}}')
    return row


def _parquet_rows(stream: IO[bytes], name: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(stream.read()))
        refuse_repeated(file.schema_arrow.names, name)
        for batch in file.iter_batches(1000):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} is no Parquet file, or a damaged one ({error}); write it again") from error


def _csv_rows(text: io.TextIOWrapper, name: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    lines = (line for line in text if line.strip())
    first = next(lines, "")
    delimiter = named_delimiter(first)
    first = first if delimiter is None else next(lines, "")
    delimiter = delimiter or likely_delimiter(first)
    reader = csv.reader(_again(first, text), delimiter=delimiter, strict=True)
    header = [title.strip() for title in next(reader, [])]
    _check_header(header, name)
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


def _check_header(header: list[str], name: str) -> None:
    """Raise where columns cannot be told apart, or where the first line of the file is a text."""
    if header.count("") > 1:
        raise DataError(f"{name} has {header.count('')} columns without a name; name all but one in the first line")
    refuse_repeated(header, name)
    if len(header) == 1 and header[0].lower() not in TEXT_NAMES and looks_like_a_text(header[0]):
        raise DataError(
            f"{name}: the first line, {header[0]!r:.60}, looks like a text, not like a header; pass --lines for one "
            "text per line, or write a header line above it"
        )


def _again(first: str, text: io.TextIOWrapper) -> Iterator[str]:
    yield first
    yield from text
