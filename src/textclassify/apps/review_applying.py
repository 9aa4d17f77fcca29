"""The way back of a filled-in review file into the labelled data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from textclassify.apps.predicting import check_output, format_for, output_stream
from textclassify.apps.row_writers import writer_for
from textclassify.core import dataset
from textclassify.core.columns import labelled_columns
from textclassify.core.files import read_table
from textclassify.core.selection import CHOSEN_BY
from textclassify.core.types import TrainingData
from textclassify.ensemble.reviewing.review_files import read_review_file, with_reviewed
from textclassify.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


def apply_review(
    file: str,
    review: Path,
    out: Path,
    *,
    text_column: str | None = None,
    label_columns: Sequence[str] | None = None,
    overwrite: bool = False,
) -> str:
    """Write labelled data with what a person filled in; return what was changed, in words.

    All columns of the data are kept; texts that they lack come after them.

    Args:
        file: labelled texts.
        review: the filled-in file.
        out: file to write.
        text_column: None = recognised.
        label_columns: None = recognised.
        overwrite: whether an existing file is replaced.

    Raises:
        LabelError: a label is unknown; the message names the row.
        DataError: a file cannot be used, or the output cannot hold lists of labels.

    """
    kind = format_for(out, None)
    check_output(out, file, overwrite=overwrite)
    check_output(out, str(review), overwrite=overwrite)
    frame = read_table(file, text_column=text_column)
    options: dict[str, Any] = {"text_column": text_column, "label_columns": label_columns}
    found = labelled_columns(frame, **options)
    several = True if len(found.columns) > 1 else None  # 0/1 columns hold as many labels as the review says
    data = dataset.labelled_data(frame, **options, multi_label=several)
    reviewed = read_review_file(review, data.schema)
    merged = with_reviewed(data, reviewed)
    if kind == "csv" and data.multi_label and len(found.columns) == 1:
        raise ConfigError(f"lists of labels do not fit into {str(out)!r}; let --out end in .jsonl or .parquet")
    rows = _merged_rows(frame, merged, found.text, found.columns)
    with output_stream(out) as stream, tempfile.TemporaryFile() as waiting:
        writer = writer_for(kind, stream, {CHOSEN_BY: str}, cast("IO[bytes]", waiting))
        writer.write(rows)
        writer.close()
    changed = int(sum((merged.gold[row] != data.gold[row]).any() for row in range(len(data))))
    confirmed = int(np.isin(data.wording_ids, reviewed.wording_ids).sum()) - changed
    return (
        f"{len(merged):,} rows written to {out}: {changed:,} labels corrected, {confirmed:,} confirmed, "
        f"{len(merged) - len(data):,} rows added"
    )


def _merged_rows(frame: pd.DataFrame, merged: TrainingData, text: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the data with the labels and the choice of the merged ones, and those that were added."""
    answers = merged.schema.decode(merged.gold)
    ways = [] if merged.chosen_by is None else merged.chosen_by.tolist()
    old: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[assignment]
    rows: list[dict[str, Any]] = []
    for number, answer in enumerate(answers):
        row = dict(old[number]) if number < len(old) else {text: merged.texts[number]}
        rows.append({**dict.fromkeys(frame.columns), **row, **_written(answer, columns), CHOSEN_BY: ways[number]})
    return rows


def _written(answer: Any, columns: Sequence[str]) -> dict[str, Any]:
    """Return a label as the data write it: in one column, or as 0 and 1 in a column of each."""
    if len(columns) == 1:
        return {columns[0]: answer}
    given = {str(name) for name in answer} if isinstance(answer, list) else {str(answer)}
    return {name: int(name in given) for name in columns}
