"""Rows of a run on their way: texts with the places they have, and settled ones as columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from textclassify.core.scales import Scale


class ScoredRows(NamedTuple):
    """Some rows of a run, committed: their numbers (m,), values (m, K) on a scale, and status, method and cost (m,)."""

    rows: NDArray[np.int64]
    values: NDArray[np.float32]
    status: NDArray[np.uint8]
    method: NDArray[np.uint8]
    cost: NDArray[np.float64]
    scale: Scale


@dataclass(slots=True)
class Place:
    """One distinct text of a run.

    Args:
        key: of its scores in the hot table.
        text: as it leaves the process.
        rows: that hold it.
        alone: whether it must not share a request.
        cost: spent on it in requests that did not settle it.

    """

    key: bytes
    text: str
    rows: list[int]
    alone: bool = True
    cost: float = 0.0


class Settled(NamedTuple):
    """What became of a text: status, method, its packed scores (K float32, little-endian), and US dollars."""

    place: Place
    status: int
    method: int
    packed: bytes
    cost: float


def as_columns(settled: Sequence[Settled], scale: Scale) -> ScoredRows:
    """Return settled texts as columns, a row for each place that a text has; the first one bears the cost."""
    places, status, method, packed, cost = zip(*settled, strict=True)
    counts = [len(place.rows) for place in places]
    columns = (
        np.frombuffer(b"".join(packed), dtype="<f4").reshape(len(settled), -1),
        np.array(status, dtype=np.uint8),
        np.array(method, dtype=np.uint8),
        np.array(cost, dtype=np.float64),
    )
    rows = np.fromiter(itertools.chain.from_iterable(place.rows for place in places), np.int64)
    if len(rows) == len(settled):
        return ScoredRows(rows, *columns, scale)
    values, statuses, methods, _ = (np.repeat(column, counts, axis=0) for column in columns)
    costs = np.zeros(len(rows))
    costs[np.cumsum([0, *counts[:-1]])] = cost
    return ScoredRows(rows, values, statuses, methods, costs, scale)
