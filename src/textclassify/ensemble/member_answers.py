"""What the members of an ensemble say of texts, side by side, and how the ensemble's answers become one result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from textclassify.core.labels import Gold, Label
from textclassify.core.result import NO_LABEL, ClassificationResult, decide
from textclassify.core.scales import Method, Scale, Status
from textclassify.core.scores import Scores
from textclassify.ensemble.answering import gravest, known_row_ids
from textclassify.ensemble.combining.readings import Floats, Reading
from textclassify.ensemble.combining.rows import complete


@dataclass(frozen=True, eq=False)
class MemberAnswers:
    """What M members say of n texts over K labels; the members are sorted by name, so that their order never matters.

    Args:
        results: each member's result, by name.
        probabilities: (M, n, K) of each label; NaN where a member has no scores.
        votes: (M, n, K) 1 for the labels that a member answers, 0 for the others; NaN where it does not answer.
        uncalibrated_votes: names of members that give votes, which are taken as probabilities here.

    """

    results: Mapping[str, ClassificationResult]
    probabilities: Floats
    votes: Floats
    uncalibrated_votes: tuple[str, ...] = ()

    @classmethod
    def of(cls, results: Mapping[str, ClassificationResult], readings: Mapping[str, Reading]) -> Self:
        """Return answers side by side; members that have a reading give their probabilities and answers through it."""
        ordered = {name: results[name] for name in sorted(results)}
        said = [probabilities_of(result.scores, readings.get(name)) for name, result in ordered.items()]
        votes = [
            _votes_of(result, of_member if name in readings else None)
            for (name, result), of_member in zip(ordered.items(), said, strict=True)
        ]
        raw = [name for name, one in ordered.items() if one.scores.scale is Scale.VOTE_SHARE and name not in readings]
        return cls(ordered, np.stack(said), np.stack(votes), tuple(raw))

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, sorted."""
        return tuple(self.results)

    @property
    def scores(self) -> dict[str, Scores]:
        """Each member's scores."""
        return {name: result.scores for name, result in self.results.items()}

    @property
    def labels(self) -> tuple[Label, ...]:
        """The K labels."""
        return next(iter(self.results.values())).classes

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of labels."""
        return next(iter(self.results.values())).multi_label

    def result(  # what a result is made of
        self,
        values: Floats,
        kind: str,
        *,
        votes: bool,
        codes: Gold | None = None,
        metadata: Mapping[str, Any] | None = None,
        details: Mapping[str, NDArray[Any]] | None = None,
    ) -> ClassificationResult:
        """Return the ensemble's answers, with each member's scores beside them.

        A text without a value has the gravest status that any member gives; costs add up over the members.

        Args:
            values: (n, K) vote shares or probabilities; NaN where nobody answered.
            kind: of the ensemble.
            votes: whether the values are shares of votes.
            codes: the answers; None = those that the values imply.
            metadata: passed on to the result.
            details: passed on to the result.

        """
        missing = np.isnan(values).all(axis=1)
        columns: dict[str, Any] = {
            "source": kind,
            "multi_label": self.multi_label,
            "method": Method.FUSED,
            "status": np.where(missing, gravest([one.status for one in self.results.values()]), Status.OK),
            "cost": np.sum([one.scores.cost for one in self.results.values()], axis=0),
            "row_ids": known_row_ids(self.scores),
        }
        if votes:
            scores = Scores.build(values, self.labels, Scale.VOTE_SHARE, **columns)
        else:
            scores = Scores.from_probabilities(values, self.labels, **columns)
        result = decide(scores, codes=codes, sources=self.scores, metadata=dict(metadata or {}))
        return replace(result, details=dict(details or {}))


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Return the mean (n, K) of M members' values (M, n, K) over those that have one; NaN where no weight is left.

    Args:
        values: NaN = the member has none.
        weights: (M,), or a weight per label, (M, K).

    """
    total, weight = np.zeros(values.shape[1:]), np.zeros(values.shape[1:])
    for of_member, own in zip(values, weights, strict=True):
        total += np.nan_to_num(of_member) * own
        weight += ~np.isnan(of_member) * own
    return np.asarray(np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0))


def probabilities_of(scores: Scores, reading: Reading | None = None) -> Floats:
    """Return probabilities (n, K) of scores, calibrated by a reading where there is one; NaN where there are none.

    Without a reading vote shares are taken as probabilities; votes for no label at all, where there has to be one, say
    nothing.
    """
    if reading is not None:
        evidence = reading.read(scores)
        return from_evidence(evidence, multi_label=scores.multi_label)
    found = scores.probabilities
    if scores.multi_label:
        return found
    found[~complete(scores)] = np.nan
    total = found.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(found, total, out=np.full(found.shape, np.nan), where=total > 0))


def from_evidence(evidence: Floats, *, multi_label: bool) -> Floats:
    """Return probabilities (n, K) of log-probabilities, or, multi-label, of log-odds; NaN stays NaN."""
    if multi_label or not len(evidence):
        return np.asarray(expit(evidence))
    return np.asarray(softmax(evidence, axis=1))


def implied_codes(probabilities: Floats, *, multi_label: bool) -> Gold:
    """Return the label codes (n,), or, multi-label, the 0/1 answers (n, K), that probabilities (n, K) imply."""
    known = np.nan_to_num(probabilities, nan=-1.0)
    if multi_label:
        return (known >= 0.5).astype(np.int64)
    return np.where(known.max(axis=1) >= 0, known.argmax(axis=1), NO_LABEL).astype(np.int64)


def _votes_of(result: ClassificationResult, calibrated: Floats | None) -> Floats:
    """Return what a member answers as (n, K) of 0 and 1; NaN where it does not answer, or did not score a label."""
    codes = result.codes if calibrated is None else implied_codes(calibrated, multi_label=result.multi_label)
    if result.multi_label:
        votes = np.where(result.scores.mask, codes, np.nan)
    else:
        votes = (codes[:, None] == np.arange(len(result.classes))).astype(np.float64)
        votes[codes == NO_LABEL] = np.nan
    votes[result.status != Status.OK] = np.nan
    return np.asarray(votes, dtype=np.float64)
