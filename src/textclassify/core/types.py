"""What goes into training and what comes out of prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from textclassify.core.labels import Gold, Label, LabelSchema
from textclassify.core.scores import Scores, Status
from textclassify.core.texts import as_texts, blank_rows, hash_texts, is_missing, listed, plain_list
from textclassify.errors import DataError, LabelError

if TYPE_CHECKING:
    import pandas as pd

NO_LABEL = -1
"""Code of a row without an answer in single-label results."""


class ClassificationType(StrEnum):
    """How many labels a text has."""

    MULTI_CLASS = "multi_class"
    MULTI_LABEL = "multi_label"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Labelled texts, checked: n texts, their gold answers and the label schema.

    Args:
        texts: n non-empty strings.
        labels: n labels; or, multi-label, n lists of labels or a 0/1 matrix (n, K).
        classification_type: None = multi-label when the labels are lists or a matrix.
        schema: the label set and its order; None = the sorted labels that occur (a matrix without schema: 0 to K-1).
        sample_weight: n weights for training, >= 0; None = 1.
        groups: n group names (a customer, a document): rows of one group never stand on both sides of a split.

    Raises:
        DataError: a text is missing, empty or no string, or the lengths differ.
        LabelError: a label is missing, of another type or unknown to the schema.

    """

    texts: list[str]
    labels: Sequence[Any] | NDArray[Any]
    classification_type: ClassificationType | None = None
    schema: LabelSchema = None  # type: ignore[assignment] # filled in below
    sample_weight: NDArray[np.float64] | None = None
    groups: Sequence[Any] | None = None
    gold: Gold = field(init=False, repr=False)

    def __post_init__(self) -> None:
        texts = as_texts(self.texts)
        labels = _plain_sequence(self.labels)
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
            labels = _as_matrix(labels) if several else labels
            schema = _inferred_schema(labels, several=several)
        else:
            schema = LabelSchema.of(given, multi_label=several)
        self._set(texts=texts, labels=labels, schema=schema, gold=schema.encode(labels))
        self._set(classification_type=ClassificationType.MULTI_LABEL if several else ClassificationType.MULTI_CLASS)
        self._check_columns()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _several(self, labels: Sequence[Any] | NDArray[Any]) -> bool:
        if self.classification_type is not None:
            return ClassificationType(self.classification_type) is ClassificationType.MULTI_LABEL
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
            weight = np.asarray(self.sample_weight, dtype=np.float64)
            if weight.shape != (len(self),) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
                raise DataError(
                    f"sample_weight must be {len(self)} finite numbers >= 0, not all 0; got shape {weight.shape}"
                )
            self._set(sample_weight=weight)

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
    def clusters(self) -> NDArray[np.int64]:
        """Number of each row's cluster: rows of equal text or of one group are together; shape (n,)."""
        _, same_text = np.unique(self.row_ids, return_inverse=True)
        if self.groups is None:
            return np.asarray(same_text, dtype=np.int64)
        _, same_group = np.unique(np.asarray([str(group) for group in self.groups]), return_inverse=True)
        n_texts = same_text.max() + 1
        edges = coo_array((np.ones(len(self)), (same_text, same_group + n_texts)), shape=(n_texts + len(self),) * 2)
        _, component = connected_components(edges, directed=False)
        return np.asarray(component[same_text], dtype=np.int64)

    def take(self, rows: ArrayLike) -> Self:
        """Return the rows that an index array or boolean mask selects."""
        chosen = np.arange(len(self))[rows]  # type: ignore[index]
        return replace(
            self,
            texts=[self.texts[row] for row in chosen],
            labels=self.labels[chosen] if isinstance(self.labels, np.ndarray) else [self.labels[row] for row in chosen],
            sample_weight=None if self.sample_weight is None else self.sample_weight[chosen],
            groups=None if self.groups is None else [self.groups[row] for row in chosen],
        )


def _plain_sequence(labels: Any) -> Sequence[Any] | NDArray[Any]:
    """Return labels as a list, or as the array that they are or that their 0/1 columns make."""
    if labels is None:
        raise DataError("no labels given; pass labels=[...], one per text")
    if isinstance(labels, str | bytes):
        raise DataError(f"expected one label per text, got one {type(labels).__name__}: {labels[:40]!r}; pass a list")
    if hasattr(labels, "to_numpy") and len(getattr(labels, "shape", ())) == 2:
        labels = labels.to_numpy()
    return labels if isinstance(labels, np.ndarray) else plain_list(labels)


def _as_matrix(labels: Sequence[Any] | NDArray[Any]) -> Sequence[Any] | NDArray[Any]:
    """Return rows of 0/1 of one width as a matrix, anything else as it is."""
    rows = list(labels)
    widths = {len(row) if isinstance(row, list | tuple | np.ndarray) else 0 for row in rows}
    if len(widths) != 1 or 0 in widths:
        return labels
    cells = {cell for row in rows for cell in row}
    return np.asarray(rows) if not any(isinstance(cell, str) for cell in cells) and cells <= {0, 1} else labels


def _inferred_schema(labels: Sequence[Any] | NDArray[Any], *, several: bool) -> LabelSchema:
    if several and isinstance(labels, np.ndarray) and labels.ndim == 2:
        return LabelSchema(tuple(range(labels.shape[1])), multi_label=True)
    return LabelSchema.from_gold(labels, multi_label=several)


@dataclass(frozen=True, eq=False)
class ClassificationResult(Sequence[Any]):
    """Answers for n texts: a sequence of labels (lists of labels for multi-label), with everything behind them.

    Args:
        scores: the scores that were decided on.
        codes: (n,) label codes, -1 = no answer; or, multi-label, a 0/1 indicator (n, K).
        sources: scores of each source by name, for the same rows.
        metadata: what the caller should know: the combiner, warnings, `metrics` when gold labels were given.
        contributions: row -> {source: log-odds it adds to the answer}; None when nothing was fused.

    `np.asarray(result)` is the 1-D array of labels.
    """

    scores: Scores
    codes: Gold
    sources: Mapping[str, Scores] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    contributions: Callable[[int], Mapping[str, float]] | None = field(default=None, repr=False)

    @property
    def classes(self) -> tuple[Label, ...]:
        """The K labels, in the order of the columns of `probabilities`."""
        return self.scores.labels

    @property
    def multi_label(self) -> bool:
        """Whether each prediction is a list of labels."""
        return self.scores.multi_label

    @cached_property
    def predictions(self) -> list[Any]:
        """A label per text, or a list of labels; `None` where there is no answer."""
        if not self.multi_label:
            return [None if code == NO_LABEL else self.classes[code] for code in self.codes]
        answered = self.status == Status.OK
        decoded = LabelSchema(self.classes, multi_label=True).decode(self.codes)
        return [names if ok else None for names, ok in zip(decoded, answered, strict=True)]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, K) probabilities in the order of `classes`; NaN rows where there is no answer."""
        return self.scores.probabilities

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(n,) probability of the answer; multi-label: of every label's decision being right, the least certain one."""
        if self.multi_label:
            chosen = np.where(self.codes == 1, self.probabilities, 1 - self.probabilities)
            return np.asarray(chosen.min(axis=1))
        rows = np.arange(len(self))
        return np.where(self.codes == NO_LABEL, np.nan, self.probabilities[rows, self.codes])

    @property
    def status(self) -> NDArray[np.uint8]:
        """(n,) `Status` of each row: OK, or why there is no answer."""
        status = self.scores.status
        if self.multi_label:
            return status
        declined = (self.codes == NO_LABEL) & (status == Status.OK)
        return np.where(declined, np.uint8(Status.ABSTAINED), status)

    def explain(self, row: int) -> dict[str, float]:
        """Return how many log-odds each source adds to the answer of a row over its nearest rival.

        Multi-label: over the label's absence, for the label whose decision is least certain.

        Raises:
            DataError: the result comes from one classifier, so there is nothing to divide, or the row does not exist.

        """
        if self.contributions is None:
            raise DataError(
                "only the result of a fusion can be explained by source; this one comes from one classifier"
            )
        if not -len(self) <= row < len(self):
            raise DataError(f"row {row} does not exist; the result has {len(self)} rows")
        return dict(self.contributions(row % len(self)))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per text: label, confidence, status, and `p_<label>` for each label."""
        import pandas as pd

        columns: dict[str, Any] = {
            "label": pd.Series(self.predictions, dtype=object),
            "confidence": self.confidence,
            "status": [Status(code).name.lower() for code in self.status],
        }
        columns |= {f"p_{label}": self.probabilities[:, k] for k, label in enumerate(self.classes)}
        return pd.DataFrame(columns)

    def to_indicator(self) -> NDArray[np.uint8]:
        """Return the answers as a 0/1 matrix (n, K); rows without an answer are all 0."""
        if self.multi_label:
            return np.asarray(self.codes, dtype=np.uint8)
        return np.asarray(self.codes[:, None] == np.arange(len(self.classes)), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> ClassificationResult: ...
    def __getitem__(self, row: int | slice) -> Any:
        if not isinstance(row, slice):
            return self.predictions[row]
        start = range(len(self))[row]
        explain = self.contributions
        return replace(
            self,
            scores=self.scores.take(row),
            codes=self.codes[row],
            sources={name: scores.take(row) for name, scores in self.sources.items()},
            contributions=None if explain is None else lambda number: explain(start[number]),
        )

    def __iter__(self) -> Iterator[Any]:
        return iter(self.predictions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - numpy's protocol
        if self.multi_label or None in self.predictions:
            array = np.empty(len(self), dtype=object)
            array[:] = self.predictions
        else:
            array = np.array(self.predictions)
        return array if dtype is None else array.astype(dtype)


def decide(
    scores: Scores,
    *,
    thresholds: ArrayLike = 0.5,
    sources: Mapping[str, Scores] | None = None,
    metadata: dict[str, Any] | None = None,
    contributions: Callable[[int], Mapping[str, float]] | None = None,
) -> ClassificationResult:
    """Return the answers that scores imply: the most probable label, or the labels at or above their threshold.

    Args:
        scores: of n texts over K labels. Ties go to the earlier label; votes for no label are an abstention.
        thresholds: one, or one per label, on the probability; multi-label only.
        sources: passed on to the result.
        metadata: passed on to the result.
        contributions: passed on to the result.

    """
    probabilities = np.nan_to_num(scores.probabilities, nan=-1.0)
    codes: Gold
    if scores.multi_label:
        codes = (probabilities >= np.asarray(thresholds)).astype(np.uint8)
    else:
        best = probabilities.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.int64)
        codes = np.where(probabilities.max(axis=1, initial=-1.0) > 0, best, NO_LABEL).astype(np.int64)
    return ClassificationResult(scores, codes, dict(sources or {}), dict(metadata or {}), contributions)


def gold_for(labels: Any, schema: LabelSchema, n: int) -> Gold:
    """Return gold answers for n predicted texts, encoded by the schema; 0/1 columns are put in its order.

    Raises:
        LabelError: another number of labels, or a label that the schema does not know.

    """
    columns = {str(name): name for name in getattr(labels, "columns", ())}
    if columns and set(columns) == set(map(str, schema.names)):
        labels = labels[[columns[str(name)] for name in schema.names]]
    plain = _plain_sequence(labels)
    if len(plain) != n:
        raise LabelError(f"{n} texts but {len(plain)} labels; pass one label per text")
    return schema.encode(plain)
