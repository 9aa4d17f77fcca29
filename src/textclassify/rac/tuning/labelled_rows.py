"""What labelled rows tell about a `RACClassifier`: its coverage curve, the point to work at, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import Gold
from textclassify.core.result import decide
from textclassify.core.texts import hash_wordings
from textclassify.errors import ConfigError
from textclassify.rac.deciding.abstention import Bounds
from textclassify.rac.deciding.answering import answered
from textclassify.rac.labelling import Found, Labeller
from textclassify.rac.tuning.coverage import coverage_curve, multi_label_coverage_curve
from textclassify.rac.tuning.operating_point import OperatingPoint, choose_operating_point
from textclassify.rac.verification import YES_NO_DECISIONS
from textclassify.statistics.risk_bounds import RiskBound, bounded_risk

if TYPE_CHECKING:
    import pandas as pd


Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answered:
    """What a labeller answers to labelled rows when nothing is withheld.

    Args:
        confidence: (n,) probability of the answer, multi-label of every decision being right; NaN = no answer.
        codes: (n,) label codes, -1 = none, or, multi-label, (n, K) 0/1.
        calls: (n,) questions asked.

    """

    confidence: Floats
    codes: NDArray[Any]
    calls: NDArray[np.int64]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(n,) whether there is an answer."""
        return ~np.isnan(self.confidence)

    def correct(self, gold: Gold) -> NDArray[np.bool_]:
        """Return whether each answer is right, multi-label in every label, (n,)."""
        same = self.codes == gold
        return np.asarray(same.all(axis=1) if same.ndim == 2 else same)


def answers_of(found: Found, decision: str) -> Answered:
    """Return the answers that evidence implies without any bound.

    Args:
        found: about n texts.
        decision: how it was obtained.

    """
    scores, none_withheld = found.scores, Bounds()
    first_yes = decision == "first_yes" and found.evidence is not None
    calls = np.zeros(len(scores), np.int64) if found.evidence is None else found.evidence.calls
    codes, _ = answered(found, none_withheld, first_yes=first_yes)
    result = decide(scores, codes=codes)
    return Answered(result.confidence, result.codes, calls)


def measured_curve(found: Found, gold: Gold, texts: list[str], decision: str) -> pd.DataFrame:
    """Return the coverage curve of labelled rows; equal texts count as one in its intervals.

    Args:
        found: about n texts.
        gold: their labels, encoded.
        texts: the texts.
        decision: how the evidence was obtained.

    """
    answers, clusters = answers_of(found, decision), hash_wordings(texts)
    if found.scores.multi_label:
        return multi_label_coverage_curve(
            answers.confidence, answers.codes, gold, answers.answered, answers.calls, clusters=clusters
        )
    return coverage_curve(answers.confidence, answers.correct(gold), answers.answered, answers.calls, clusters=clusters)


def chosen_point(
    labeller: Labeller,
    found: Found,
    gold: Gold,
    *,
    min_precision: float | None = None,
    max_calls: float | None = None,
    min_coverage: float | None = None,
) -> OperatingPoint:
    """Return the number of candidates and the threshold that meet a target.

    Fewer candidates than were asked about are tried without asking again where each was asked about by itself; a
    question about several at once would be another one, so that their number stays.

    Args:
        labeller: what labelled the rows.
        found: what it found, with as many candidates as are to be tried at most.
        gold: (n,) label codes.
        min_precision: see `operating_point.choose_operating_point`.
        max_calls: as `min_precision`.
        min_coverage: as `min_precision`.

    Raises:
        ConfigError: no target, or texts may have several labels.
        DataError: too few rows, or nothing meets the target.

    """
    if found.scores.multi_label:
        raise ConfigError("operating points are for texts with one label; set min_probability for multi-label ones")
    k = found.candidates.k
    one_by_one = found.evidence is not None and labeller.decision in YES_NO_DECISIONS

    def answers(top_k: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
        fewer = answers_of(_cut(labeller, found, top_k) if top_k < k else found, labeller.decision)
        return fewer.confidence, fewer.correct(gold), fewer.calls

    return choose_operating_point(
        found.candidates.codes == gold[:, None],
        found.evidence.said_yes if one_by_one and found.evidence is not None else np.full((len(gold), k), np.nan),
        answers,
        decision=labeller.decision,
        ks=range(1, k + 1) if one_by_one else (k,),
        min_precision=min_precision,
        max_calls=max_calls,
        min_coverage=min_coverage,
    )


def risk_bound(found: Found, gold: Gold, texts: list[str], decision: str, **options: Any) -> RiskBound:
    """Return the threshold above which at most a share of the answers is wrong, by learn-then-test.

    Args:
        found: about n texts, none of which anything was chosen on.
        gold: their labels, encoded.
        texts: the texts.
        decision: how the evidence was obtained.
        **options: `max_risk` and `confidence` of `statistics.risk_bounds.bounded_risk`.

    """
    answers = answers_of(found, decision)
    return bounded_risk(answers.confidence, ~answers.correct(gold), clusters=hash_wordings(texts), **options)


def _cut(labeller: Labeller, found: Found, k: int) -> Found:
    """Return what would have been found with fewer candidates."""
    said = found.evidence
    if said is None:
        return found
    fewer = replace(
        said,
        log_odds=said.log_odds[:, :k],
        said_yes=said.said_yes[:, :k],
        calls=np.minimum(said.calls, k),  # candidates are asked about in their order, one call each
    )
    return labeller.weighed(found.retrieved, found.candidates.top(k), fewer)
