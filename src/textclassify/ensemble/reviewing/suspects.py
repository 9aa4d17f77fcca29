"""Labelled rows under suspicion: what confident learning finds, and equal texts with different labels, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import Gold, LabelSchema
from textclassify.core.selection import CHOSEN_BY, RANKING
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.reviewing.review_words import why_conflicting, why_suspect
from textclassify.statistics.label_errors import conflicting, find_label_errors

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Suspects:
    """What speaks against the gold answers of n rows.

    Args:
        gold: codes (n,) or 0/1 (n, K).
        suggested: the answer instead, of the same shape; gold where nothing speaks against it.
        self_confidence: (n,) probability of the gold answer, multi-label of its least plausible part; NaN = not judged.
        probabilities: (n, K).
        rows: the suspect ones, in the order in which they are worth a look.
        twins: (n,) a row of the same text with another answer; -1 = none.

    """

    gold: Gold
    suggested: NDArray[np.int64]
    self_confidence: Floats
    probabilities: Floats
    rows: NDArray[np.intp]
    twins: NDArray[np.intp]

    @classmethod
    def of(
        cls, gold: Gold, probabilities: Floats, judged_by: NDArray[Any], text_ids: NDArray[np.uint64] | None
    ) -> Suspects:
        """Find them.

        Args:
            gold: codes (n,) or 0/1 (n, K).
            probabilities: (n, K), NaN where a row is not judged.
            judged_by: (n,) what gave each row its probabilities: averages are taken over rows of the same.
            text_ids: (n,) equal for equal texts; None = not known.

        """
        suspect, self_confidence = np.zeros(len(gold), dtype=bool), np.full(len(gold), np.nan)
        suggested = gold.astype(np.int64)
        for way in dict.fromkeys(judged_by.tolist()):
            rows = np.flatnonzero(judged_by == way)
            found = find_label_errors(gold[rows], probabilities[rows])
            suspect[rows], suggested[rows] = found.suspect, found.suggested
            self_confidence[rows] = found.self_confidence
        twins = np.full(len(gold), -1)
        pairs: list[int] = []
        for same in [] if text_ids is None else _clashes(text_ids, gold):
            right = _most_likely(gold[same], self_confidence[same])
            suggested[same], twins[same] = gold[same[right]], _others(gold[same], same)
            pairs += same.tolist()
        left = np.setdiff1d(np.flatnonzero(suspect), pairs)
        ranked = left[np.argsort(self_confidence[left], kind="stable")]
        rows = np.concatenate([np.array(pairs, dtype=np.intp), ranked])
        return cls(gold, suggested, self_confidence, probabilities, rows, twins)

    def table(self, schema: LabelSchema, texts: Sequence[str] | None, judged_by: NDArray[Any]) -> pd.DataFrame:
        """Return one row per suspect row."""
        import pandas as pd

        rows = self.rows
        gold, suggested = schema.decode(self.gold[rows]), schema.decode(self.suggested[rows])
        columns: dict[str, Any] = {"row": rows}
        if texts is not None:
            columns["text"] = [texts[row] for row in rows]
        columns |= {"gold": pd.Series(gold, dtype=object), "suggested": pd.Series(suggested, dtype=object)}
        columns |= {"p_gold": self.self_confidence[rows], "p_suggested": self._p_suggested()}
        if judged_by.any():
            columns["judged_by"] = judged_by[rows]
        columns["why"] = [
            self._why(schema, int(row), *answers)
            for row, answers in zip(rows, zip(gold, suggested, columns["p_suggested"], strict=True), strict=True)
        ]
        columns[CHOSEN_BY] = [RANKING] * len(rows)
        return pd.DataFrame(columns)

    def _p_suggested(self) -> Floats:
        """Return the probability of what is suggested; multi-label: of the least plausible decision that changes."""
        gold, suggested, shares = self.gold[self.rows], self.suggested[self.rows], self.probabilities[self.rows]
        if gold.ndim == 1:
            return np.asarray(shares[np.arange(len(gold)), suggested])
        changed = np.where(suggested == 1, shares, 1 - shares)
        least = np.where(suggested != gold, changed, np.inf).min(axis=1)
        return np.where(np.isinf(least), self.self_confidence[self.rows], least)

    def _why(self, schema: LabelSchema, row: int, gold: Any, suggested: Any, p_suggested: float) -> str:
        if self.twins[row] >= 0:
            return why_conflicting(int(self.twins[row]), schema.decode(self.gold[[self.twins[row]]])[0])
        return why_suspect(gold, suggested, float(self.self_confidence[row]), p_suggested)


def _clashes(text_ids: NDArray[np.uint64], gold: Gold) -> list[NDArray[np.intp]]:
    """Return the rows of each text that has several answers."""
    rows = np.flatnonzero(conflicting(text_ids, gold))
    rows = rows[np.argsort(text_ids[rows], kind="stable")]
    ends = np.flatnonzero(np.diff(text_ids[rows])) + 1
    groups = np.split(rows, ends) if len(rows) else []
    return sorted(groups, key=lambda same: int(same[0]))


def _most_likely(gold: Gold, self_confidence: Floats) -> int:
    """Return the row with the answer that most rows have, of several such the one that a model finds likeliest."""
    _, answer, counts = np.unique(gold, axis=0, return_inverse=True, return_counts=True)
    return int(np.lexsort((np.nan_to_num(self_confidence, nan=-1.0), counts[answer.ravel()]))[-1])


def _others(gold: Gold, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each row the first one with another answer."""
    differ = (gold[:, None] != gold[None]).reshape(len(rows), len(rows), -1).any(axis=2)
    return np.asarray(rows[differ.argmax(axis=1)])
