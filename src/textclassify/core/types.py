"""What goes into training: labelled texts, checked; beside them the settings of the published interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.clusters import linked
from textclassify.core.label_encoding import as_matrix
from textclassify.core.labels import Gold, LabelSchema, plain_labels
from textclassify.core.model_settings import EnsembleConfig, ModelConfig, ModelType
from textclassify.core.selection import as_chosen_by, judges_in_words, may_judge
from textclassify.core.texts import (
    as_texts,
    blank_rows,
    did_you_mean,
    hash_texts,
    hash_wordings,
    is_missing,
    listed,
)
from textclassify.errors import DataError

__all__ = ["ClassificationType", "EnsembleConfig", "ModelConfig", "ModelType", "TrainingData", "as_weights"]


class ClassificationType(StrEnum):
    """How many labels a text has."""

    MULTI_CLASS = "multi_class"
    MULTI_LABEL = "multi_label"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Labelled texts, checked: n texts, their gold answers and the label schema.

    Args:
        texts: n non-empty strings.
        labels: n labels; or, multi-label, n lists of labels or a 0/1 matrix (n, K). With `classification_type` given as
            single-label, a 0/1 matrix with one 1 in each row will do, too.
        classification_type: None = multi-label when the labels are lists or a matrix.
        schema: the label set and its order; None = the sorted labels that occur (a matrix without schema: 0 to K-1,
            until whoever learns from it names its columns; see `unnamed`).
        sample_weight: n weights for training, >= 0; None = 1.
        groups: n group names (a customer, a document): rows of one group never stand on both sides of a split.
        chosen_by: how each of the n rows came to be labelled: "random", "ranking" (a model picked it, as
            `rows_to_label` does) or "unknown"; None = not recorded. All rows train; see `honest_rows` for the rest.

    Raises:
        DataError: a text is missing, empty or no string, the lengths differ, or `chosen_by` holds something else.
        LabelError: a label is missing, of another type or unknown to the schema.

    """

    texts: list[str]
    labels: Sequence[Any] | NDArray[Any]
    classification_type: ClassificationType | None = None
    schema: LabelSchema = None  # type: ignore[assignment] # filled in below
    sample_weight: NDArray[np.float64] | None = None
    groups: Sequence[Any] | None = None
    chosen_by: NDArray[Any] | None = None
    gold: Gold = field(init=False, repr=False)
    unnamed: bool = field(init=False, repr=False, default=False)
    """Whether the labels came as a 0/1 matrix without names, whose columns are 0 to K-1 for want of better."""

    def __post_init__(self) -> None:
        texts = as_texts(self.texts)
        labels = plain_labels(self.labels)
        if not texts:
            raise DataError("no rows to train on; pass at least one labelled text per label")
        if len(labels) != len(texts):
            raise DataError(f"{len(texts)} texts but {len(labels)} labels; pass one label (or list of labels) per text")
        blank = np.flatnonzero(blank_rows(texts))
        if len(blank):
            raise DataError(f"empty text in row {listed(blank)}; drop such rows: they teach nothing")
        several = self._several(labels)
        given: LabelSchema | None = self.schema
        if given is None:
            labels = as_matrix(labels) if several or self.classification_type is not None else labels
            schema = _inferred_schema(labels, several=several)
            self._set(unnamed=_is_matrix(labels))
        else:
            schema = LabelSchema.of(given, multi_label=several)
        gold = schema.encode(labels)
        labels = schema.decode(gold) if _is_matrix(labels) and not several else labels
        self._set(texts=texts, labels=labels, schema=schema, gold=gold)
        self._set(classification_type=ClassificationType.MULTI_LABEL if several else ClassificationType.MULTI_CLASS)
        self._check_columns()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _several(self, labels: Sequence[Any] | NDArray[Any]) -> bool:
        if self.classification_type is not None:
            return _known_type(self.classification_type) is ClassificationType.MULTI_LABEL
        given: LabelSchema | None = self.schema
        if given is not None and LabelSchema.of(given).multi_label:
            return True
        return len(labels) > 0 and isinstance(labels[0], list | tuple | set | frozenset | np.ndarray)

    def _check_columns(self) -> None:
        if self.groups is not None:
            groups = list(self.groups)
            if len(groups) != len(self):
                raise DataError(f"{len(self)} texts but {len(groups)} groups; pass one group per text")
            for row, group in enumerate(groups):
                if is_missing(group):
                    raise DataError(
                        f"the group in row {row} is missing; give a row that belongs to no other its own name"
                    )
            self._set(groups=groups)
        if self.sample_weight is not None:
            weight = as_weights(self.sample_weight)
            if weight.shape != (len(self),) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
                raise DataError(
                    f"sample_weight must be {len(self)} finite numbers >= 0, not all 0; got shape {weight.shape}"
                )
            self._set(sample_weight=weight)
        if self.chosen_by is not None:
            self._set(chosen_by=as_chosen_by(self.chosen_by, len(self)))

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of labels."""
        return self.schema.multi_label

    @cached_property
    def row_ids(self) -> NDArray[np.uint64]:
        """Hash of each text; shape (n,)."""
        return hash_texts(self.texts)

    @cached_property
    def wording_ids(self) -> NDArray[np.uint64]:
        """Hash of each text, equal for texts that differ in case or white space only; shape (n,)."""
        return hash_wordings(self.texts)

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """Number of each row's cluster: rows of one text or of one group are together; shape (n,).

        Texts that differ in case or white space only are one text here: a model that learned one knows the other.
        """
        if self.groups is None:
            return linked(self.wording_ids)
        numbers: dict[tuple[str, str], int] = {}
        return linked(self.wording_ids, [numbers.setdefault(_group_key(group), len(numbers)) for group in self.groups])

    @property
    def honest_rows(self) -> NDArray[np.bool_]:
        """Which rows may calibrate, guard, estimate prevalence or evaluate; shape (n,).

        All where `chosen_by` was not recorded; else those drawn at random, or, where there are none of these, those of
        which it is unknown. Never rows that a ranking picked: they are hard by design.
        """
        return may_judge(self.chosen_by, len(self))

    @property
    def selection_note(self) -> str:
        """A sentence about rows that only train, for whoever reads a report; empty where all rows are honest."""
        return judges_in_words(self.chosen_by)

    def take(self, rows: ArrayLike) -> Self:
        """Return the rows that an index array or boolean mask selects."""
        chosen = np.arange(len(self))[rows]  # type: ignore[index]
        taken = replace(
            self,
            texts=[self.texts[row] for row in chosen],
            labels=self.gold[chosen] if self.multi_label else [self.labels[row] for row in chosen],
            sample_weight=None if self.sample_weight is None else self.sample_weight[chosen],
            groups=None if self.groups is None else [self.groups[row] for row in chosen],
            chosen_by=None if self.chosen_by is None else self.chosen_by[chosen],
        )
        object.__setattr__(taken, "unnamed", self.unnamed)
        return taken


def _group_key(group: Any) -> tuple[str, str]:
    """Return what tells groups apart: 1 and "1" are two groups, and a group need not be hashable."""
    plain = group.item() if isinstance(group, np.generic) else group
    return type(plain).__name__, str(plain)


def _known_type(name: Any) -> ClassificationType:
    try:
        return ClassificationType(name)
    except ValueError:
        known = [str(kind) for kind in ClassificationType]
        raise DataError(
            f"unknown classification_type {name!r}{did_you_mean(name, known)}; known: {listed(map(repr, known))}"
        ) from None


def as_weights(weights: Any) -> NDArray[np.float64]:
    """Return sample weights as floats.

    Raises:
        DataError: they are no numbers.

    """
    try:
        return np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_weight must be numbers, one per text ({error})") from error


def _is_matrix(labels: Any) -> bool:
    return isinstance(labels, np.ndarray) and labels.ndim == 2


def _inferred_schema(labels: Sequence[Any] | NDArray[Any], *, several: bool) -> LabelSchema:
    if isinstance(labels, np.ndarray) and _is_matrix(labels):
        return LabelSchema(tuple(range(labels.shape[1])), multi_label=several)
    return LabelSchema.from_gold(labels, multi_label=several)
