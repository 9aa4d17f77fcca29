"""`Scores`: what every classifier says about texts, in one shape that nests, aligns and never guesses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

from textclassify.core.labels import Label, LabelSchema, plain_label
from textclassify.core.scales import SMALLEST_PROBABILITY, Method, Scale, Status
from textclassify.core.score_matrices import score_matrix, vote_list
from textclassify.core.texts import is_missing, listed
from textclassify.errors import ScoresError

_SEVERAL = (list, tuple, set, frozenset, np.ndarray)
_ROW_COLUMNS = ("values", "status", "method", "cost", "row_ids", "fold")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Per-label scores of n texts over K labels, with what is missing and why.

    Args:
        labels: the K label names, in schema order.
        values: (n, K) float32, read-only; NaN = not scored, never infinite.
        scale: what the numbers are.
        multi_label: whether labels are judged independently of each other.
        status: (n,) uint8 of `Status`; other than OK means that the whole row is NaN, and the other way round.
        method: (n,) uint8 of `Method`.
        cost: (n,) money spent now, in US dollars; 0 = cached or free, NaN = unknown price.
        row_ids: (n,) uint64 hash of the text, which aligns two sources; None = unknown.
        fold: (n,) int16 fold whose training left the row out; -1 source never trained; -2 in-sample; None = unknown.
        source: the classifier's name.
        calibration: how it was calibrated and on how many rows; None = raw.

    Raises:
        ScoresError: any of this does not hold.

    >>> Scores.from_probabilities([[0.9, 0.1]], ["ham", "spam"], source="encoder").probabilities.round(2)
    array([[0.9, 0.1]])

    """

    labels: tuple[Label, ...]
    values: NDArray[np.float32]
    scale: Scale
    multi_label: bool
    status: NDArray[np.uint8]
    method: NDArray[np.uint8]
    cost: NDArray[np.float64]
    row_ids: NDArray[np.uint64] | None = None
    fold: NDArray[np.int16] | None = None
    source: str = ""
    calibration: str | None = None

    def __post_init__(self) -> None:
        labels = LabelSchema(tuple(self.labels)).names
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "scale", Scale(self.scale))
        n, width = len(self.status), len(labels)
        self._freeze("values", np.float32, (n, width))
        self._freeze("status", np.uint8, (n,))
        self._freeze("method", np.uint8, (n,))
        self._freeze("cost", np.float64, (n,))
        self._freeze("row_ids", np.uint64, (n,))
        self._freeze("fold", np.int16, (n,))
        self._check_rows()
        self._check_scale()

    def _freeze(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        given = getattr(self, name)
        if given is None:
            return
        array = np.array(given, dtype=dtype)
        if array.size == 0 and 0 in shape:
            array = array.reshape(shape)
        if array.shape != shape:
            raise ScoresError(f"{name} of source {self.source!r} has shape {array.shape}, expected {shape}")
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _check_rows(self) -> None:
        if np.isinf(self.values).any():
            raise ScoresError(
                f"source {self.source!r} has infinite scores in row {_first(np.isinf(self.values).any(1))}"
            )
        empty = np.isnan(self.values).all(axis=1)
        scored = self.status == Status.OK
        if (empty & scored).any():
            raise ScoresError(
                f"row {_first(empty & scored)} of {self.source!r} has status OK but no score; set its status"
            )
        partly = ~scored & ~np.isnan(self.values).all(axis=1)
        if partly.any():
            status = Status(self.status[_first(partly)]).name
            raise ScoresError(f"row {_first(partly)} of {self.source!r} has scores but status {status}; leave them NaN")

    def _check_scale(self) -> None:
        rows = self.values[self.answered]
        if self.scale is Scale.LOG_PROBABILITY:
            if self.multi_label:
                raise ScoresError(
                    "multi-label scores are LOG_ODDS or VOTE_SHARE; log-probabilities compete with each other"
                )
            off = np.abs(logsumexp(rows.astype(np.float64), axis=1)) if len(rows) else np.zeros(0)
            wrong = np.isnan(rows).any(axis=1) | ~(off < 1e-3)
            if wrong.any():
                row = np.flatnonzero(self.answered)[_first(wrong)]
                raise ScoresError(
                    f"row {row} of {self.source!r} is no distribution over all labels: {self.values[row]}"
                )
        elif self.scale is Scale.LOG_ODDS and not self.multi_label:
            raise ScoresError("LOG_ODDS judge each label by itself; use LOG_PROBABILITY for single-label scores")
        elif self.scale is Scale.LOG_LIKELIHOOD and self.multi_label:
            raise ScoresError("LOG_LIKELIHOOD compares labels with each other; use LOG_ODDS for multi-label scores")
        elif self.scale is Scale.VOTE_SHARE and ((rows < 0) | (rows > 1)).any():
            raise ScoresError(f"vote shares of {self.source!r} must lie in [0, 1]")

    def __len__(self) -> int:
        return len(self.status)

    @classmethod
    def build(
        cls,
        values: ArrayLike,
        labels: Sequence[Label],
        scale: Scale,
        *,
        source: str,
        method: Method | ArrayLike = Method.GIVEN,
        status: ArrayLike | None = None,
        fold: ArrayLike | int | None = None,
        multi_label: bool | None = None,
        **columns: Any,
    ) -> Self:
        """Return scores with the columns that are constant filled in.

        Args:
            values: (n, K) numbers on `scale`; rows of NaN where a text was not scored.
            labels: the K label names.
            scale: what the numbers are.
            source: the classifier's name.
            method: one for all rows, or (n,).
            status: (n,); None = OK, and NOT_CALLED where the whole row is NaN.
            fold: one for all rows, or (n,); None = unknown.
            multi_label: None = what the scale implies (VOTE_SHARE: single-label).
            **columns: `cost` (default 0), `row_ids`, `calibration`.

        """
        matrix = score_matrix(values, labels, source).astype(np.float32)
        if matrix.size == 0:
            matrix = matrix.reshape(len(matrix), len(labels))
        if matrix.ndim != 2:
            raise ScoresError(f"scores of {source!r} have shape {matrix.shape}, expected (texts, {len(labels)} labels)")
        n = len(matrix)
        if status is None:
            status = np.where(np.isnan(matrix).all(axis=1), Status.NOT_CALLED, Status.OK)
        return cls(
            labels=tuple(plain_label(label) for label in labels),
            values=matrix,
            scale=scale,
            multi_label=scale is Scale.LOG_ODDS if multi_label is None else multi_label,
            status=np.asarray(status, dtype=np.uint8),
            method=np.broadcast_to(np.asarray(method, dtype=np.uint8), (n,)),
            cost=np.asarray(columns.pop("cost", np.zeros(n)), dtype=np.float64),
            fold=None if fold is None else np.broadcast_to(np.asarray(fold, dtype=np.int16), (n,)),
            source=source,
            **columns,
        )

    @classmethod
    def from_probabilities(
        cls,
        probabilities: ArrayLike,
        labels: Sequence[Label],
        *,
        source: str = "given",
        multi_label: bool | None = None,
        **columns: Any,
    ) -> Self:
        """Return scores from an (n, K) array or table of probabilities; rows of NaN are texts that were not scored.

        Args:
            probabilities: each row adds up to 1 (within 1%, then normalised), or, multi-label, each value in [0, 1].
                The columns of a table are put in the order of the labels; masked values count as NaN.
            labels: the K label names.
            source: the classifier's name.
            multi_label: None = rows that all add up to 1 are single-label, others multi-label.
            **columns: what `build` takes: `fold`, `row_ids`, `status`, `method`, `cost`.

        Raises:
            ScoresError: a value is no probability, a single-label row does not add up to 1, or a table has columns of
                other names.

        """
        array = score_matrix(probabilities, labels, source)
        if array.ndim == 1 and array.size == 0:
            array = array.reshape(0, len(labels))
        if array.ndim != 2 or array.shape[1] != len(labels):
            raise ScoresError(
                f"probabilities of {source!r} have shape {array.shape}, expected (texts, {len(labels)} labels)"
            )
        _check_probabilities(array, source)
        off = np.abs(array.sum(axis=1) - 1) > 0.01  # NaN rows compare as False
        if multi_label is None:
            multi_label = bool(off.any())
        if multi_label:
            clipped = np.clip(array, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
            odds = np.log(clipped) - np.log1p(-clipped)
            return cls.build(odds, labels, Scale.LOG_ODDS, source=source, multi_label=True, **columns)
        if off.any():
            row = _first(off)
            raise ScoresError(
                f"row {row} of {source!r} adds up to {array[row].sum():.4g}, not 1; "
                "normalise it, or pass multi_label=True for labels that do not exclude each other"
            )
        partly = np.isnan(array).any(axis=1) & ~np.isnan(array).all(axis=1)
        if partly.any():
            raise ScoresError(
                f"row {_first(partly)} of {source!r} is partly NaN; a text is scored on all labels or on none"
            )
        return cls.build(
            log_normalised(array), labels, Scale.LOG_PROBABILITY, source=source, multi_label=False, **columns
        )

    @classmethod
    def from_votes(
        cls,
        votes: Iterable[Any],
        labels: Sequence[Label],
        *,
        source: str = "votes",
        multi_label: bool | None = None,
        **columns: Any,
    ) -> Self:
        """Return scores from hard labels: one label (or, multi-label, a list of labels) per text.

        Args:
            votes: `None` = no answer (missing); `[]` = the answer that no label fits.
            labels: the K label names.
            source: the classifier's name.
            multi_label: None = multi-label when a vote is a list of labels.
            **columns: what `build` takes: `fold`, `row_ids`, `status`, `cost`.

        Raises:
            LabelError: a vote names an unknown label.
            ScoresError: the votes are one string or a matrix.

        """
        votes = vote_list(votes, source)
        given = {row: _vote_names(vote) for row, vote in enumerate(votes) if not is_missing(vote)}
        if multi_label is None:
            lists = [vote for vote in votes if isinstance(vote, _SEVERAL)]
            multi_label = any(len(vote) for vote in lists) or 0 < len(lists) == len(given)
        schema = LabelSchema(tuple(labels), multi_label=True)
        values = np.full((len(votes), len(schema)), np.nan, dtype=np.float32)
        for row, names in given.items():
            if not multi_label and len(names) > 1:
                raise ScoresError(f"row {row} of {source!r} votes for {len(names)} labels; pass multi_label=True")
            values[row] = _indicator(schema, names, row)
        columns = {"method": Method.HARD, **columns}
        return cls.build(values, schema.names, Scale.VOTE_SHARE, source=source, multi_label=multi_label, **columns)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Where a text was scored; shape (n,)."""
        return np.asarray(self.status == Status.OK)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where a label was scored; shape (n, K)."""
        return ~np.isnan(self.values)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, K) probabilities (vote shares as they are); NaN where not scored.

        Single-label rows add up to 1, except votes for no label at all.
        """
        values = self.values.astype(np.float64)
        if self.scale is Scale.VOTE_SHARE:
            return values
        if self.scale is Scale.LOG_ODDS:
            return np.asarray(expit(values))
        filled = np.where(np.isnan(values), -np.inf, values)
        filled[~self.answered] = 0.0
        likely = np.exp(filled - logsumexp(filled, axis=1, keepdims=True)) if len(values) else values
        return np.where(np.isnan(values), np.nan, likely)

    def take(self, rows: ArrayLike | slice) -> Self:
        """Return the rows that an index array, slice or boolean mask selects."""
        chosen = np.arange(len(self))[rows]  # type: ignore[index]
        columns: dict[str, Any] = {name: getattr(self, name) for name in _ROW_COLUMNS}
        taken: dict[str, Any] = {name: None if column is None else column[chosen] for name, column in columns.items()}
        return replace(self, **taken)

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several scores of one source, in order.

        Raises:
            ScoresError: labels, scale or kind differ, or there is no part.

        """
        if not parts:
            raise ScoresError("nothing to concatenate; pass at least one Scores")
        first = parts[0]
        for part in parts[1:]:
            if (part.labels, part.scale, part.multi_label) != (first.labels, first.scale, first.multi_label):
                raise ScoresError(f"cannot join scores of {first.source!r} and {part.source!r}: labels or scale differ")
        columns: dict[str, Any] = {}
        for name in _ROW_COLUMNS:
            several = [getattr(part, name) for part in parts]
            columns[name] = None if any(column is None for column in several) else np.concatenate(several)
        return replace(first, **columns)

    def equals(self, other: Scores) -> bool:
        """Return whether every column is bit-equal (NaN equals NaN)."""
        return all(_same(getattr(self, column.name), getattr(other, column.name)) for column in fields(self))


def log_normalised(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return the logarithms of (n, K) probabilities, kept above the smallest one and normalised by row."""
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), SMALLEST_PROBABILITY))
    if len(logs) == 0:
        return logs
    return np.asarray(logs - logsumexp(logs, axis=1, keepdims=True))


def _check_probabilities(array: NDArray[np.float64], source: str) -> None:
    wrong = (array < -1e-6) | (array > 1 + 1e-6) | np.isinf(array)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ScoresError(
            f"row {row} of {source!r} holds {array[row, column]:.4g}, which is no probability; "
            "pass probabilities, e.g. softmax of logits"
        )


def _vote_names(vote: Any) -> list[Any]:
    return list(vote) if isinstance(vote, _SEVERAL) else [vote]


def _indicator(schema: LabelSchema, names: list[Any], row: int) -> NDArray[Any]:
    indicator = np.zeros(len(schema), dtype=np.uint8)
    try:
        indicator[LabelSchema(schema.names).encode(names)] = 1
    except ValueError as error:
        raise type(error)(re.sub(r"in row \d+", f"in row {row}", str(error))) from None
    return indicator


def _first(where: ArrayLike) -> int:
    return int(np.flatnonzero(where)[0])


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        nan_equal = left.dtype.kind == "f"
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=nan_equal)
    return type(left) is type(right) and left == right


def check_same_labels(expected: Sequence[Label], found: Sequence[Label], source: str) -> None:
    """Assert that two parts of a system mean the same labels in the same order.

    Raises:
        ScoresError: they do not.

    """
    if tuple(expected) != tuple(found):
        raise ScoresError(
            f"source {source!r} scores the labels [{listed(map(repr, found), 12)}], "
            f"expected [{listed(map(repr, expected), 12)}] in this order; give all sources the same "
            "labels, and a fusion, too: labels=..."
        )
