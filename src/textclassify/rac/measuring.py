"""`MeasuresItself`: what labelled rows tell about a `RACClassifier`: curves, points to work at, and bounds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import Gold
from textclassify.core.result import gold_for
from textclassify.core.scales import IN_SAMPLE
from textclassify.errors import DataError
from textclassify.rac.labelling import Found, Labeller

if TYPE_CHECKING:
    import pandas as pd

    from textclassify.rac.tuning.operating_point import OperatingPoint
    from textclassify.statistics.risk_bounds import RiskBound


class MeasuresItself(TextClassifier):
    """A classifier with candidates and evidence, measured on labelled rows."""

    decision: str

    @abstractmethod
    def _labeller(self, top_k: int | None = None) -> Labeller:
        """Return how texts are labelled, with so many candidates; None = as many as is set."""

    @abstractmethod
    def _found(self, texts: Sequence[str], top_k: int | None = None) -> Found:
        """Return what is found about texts that are not blank, with so many candidates."""

    def coverage_curve(self, texts: Any, gold: Any) -> pd.DataFrame:
        """Return coverage, quality, risk and calls for every threshold on the probability; see `rac.tuning.coverage`.

        With `other`, a text is covered that gets another label than that one.

        Args:
            texts: n texts.
            gold: their gold labels.

        """
        from textclassify.rac.tuning.labelled_rows import measured_curve

        rows, found, codes = self._labelled(texts, gold)
        return measured_curve(found, codes, rows, self.decision)

    def operating_point(self, texts: Any, gold: Any, *, top_k: int | None = None, **targets: Any) -> OperatingPoint:
        """Return the `top_k` and `min_probability` that reach a target: predicted from labelled rows, not guaranteed.

        Args:
            texts: n texts, none of them an example of the labels.
            gold: their gold labels.
            top_k: candidates to try at most; None = the classifier's.
            **targets: `min_precision`, `max_calls` and `min_coverage` of `rac.tuning.operating_point`.

        Raises:
            DataError: the classifier has seen a row, there are too few rows, or nothing meets the target.

        """
        from textclassify.rac.tuning.labelled_rows import chosen_point

        _, found, codes = self._labelled(texts, gold, top_k)
        _check_unseen(found)
        return chosen_point(self._labeller(top_k), found, codes, **targets)

    def risk_bound(self, texts: Any, gold: Any, *, max_risk: float, confidence: float = 0.95) -> RiskBound:
        """Return the `threshold` for `min_probability` above which at most `max_risk` of the answers is wrong.

        A guarantee, by learn-then-test, if nothing about the classifier was chosen on these rows.

        Args:
            texts: n texts, none of them an example of the labels.
            gold: their gold labels.
            max_risk: share of wrong answers among those given.
            confidence: how often the promise is kept.

        Raises:
            DataError: the classifier has seen a row, or the rows do not allow the bound; the message names how many
                would.

        """
        from textclassify.rac.tuning.labelled_rows import risk_bound

        rows, found, codes = self._labelled(texts, gold)
        _check_unseen(found)
        return risk_bound(found, codes, rows, self.decision, max_risk=max_risk, confidence=confidence)

    def _labelled(self, texts: Any, gold: Any, top_k: int | None = None) -> tuple[list[str], Found, Gold]:
        """Return labelled rows, what is found about them, and their labels as codes."""
        rows, asked, blank = self._rows_of(texts)
        if blank.any():
            raise DataError(f"row {int(blank.argmax())} is blank; leave such rows out of what is measured on")
        codes = gold_for(gold, self._require_schema(), len(rows))
        return rows, self._found(asked, top_k), codes


def _check_unseen(found: Found) -> None:
    """Refuse to choose or promise anything on rows that examples or calibration come from.

    Raises:
        DataError: there is one.

    """
    fold = found.scores.fold
    seen = np.zeros(0, np.intp) if fold is None else np.flatnonzero(fold == IN_SAMPLE)
    if len(seen):
        raise DataError(
            f"{len(seen):,} of the {len(found.scores):,} labelled rows (the first is row {seen[0]}) are examples of "
            "the labels or calibrated the classifier, and are too easy for it; leave them out, see `seen_row_ids`"
        )
