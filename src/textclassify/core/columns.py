"""Which column of a table is what: the text, the labels, and how the labels are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.selection import CHOSEN_BY
from textclassify.core.texts import did_you_mean, each_once, is_missing, listed
from textclassify.errors import DataError, LabelError

TEXT_NAMES = (
    *("text", "texts", "sentence", "content", "message", "review", "question", "body", "document", "comment"),
    *("tweet", "post", "utterance", "query", "abstract", "headline", "title", "description", "sms", "email"),
    *("comment_text", "review_text", "review_body", "full_text", "input", "prompt"),
)
"""Names, in lower case, that say that a column holds the texts; `text` wins over the others."""

LABEL_NAMES = (
    *("label", "labels", "category", "categories", "class", "classes", "target", "targets", "intent", "intents"),
    *("topic", "topics", "sentiment", "emotion", "emotions", "tag", "tags", "gold", "y"),
)
"""Names, in lower case, that say that a column holds the labels; `label` and `labels` win over the others."""

_ROW_NAMES = ("", "id", "idx", "index", "row", "row_id", "uid", "uuid", "__index_level_0__", CHOSEN_BY)
_DECIMAL = re.compile(r"-?\d+\.\d+")
_SEVERAL = (list, tuple, set, frozenset, np.ndarray)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledColumns:
    """What was recognised in a table: its columns, one answer per row, and the labels where columns name them."""

    text: str
    columns: tuple[str, ...]
    answers: Any
    schema: LabelSchema | None
    multi_label: bool


def text_column_of(frame: pd.DataFrame, given: str | None = None, *, other: Iterable[str] = ()) -> str:
    """Return the name of the text column.

    Args:
        frame: a table with unique column names.
        given: the name that the user gave.
        other: columns that are something else.

    Raises:
        DataError: there is none, or more than one; the message lists the columns.

    """
    if given is not None:
        return _existing(frame, given, "text column")
    left = [name for name in frame.columns if name not in set(other) and name.lower() not in _ROW_NAMES]
    named = _named(left, TEXT_NAMES, best=("text",))
    strings = [name for name in named or left if _is_text(frame[name])]
    if not named:
        named = [name for name in strings if name.strip().lower() not in LABEL_NAMES]
    elif len(named) > 1 and len(strings) == 1:
        named = strings
    if len(named) == 1:
        return named[0]
    if named:
        raise DataError(
            f"the text could be any of the columns {listed(map(repr, named))}; pass text_column={named[0]!r}"
            f"{_headless(frame.columns)}"
        )
    raise DataError(
        f"no text column among {listed(map(repr, frame.columns), 12) or 'no columns'}; "
        f"name it 'text', or pass text_column=...{_headless(frame.columns)}"
    )


def chosen_by_column(frame: pd.DataFrame, *, other: Iterable[Any] = ()) -> str | None:
    """Return the name of the column that says how rows were chosen, if there is one and it is nothing else."""
    found = [name for name in frame.columns if name.lower() == CHOSEN_BY and name not in set(other)]
    return found[0] if found else None


def looks_like_a_text(name: str) -> bool:
    """Return whether a column's name is rather the first text of a table without a header."""
    return len(name.split()) > 3 or len(name) > 60 or name.strip().endswith((".", "!", "?"))


def _headless(names: Iterable[str]) -> str:
    found = [name for name in names if looks_like_a_text(name)]
    return f"; {found[0]!r:.50} looks like a text: write a header line above it" if found else ""


def labelled_columns(
    frame: pd.DataFrame,
    *,
    text_column: str | None = None,
    label_columns: Sequence[Any] | None = None,
    group_column: str | None = None,
    multi_label: bool | None = None,
    schema: LabelSchema | None = None,
) -> LabelledColumns:
    """Return the texts' column and the gold answers of a table, however they are written.

    Labels are one column of names, numbers or lists, or one 0/1 column per label. `label_columns` names these columns,
    or else the class names in the order that they shall have, beside a column such as `label`.

    Raises:
        DataError: a column is unknown or missing, or what it holds could mean several things.
        LabelError: a 0/1 column holds something else, or a row of one-hot columns has not exactly one 1.

    """
    if group_column is not None:
        _existing(frame, group_column, "group column")
    taken = {name for name in (text_column, group_column) if name is not None}
    free = [name for name in frame.columns if name not in taken and name.lower() not in _ROW_NAMES]
    given, names = _given_columns(frame, free, label_columns)
    hint = given or _named(free, LABEL_NAMES, best=("label", "labels"))
    text = text_column_of(frame, text_column, other={*hint, *taken})
    free = [name for name in free if name != text]
    columns = given or _unnamed_columns(frame, free, schema)
    schema = names or schema
    several = True if multi_label is None and schema is not None and schema.multi_label else multi_label
    if len(columns) > 1:
        answers, schema = _from_indicator(frame[columns], schema, multi_label=several)
        return LabelledColumns(text, tuple(columns), answers, schema, multi_label=schema.multi_label)
    answers, schema, several = _from_one_column(frame, columns[0], schema, multi_label=several)
    return LabelledColumns(text, tuple(columns), answers, schema, multi_label=several)


def _existing(frame: pd.DataFrame, name: str, what: str) -> str:
    if name not in frame.columns:
        raise DataError(
            f"unknown {what} {name!r}{did_you_mean(name, frame.columns)}; "
            f"columns: {listed(map(repr, frame.columns), 12)}"
        )
    return name


def _named(columns: Iterable[str], known: Sequence[str], best: Sequence[str]) -> list[str]:
    found = [name for name in columns if name.strip().lower() in known]
    for choice in best:
        clear = [name for name in found if name.strip().lower() == choice]
        if len(clear) == 1:
            return clear
    return found


def _given_columns(
    frame: pd.DataFrame, free: Sequence[str], label_columns: Sequence[Any] | None
) -> tuple[list[str], LabelSchema | None]:
    """Return the label columns that were named, and the label order where class names were given instead."""
    if label_columns is None:
        return [], None
    wanted = [label_columns] if isinstance(label_columns, str) else list(label_columns)
    if not wanted:
        raise DataError("label_columns is empty; name the label column, or leave it out to have it recognised")
    unique = list(each_once(wanted, "label_columns"))
    missing = [name for name in unique if str(name) not in free]
    if not missing:
        return [str(name) for name in unique], None
    beside = _named(free, LABEL_NAMES, best=("label", "labels"))
    if len(beside) == 1 and len(missing) == len(unique):
        occurring = {str(value): value for value in _flat(frame[beside[0]])}
        if any(str(name) in occurring for name in unique):
            return beside, LabelSchema(tuple(occurring.get(str(name), name) for name in unique))
    raise DataError(
        f"unknown label column {missing[0]!r}{did_you_mean(missing[0], free)}; columns: {listed(map(repr, free), 12)}"
    )


def _flat(column: pd.Series[Any]) -> set[Any]:
    values = column.tolist()
    several = [list(value) if isinstance(value, _SEVERAL) else [value] for value in values]
    return {name for names in several for name in names if not is_missing(name)}


def _unnamed_columns(frame: pd.DataFrame, free: Sequence[str], schema: LabelSchema | None) -> list[str]:
    """Return the label columns of a table whose user did not name them."""
    binary = [name for name in free if _is_binary(frame[name])]
    if schema is not None and len(schema) > 1 and all(str(name) in binary for name in schema.names):
        return [str(name) for name in schema.names]
    named = _named(free, LABEL_NAMES, best=("label", "labels"))
    if len(named) == 1 and named[0] in binary and len(binary) > 1:
        raise DataError(
            f"{named[0]!r} is one of {len(binary)} columns of 0 and 1: {listed(map(repr, binary), 12)}; pass "
            f"label_columns=[{named[0]!r}] for the two classes 0 and 1, or the columns that are labels"
        )
    if len(named) == 1:
        return named
    if named:
        raise DataError(
            f"the labels could be any of the columns {listed(map(repr, named))}; pass label_columns=[{named[0]!r}]"
        )
    if len(binary) > 1:
        return binary
    if len(binary) == 1 and not binary[0].lower().startswith("is_"):
        raise DataError(
            f"{binary[0]!r} is the only 0/1 column; pass label_columns=[{binary[0]!r}] for the two classes 0 and 1, "
            "or name the label column"
        )
    left = binary or [name for name in free if not _is_fraction(frame[name])]
    if len(left) == 1:
        return left
    raise DataError(
        f"no label column among {listed(map(repr, frame.columns), 12)}; name it 'label', or pass label_columns=[...]"
        f"{_headless(frame.columns)}"
    )


def _first_value(column: pd.Series[Any]) -> Any:
    return next((value for value in column.tolist() if isinstance(value, _SEVERAL) or not is_missing(value)), None)


def _is_text(column: pd.Series[Any]) -> bool:
    return isinstance(_first_value(column), str) and not _is_fraction(column)


def _is_fraction(column: pd.Series[Any]) -> bool:
    first = _first_value(column)
    if isinstance(first, str):  # such as 0.50, which files keep as text: a float would be written otherwise
        filled = [value for value in column.dropna() if value != ""]
        return bool(filled) and all(isinstance(value, str) and _DECIMAL.fullmatch(value) for value in filled)
    return isinstance(first, float) and not all(float(value).is_integer() for value in column.dropna())


def _is_binary(column: pd.Series[Any]) -> bool:
    if isinstance(_first_value(column), bool | int | float | np.number | np.bool_):
        return bool(set(column.dropna().unique().tolist()) <= {0, 1})
    return False


def _from_indicator(
    frame: pd.DataFrame, schema: LabelSchema | None, *, multi_label: bool | None
) -> tuple[Any, LabelSchema]:
    """Return the answers in 0/1 columns, and the labels that the columns name; a 1 in each row: one label per text."""
    columns = list(frame.columns)
    matrix = np.column_stack([_zeros_and_ones(frame[name], name) for name in columns])
    if schema is not None:
        if set(map(str, schema.names)) != set(columns):
            raise LabelError(
                f"the label columns {listed(map(repr, columns), 12)} and the labels "
                f"{listed(map(repr, schema.names), 12)} differ; name the same ones"
            )
        matrix = matrix[:, [columns.index(str(name)) for name in schema.names]]
    several = not bool(len(matrix) and (matrix.sum(axis=1) == 1).all()) if multi_label is None else multi_label
    labels = LabelSchema.of(schema if schema is not None else columns, multi_label=several)
    if several:
        return matrix, labels
    wrong = np.flatnonzero(matrix.sum(axis=1) != 1)
    if len(wrong):
        raise LabelError(
            f"row {wrong[0]} has {matrix[wrong[0]].sum()} of the label columns set, not exactly one; "
            "mend the row, or pass multi_label=True"
        )
    return [labels.names[k] for k in matrix.argmax(axis=1)], labels


def _zeros_and_ones(column: pd.Series[Any], name: str) -> NDArray[np.uint8]:
    for row, value in enumerate(column.tolist()):
        if is_missing(value):
            raise LabelError(f"label column {name!r} is missing in row {row} ({value!r}); write 0 or 1")
        if isinstance(value, str) or value not in {0, 1}:
            raise LabelError(
                f"label column {name!r} holds {value!r} in row {row}, not 0 or 1; "
                "several label columns are 0/1 each, one label column holds the names"
            )
    return column.to_numpy().astype(np.uint8)


def _from_one_column(
    frame: pd.DataFrame, name: str, schema: LabelSchema | None, *, multi_label: bool | None
) -> tuple[list[Any], LabelSchema | None, bool]:
    """Return the answers in one column of names or lists, the labels if known, and whether a text may have several."""
    values = frame[name].tolist()
    schema = schema or _described(frame, name)
    if isinstance(_first_value(frame[name]), _SEVERAL):
        if multi_label is False:
            raise LabelError(f"label column {name!r} holds lists of labels; pass multi_label=True")
        return [value.tolist() if isinstance(value, np.ndarray) else value for value in values], schema, True
    if multi_label and _is_binary(frame[name]):
        raise LabelError(
            f"{name!r} is a lone 0/1 column, which cannot tell several labels apart; pass multi_label=False for the "
            "two classes 0 and 1, or one 0/1 column per label"
        )
    if multi_label is not False:
        _refuse_written_lists(name, values, several=bool(multi_label))
    if schema is not None:
        values = _as_schema_writes(values, schema)
    if multi_label:
        return [value if is_missing(value) else [value] for value in values], schema, True
    return values, schema, False


def _described(frame: pd.DataFrame, name: str) -> LabelSchema | None:
    """Return the classes of a Hugging Face dataset: its numbers stay the labels, its names describe them."""
    names = frame.attrs.get("class_names", {}).get(name)
    return None if names is None else LabelSchema(tuple(range(len(names))), dict(enumerate(names)))


def _as_schema_writes(values: list[Any], schema: LabelSchema) -> list[Any]:
    """Return labels in the schema's type where their writing is equal, such as 1 for '1': files lose types."""
    by_writing = {str(name): name for name in schema.names}
    if all(is_missing(value) or str(value) in by_writing for value in values):
        return [value if is_missing(value) else by_writing[str(value)] for value in values]
    return values


def _refuse_written_lists(name: str, values: Sequence[Any], *, several: bool) -> None:
    """Raise where one string could mean several labels."""
    known = {value.strip() for value in values if isinstance(value, str)}
    if known and all(value.startswith("[") and value.endswith("]") for value in known):
        raise DataError(
            f"label column {name!r} holds lists written as text, such as {min(known)!r:.60}; use JSON Lines or Parquet "
            "with real lists, one 0/1 column per label, or pass multi_label=False to take them as names"
        )
    for mark in "|;,":
        joined = sorted(value for value in known if mark in value)
        unclear = [value for value in joined if several or all(part.strip() in known for part in value.split(mark))]
        if unclear:
            raise DataError(
                f"{unclear[0]!r} in label column {name!r} could be one label or several; split it into lists "
                f"(value.split({mark!r})), use one 0/1 column per label, or pass multi_label=False to take it as a name"
            )
