"""Texts and labels in whatever shape users have them, as checked texts and `TrainingData`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from textclassify.core.columns import chosen_by_column, labelled_columns, text_column_of
from textclassify.core.files import HUB, read_hub, read_table
from textclassify.core.labels import LabelSchema
from textclassify.core.tables import is_table, to_frame
from textclassify.core.texts import as_texts, did_you_mean, listed, plain_list
from textclassify.core.types import ClassificationType, TrainingData, as_weights
from textclassify.errors import ConfigError, DataError, LabelError


def texts_of(texts: Any, *, text_column: str | None = None) -> list[str]:
    """Return the texts as a list of strings, in their order.

    Args:
        texts: a sequence, Series, array or iterator of strings, a table with a text column, a `Path`, or
            `TrainingData`.
        text_column: the table's text column; None = recognised.

    Raises:
        DataError: a text is missing or no string (the message names its row), or no text column is recognised.

    """
    if isinstance(texts, TrainingData):
        return list(texts.texts)
    texts = _settled(texts)
    if isinstance(texts, Path) or is_table(texts):
        frame = _frame_of(texts, text_column)
        return as_texts(frame[text_column_of(frame, text_column)].tolist())
    return as_texts(texts)


def training_data(
    texts: Any,
    labels: Any = None,
    *,
    schema: Any = None,
    text_column: str | None = None,
    label_columns: Sequence[Any] | None = None,
    multi_label: bool | None = None,
    group_column: str | None = None,
    sample_weight: ArrayLike | None = None,
    groups: Iterable[Any] | None = None,
    chosen_by: Iterable[Any] | None = None,
) -> TrainingData:
    """Return labelled texts to learn from: `labelled_data` with at least two different answers.

    Raises:
        DataError: texts or labels cannot be used (the message names the row), or every row has the same answer.

    """
    data = labelled_data(
        texts,
        labels,
        schema=schema,
        text_column=text_column,
        label_columns=label_columns,
        multi_label=multi_label,
        group_column=group_column,
        sample_weight=sample_weight,
        groups=groups,
        chosen_by=chosen_by,
    )
    if (data.gold == data.gold[:1]).all():
        only = data.schema.decode(data.gold[:1])[0]
        raise DataError(
            f"nothing to learn: every row ({len(data)} in all) has the answer {only!r}; add rows with another label"
        )
    return data


def labelled_data(
    texts: Any,
    labels: Any = None,
    *,
    schema: Any = None,
    text_column: str | None = None,
    label_columns: Sequence[Any] | None = None,
    multi_label: bool | None = None,
    group_column: str | None = None,
    sample_weight: ArrayLike | None = None,
    groups: Iterable[Any] | None = None,
    chosen_by: Iterable[Any] | None = None,
) -> TrainingData:
    """Return labelled texts, for training or for evaluation.

    Args:
        texts: texts; a table, a path, `hf:name/split` or `TrainingData` that holds the labels too.
        labels: one label per text, lists of labels, or 0/1 columns; None when `texts` holds them.
        schema: the labels and their order, whatever `LabelSchema.of` takes; None = from the data.
        text_column: the table's text column; None = recognised.
        label_columns: the table's label column, its 0/1 columns, or the class names in their order; None = recognised.
        multi_label: whether a text may have several labels; None = as the data show.
        group_column: the table's column of groups.
        sample_weight: (n,) weights >= 0.
        groups: (n,) group names; rows of one group are never split.
        chosen_by: (n,) "random", "ranking" or "unknown"; None = the table's column of that name, if it has one.

    Raises:
        DataError: texts or labels cannot be used; the message names the row.

    """
    schema = None if schema is None else LabelSchema.of(schema)
    if isinstance(texts, TrainingData):
        return _adjusted(texts, labels, schema, sample_weight=sample_weight, groups=groups, chosen_by=chosen_by)
    frame, texts = _table_or_texts(texts, may_be_path=labels is None, text_column=text_column)
    if frame is not None and group_column is not None:
        groups = _column_of(frame, group_column, "group column")
    found_by = None if frame is None else chosen_by_column(frame, other=(text_column, group_column))
    if frame is not None and chosen_by is None and found_by is not None:
        chosen_by = _column_of(frame, found_by, "column")
    if labels is not None:
        answers, schema, multi_label = _separate_labels(labels, schema, multi_label=multi_label)
        texts = texts if frame is None else texts_of(frame, text_column=text_column)
    elif frame is None:
        raise DataError("no labels given; pass labels=[...], one per text, or a table with a text and a label column")
    else:
        found = labelled_columns(
            frame,
            text_column=text_column,
            label_columns=label_columns,
            group_column=group_column,
            multi_label=multi_label,
            schema=schema,
        )
        texts, answers, multi_label = frame[found.text].tolist(), found.answers, found.multi_label
        schema = found.schema or schema
    return TrainingData(
        texts,
        answers,
        classification_type=_kind(multi_label),
        schema=schema,
        sample_weight=None if sample_weight is None else as_weights(sample_weight),
        groups=None if groups is None else list(groups),
        chosen_by=None if chosen_by is None else np.array(plain_list(chosen_by), dtype=object),
    )


def _kind(multi_label: Any) -> ClassificationType | None:
    if multi_label is None:
        return None
    if multi_label not in (True, False):
        raise ConfigError(f"multi_label is {multi_label!r:.60}; pass True, False, or None for as the labels say")
    return ClassificationType.MULTI_LABEL if multi_label else ClassificationType.MULTI_CLASS


def content_hash(data: TrainingData) -> str:
    """Return the sha256 of the texts and labels in their order, in hexadecimal; equal on every machine."""
    digest = hashlib.sha256()
    for text, answer in zip(data.texts, data.schema.decode(data.gold), strict=True):
        digest.update(json.dumps([text, answer]).encode("ascii") + b"\n")
    return digest.hexdigest()


def _settled(value: Any) -> Any:
    """Return an iterator's items as a list, so that they can be looked at; anything else as it is."""
    return list(value) if isinstance(value, Iterator) else value


def _frame_of(table: Any, text_column: str | None) -> pd.DataFrame:
    if isinstance(table, str) and table.startswith(HUB):
        return read_hub(table)
    if isinstance(table, str | Path):
        return read_table(table, text_column=text_column)
    return to_frame(table)


def _table_or_texts(texts: Any, *, may_be_path: bool, text_column: str | None) -> tuple[pd.DataFrame | None, Any]:
    texts = _settled(texts)
    if is_table(texts) or isinstance(texts, Path) or (may_be_path and isinstance(texts, str)):
        return _frame_of(texts, text_column), None
    return None, texts


def _adjusted(data: TrainingData, labels: Any, schema: LabelSchema | None, **columns: Any) -> TrainingData:
    """Return the data with another schema, weights or groups; answers are named first: a 0/1 matrix has its order.

    A matrix without names takes those of the schema, column by column.
    """
    if labels is not None:
        raise DataError("labels are given twice: in TrainingData and by themselves; leave labels=None")
    changes = {name: column for name, column in columns.items() if column is not None}
    if schema is not None:
        schema = changes["schema"] = LabelSchema.of(schema, multi_label=data.multi_label)
        if data.unnamed and len(schema) != len(data.schema):
            raise LabelError(
                f"the labels are a 0/1 matrix of {len(data.schema)} columns, but {len(schema)} labels are known: "
                f"{listed(map(repr, schema.names), 12)}; pass one column per label, in this order"
            )
        changes["labels"] = (schema if data.unnamed else data.schema).decode(data.gold)
    return replace(data, **changes) if changes else data


def _column_of(frame: pd.DataFrame, name: str, what: str) -> list[Any]:
    if name not in frame.columns:
        raise DataError(
            f"unknown {what} {name!r}{did_you_mean(name, frame.columns)}; "
            f"columns: {listed(map(repr, frame.columns), 12)}"
        )
    cells: list[Any] = frame[name].tolist()
    return cells


def _separate_labels(
    labels: Any, schema: LabelSchema | None, *, multi_label: bool | None
) -> tuple[Any, LabelSchema | None, bool | None]:
    """Return labels that come beside the texts, as names, lists or a 0/1 matrix."""
    if is_table(labels):
        frame = to_frame(labels)
        names = list(frame.columns)
        frame.insert(0, " ", "")  # where the texts would be
        found = labelled_columns(frame, text_column=" ", label_columns=names, multi_label=multi_label, schema=schema)
        return found.answers, found.schema or schema, found.multi_label
    if isinstance(labels, np.ndarray) and labels.ndim == 2 and labels.shape[1] == 1 and not multi_label:
        labels = labels[:, 0]
    if schema is not None and schema.multi_label and multi_label is None:
        multi_label = True
    return labels, schema, multi_label
