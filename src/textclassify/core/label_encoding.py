"""Gold answers as arrays and back: what a label is, what several are, and how they are written as codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textclassify.core.texts import did_you_mean, is_missing, listed, plain_list
from textclassify.errors import DataError, LabelError

Label: TypeAlias = str | int | bool
"""A label's name as the user wrote it; its type is kept from the data to the answer."""

Gold: TypeAlias = NDArray[np.int64] | NDArray[np.uint8]
"""True answers: label codes of shape (n,) or, multi-label, a 0/1 indicator of shape (n, K)."""


def plain_label(value: Any, row: int | None = None) -> Label:
    """Return a label as a plain str, int or bool.

    Raises:
        LabelError: the value is missing or of another type.

    """
    where = "" if row is None else f" in row {row}"
    if isinstance(value, np.generic):
        value = value.item()
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        raise LabelError(f"the label{where} is missing ({value!r}); drop the row, or give it a label such as 'other'")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str | int | bool):
        return str(value) if isinstance(value, str) else value
    several = isinstance(value, list | tuple | set | frozenset | np.ndarray)
    remedy = "; several labels per text take multi_label=True (in TrainingData: classification_type='multi_label')"
    raise LabelError(
        f"the label{where} is {value!r:.60} ({type(value).__name__}); labels are str, int or bool"
        f"{remedy if several else ''}"
    )


def plain_labels(labels: Any) -> Sequence[Any] | NDArray[Any]:
    """Return labels as a list, or as the array that they are or that their 0/1 columns make."""
    if labels is None:
        raise DataError("no labels given; pass labels=[...], one per text")
    if isinstance(labels, str | bytes):
        raise DataError(f"expected one label per text, got one {type(labels).__name__}: {labels[:40]!r}; pass a list")
    if hasattr(labels, "to_numpy") and len(getattr(labels, "shape", ())) == 2:
        labels = labels.to_numpy()
    if getattr(labels, "ndim", 1) not in {1, 2}:
        raise DataError(
            f"labels have {labels.ndim} dimensions; pass one per text, lists of them, or a 0/1 matrix (texts, labels)"
        )
    return labels if isinstance(labels, np.ndarray) else plain_list(labels)


def as_matrix(labels: Sequence[Any] | NDArray[Any]) -> Sequence[Any] | NDArray[Any]:
    """Return rows of 0/1 of one width as a matrix, anything else as it is.

    Lists of two or more hold the 0/1 columns: as names, 0 and 1 would both be on every text.

    Raises:
        LabelError: lists of one 0 or 1, which are a column or names.

    """
    rows = list(labels)
    widths = {len(row) if isinstance(row, list | tuple | np.ndarray) else 0 for row in rows}
    if len(widths) != 1 or 0 in widths or (isinstance(labels, np.ndarray) and labels.ndim != 1):
        return labels
    cells = [cell for row in rows for cell in row]
    if not all(isinstance(cell, int | float | np.number | np.bool_) and cell in {0, 1} for cell in cells):
        return labels
    if widths == {1}:
        raise LabelError(
            f"labels such as [{cells[0]!r}] could be one 0/1 column or the names 0 and 1; pass names as text, "
            "one plain label per text, or np.array(labels) for a column"
        )
    return np.asarray(rows)


def encode(names: Sequence[Label], labels: Sequence[Any] | NDArray[Any], *, multi_label: bool) -> Gold:
    """Return gold answers as codes (n,) or, multi-label, as a 0/1 indicator (n, K); see `LabelSchema.encode`."""
    codes = _Codes(names)
    if not multi_label:
        matrix = as_matrix(labels)
        if isinstance(matrix, np.ndarray) and matrix.ndim == 2 and _is_indicator(names, matrix):
            return _codes_of_one_hot(matrix)
        return np.fromiter((codes.of(value, row) for row, value in enumerate(labels)), np.int64, len(labels))
    if _is_indicator(names, labels):
        return np.asarray(labels, dtype=np.uint8).reshape(len(labels), len(names))
    if isinstance(names[0], str):
        _is_indicator(names, as_matrix(labels))  # where 0 and 1 are no names, rows of them are columns: too few or many
    indicator = np.zeros((len(labels), len(names)), dtype=np.uint8)
    for row, several in enumerate(labels):
        for name in as_names(several, row):
            indicator[row, codes.of(name, row)] = 1
    return indicator


def decode(names: tuple[Label, ...], gold: Gold, *, multi_label: bool) -> list[Any]:
    """Return gold answers as labels, or lists of labels; the inverse of `encode`."""
    if multi_label:
        return [[names[k] for k in np.flatnonzero(row)] for row in gold]
    return [names[code] for code in gold]


def as_names(several: Any, row: int) -> Iterable[Any]:
    """Return the labels of one multi-label row; a name by itself is a list of one.

    Raises:
        LabelError: they are missing, which is not the same as none.

    """
    if is_missing(several):
        raise LabelError(f"the labels in row {row} are missing; use an empty list for a text without labels")
    if isinstance(several, str) or not isinstance(several, Iterable):
        return [several]
    return several


class _Codes:
    """The code of each name; true is not 1."""

    def __init__(self, names: Sequence[Label]) -> None:
        self._names = names
        self._kind = type(names[0])
        self._code = {name: k for k, name in enumerate(names)}

    def of(self, value: Any, row: int) -> int:
        if isinstance(value, list | tuple | set | np.ndarray):
            raise LabelError(f"row {row} has the list {value!r:.60} where one label is expected; pass multi_label=True")
        name, kind = plain_label(value, row), self._kind
        if name not in self._code or type(name) is not kind:
            other = f" ({type(name).__name__}, but the labels are {kind.__name__})" if type(name) is not kind else ""
            raise LabelError(
                f"unknown label {name!r} in row {row}{other}{did_you_mean(name, self._names)}; "
                f"known labels: {listed(map(repr, self._names), 12)}"
            )
        return self._code[name]


def _codes_of_one_hot(matrix: NDArray[Any]) -> Gold:
    """Return label codes (n,) of a 0/1 matrix (n, K).

    Raises:
        LabelError: a row has not exactly one 1.

    """
    counts = matrix.astype(np.int64).sum(axis=1)
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        raise LabelError(
            f"row {wrong[0]} has {counts[wrong[0]]} of {matrix.shape[1]} labels set, not exactly one; mend the row, or "
            "pass multi_label=True (in TrainingData: classification_type='multi_label')"
        )
    return np.asarray(matrix.argmax(axis=1), dtype=np.int64)


def _is_indicator(names: Sequence[Label], labels: Any) -> bool:
    width = len(names)
    if isinstance(labels, np.ndarray) and labels.dtype != object:
        matrix = labels
    elif len(labels) and all(isinstance(row, list | tuple | np.ndarray) and len(row) == width for row in labels):
        cells = [cell for row in labels for cell in row]
        if not all(isinstance(cell, int | float | np.number | np.bool_) and cell in {0, 1} for cell in cells):
            return False
        if set(names) & {0, 1} and not isinstance(names[0], bool):
            raise LabelError("0/1 rows and labels named 0 and 1 cannot be told apart; pass a numpy 0/1 matrix")
        matrix = np.asarray(labels)
    else:
        return False
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise LabelError(
            f"a 0/1 matrix needs one column per label: got shape {matrix.shape}, {width} labels: "
            f"{listed(map(repr, names), 12)}"
        )
    if not np.isin(matrix, (0, 1)).all():
        raise LabelError(f"a 0/1 matrix of labels holds {listed(set(np.unique(matrix).tolist()) - {0, 1})}")
    return True
