"""A run for other programs: its predictions as a table, or everything about it as one JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import IO, Any

from textclassify.apps import predicting
from textclassify.apps.row_writers import writer_for
from textclassify.apps.run_screens import whole_run
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError, StorageError
from textclassify.runs.recording.run_files import RUN_FILE
from textclassify.runs.recording.run_folder import RunFolder
from textclassify.runs.systems import json_safe

WHOLE = "json"
_TABLES = ("csv", "jsonl", "parquet")


def format_for(out: Path | None, given: str | None) -> str:
    """Return the format to write: as given, else by the file's name, else CSV.

    Raises:
        ConfigError: it cannot be told, or is not known.

    """
    if given is not None and given not in (*_TABLES, WHOLE):
        known = (*_TABLES, WHOLE)
        raise ConfigError(f"unknown format {given!r}{did_you_mean(given, known)}; known: {', '.join(known)}")
    if given == WHOLE or (given is None and out is not None and out.suffix.lower() == ".json"):
        return WHOLE
    return predicting.format_for(out, given)


def export_run(
    run: RunFolder, out: Path | None, file_format: str, *, overwrite: bool, escape_formulas: bool = False
) -> int:
    """Write a run to a file, None = standard output, and return the number of its rows.

    Args:
        run: what is written; without predictions, `json` alone can be.
        out: the file.
        file_format: "csv", "jsonl", "parquet", or "json" for everything.
        overwrite: whether an existing file may be replaced.
        escape_formulas: as for `writer_for`.

    Raises:
        DataError: there are no predictions, or they were changed after the run.
        StorageError: the file exists or cannot be written.

    """
    if out is not None:
        check_output(run, out, overwrite=overwrite)
    rows = rows_of(run) if file_format != WHOLE or run.has_predictions else []
    with predicting.output_stream(out) as stream:
        if file_format == WHOLE:
            whole = whole_run(run) | {"predictions": json_safe(rows)}
            stream.write(json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n")
        else:
            _write_table(run, rows, stream, file_format, escape_formulas=escape_formulas)
    return len(rows)


def check_output(run: RunFolder, out: Path, *, overwrite: bool) -> None:
    """Raise a StorageError where writing to a file would destroy the run, or a file that nobody said to replace."""
    if out.resolve() in {(run.folder / name).resolve() for name in (RUN_FILE, *run.facts["files"])}:
        raise StorageError(f"{str(out)!r} belongs to the run itself; name another file with --out")
    predicting.check_output(out, str(run.folder / RUN_FILE), overwrite=overwrite)


def rows_of(run: RunFolder) -> list[dict[str, Any]]:
    """Return the predictions as rows of plain values; None where there is none."""
    rows: list[dict[str, Any]] = json_safe(run.predictions.to_dict(orient="records"))
    return rows


def _write_table(
    run: RunFolder, rows: list[dict[str, Any]], stream: IO[bytes], file_format: str, *, escape_formulas: bool
) -> None:
    label: Any = [str] if run.schema.multi_label else str
    types = {name: float for name in run.predictions.columns if name.startswith(("p_", "confidence"))}
    types |= {
        name: label for name in run.predictions.columns if name in {"gold", "label"} or name.startswith("answer:")
    }
    with tempfile.TemporaryFile() as waiting:
        writer = writer_for(file_format, stream, types, waiting, escape_formulas=escape_formulas)
        writer.write(rows)
        writer.close()
