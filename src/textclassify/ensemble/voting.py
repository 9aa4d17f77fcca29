"""`VotingEnsemble`: several classifiers vote on each text, by majority, by plurality, or with their probabilities."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from textclassify.core.labels import Gold, LabelSchema
from textclassify.core.result import NO_LABEL, ClassificationResult
from textclassify.core.texts import did_you_mean
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.honest_answers import HonestAnswers
from textclassify.ensemble.member_answers import MemberAnswers, weighted_mean
from textclassify.ensemble.member_ensemble import MemberEnsemble
from textclassify.ensemble.member_weights import checked_weights
from textclassify.errors import ConfigError

VOTINGS = ("majority", "plurality", "soft")
NO_MAJORITY = "no majority"

_SAME_SHARE = 1e-9
"""Shares of votes this close are a tie: sums of weights are not exact."""
_SAME_PROBABILITY = 1e-6
"""Probabilities this close are a tie: scores are kept in single precision."""


class VotingEnsemble(MemberEnsemble):
    """Every member has a vote on each text; one that abstains, fails or was not asked has none.

    "majority": the label that more than half of the members who answer name; where there is none the text comes back
    ABSTAINED, with the reason "no majority". "plurality": the label that most of those who answer name. Labels that are
    named equally often are told apart by the mean probability that the members with scores give them, and if that is
    the same by the order of the labels; the order of the members never matters. Where nobody answers there is no
    answer, but the gravest status that a member gives.
    "soft": the mean of the members' probabilities, the most probable label wins. Raw probabilities count as the members
    give them, so that one which is always sure of itself outvotes the careful; so does one that gives hard labels, and
    the result's `metadata["votes_as_probabilities"]` names those. With `calibrated=True` each member's are first
    learned from rows that it was not trained on.
    Multi-label: each label is voted on by itself by the members that scored it. By majority it needs more than half of
    the votes; by plurality half is enough if its mean probability is at least 0.5, as it has to be in a soft vote.

    Args:
        sources: {name: classifier}, a list of classifiers (named by kind: "linear", "llm", "llm_2"), or an
            `EnsembleConfig` with the method "voting".
        labels: the label schema; None = as a member was given it, else from the data.
        voting: "majority", "plurality" or "soft".
        weights: {name: weight} or a weight per member in their order, >= 0: how many votes it has; None = one each. A
            member with weight 0 is not asked.
        calibrated: whether a soft vote is of calibrated probabilities. Members that learn are then trained out-of-fold,
            and language models asked about training rows, as by a `FusionEnsemble`.
        n_folds: folds under 2,000 rows, where calibrated.
        one_model: reserve a fifth for calibration instead, and train each member once.
        fusion_rows: rows that a language model is asked about for calibration; None = max(500, 10 K).
        multi_label: asserted when given.
        random_state: seeds folds and samples.

    The scores are shares of votes, or, in a soft vote, log-probabilities (multi-label: log-odds).

    Learned: `sources_` (fitted members by name), `weights_`.

    >>> from textclassify.testing import FixedClassifier
    >>> members = [FixedClassifier({"hi": p}) for p in ([0.9, 0.1], [0.4, 0.6], [0.3, 0.7])]
    >>> VotingEnsemble(members).predict(["hi"]).predictions
    ['b']
    >>> VotingEnsemble(members, voting="soft").predict(["hi"]).predictions
    ['a']

    """

    kind: ClassVar[str] = "voting"
    own_state: ClassVar[tuple[str, ...]] = ("weights_",)

    def __init__(
        self,
        sources: Any = None,
        labels: Any = None,
        *,
        voting: str = "majority",
        weights: Any = None,
        calibrated: bool = False,
        n_folds: int = 5,
        one_model: bool = False,
        fusion_rows: int | None = None,
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
        self.voting = voting
        self.weights = weights
        super().__init__(
            sources,
            labels,
            calibrated=calibrated,
            n_folds=n_folds,
            one_model=one_model,
            fusion_rows=fusion_rows,
            multi_label=multi_label,
            random_state=random_state,
        )

    def _check_options(self, schema: LabelSchema, names: tuple[str, ...]) -> None:  # noqa: ARG002 - of use to others
        if self.voting not in VOTINGS:
            raise ConfigError(
                f"unknown voting {self.voting!r}{did_you_mean(self.voting, VOTINGS)}; known: {', '.join(VOTINGS)}"
            )
        if self.calibrated and self.voting != "soft":
            raise ConfigError(
                f"calibrated=True has no effect on voting={self.voting!r}, which counts answers; pass voting='soft'"
            )
        checked_weights(self.weights, names)

    def _learn(self, names: tuple[str, ...], honest: HonestAnswers | None) -> None:  # noqa: ARG002 - weights are given
        self.weights_ = checked_weights(self.weights, names)

    def _whom_to_ask(self) -> list[str]:
        return [name for name, weight in self.weights_.items() if weight > 0]

    def _joined(self, said: MemberAnswers) -> ClassificationResult:
        weights = np.array([self.weights_[name] for name in said.names])
        metadata: dict[str, Any] = {"voting": self.voting, "weights": dict(self.weights_)}
        probabilities = weighted_mean(said.probabilities, weights)
        if self.voting == "soft":
            metadata["votes_as_probabilities"] = list(said.uncalibrated_votes)
            return said.result(probabilities, self.kind, votes=False, metadata=metadata)
        shares = weighted_mean(said.votes, weights)
        if said.multi_label:
            codes = self._several(shares, probabilities)
            return said.result(shares, self.kind, votes=True, codes=codes, metadata=metadata)
        codes = most_voted(shares, probabilities)
        if self.voting == "plurality":
            return said.result(shares, self.kind, votes=True, codes=codes, metadata=metadata)
        undecided = shares.max(axis=1, initial=0.0) <= 0.5 + _SAME_SHARE  # where nobody answered it is NaN
        reasons = np.full(len(shares), None, dtype=object)
        reasons[undecided] = NO_MAJORITY
        details = {"reason": reasons}
        result = said.result(shares, self.kind, votes=True, codes=codes, metadata=metadata, details=details)
        return result.withheld(undecided)

    def _several(self, shares: Floats, probabilities: Floats) -> Gold:
        """Return which labels are given, 0/1 (n, K)."""
        more_than_half = np.nan_to_num(shares) > 0.5 + _SAME_SHARE
        if self.voting == "plurality":
            half = np.abs(shares - 0.5) <= _SAME_SHARE
            more_than_half |= half & (np.nan_to_num(probabilities) >= 0.5 - _SAME_PROBABILITY)
        return more_than_half.astype(np.int64)

    def _stored_parameters(self) -> dict[str, Any]:
        return super()._stored_parameters() | {"weights": None if self.weights is None else self.weights_}


def most_voted(shares: Floats, probabilities: Floats) -> Gold:
    """Return the label (n,) with the largest share of votes; ties by probability, then by the order of labels.

    Args:
        shares: (n, K) of the votes; NaN rows have no answer, code -1.
        probabilities: (n, K) mean over the members.

    """
    voted = np.nan_to_num(shares, nan=-1.0)
    tied = voted >= voted.max(axis=1, keepdims=True) - _SAME_SHARE
    likely = np.where(tied, np.nan_to_num(probabilities), -1.0)
    best = likely >= likely.max(axis=1, keepdims=True) - _SAME_PROBABILITY
    return np.where(np.isnan(shares).all(axis=1), NO_LABEL, best.argmax(axis=1)).astype(np.int64)
