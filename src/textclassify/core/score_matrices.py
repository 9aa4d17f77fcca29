"""Scores as they come from users: arrays and tables as one matrix of floats, votes as one list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textclassify.core.labels import Label
from textclassify.core.tables import is_table, to_frame
from textclassify.core.texts import did_you_mean, listed, plain_list
from textclassify.errors import ScoresError


def score_matrix(values: Any, labels: Sequence[Label], source: str) -> NDArray[np.float64]:
    """Return numbers as floats, the columns of a table in the order of the labels; NaN where masked or missing.

    Raises:
        ScoresError: something is no number, rows differ in length, or a table has columns of other names.

    """
    if is_table(values):
        values = _in_label_order(values, labels, source)
    try:
        if isinstance(values, pd.DataFrame):
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        if isinstance(values, np.ma.MaskedArray):
            return np.where(np.ma.getmaskarray(values), np.nan, np.asarray(values.data, dtype=np.float64))
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ScoresError(
            f"scores of {source!r} are no matrix of numbers ({error}); pass {len(labels)} numbers per text"
        ) from error


def vote_list(votes: Any, source: str) -> list[Any]:
    """Return votes as a list with an entry per text.

    Raises:
        ScoresError: they are one string, a matrix or no sequence.

    """
    if isinstance(votes, str | bytes | Mapping) or not isinstance(votes, Iterable):
        raise ScoresError(f"votes of {source!r} are {votes!r:.60}; pass one label, or list of labels, per text")
    if isinstance(votes, np.ndarray) and votes.ndim != 1:
        raise ScoresError(
            f"votes of {source!r} have shape {votes.shape}; pass one label, or list of labels, per text, "
            "or a 0/1 matrix to from_probabilities with multi_label=True"
        )
    return plain_list(votes)


def _in_label_order(table: Any, labels: Sequence[Label], source: str) -> pd.DataFrame:
    """Return a table with its columns in the order of the labels; columns 0 to K-1 are in it already."""
    numbered = list(getattr(table, "columns", ())) == list(range(len(labels)))
    frame = to_frame(table)
    known, found = [str(label) for label in labels], list(map(str, frame.columns))
    if sorted(found) == sorted(known):
        frame = frame[[frame.columns[found.index(name)] for name in known]]
    elif not numbered:
        unknown = [name for name in found if name not in known]
        hint = did_you_mean(unknown[0], known) if unknown else ""
        raise ScoresError(
            f"scores of {source!r} have the columns {listed(map(repr, found), 12)}, expected one per label: "
            f"{listed(map(repr, known), 12)}{hint}"
        )
    return frame
