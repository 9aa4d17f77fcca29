"""Files that a person fills in: rows to review go out with an empty `label` column, gold labels come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclassify.core.csv_cells import escaped_cell, unescaped_cell
from textclassify.core.files import read_table
from textclassify.core.labels import LabelSchema, plain_label
from textclassify.core.selection import CHOSEN_BY, RANDOM, RANKING
from textclassify.core.texts import did_you_mean, is_blank, is_missing, listed, plain_list
from textclassify.core.types import TrainingData
from textclassify.ensemble.review import LABELS, SEVERAL
from textclassify.errors import ConfigError, DataError, LabelError, StorageError

if TYPE_CHECKING:
    import pandas as pd

LABEL, INSTRUCTIONS = "label", "instructions"
_FIRST = ("row", "text", LABEL, "gold", "suggested", "prediction", "confidence")
_TELLING = ("prediction", "confidence", "uncertainty", "disagreement", "density", "score", "status")
"""Columns that are left empty in rows that were drawn at random: whoever labels these must not lean on an answer."""
_SEPARATOR = "|"
_SHOWN_LABELS = 20
_ESCAPED = "a ' before = + - @ is none of the text's"
"""What instructions say where formulas were escaped."""
_WRITERS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}


def write_review_file(
    table: pd.DataFrame,
    path: str | Path,
    *,
    labels: Any = None,
    overwrite: bool = False,
    escape_formulas: bool = False,
) -> None:
    """Write rows to review with an empty column `label`, and in each row what to write into it.

    In rows that were drawn at random the model's answers are left out, so that they do not sway the person.

    Args:
        table: from `rows_to_label` or `label_errors`, with texts.
        path: ends in .csv, .jsonl or .parquet.
        labels: the label schema, or whatever describes one; None = as the table says.
        overwrite: whether an existing file is replaced: somebody may have filled it in.
        escape_formulas: whether texts in CSV get a quotation mark where a spreadsheet would run them as a formula. The
            instructions say so, by which `read_review_file` knows that the marks are none of the texts'.

    Raises:
        DataError: the table has no texts.
        StorageError: the file exists, or cannot be written.
        ConfigError: the file's name ends otherwise, or the labels are not known.

    """
    target = Path(path)
    if target.suffix.lower() not in _WRITERS:
        raise ConfigError(f"cannot tell the format of {str(target)!r}; let it end in {', '.join(_WRITERS)}")
    if "text" not in table.columns:
        raise DataError("the rows to review have no column 'text', and nobody can label a number; pass texts")
    if target.exists() and not overwrite:
        raise StorageError(f"{str(target)!r} exists, and may be filled in; name another file, or pass overwrite=True")
    shown = _to_fill_in(table, _schema_of(table, labels))
    escapes = escape_formulas and _WRITERS[target.suffix.lower()] == "csv"
    if escapes:
        shown[INSTRUCTIONS] = [f"{said}; {_ESCAPED}" for said in shown[INSTRUCTIONS]]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(shown, target, escaped_cell if escapes else _as_it_is)
    except OSError as error:
        raise StorageError(f"cannot write {str(target)!r}: {error.strerror}; name another file") from error


def read_review_file(path: str | Path, schema: Any) -> TrainingData:
    """Return the rows of a review file that somebody has labelled, with how each was chosen; others are left out.

    Several labels are joined by `|`; `[]` is the answer "none of the labels".

    Args:
        path: a file that `write_review_file` wrote, in any format, filled in.
        schema: the labels that may occur, whatever `LabelSchema.of` takes.

    Raises:
        LabelError: a label is unknown; the message names the row (from 0).
        DataError: no row has a label, a column is missing, or a labelled row has no text.

    """
    labels = LabelSchema.of(schema)
    table = _as_before(read_table(path, text_column="text"))
    for name in ("text", LABEL):
        if name not in table.columns:
            raise DataError(f"{path} has no column {name!r}{did_you_mean(name, table.columns)}; is it a review file?")
    cells = table[LABEL].tolist()
    filled = [row for row, cell in enumerate(cells) if _is_filled(cell)]
    if not filled:
        raise DataError(f"no row of {path} has a label; write some into its column {LABEL!r}")
    texts = table["text"].tolist()
    for row in filled:
        if not isinstance(texts[row], str) or is_blank(texts[row]):
            raise DataError(f"row {row} of {path} has a label and no text; put the text back, or empty its label")
    by_writing = {str(name): name for name in labels.names}
    chosen_by = table[CHOSEN_BY].tolist() if CHOSEN_BY in table.columns else [RANKING] * len(table)
    return TrainingData(
        [texts[row] for row in filled],
        [_answer(cells[row], row, labels, by_writing) for row in filled],
        schema=labels,
        chosen_by=np.array([chosen_by[row] for row in filled], dtype=object),
    )


def _as_before(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the marks that keep texts from being run, where its instructions tell of them."""
    said = table[INSTRUCTIONS].astype("string") if INSTRUCTIONS in table.columns else None
    if said is None or not said.str.contains(_ESCAPED, regex=False).any():
        return table
    return table.assign(**{name: table[name].map(unescaped_cell) for name in ("text", LABEL) if name in table.columns})


def with_reviewed(data: TrainingData, reviewed: TrainingData) -> TrainingData:
    """Return training data with what a person said: rows of the same text get the label, other texts are added.

    Rows of the data whose choice was not recorded count as drawn at random, as they did before; those that get a label
    from a review count as it says.

    Raises:
        DataError: the reviewed rows give one text different labels.
        LabelError: the labels differ.

    """
    if data.schema.names != reviewed.schema.names or data.multi_label != reviewed.multi_label:
        raise LabelError(
            f"the data have the labels {listed(map(repr, data.schema.names), 12)} and the review "
            f"{listed(map(repr, reviewed.schema.names), 12)}; read it with schema=data.schema"
        )
    said: dict[int, int] = {}
    for row, wording in enumerate(reviewed.wording_ids.tolist()):
        if (reviewed.gold[said.setdefault(wording, row)] != reviewed.gold[row]).any():
            raise DataError(
                f"the review gives one text two labels, in its rows {said[wording]} and {row}: "
                f"{reviewed.texts[row]!r:.60}; decide for one"
            )
    ways = np.full(len(data), RANDOM, dtype=object) if data.chosen_by is None else data.chosen_by.astype(object)
    if reviewed.chosen_by is None:
        reviewed = replace(reviewed, chosen_by=np.full(len(reviewed), RANKING))
    by = np.asarray(reviewed.chosen_by)
    gold = data.gold.copy()
    for row, wording in enumerate(data.wording_ids.tolist()):
        if wording in said:
            gold[row], ways[row] = reviewed.gold[said[wording]], by[said[wording]]
    known = set(data.wording_ids.tolist())
    new = [row for wording, row in said.items() if wording not in known]
    corrected = replace(data, labels=_as_labels(data, gold), chosen_by=ways)
    return _appended(corrected, reviewed.take(new)) if new else corrected


def _as_labels(data: TrainingData, gold: Any) -> Any:
    return gold if data.multi_label else data.schema.decode(gold)


def _appended(data: TrainingData, new: TrainingData) -> TrainingData:
    """Return the data with further rows of the same labels; each is a group of its own where there are groups."""
    n = len(new)
    groups, weight = data.groups, data.sample_weight
    return replace(
        data,
        texts=[*data.texts, *new.texts],
        labels=_as_labels(data, np.concatenate([data.gold, new.gold])),
        sample_weight=None if weight is None else np.concatenate([weight, np.ones(n)]),
        groups=None if groups is None else [*groups, *(f"reviewed text {number}" for number in range(n))],
        chosen_by=np.concatenate([np.asarray(data.chosen_by), np.asarray(new.chosen_by)]),
    )


def _schema_of(table: pd.DataFrame, labels: Any) -> LabelSchema:
    if labels is not None:
        return LabelSchema.of(labels)
    if LABELS not in table.attrs:
        raise ConfigError("the table does not say which labels there are; pass labels=[...]")
    return LabelSchema(tuple(table.attrs[LABELS]), multi_label=table.attrs[SEVERAL])


def _to_fill_in(table: pd.DataFrame, schema: LabelSchema) -> pd.DataFrame:
    import pandas as pd

    shown = pd.DataFrame({name: table[name].astype(object) for name in table.columns if name != LABEL})
    shown[LABEL] = None
    shown[INSTRUCTIONS] = _instructions(schema)
    if CHOSEN_BY in shown.columns:
        at_random = (shown[CHOSEN_BY] == RANDOM).to_numpy()
        telling = [name for name in shown.columns if name in _TELLING or name.startswith("answer_")]
        shown.loc[at_random, telling] = None
    first = [name for name in _FIRST if name in shown.columns]
    return shown[[*first, *(name for name in shown.columns if name not in first)]]


def _instructions(schema: LabelSchema) -> str:
    names = listed(schema.names, _SHOWN_LABELS)
    if schema.multi_label:
        return (
            f"write into {LABEL}: any of {names}, joined by {_SEPARATOR}, or [] for none of them; empty = skip the row"
        )
    return f"write into {LABEL}: one of {names}; empty = skip the row"


def _write(table: pd.DataFrame, path: Path, shown: Callable[[Any], Any]) -> None:
    kind = _WRITERS[path.suffix.lower()]
    if kind == "jsonl":
        lines = [json.dumps({name: _plain(row[name]) for name in table.columns}) for row in table.to_dict("records")]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    cells = table.apply(lambda column: column.map(_cell))
    if kind == "csv":
        cells.map(shown).rename(columns=shown).to_csv(path, index=False, lineterminator="\n")
    else:
        cells.astype({LABEL: "string"}).to_parquet(path, index=False)


def _as_it_is(value: Any) -> Any:
    return value


def _cell(value: Any) -> Any:
    """Return an answer as it is written into a cell: as somebody would write it."""
    if isinstance(value, list):
        return _SEPARATOR.join(map(str, value)) or "[]"
    return _plain(value)


def _plain(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    if is_missing(plain):
        return None
    return round(plain, 4) if isinstance(plain, float) else plain


def _is_filled(cell: Any) -> bool:
    return not is_missing(cell) and not (isinstance(cell, str) and not cell.strip())


def _answer(cell: Any, row: int, schema: LabelSchema, by_writing: Mapping[str, Any]) -> Any:
    """Return what a person wrote, in the schema's names.

    Raises:
        LabelError: a label is unknown.

    """
    names = [_known(name, row, by_writing) for name in _names(cell, by_writing, several=schema.multi_label)]
    return names if schema.multi_label else names[0]


def _names(cell: Any, by_writing: Mapping[str, Any], *, several: bool) -> Sequence[Any]:
    if not several or (isinstance(cell, str) and cell.strip() in by_writing):
        return [cell]
    if not isinstance(cell, str):
        return plain_list(cell) if isinstance(cell, list | tuple | np.ndarray) else [cell]
    if cell.strip().startswith("[") and cell.strip().endswith("]"):
        inside = cell.strip()[1:-1].replace('"', "").replace("'", "")
        return [name for name in inside.split(",") if name.strip()]
    return [name for name in cell.split(_SEPARATOR) if name.strip()]


def _known(name: Any, row: int, by_writing: Mapping[str, Any]) -> Any:
    written = str(plain_label(name, row)).strip()
    if written not in by_writing:
        raise LabelError(
            f"unknown label {written!r} in row {row}{did_you_mean(written, by_writing)}; known labels: "
            f"{listed(map(repr, by_writing), 12)}"
        )
    return by_writing[written]
