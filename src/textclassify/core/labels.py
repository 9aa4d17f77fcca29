"""The label set: names in a fixed order, what they mean, and how gold answers are encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from textclassify.core.label_cards import cards_of, check_cards, checked_names, fields_of
from textclassify.core.label_encoding import Gold, Label, as_names, decode, encode, plain_label, plain_labels
from textclassify.core.label_files import read_label_file
from textclassify.core.settings_files import expanded
from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import LabelError

__all__ = ["Gold", "Label", "LabelSchema", "plain_label", "plain_labels"]

_KEYS = ("labels", "multi_label")
"""Keys of a label file."""


@dataclass(frozen=True, slots=True)
class LabelSchema:
    """Label names in a fixed order, with what is known about them.

    Args:
        names: unique label names, all str, all int or all bool; their order is the order of every score matrix.
        descriptions: what a label covers, by name; used by prompts and by similarity.
        examples: example texts, by name. They count as seen: none may be a row that is predicted.
        parents: the name of the broader label, by name; no label is above itself.
        multi_label: whether a text may have any number of labels.
        includes: what else belongs to a label, in a few words each, by name; used by prompts and by similarity.
        excludes: what might be taken for a label and is not, by name; used by prompts.
        codes: a unique short code, by name, such as that of a nomenclature.

    >>> LabelSchema(("billing", "delivery")).encode(["delivery", "billing"])
    array([1, 0])

    """

    names: tuple[Label, ...]
    descriptions: Mapping[Label, str] = field(default_factory=dict)
    examples: Mapping[Label, tuple[str, ...]] = field(default_factory=dict)
    parents: Mapping[Label, Label] = field(default_factory=dict)
    multi_label: bool = False
    includes: Mapping[Label, tuple[str, ...]] = field(default_factory=dict)
    excludes: Mapping[Label, tuple[str, ...]] = field(default_factory=dict)
    codes: Mapping[Label, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", checked_names(self.names))
        check_cards(self)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, labels: Any, *, multi_label: bool | None = None) -> Self:
        """Return a schema from whatever describes one.

        Args:
            labels: a schema, names, {name: description}, [{"name": ..., "description": ...}], a mapping with one of
                these under `labels` and perhaps `multi_label`, or the path of a label file: YAML or JSON that holds
                one, or a table (CSV, TSV, JSON Lines) with a row per label, see `core.label_files`.
            multi_label: overrides what the schema says; None keeps it.

        Raises:
            LabelError: nothing of the kind, or a key that is not known.

        """
        if isinstance(labels, str | Path):
            labels = read_label_file(expanded(labels))
        if isinstance(labels, cls):
            return labels if multi_label in {None, labels.multi_label} else replace(labels, multi_label=multi_label)
        if isinstance(labels, Mapping) and _has_labels_within(labels):
            return cls._from_content(labels, multi_label=multi_label)
        return cls(**fields_of(cards_of(labels)), multi_label=bool(multi_label))

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
        fields = fields_of(cards_of(content["labels"]))
        return cls(**fields, multi_label=stated if multi_label is None else multi_label)

    @classmethod
    def from_gold(cls, labels: Sequence[Any] | NDArray[Any], *, multi_label: bool) -> Self:
        """Return the sorted set of labels that occur in gold answers."""
        if multi_label:
            found = {plain_label(name, row) for row, several in enumerate(labels) for name in as_names(several, row)}
        else:
            found = {plain_label(name, row) for row, name in enumerate(labels)}
        try:
            return cls(tuple(sorted(found)), multi_label=multi_label)
        except TypeError:
            raise LabelError(
                f"labels mix types: {listed(map(repr, found))}; make them all text or all numbers"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads back, of plain types only; what nothing is known about is left out."""
        known = {
            "description": self.descriptions,
            "includes": self.includes,
            "excludes": self.excludes,
            "examples": self.examples,
            "parent": self.parents,
            "code": self.codes,
        }
        cards = [
            {"name": name, **{key: _plain(values[name]) for key, values in known.items() if name in values}}
            for name in self.names
        ]
        return {"labels": cards, "multi_label": self.multi_label}

    def with_examples(self, examples: Mapping[Any, Sequence[str]]) -> Self:
        """Return the schema with more example texts, after those that are there and each text once.

        Args:
            examples: texts by label.

        Raises:
            LabelError: a label is not known, or an example is no text.

        """
        several = {plain_label(name): list(texts) for name, texts in examples.items() if not isinstance(texts, str)}
        if len(several) < len(examples):
            name = next(name for name, texts in examples.items() if isinstance(texts, str))
            raise LabelError(f"the examples of label {name!r} are one text; write a list of texts: [...]")
        added = {name: tuple(dict.fromkeys([*self.examples.get(name, ()), *texts])) for name, texts in several.items()}
        return replace(self, examples={**self.examples, **{name: texts for name, texts in added.items() if texts}})

    def card(self, name: Label, *, includes: str = "Includes:") -> str:
        """Return the label in words: its name, readable, its description and what it includes, where these are known.

        Args:
            name: of the label.
            includes: what stands before what it includes, in another language.

        >>> LabelSchema(("late_parcel",), {"late_parcel": "Not there yet."}).card("late_parcel")
        'late parcel: Not there yet.'

        """
        words = str(name).replace("_", " ").strip()
        meaning = _sentences(self.descriptions.get(name, ""), (includes, self.includes.get(name, ())))
        return f"{words}: {meaning}" if meaning else words

    def card_in_full(self, name: Label, *, includes: str = "Includes:", excludes: str = "Not:") -> str:
        """Return the card with what does not belong to the label after it, for people and for language models.

        A vector of it would be near to what the label is not.

        Args:
            name: of the label.
            includes: what stands before what it includes, in another language.
            excludes: what stands before what does not belong to it.

        """
        card, without = self.card(name, includes=includes), self.excludes.get(name, ())
        return _sentences(card, (excludes, without)) if without else card

    def encode(self, labels: Sequence[Any] | NDArray[Any]) -> Gold:
        """Return gold answers as codes (n,) or, multi-label, as a 0/1 indicator (n, K).

        Multi-label answers are lists of names or a 0/1 matrix whose columns are in schema order.

        Raises:
            LabelError: a label is missing or unknown; the message names its row and the nearest known label.

        """
        return encode(self.names, labels, multi_label=self.multi_label)

    def decode(self, gold: Gold) -> list[Any]:
        """Return gold answers as labels, or lists of labels; the inverse of `encode`."""
        return decode(self.names, gold, multi_label=self.multi_label)


def _has_labels_within(mapping: Mapping[Any, Any]) -> bool:
    """Return whether `labels` is a key beside settings, and not a label that is described like others."""
    within = mapping.get("labels")
    return "labels" in mapping and (set(mapping) <= set(_KEYS) or not (within is None or isinstance(within, str)))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _sentences(text: str, listing: tuple[str, Sequence[str]]) -> str:
    """Return a text with a list after it: `Text. Includes: first; second.`."""
    head, phrases = listing
    if not phrases:
        return text
    end = "" if not text or text.endswith((".", "!", "?", ":", ";")) else "."
    return f"{text}{end} {head} {'; '.join(phrases)}.".lstrip()
