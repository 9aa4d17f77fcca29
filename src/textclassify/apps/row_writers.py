"""Rows out as CSV, JSON Lines or Parquet, piece by piece; nothing that was read changes its value."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

from textclassify.apps.row_streams import Row
from textclassify.core.csv_cells import escaped_cell
from textclassify.core.texts import listed
from textclassify.errors import DataError

OUTPUT_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
"""Output format by the end of a file's name."""


class RowWriter(Protocol):
    """Takes rows piece by piece."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""

    def close(self) -> None:
        """Finish the file."""


def writer_for(
    file_format: str,
    stream: IO[bytes],
    types: Mapping[str, Any],
    waiting: IO[bytes],
    *,
    escape_formulas: bool = False,
) -> RowWriter:
    """Return what writes rows in a format to a binary stream.

    Args:
        file_format: "csv", "jsonl" or "parquet".
        stream: binary.
        types: Python's type, or a list of one type, of columns whose type is known beforehand.
        waiting: an empty temporary file, for a format whose columns are known at the end only.
        escape_formulas: whether texts in CSV get a quotation mark where a spreadsheet would run them as a formula.

    """
    if file_format == "parquet":
        return ParquetWriter(stream, types, waiting)
    return CsvWriter(stream, escape_formulas=escape_formulas) if file_format == "csv" else JsonLinesWriter(stream)


class CsvWriter:
    """CSV with a header; lists are written as JSON, missing values as empty cells.

    Args:
        stream: binary.
        escape_formulas: whether texts get a quotation mark where a spreadsheet would run them as a formula; so do the
            names of columns. Numbers stay as they are.

    """

    def __init__(self, stream: IO[bytes], *, escape_formulas: bool = False) -> None:
        self._stream = stream
        self._shown = escaped_cell if escape_formulas else _as_it_is
        self._columns: list[str] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows; the first ones decide the columns.

        Raises:
            DataError: a row has a column that these lack.

        """
        buffer = io.StringIO(newline="")
        if not self._columns:
            self._columns = _all_columns(rows)
            csv.writer(buffer, lineterminator="\n").writerow(map(self._shown, self._columns))
        writer = csv.DictWriter(buffer, self._columns, lineterminator="\n")
        for row in rows:
            extra = row.keys() - set(self._columns)
            if extra:
                raise DataError(f"a row has a column {min(extra)!r} that the first rows lack; pass --format jsonl")
            writer.writerow({name: self._shown(_as_cell(value)) for name, value in row.items()})
        self._stream.write(buffer.getvalue().encode())
        self._stream.flush()

    def close(self) -> None:
        """Finish the file."""
        self._stream.flush()


class JsonLinesWriter:
    """One JSON object per line; what JSON cannot hold is written as text, and not-a-number as null."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""
        for row in rows:
            self._stream.write(_as_json(row).encode() + b"\n")
        self._stream.flush()

    def close(self) -> None:
        """Finish the file."""
        self._stream.flush()


class ParquetWriter:
    """Parquet with all columns of all rows; the pieces wait in a temporary file until the columns' types are known."""

    def __init__(self, stream: IO[bytes], types: Mapping[str, Any], waiting: IO[bytes]) -> None:
        import pyarrow as pa

        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        self._known = {
            name: pa.list_(kinds[kind[0]]) if isinstance(kind, list) else kinds[kind] for name, kind in types.items()
        }
        self._stream = stream
        self._waiting = waiting
        self._schemas: list[Any] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Take some rows.

        Raises:
            DataError: a column holds values of several types.

        """
        import pyarrow as pa

        columns = {}
        for name in _all_columns(rows):
            try:
                columns[name] = pa.array([row.get(name) for row in rows], type=self._known.get(name))
            except (pa.ArrowException, TypeError, OverflowError) as error:
                raise DataError(f"column {name!r} cannot be Parquet ({error}); pass --format jsonl") from error
        table = pa.table(columns)
        with pa.ipc.new_stream(self._waiting, table.schema) as writer:
            writer.write_table(table)
        self._schemas.append(table.schema)

    def close(self) -> None:
        """Write the file.

        Raises:
            DataError: a column changes its type on the way.

        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            whole = pa.unify_schemas(self._schemas, promote_options="permissive")
            nulls = [pa.field(one.name, pa.string()) for one in whole if pa.types.is_null(one.type)]
            schema = pa.unify_schemas([whole, pa.schema(nulls)], promote_options="permissive")
            self._waiting.seek(0)
            with pq.ParquetWriter(self._stream, schema) as writer:
                for _ in self._schemas:
                    table = pa.ipc.open_stream(self._waiting).read_all()
                    writer.write_table(_filled(table, schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"a column changes its type on the way ({error}); pass --format jsonl") from error


def _filled(table: Any, schema: Any) -> Any:
    """Return the table with the columns of the schema, empty where it has none."""
    import pyarrow as pa

    empty = pa.nulls(len(table))
    return pa.table(
        [
            (table[field.name] if field.name in table.column_names else pa.chunked_array([empty])).cast(field.type)
            for field in schema
        ],
        schema=schema,
    )


def _all_columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _as_cell(value: Any) -> Any:
    if isinstance(value, list | dict | tuple):
        return _as_json(value)
    plain = _plain(value)
    return "" if plain is None else plain


def _as_it_is(value: Any) -> Any:
    return value


def _as_json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: bytes as base64, times in ISO 8601, what is no number as None."""
    if value is None or isinstance(value, str | bool | int | float):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def free_names(wanted: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """Return a column name for each wanted one that is not taken: itself, else with `predicted_` before it.

    >>> free_names(["label", "status"], ["text", "label", "predicted_label"])
    {'label': 'predicted_label_2', 'status': 'status'}

    """
    used = set(taken)
    found: dict[str, str] = {}
    for name in wanted:
        choice, count = name, 1
        while choice in used:
            choice = f"predicted_{name}" if count == 1 else f"predicted_{name}_{count}"
            count += 1
        used.add(choice)
        found[name] = choice
    return found


def refuse_taken(row: Row, added: Sequence[str], number: int) -> None:
    """Raise where a later row has a column of the name under which answers are written."""
    clash = sorted(row.keys() & set(added))
    if clash:
        raise DataError(
            f"row {number} has the columns {listed(map(repr, clash))}, which the rows before it lack and under which "
            "the answers are written; rename them in the input"
        )
