"""What labelled rows say about labels by description: which point to work at, and how often a label is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from textclassify.apps.failures import said_of
from textclassify.apps.row_streams import rows_in
from textclassify.core import dataset
from textclassify.core.columns import text_column_of
from textclassify.core.files import STANDARD_INPUT
from textclassify.core.result import NO_LABEL
from textclassify.core.scales import Status
from textclassify.core.splits import split
from textclassify.core.texts import is_missing
from textclassify.core.types import TrainingData
from textclassify.errors import DataError
from textclassify.statistics.metrics import correct_per_row
from textclassify.statistics.resampling import Interval, wilson_interval

if TYPE_CHECKING:
    from textclassify.rac.rac_classifier import RACClassifier
    from textclassify.rac.tuning.operating_point import OperatingPoint

MIN_MEASURED = 40
"""Labelled rows from which on half of them choose the point to work at and half measure it; fewer all choose."""
SHOWN_COVERAGES = (0.25, 0.5, 0.75)
"""Shares of the texts, the surest first, whose precision is shown beside that of all labels that are given."""


@dataclass(frozen=True, eq=False)
class Gold:
    """Labelled rows: those that choose a point to work at, those that measure, and what to say about them."""

    choosing: TrainingData | None
    measuring: TrainingData | None
    note: str = ""


def gold_rows(
    classifier: RACClassifier, gold: str, file: str, *, text_column: str | None, chooses: bool, random_state: int = 0
) -> Gold:
    """Return labelled rows, without examples of the labels, which retrieval knows by heart.

    Args:
        classifier: what will label.
        gold: a column of the file, in which rows without a label are empty, or a file of other rows.
        file: the texts that will be labelled.
        text_column: None = recognised.
        chooses: whether a point to work at is chosen by them.
        random_state: draws the half that chooses.

    Raises:
        DataError: the rows cannot be read or used; the message names the file.

    """
    schema = classifier._require_schema()  # noqa: SLF001 - classifiers that need no training have no `schema_`
    table, column, labels = (
        (gold, text_column, None)
        if Path(gold).expanduser().is_file()
        else (*_labelled_table(file, gold, text_column), [gold])
    )
    counted = "" if labels is None else ", counting its rows that have a label"
    with said_of(f"--gold {gold!r}{counted}"):
        data = dataset.labelled_data(
            table, schema=schema, text_column=column, label_columns=labels, multi_label=schema.multi_label
        )
    known = np.isin(data.row_ids, classifier.seen_row_ids)
    new = np.flatnonzero(~np.isin(data.clusters, data.clusters[known]))
    left_out = len(data) - len(new)
    note = f"{left_out:,} labelled rows are examples of the labels and measure nothing" if left_out else ""
    if not len(new):
        raise DataError(f"every labelled row in {gold!r} is an example of the labels; label other texts to measure on")
    rows = data.take(new)
    if not chooses:
        return Gold(None, rows, note)
    if len(rows) < MIN_MEASURED:
        short = f"all {len(rows)} labelled rows choose the point to work at: how often it is right is not measured"
        return Gold(rows, None, "; ".join(filter(None, [note, f"{short}, which takes {MIN_MEASURED}"])))
    return Gold(*split(rows, 0.5, random_state=random_state), note)


def _labelled_table(file: str, column: str, text_column: str | None) -> tuple[pd.DataFrame, str]:
    """Return the rows of a file that have a text and something in a column, and the name of their text column."""
    if file == STANDARD_INPUT:
        raise DataError(
            f"there is no file {column!r}, and a column of standard input cannot be read twice; name a file"
        )
    with rows_in(file) as rows:
        table = pd.DataFrame(list(rows))
    if column not in table.columns:
        known = ", ".join(map(repr, list(table.columns)[:12]))
        raise DataError(f"--gold {column!r} is neither a file nor a column of {file!r}; columns: {known}")
    texts = text_column_of(table, text_column)
    if column == texts:
        raise DataError(f"--gold {column!r} is the column of the texts; name the one that holds labels")
    there = [_is_there(text) and _is_there(cell) for text, cell in zip(table[texts], table[column], strict=True)]
    if not any(there):
        raise DataError(f"column {column!r} of {file!r} has no label in any row; label some, or leave --gold out")
    return table[there].reset_index(drop=True), texts


def _is_there(cell: Any) -> bool:
    """Return whether a cell holds something."""
    return not (is_missing(cell) or (isinstance(cell, str) and not cell.strip()))


@dataclass(frozen=True, eq=False)
class Measured:
    """How often labels are right on labelled rows that nothing was chosen by.

    Args:
        n_rows: labelled rows.
        coverage: share of them that got a label.
        precision: share of these labels that are right (multi-label: whole sets), with Wilson's interval.
        right_of_all: share of all rows that got a right label.
        calls: questions per text.
        curve: (share of the texts, the surest first; precision among them; least confidence).

    """

    n_rows: int
    coverage: float
    precision: Interval
    right_of_all: Interval
    calls: float
    curve: tuple[tuple[float, Interval, float], ...]

    def sentences(self) -> Iterator[str]:
        """Return what to say."""
        yield (
            f"on {self.n_rows:,} labelled rows: {_shares(self.precision)} of the labels given are right, at "
            f"{self.coverage:.1%} coverage; right of all rows {_shares(self.right_of_all)}; {self.calls:.2f} calls per "
            "text"
        )
        for share, precision, confidence in self.curve:
            yield f"  surest {share:.0%}: {_shares(precision)} right, confidence from {confidence:.3f}"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return {
            "rows": self.n_rows,
            "coverage": self.coverage,
            "precision": _plain(self.precision),
            "right_of_all": _plain(self.right_of_all),
            "calls_per_text": self.calls,
            "curve": [
                {"coverage": share, "precision": _plain(one), "confidence": least} for share, one, least in self.curve
            ],
        }


def measured(classifier: RACClassifier, gold: TrainingData) -> Measured:
    """Return how often a classifier is right on labelled rows, which may ask about them."""
    result = classifier.predict(list(gold.texts))
    codes = result.codes.astype(np.int64)
    answered = result.status == Status.OK
    codes[~answered] = NO_LABEL
    right = correct_per_row(gold.gold, codes).astype(bool) & answered
    n = len(gold)
    order = np.flatnonzero(answered)
    order = order[np.argsort(-result.confidence[order], kind="stable")]
    curve = []
    for share in SHOWN_COVERAGES:
        size = round(share * n)
        if 0 < size < len(order):
            surest = order[:size]
            curve.append((share, wilson_interval(int(right[surest].sum()), size), float(result.confidence[surest[-1]])))
    return Measured(
        n,
        float(answered.mean()),
        wilson_interval(int(right.sum()), int(answered.sum())),
        wilson_interval(int(right.sum()), n),
        float(result.details["calls"].mean()),
        tuple(curve),
    )


def at_operating_point(
    classifier: RACClassifier, gold: TrainingData, *, min_precision: float | None, max_calls: float | None
) -> OperatingPoint:
    """Set a classifier's `top_k` and `min_probability` to what reaches a target on labelled rows, and return the point.

    Raises:
        DataError: there are too few rows, or no point reaches the target.

    """
    point = classifier.operating_point(list(gold.texts), gold.labels, min_precision=min_precision, max_calls=max_calls)
    classifier.set_params(top_k=point.top_k, min_probability=point.min_probability)
    return point


def _shares(value: Interval) -> str:
    return f"{value.estimate:.1%} [{value.low:.1%}, {value.high:.1%}]"


def _plain(value: Interval) -> dict[str, float | None]:
    estimate = None if np.isnan(value.estimate) else value.estimate
    return {"estimate": estimate, "low": value.low, "high": value.high}
