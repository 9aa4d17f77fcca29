"""The label set: names in a fixed order, what they mean, and how gold answers are encoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textclassify.core.label_cards import as_tuple, cards_of, check_text, check_texts, read_label_file, stripped
from textclassify.core.settings_files import expanded
from textclassify.core.texts import did_you_mean, is_missing, listed, plain_list
from textclassify.errors import DataError, LabelError

Label: TypeAlias = str | int | bool
"""A label's name as the user wrote it; its type is kept from the data to the answer."""

Gold: TypeAlias = NDArray[np.int64] | NDArray[np.uint8]
"""True answers: label codes of shape (n,) or, multi-label, a 0/1 indicator of shape (n, K)."""

_KEYS = ("labels", "multi_label")
"""Keys of a label file."""


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
    raise LabelError(f"the label{where} is {value!r} ({type(value).__name__}); labels are str, int or bool")


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


@dataclass(frozen=True, slots=True)
class LabelSchema:
    """Label names in a fixed order, with what is known about them.

    Args:
        names: unique label names, all str, all int or all bool; their order is the order of every score matrix.
        descriptions: what a label covers, by name; used by prompts and by similarity.
        examples: example texts, by name. They count as seen: none may be a row that is predicted.
        parents: the name of the broader label, by name.
        multi_label: whether a text may have any number of labels.

    >>> LabelSchema(("billing", "delivery")).encode(["delivery", "billing"])
    array([1, 0])

    """

    names: tuple[Label, ...]
    descriptions: Mapping[Label, str] = field(default_factory=dict)
    examples: Mapping[Label, tuple[str, ...]] = field(default_factory=dict)
    parents: Mapping[Label, Label] = field(default_factory=dict)
    multi_label: bool = False

    def __post_init__(self) -> None:
        names = tuple(plain_label(name) for name in self.names)
        object.__setattr__(self, "names", names)
        if not names:
            raise LabelError("a label schema needs at least one label; pass labels=['first', 'second']")
        types = {type(name) for name in names}
        if len(types) > 1:
            raise LabelError(
                f"labels mix types ({listed(sorted(t.__name__ for t in types))}): {listed(map(repr, names))}"
            )
        if len(set(names)) < len(names):
            twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
            raise LabelError(f"label {twice[0]!r} is listed {names.count(twice[0])} times; names must be unique")
        self._check_cards()

    def _check_cards(self) -> None:
        for what, mapping in (("description", self.descriptions), ("example", self.examples), ("parent", self.parents)):
            for name in mapping:
                if name not in self.names:
                    raise LabelError(f"a {what} is given for unknown label {name!r}{did_you_mean(name, self.names)}")
        for name, text in self.descriptions.items():
            check_text(text, f"the description of label {name!r}")
        for name, texts in self.examples.items():
            check_texts(texts, name)
        for name, parent in self.parents.items():
            if parent not in self.names or parent == name:
                raise LabelError(
                    f"the parent of label {name!r} is {parent!r}, which is no other label"
                    f"{did_you_mean(parent, self.names)}; list it, too"
                )

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, labels: Any, *, multi_label: bool | None = None) -> Self:
        """Return a schema from whatever describes one.

        Args:
            labels: a schema, names, {name: description}, [{"name": ..., "description": ...}], a mapping with one of
                these under `labels` and perhaps `multi_label`, or the path of a YAML or JSON file that holds one.
            multi_label: overrides what the schema says; None keeps it.

        Raises:
            LabelError: nothing of the kind, or a key that is not known.

        """
        if isinstance(labels, str | Path):
            labels = read_label_file(expanded(labels))
        if isinstance(labels, cls):
            kept = labels.multi_label if multi_label is None else multi_label
            return cls(labels.names, labels.descriptions, labels.examples, labels.parents, kept)
        if isinstance(labels, Mapping) and _has_labels_within(labels):
            return cls._from_content(labels, multi_label=multi_label)
        return cls._from_cards(cards_of(labels), multi_label=bool(multi_label))

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Return the schema that `to_dict` described; never reads a file.

        Raises:
            LabelError: it is something else.

        """
        if not isinstance(stored, Mapping) or not isinstance(stored.get("labels"), list):
            raise LabelError(f"the stored labels are {stored!r:.60}, not a mapping with a list under `labels`")
        return cls._from_content(stored, multi_label=None)

    @classmethod
    def _from_content(cls, content: Mapping[Any, Any], *, multi_label: bool | None) -> Self:
        """Return the schema in a mapping with the keys `labels` and perhaps `multi_label`."""
        for key in content:
            if key not in _KEYS:
                raise LabelError(
                    f"unknown key {key!r} beside `labels`{did_you_mean(key, _KEYS)}; known: {listed(_KEYS)}"
                )
        stated = content.get("multi_label", False)
        if not isinstance(stated, bool):
            raise LabelError(f"multi_label is {stated!r} ({type(stated).__name__}); write true or false, unquoted")
        return cls._from_cards(cards_of(content["labels"]), multi_label=stated if multi_label is None else multi_label)

    @classmethod
    def _from_cards(cls, cards: Sequence[Any], *, multi_label: bool) -> Self:
        known = ("name", "description", "examples", "parent")
        rows = [dict(card) if isinstance(card, Mapping) else {"name": card} for card in cards]
        for row in rows:
            for key in row:
                if key not in known:
                    raise LabelError(
                        f"unknown key {key!r} in a label{did_you_mean(key, known)}; known: {listed(known)}"
                    )
            if "name" not in row:
                raise LabelError(f"a label has no name: {row!r}")
        names = [plain_label(row["name"]) for row in rows]
        pairs = [
            (name, {key: value for key, value in row.items() if not is_missing(value)})
            for name, row in zip(names, rows, strict=True)
        ]
        texts = {name: stripped(row["description"]) for name, row in pairs if "description" in row}
        return cls(
            tuple(names),
            {name: text for name, text in texts.items() if text != ""},
            {name: as_tuple(row["examples"]) for name, row in pairs if row.get("examples", []) != []},
            {name: plain_label(row["parent"]) for name, row in pairs if "parent" in row},
            multi_label,
        )

    @classmethod
    def from_gold(cls, labels: Sequence[Any] | NDArray[Any], *, multi_label: bool) -> Self:
        """Return the sorted set of labels that occur in gold answers."""
        if multi_label:
            found = {plain_label(name, row) for row, several in enumerate(labels) for name in _as_names(several, row)}
        else:
            found = {plain_label(name, row) for row, name in enumerate(labels)}
        try:
            return cls(tuple(sorted(found)), multi_label=multi_label)
        except TypeError:
            raise LabelError(
                f"labels mix types: {listed(map(repr, found))}; make them all text or all numbers"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads back, of plain types only."""
        cards = []
        for name in self.names:
            card: dict[str, Any] = {"name": name}
            if name in self.descriptions:
                card["description"] = self.descriptions[name]
            if name in self.examples:
                card["examples"] = list(self.examples[name])
            if name in self.parents:
                card["parent"] = self.parents[name]
            cards.append(card)
        return {"labels": cards, "multi_label": self.multi_label}

    def card(self, name: Label) -> str:
        """Return the label in words: its name, readable, and its description when there is one."""
        words = str(name).replace("_", " ").strip()
        description = self.descriptions.get(name, "")
        return f"{words}: {description}" if description else words

    def encode(self, labels: Sequence[Any] | NDArray[Any]) -> Gold:
        """Return gold answers as codes (n,) or, multi-label, as a 0/1 indicator (n, K).

        Multi-label answers are lists of names or a 0/1 matrix whose columns are in schema order.

        Raises:
            LabelError: a label is missing or unknown; the message names its row and the nearest known label.

        """
        code = {name: k for k, name in enumerate(self.names)}
        if not self.multi_label:
            return np.fromiter(
                (self._code(code, value, row) for row, value in enumerate(labels)), np.int64, len(labels)
            )
        if self._is_indicator(labels):
            return np.asarray(labels, dtype=np.uint8).reshape(len(labels), len(self))
        indicator = np.zeros((len(labels), len(self)), dtype=np.uint8)
        for row, several in enumerate(labels):
            for name in _as_names(several, row):
                indicator[row, self._code(code, name, row)] = 1
        return indicator

    def _code(self, code: dict[Label, int], value: Any, row: int) -> int:
        if isinstance(value, list | tuple | set | np.ndarray):
            raise LabelError(f"row {row} has the list {value!r:.60} where one label is expected; pass multi_label=True")
        name = plain_label(value, row)
        kind = type(self.names[0])
        if name not in code or type(name) is not kind:
            other = f" ({type(name).__name__}, but the labels are {kind.__name__})" if type(name) is not kind else ""
            raise LabelError(
                f"unknown label {name!r} in row {row}{other}{did_you_mean(name, self.names)}; "
                f"known labels: {listed(map(repr, self.names), 12)}"
            )
        return code[name]

    def _is_indicator(self, labels: Any) -> bool:
        width = len(self)
        if isinstance(labels, np.ndarray) and labels.dtype != object:
            matrix = labels
        elif len(labels) and all(isinstance(row, list | tuple | np.ndarray) and len(row) == width for row in labels):
            cells = [cell for row in labels for cell in row]
            if not all(isinstance(cell, int | float | np.number | np.bool_) and cell in {0, 1} for cell in cells):
                return False
            if set(self.names) & {0, 1} and not isinstance(self.names[0], bool):
                raise LabelError("0/1 rows and labels named 0 and 1 cannot be told apart; pass a numpy 0/1 matrix")
            matrix = np.asarray(labels)
        else:
            return False
        if matrix.ndim != 2 or matrix.shape[1] != width:
            raise LabelError(f"a 0/1 matrix needs one column per label: got shape {matrix.shape}, {width} labels")
        if not np.isin(matrix, (0, 1)).all():
            raise LabelError(f"a 0/1 matrix of labels holds {listed(set(np.unique(matrix).tolist()) - {0, 1})}")
        return True

    def decode(self, gold: Gold) -> list[Any]:
        """Return gold answers as labels, or lists of labels; the inverse of `encode`."""
        if self.multi_label:
            return [[self.names[k] for k in np.flatnonzero(row)] for row in gold]
        return [self.names[code] for code in gold]


def _has_labels_within(mapping: Mapping[Any, Any]) -> bool:
    """Return whether `labels` is a key beside settings, and not a label that is described like others."""
    within = mapping.get("labels")
    return "labels" in mapping and (set(mapping) <= set(_KEYS) or not (within is None or isinstance(within, str)))


def _as_names(several: Any, row: int) -> Iterable[Any]:
    if is_missing(several):
        raise LabelError(f"the labels in row {row} are missing; use an empty list for a text without labels")
    if isinstance(several, str) or not isinstance(several, Iterable):
        return [several]
    return several
