"""Answers for a stream of rows: every row comes out once, in its place, with its label or why there is none."""

from __future__ import annotations

import contextlib
import re
import secrets
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd

from textclassify.apps.answering import Answering
from textclassify.apps.asked_models import asks_remotely, resumable
from textclassify.apps.configured import configured_limits
from textclassify.apps.row_streams import Row, pieces, pieces_as_they_come, rows_in
from textclassify.apps.row_writers import OUTPUT_FORMATS, free_names, refuse_taken, writer_for
from textclassify.core.columns import text_column_of
from textclassify.core.contract import TextClassifier
from textclassify.core.files import STANDARD_INPUT
from textclassify.core.progress import doing
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.texts import did_you_mean, is_missing, listed
from textclassify.errors import ConfigError, DataError, StorageError

if sys.platform != "win32":
    import fcntl

PIECE = 1000
"""Rows that are held in memory and scored at a time."""
PIECE_OF_REMOTE = 10_000
"""As `PIECE`, where a model is asked over the network: each piece ends with a wait for its slowest replies."""
ADDED = ("label", "probability", "status", "source")
SET = "prediction_set"


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
    if out.is_dir():
        raise StorageError(f"{str(out)!r} is a folder; name a file in it with --out")
    if out.suffix.lower() not in OUTPUT_FORMATS:
        raise ConfigError(
            f"cannot tell the format of {str(out)!r}; let it end in {', '.join(OUTPUT_FORMATS)}, or pass --format"
        )
    return OUTPUT_FORMATS[out.suffix.lower()]


def predict_stream(
    answering: Answering,
    source: str,
    stream: IO[bytes],
    *,
    file_format: str,
    text_column: str | None = None,
    lines: bool = False,
    probabilities: bool = False,
    escape_formulas: bool = False,
) -> None:
    """Write the rows of a file with their answers to a stream; `answering` counts them.

    Args:
        answering: what answers, and under which policy.
        source: a file, or "-", whose rows are answered as they come.
        stream: binary.
        file_format: of the output.
        text_column: None = as in training, else recognised.
        lines: every line is a text by itself.
        probabilities: also write `p_<label>` of every label.
        escape_formulas: as for `writer_for`.

    Raises:
        DataError: a row cannot be read or its text is no string; the message names it.
        BudgetError: the money is spent that the model's configuration, or a limit around the call, allows.
        InterruptedRunError: Ctrl-C where a language model was asked; the message says how to go on.

    """
    classifier, n_rows = answering.classifier, 0
    remote = asks_remotely(classifier)
    size = PIECE_OF_REMOTE if remote else PIECE
    with (
        resumable(remote, "run the same command again, with --resume where --out names a file, to go on"),
        configured_limits(classifier),
        tempfile.SpooledTemporaryFile(max_size=1 << 26) as waiting,
        rows_in(source, lines=lines) as rows,
        doing("predicting: "),
    ):
        as_read = pieces_as_they_come(rows, size) if source == STANDARD_INPUT else pieces(rows, size)
        for piece in answering.pieces(as_read):
            if n_rows == 0:
                text_column = "text" if lines else column_of_texts(classifier, piece, text_column)
                sets = answering.alpha is not None
                names = _names_of_answers(classifier, piece, probabilities=probabilities, sets=sets)
                types, kept = _types(classifier, names), cast("IO[bytes]", waiting)
                writer = writer_for(file_format, stream, types, kept, escape_formulas=escape_formulas)
            result, sets_of_piece = answering.answer(texts_of_piece(piece, str(text_column), n_rows))
            writer.write(_answered(piece, result, sets_of_piece, names, n_rows))
            n_rows += len(piece)
        writer.close()


def check_output(out: Path, source: str, *, overwrite: bool) -> None:
    """Raise a StorageError where writing to a file would destroy the input, or a file that nobody said to replace."""
    read = Path(source).expanduser()
    if out.is_file() and source != STANDARD_INPUT and read.exists() and out.samefile(read):
        raise StorageError(f"{str(out)!r} is the input itself; name another file with --out")
    if out.is_file() and not overwrite:
        raise StorageError(f"{str(out)!r} exists; pass --overwrite, or name another file with --out")


@contextlib.contextmanager
def output_stream(out: Path | None) -> Iterator[IO[bytes]]:
    """Give a stream to standard output, to a device or pipe, or to a file that has its name only when it is complete.

    Raises:
        StorageError: the file cannot be written.

    """
    if out is None:
        yield sys.stdout.buffer
        return
    began = time.time()
    try:
        special = out.exists() and not out.is_file()
        target = out if special else out.resolve()
        temporary = target if special else target.with_name(f".{target.name}-{secrets.token_hex(4)}")
        temporary.parent.mkdir(parents=True, exist_ok=True)
        stream = temporary.open("wb" if special else "xb")
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(out)!r}: {error.strerror}; name a file that you may write to with --out"
        ) from error
    try:
        with stream:
            if not special:
                _hold(stream)
            yield stream
        if not special:
            temporary.replace(target)
            _remove_leftovers(target, before=began)
    finally:
        if not special:
            temporary.unlink(missing_ok=True)


def _hold(stream: IO[bytes]) -> bool:
    """Whether nobody else holds a file; ours until it is closed or the process ends. Where files have no locks: no."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or on a file system without locks
        return False
    return True


def _remove_leftovers(target: Path, *, before: float) -> None:
    """Remove what runs that were killed before a time left beside their output; whatever a run holds stays."""
    name = re.compile(rf"\.{re.escape(target.name)}-[0-9a-f]{{8}}")
    with contextlib.suppress(OSError):
        for path in [path for path in target.parent.iterdir() if name.fullmatch(path.name)]:
            about = path.lstat()
            if stat.S_ISREG(about.st_mode) and about.st_mtime < before:
                with path.open("rb") as left:
                    if _hold(left):
                        path.unlink(missing_ok=True)


def column_of_texts(classifier: TextClassifier, piece: Sequence[Row], given: str | None) -> str:
    """Return the column that holds the texts: the given one, that of the training, or a recognised one.

    Raises:
        DataError: there is none of the kind.

    """
    columns = columns_of(piece)
    trained = getattr(getattr(classifier, "config_", None), "text_column", None)
    if given is None and trained in columns:
        return str(trained)
    if given is None and trained is not None:
        raise DataError(
            f"the input has no column {trained!r}, which held the texts in training{did_you_mean(trained, columns)}; "
            f"name its column with --text-column, or pass --lines for one text per line; columns: "
            f"{listed((f'{name!r:.60}' for name in columns), 12)}"
        )
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in piece], dtype=object) for name in columns})
    return text_column_of(frame, given)


def columns_of(piece: Sequence[Row]) -> list[str]:
    """Return the columns of some rows, in the order in which they come."""
    return list(dict.fromkeys(name for row in piece for name in row))


def _names_of_answers(
    classifier: TextClassifier, piece: Sequence[Row], *, probabilities: bool, sets: bool
) -> dict[str, str]:
    """Return the columns under which the answers are written; no column of the input is among them."""
    shares = [f"p_{label}" for label in classifier.schema_.names] if probabilities else []
    return free_names([*ADDED, *([SET] if sets else []), *shares], columns_of(piece))


def _types(classifier: TextClassifier, names: dict[str, str]) -> dict[str, Any]:
    schema = classifier.schema_
    kind = type(schema.names[0])
    known = {"label": [kind] if schema.multi_label else kind, SET: [kind], "status": str, "source": str}
    return {written: known.get(name, float) for name, written in names.items()}


def texts_of_piece(piece: Sequence[Row], column: str, start: int) -> list[str]:
    """Return the texts; a missing one is blank, so that its row comes out with status `invalid`.

    Raises:
        DataError: one is no string; the message counts rows from `start`.

    """
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


def _answered(
    piece: Sequence[Row],
    result: ClassificationResult,
    sets: Sequence[Any] | None,
    names: dict[str, str],
    start: int,
) -> list[Row]:
    confidence, shares, status = result.confidence, result.probabilities, result.status
    used = _sources(result)
    rows = []
    for number, row in enumerate(piece):
        refuse_taken(row, list(names.values()), start + number)
        answers = {
            "label": result.predictions[number],
            "probability": rounded(confidence[number]) if status[number] == Status.OK else None,
            "status": Status(status[number]).name.lower(),
            "source": used[number],
            SET: None if sets is None else sets[number],
        }
        answers |= {f"p_{label}": rounded(shares[number, k]) for k, label in enumerate(result.classes)}
        rows.append({**row, **{written: answers[name] for name, written in names.items()}})
    return rows


def _sources(result: ClassificationResult) -> list[str]:
    """Return which sources an answer rests on, joined by +."""
    if not result.sources:
        return [result.scores.source if status == Status.OK else "" for status in result.status]
    answered = {name: scores.answered for name, scores in result.sources.items()}
    return ["+".join(name for name, rows in answered.items() if rows[number]) for number in range(len(result))]


def rounded(value: Any) -> float | None:
    """Return a probability as it is written; None where there is none."""
    return None if np.isnan(value) else round(float(value), 6)
