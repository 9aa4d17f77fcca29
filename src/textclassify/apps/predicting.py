"""Answers for a stream of rows: every row comes out once, in its place, with its label or why there is none."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from textclassify.apps.row_streams import OUTPUT_FORMATS, Row, pieces, rows_in, writer_for
from textclassify.core.columns import text_column_of
from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.texts import is_missing
from textclassify.errors import ConfigError, DataError, StorageError

PIECE = 1000
"""Rows that are held in memory and scored at a time."""
ADDED = ("label", "probability", "status", "source")


def format_for(out: Path | None, given: str | None) -> str:
    """Return the output format: as given, else by the file's name, else CSV.

    Raises:
        ConfigError: the format cannot be told, or is not known.

    """
    known = sorted(set(OUTPUT_FORMATS.values()))
    if given is not None:
        if given not in known:
            raise ConfigError(f"unknown format {given!r}; known: {', '.join(known)}")
        return given
    if out is None:
        return "csv"
    if out.suffix.lower() not in OUTPUT_FORMATS:
        raise ConfigError(
            f"cannot tell the format of {str(out)!r}; let it end in {', '.join(OUTPUT_FORMATS)}, or pass --format"
        )
    return OUTPUT_FORMATS[out.suffix.lower()]


def predict_stream(
    classifier: TextClassifier,
    source: str,
    stream: IO[bytes],
    *,
    file_format: str,
    text_column: str | None = None,
    lines: bool = False,
    probabilities: bool = False,
) -> tuple[int, int]:
    """Write the rows of a file with their answers to a stream; return how many rows, and how many have an answer.

    Args:
        classifier: what answers.
        source: a file, or "-".
        stream: binary.
        file_format: of the output.
        text_column: None = as in training, else recognised.
        lines: every line is a text by itself.
        probabilities: also write `p_<label>` of every label.

    Raises:
        DataError: a row cannot be read or its text is no string; the message names it.

    """
    writer = writer_for(file_format, stream)
    n_rows = n_answered = 0
    with rows_in(source, lines=lines) as rows, doing("predicting: "):
        for piece in pieces(rows, PIECE):
            if n_rows == 0:
                text_column = _text_column(classifier, piece, text_column)
            texts = _texts(piece, str(text_column), n_rows)
            result = classifier.predict(texts)
            writer.write(_answered(piece, result, probabilities=probabilities))
            n_rows += len(piece)
            n_answered += int((result.status == Status.OK).sum())
    writer.close()
    return n_rows, n_answered


@contextlib.contextmanager
def output_stream(out: Path | None) -> Iterator[IO[bytes]]:
    """Give a stream to standard output, or to a file that appears under its name only when it is complete.

    Raises:
        StorageError: the file cannot be written.

    """
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(out)!r}: {error.strerror}; name a file that you may write to with --out"
        ) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(name).chmod(0o644)
        Path(name).replace(out)
    finally:
        Path(name).unlink(missing_ok=True)


def _text_column(classifier: TextClassifier, piece: Sequence[Row], given: str | None) -> str:
    columns = list(dict.fromkeys(name for row in piece for name in row))
    trained = getattr(getattr(classifier, "config_", None), "text_column", None)
    if given is None and trained in columns:
        return str(trained)
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in piece], dtype=object) for name in columns})
    try:
        return text_column_of(frame, given)
    except DataError as error:
        raise DataError(str(error).replace("text_column=", "--text-column ")) from None


def _texts(piece: Sequence[Row], column: str, start: int) -> list[str]:
    """Return the texts; a missing one is blank, so that its row comes out with status `invalid`."""
    texts = []
    for number, row in enumerate(piece, start=start):
        text = row.get(column)
        if is_missing(text):
            text = ""
        if not isinstance(text, str):
            raise DataError(
                f"the text in row {number} is {text!r:.60} ({type(text).__name__}), not a string; put it in quotes"
            )
        texts.append(text)
    return texts


def _answered(piece: Sequence[Row], result: ClassificationResult, *, probabilities: bool) -> list[Row]:
    taken = {name for row in piece[:1] for name in row}
    names = {name: name if name not in taken else f"predicted_{name}" for name in ADDED}
    confidence, shares = result.confidence, result.probabilities
    used = _sources(result)
    rows = []
    for number, row in enumerate(piece):
        answer = {
            names["label"]: result.predictions[number],
            names["probability"]: _rounded(confidence[number]),
            names["status"]: Status(result.status[number]).name.lower(),
            names["source"]: used[number],
        }
        if probabilities:
            answer |= {f"p_{label}": _rounded(shares[number, k]) for k, label in enumerate(result.classes)}
        rows.append({**row, **answer})
    return rows


def _sources(result: ClassificationResult) -> list[str]:
    """Return which sources an answer rests on, joined by +."""
    if not result.sources:
        return [result.scores.source if status == Status.OK else "" for status in result.status]
    answered = {name: scores.answered for name, scores in result.sources.items()}
    return ["+".join(name for name, rows in answered.items() if rows[number]) for number in range(len(result))]


def _rounded(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
