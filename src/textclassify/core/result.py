"""What comes out of prediction: a sequence of labels, with the probabilities, statuses and sources behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.hierarchy import LabelLevel
from textclassify.core.labels import Gold, Label, LabelSchema, plain_labels
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.errors import DataError, LabelError

if TYPE_CHECKING:
    import pandas as pd


NO_LABEL = -1
"""Code of a row without an answer in single-label results."""


@dataclass(frozen=True, eq=False)
class ClassificationResult(Sequence[Any]):
    """Answers for n texts: a sequence of labels (lists of labels for multi-label), with everything behind them.

    Args:
        scores: the scores that were decided on.
        codes: (n,) label codes, -1 = no answer; or, multi-label, a 0/1 indicator (n, K).
        sources: scores of each source by name, for the same rows.
        metadata: what the caller should know: the combiner, warnings, `metrics` when gold labels were given.
        contributions: row -> {source: log-odds it adds to the answer}; None when nothing was fused.
        declined: (n,) answers that were withheld because they were not sure enough; None = none.
        details: what else is known about each row, as columns by name: arrays whose first axis is the n rows.
        parents: the broader label of each label that has one.

    `np.asarray(result)` is the 1-D array of labels.
    """

    scores: Scores
    codes: Gold
    sources: Mapping[str, Scores] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    contributions: Callable[[int], Mapping[str, float]] | None = field(default=None, repr=False)
    declined: NDArray[np.bool_] | None = None
    details: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parents: Mapping[Label, Label] = field(default_factory=dict)

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
        """(n,) probability of the answer; multi-label: of every label's decision being right, the least certain one.

        Where an answer stands for labels below it as well, their probability is in it (`details["confidence"]`).
        """
        if "confidence" in self.details:
            return np.asarray(self.details["confidence"], dtype=np.float64)
        if self.multi_label:
            chosen = np.where(self.codes == 1, self.probabilities, 1 - self.probabilities)
            return np.asarray(chosen.min(axis=1))
        rows = np.arange(len(self))
        return np.where(self.codes == NO_LABEL, np.nan, self.probabilities[rows, self.codes])

    @property
    def status(self) -> NDArray[np.uint8]:
        """(n,) `Status` of each row: OK, or why there is no answer."""
        status = self.scores.status
        declined = np.zeros(len(self), dtype=bool) if self.declined is None else self.declined
        if not self.multi_label:
            declined = declined | (self.codes == NO_LABEL)
        return np.where(declined & (status == Status.OK), np.uint8(Status.ABSTAINED), status)

    @property
    def reasons(self) -> list[str | None]:
        """Why a row has no label, in words; None where it has one, or where nobody said."""
        status = self.status
        known = self.details.get("reason", np.full(len(self), None, dtype=object))
        words = [Status(code).name.lower().replace("_", " ") for code in status]
        return [
            reason or (None if code == Status.OK else word)
            for code, reason, word in zip(status, known, words, strict=True)
        ]

    def withheld(self, rows: NDArray[np.bool_], **metadata: Any) -> ClassificationResult:
        """Return the result without the answers of the rows of a mask (n,), which are ABSTAINED; scores stay.

        Args:
            rows: whose answers are withheld.
            **metadata: added to the result's.

        """
        nothing = 0 if self.multi_label else NO_LABEL
        codes = np.where(rows[:, None] if self.multi_label else rows, nothing, self.codes)
        before = np.zeros(len(self), dtype=bool) if self.declined is None else self.declined
        metadata = {**self.metadata, **metadata}
        return replace(self, codes=codes, declined=before | rows, metadata=metadata)

    def roll_up(self, level: int) -> ClassificationResult:
        """Return the answers at a level of the label hierarchy: 0 = the broadest labels.

        A label that is not as deep stays itself. Probabilities of labels with one parent are added up and decided anew,
        so that two narrow labels together can outweigh a third; multi-label, a broad label is as probable as the most
        probable one below it, and is an answer where one below it is. Answers that were not the most probable label
        (such as a broader one, where narrow ones were not sure enough) keep their branch; withheld ones stay withheld.
        Metrics and contributions, which are of the narrow labels, are left out.

        Args:
            level: from 0 to the number of levels less 1.

        Raises:
            LabelError: no label has a parent.
            ConfigError: there is no such level.

        """
        at = LabelLevel.of(self.classes, self.parents, level)
        scores, codes = at.scores(self.scores), at.gold(self.codes)
        if not self.multi_label:
            usual = (codes != NO_LABEL) & (decide(self.scores).codes == self.codes)
            codes = np.where(usual, decide(scores).codes, codes)
        rolled = replace(
            self,
            scores=scores,
            codes=codes,
            sources={name: at.scores(one) for name, one in self.sources.items()},
            metadata={name: value for name, value in self.metadata.items() if name != "metrics"},
            contributions=None,
            details={name: column for name, column in self.details.items() if name != "confidence"},
            parents=at.parents,
        )
        if "confidence" not in self.details:
            return rolled
        confidence = np.fmax(rolled.confidence, self.confidence)  # an answer may stand for labels below this level
        return replace(rolled, details={**rolled.details, "confidence": confidence})

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
            contributions=None if explain is None else partial(_of_slice, explain, start),
            declined=None if self.declined is None else self.declined[row],
            details={name: column[row] for name, column in self.details.items()},
        )

    def __iter__(self) -> Iterator[Any]:
        return iter(self.predictions)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: what each source adds to each row, not the fusion that can tell."""
        explain = self.contributions
        written = None if explain is None else partial(_of_table, *_contribution_table(explain, len(self)))
        return {**self.__dict__, "contributions": written}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - numpy's protocol
        if self.multi_label or None in self.predictions:
            array = np.empty(len(self), dtype=object)
            array[:] = self.predictions
        else:
            array = np.array(self.predictions)
        return array if dtype is None else array.astype(dtype)


def _of_slice(explain: Callable[[int], Mapping[str, float]], rows: range, row: int) -> Mapping[str, float]:
    return explain(rows[row])


def _of_table(names: tuple[str, ...], table: NDArray[np.float64], row: int) -> Mapping[str, float]:
    return {name: float(added) for name, added in zip(names, table[row], strict=True) if not np.isnan(added)}


def _contribution_table(
    explain: Callable[[int], Mapping[str, float]], n: int
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the sources and what each adds to each row, (n, sources); NaN where it has no part in the answer."""
    rows = [explain(row) for row in range(n)]
    names = tuple(sorted({name for row in rows for name in row}))
    return names, np.array([[row.get(name, np.nan) for name in names] for row in rows]).reshape(n, len(names))


def decide(
    scores: Scores,
    *,
    thresholds: ArrayLike = 0.5,
    codes: Gold | None = None,
    sources: Mapping[str, Scores] | None = None,
    metadata: dict[str, Any] | None = None,
    contributions: Callable[[int], Mapping[str, float]] | None = None,
) -> ClassificationResult:
    """Return the answers that scores imply: the most probable label, or the labels at or above their threshold.

    Args:
        scores: of n texts over K labels. Ties go to the earlier label; votes for no label are an abstention.
        thresholds: one, or one per label, on the probability; multi-label only.
        codes: the answers, where they are decided already: label codes (n,) or 0/1 (n, K); rows without scores have
            none whatever stands here.
        sources: passed on to the result.
        metadata: passed on to the result.
        contributions: passed on to the result.

    """
    probabilities = np.nan_to_num(scores.probabilities, nan=-1.0)
    if codes is not None:
        missing = ~scores.answered
        codes = np.where(missing[:, None], 0, codes) if scores.multi_label else np.where(missing, NO_LABEL, codes)
    elif scores.multi_label:
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
    plain = plain_labels(labels)
    if len(plain) != n:
        raise LabelError(f"{n} texts but {len(plain)} labels; pass one label per text")
    return schema.encode(plain)
