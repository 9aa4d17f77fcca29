"""`StreamedRow`: one text's answer as it is handed on by `LLMClassifier.astream`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import decide
from textclassify.core.scales import Method, Status
from textclassify.core.scores import Scores


class StreamedRow(NamedTuple):
    """One row of a stream.

    Args:
        row: the text's place among those that were given, from 0.
        label: the answer (multi-label: a list of labels); None where there is none.
        probabilities: (K,) in the order of `classes_`; NaN where there is no answer.
        status: why there is no answer, or OK.
        method: how the scores were obtained.
        cost: US dollars spent now; NaN = unknown price.

    """

    row: int
    label: Any
    probabilities: NDArray[np.float64]
    status: Status
    method: Method
    cost: float


def streamed(scores: Scores, rows: NDArray[np.int64]) -> Iterator[StreamedRow]:
    """Yield the rows of scores with their numbers, (n,)."""
    result = decide(scores)
    columns = zip(
        rows.tolist(),
        result.predictions,
        result.probabilities,
        map(Status, scores.status.tolist()),
        map(Method, scores.method.tolist()),
        scores.cost.tolist(),
        strict=True,
    )
    return (StreamedRow(*row) for row in columns)
