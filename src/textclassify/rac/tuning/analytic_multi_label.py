"""What retrieve-and-verify can be expected to do where a text may have several labels: each yes is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from textclassify.errors import ConfigError, DataError
from textclassify.rac.tuning.check_counts import HALF, Floats, checked_answers, smoothed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class MultiLabelPrediction:
    """Micro-averaged quality of the labels given to texts, and its price.

    Args:
        precision: share of the labels given that are right; NaN where none is given.
        recall: share of the gold labels that are given.
        f1: their harmonic mean, 2 hits / (given + gold).
        calls: checks per text.

    """

    precision: float
    recall: float
    f1: float
    calls: float


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelModel:
    """Predicts precision, recall and F1 for every number of candidates, all of which are asked about.

    A text has a hit at rank j with probability r_j. With S = r_1 + ... + r_k, k candidates give t S right labels and
    f (k - S) wrong ones per text.

    Args:
        recall_by_rank: (k,) probability that the j-th candidate is one of the gold labels.
        labels_per_text: gold labels of a text, in the mean; at least the sum of `recall_by_rank`.
        true_positive_rate: P(yes | right label).
        false_positive_rate: P(yes | wrong label).

    Raises:
        ConfigError: a number is out of range.

    >>> model = MultiLabelModel([0.6, 0.3], 1.2, true_positive_rate=0.8, false_positive_rate=0.1)
    >>> round(model.at(2).recall, 3)
    0.6

    """

    recall_by_rank: Sequence[float] | Floats
    labels_per_text: float
    true_positive_rate: float
    false_positive_rate: float

    def __post_init__(self) -> None:
        recall = np.asarray(self.recall_by_rank, dtype=np.float64)
        if recall.ndim != 1 or not len(recall) or not ((recall >= 0) & (recall <= 1)).all():
            raise ConfigError(f"recall_by_rank={recall.tolist()} must be one probability per rank, at least one")
        if not self.labels_per_text >= recall.sum() - 1e-9:
            raise ConfigError(
                f"labels_per_text={self.labels_per_text} is below the {recall.sum():g} labels that are found per text; "
                "pass the mean number of gold labels"
            )
        for name in ("true_positive_rate", "false_positive_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not a probability; pass 0 to 1")

    @classmethod
    def estimate(cls, candidate_hits: ArrayLike, said_yes: ArrayLike, labels_per_row: ArrayLike) -> Self:
        """Return the model of labelled rows, rates smoothed by half a yes and half a no.

        Args:
            candidate_hits: (n, k) whether a candidate is one of the gold labels, the most related first.
            said_yes: (n, k) 1 or 0; NaN = not asked, or no answer.
            labels_per_row: (n,) how many gold labels each text has, among the candidates or not.

        Raises:
            DataError: the rows do not fit together.

        """
        hits, said = checked_answers(candidate_hits, said_yes)
        gold = np.asarray(labels_per_row, dtype=np.float64)
        if gold.shape != (len(hits),) or (gold < hits.sum(axis=1)).any():
            raise DataError(
                f"labels_per_row of shape {gold.shape} does not fit {len(hits)} rows; pass each row's number of gold "
                "labels, at least its hits"
            )
        right, wrong = said[hits & ~np.isnan(said)], said[~hits & ~np.isnan(said)]
        recall = (hits.sum(axis=0) + HALF) / (len(hits) + 2 * HALF)
        missed = float((gold - hits.sum(axis=1)).mean())
        rates = smoothed(float(right.sum()), len(right)), smoothed(float(wrong.sum()), len(wrong))
        return cls(recall, float(recall.sum()) + missed, *rates)

    def at(self, top_k: int) -> MultiLabelPrediction:
        """Return what to expect of `top_k` candidates per text."""
        recall = np.asarray(self.recall_by_rank, dtype=np.float64)
        if not 1 <= top_k <= len(recall):
            raise ConfigError(f"top_k={top_k} is out of range; the model knows the recall of 1 to {len(recall)}")
        found = float(recall[:top_k].sum())
        right, wrong = self.true_positive_rate * found, self.false_positive_rate * (top_k - found)
        given, gold = right + wrong, self.labels_per_text
        precision = right / given if given else float("nan")
        f1 = 2 * right / (given + gold) if given + gold else float("nan")
        return MultiLabelPrediction(precision, right / gold if gold else float("nan"), f1, float(top_k))

    def curve(self) -> pd.DataFrame:
        """Return one row per number of candidates: top_k, precision, recall, f1, calls."""
        import pandas as pd

        ranks = range(1, len(self.recall_by_rank) + 1)
        return pd.DataFrame([{"top_k": top_k} | asdict(self.at(top_k)) for top_k in ranks])
