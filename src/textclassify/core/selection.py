"""How labelled rows were chosen, and which of them may judge: rows that a model picked are hard by design."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.texts import did_you_mean, is_missing, plain_list
from textclassify.errors import DataError

CHOSEN_BY = "chosen_by"
"""Name of the column, in every table."""

RANDOM, RANKING, UNKNOWN = "random", "ranking", "unknown"
WAYS = (RANDOM, RANKING, UNKNOWN)
"""Drawn at random; picked because a model was unsure, wrong or silent; nobody knows."""


def as_chosen_by(values: Iterable[Any], n: int) -> NDArray[np.str_]:
    """Return how each of n rows was chosen, (n,) of `WAYS`; an empty cell is "unknown".

    Raises:
        DataError: another number of values, or one that is none of the three; the message names it and its row.

    """
    given = [values] if isinstance(values, str) else plain_list(values)
    if len(given) != n:
        raise DataError(f"{n} texts but {len(given)} values of chosen_by; pass one of {', '.join(WAYS)} per text")
    ways = [UNKNOWN if is_missing(way) or way == "" else way for way in given]
    for row, way in enumerate(ways):
        if way not in WAYS:
            raise DataError(
                f"chosen_by in row {row} is {way!r:.60}{did_you_mean(way, WAYS)}; known: {', '.join(WAYS)}; rename "
                "the column if it holds something else"
            )
    return np.array(ways, dtype="<U7")


def may_judge(chosen_by: NDArray[np.str_] | None, n: int) -> NDArray[np.bool_]:
    """Return which of n rows may calibrate, guard, estimate prevalence or evaluate; shape (n,).

    Without the column, all: that is the usual case, and the rows are taken as drawn at random. With it, those that were
    drawn at random; where there are none of these, the unknown ones, as if there were no column. Never those that a
    ranking picked: a model's hardest texts say nothing about the others.
    """
    if chosen_by is None:
        return np.ones(n, dtype=bool)
    drawn = np.asarray(chosen_by == RANDOM)
    return drawn if drawn.any() else np.asarray(chosen_by == UNKNOWN)


def judges_in_words(chosen_by: NDArray[np.str_] | None) -> str:
    """Return a sentence about the rows that may not judge, with the remedy; empty where all may."""
    if chosen_by is None or may_judge(chosen_by, len(chosen_by)).all():
        return ""
    picked, unknown = int((chosen_by == RANKING).sum()), int((chosen_by == UNKNOWN).sum())
    judges = may_judge(chosen_by, len(chosen_by))
    left_out = [f"{picked:,} rows were chosen by ranking"] if picked else []
    if unknown and not judges[chosen_by == UNKNOWN].any():
        left_out.append(f"of {unknown:,} nobody knows how they were chosen (write random if it was at random)")
    return (
        f"{' and '.join(left_out)}: they only train; {int(judges.sum()):,} of {len(chosen_by):,} rows calibrate and "
        "evaluate"
    )
