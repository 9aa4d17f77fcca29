"""What a user should know about labelled texts before anything is learned from them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from textclassify.core.texts import listed
from textclassify.core.types import TrainingData

LONG_TEXT = 10_000
"""Characters above which a text is called very long; encoders read some 2,000 of them."""


def describe(data: TrainingData, test: TrainingData | None = None) -> list[str]:
    """Return findings in plain words, each with a count and an example; an empty list means nothing to worry about.

    Args:
        data: the training data.
        test: held-out data, compared with the training data.

    """
    findings = [
        *_repeated_texts(data),
        *_label_counts(data),
        *_similar_names(data),
        *_long_texts(data),
    ]
    if test is not None:
        findings += _overlap(data, test)
        findings += [f"test data: {finding}" for finding in (*_repeated_texts(test), *_long_texts(test))]
    return findings


def _repeated_texts(data: TrainingData) -> Iterator[str]:
    ids = data.wording_ids
    order = np.argsort(ids, kind="stable")
    same = [(left, right) for left, right in pairwise(order) if ids[left] == ids[right]]
    conflicting = [pair for pair in same if (data.gold[pair[0]] != data.gold[pair[1]]).any()]
    agreeing = [pair for pair in same if (data.gold[pair[0]] == data.gold[pair[1]]).all()]
    if agreeing:
        first, second = min(agreeing)
        yield (
            f"{_rows(len(agreeing))} the text and the answer of an earlier one{_aside(data, agreeing)}, e.g. row "
            f"{second} those of row {first}: {_shown(data, first)}; splits and folds keep them together"
        )
    if conflicting:
        first, second = min(conflicting)
        answers = data.schema.decode(data.gold[[first, second]])
        yield (
            f"{_rows(len(conflicting))} the text of an earlier one with another answer{_aside(data, conflicting)}, "
            f"e.g. row {first} ({answers[0]!r}) and row {second} ({answers[1]!r}): {_shown(data, first)}; "
            "decide which answer is right"
        )


def _aside(data: TrainingData, pairs: list[tuple[int, int]]) -> str:
    exact = all(data.row_ids[left] == data.row_ids[right] for left, right in pairs)
    return "" if exact else ", case and white space aside"


def _rows(count: int) -> str:
    return "1 row repeats" if count == 1 else f"{count} rows repeat"


def _label_counts(data: TrainingData) -> Iterator[str]:
    counts = _rows_per_label(data)
    names = [repr(name) for name in data.schema.names]
    absent = [names[k] for k in np.flatnonzero(counts == 0)]
    if absent:
        yield f"{_labels(len(absent))} no row: {listed(absent, 12)}; nothing can be learned about them"
    single = np.flatnonzero(counts == 1)
    if len(single):
        row = _first_row_with(data, int(single[0]))
        yield (
            f"{_labels(len(single))} a single row: {listed([names[k] for k in single], 12)}, e.g. row {row}; "
            "it cannot be both learned from and checked on"
        )
    if (counts > 0).sum() == 1 and not data.multi_label:
        yield f"every row ({len(data)} in all) has the label {names[int(counts.argmax())]}; there is nothing to learn"
    if data.multi_label and not np.asarray(data.gold).any(axis=1).all():
        empty = np.flatnonzero(~np.asarray(data.gold).any(axis=1))
        yield f"{len(empty)} of {len(data)} rows have no label, e.g. row {empty[0]}; that is an answer like any other"


def _labels(count: int) -> str:
    return "1 label has" if count == 1 else f"{count} labels have"


def _rows_per_label(data: TrainingData) -> NDArray[np.int64]:
    if data.multi_label:
        return np.asarray(data.gold.sum(axis=0), dtype=np.int64)
    return np.bincount(data.gold, minlength=len(data.schema))


def _first_row_with(data: TrainingData, label: int) -> int:
    return int(np.flatnonzero(data.gold[:, label] if data.multi_label else data.gold == label)[0])


def _similar_names(data: TrainingData) -> Iterator[str]:
    seen: dict[str, object] = {}
    for name in data.schema.names:
        plain = " ".join(str(name).replace("_", " ").lower().split())
        if plain in seen:
            yield f"the labels {seen[plain]!r} and {name!r} differ only in writing; they count as two labels"
        seen[plain] = name


def _long_texts(data: TrainingData) -> Iterator[str]:
    lengths = np.fromiter(map(len, data.texts), np.int64, len(data))
    long = np.flatnonzero(lengths > LONG_TEXT)
    if len(long):
        row = int(lengths.argmax())
        texts = "1 text is" if len(long) == 1 else f"{len(long)} texts are"
        yield (
            f"{texts} longer than {LONG_TEXT:,} characters, the longest ({lengths[row]:,}) in row {row}; "
            "encoders read only a part of them"
        )


def _overlap(data: TrainingData, test: TrainingData) -> Iterator[str]:
    shared = np.flatnonzero(np.isin(test.wording_ids, data.wording_ids))
    if len(shared):
        row = int(shared[0])
        known = int(np.flatnonzero(data.wording_ids == test.wording_ids[row])[0])
        yield (
            f"{len(shared)} of {len(test)} test rows have a text of the training data, e.g. test row {row} that of "
            f"training row {known}: {_shown(test, row)}; results on them are too good, leave them out"
        )


def _shown(data: TrainingData, row: int) -> str:
    text = data.texts[row]
    return repr(text if len(text) <= 50 else f"{text[:47]}...")
