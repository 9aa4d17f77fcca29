"""`WeightedEnsemble`: the weighted mean of several classifiers' probabilities, with weights given or learned."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult
from textclassify.ensemble.honest_answers import HonestAnswers
from textclassify.ensemble.member_answers import MemberAnswers, weighted_mean
from textclassify.ensemble.member_ensemble import MemberEnsemble
from textclassify.ensemble.member_weights import NEGLIGIBLE, checked_weights, learned_weights


class WeightedEnsemble(MemberEnsemble):
    """The weighted mean of the members' probabilities; a member without scores for a text is left out of its mean.

    Votes count as probabilities where they are not calibrated; the result's `metadata["votes_as_probabilities"]` names
    the members that give them.

    Weights that are given are used as they are, divided by their sum, and each member is trained once, on all rows.
    Without them they are learned: members that learn are trained out-of-fold, as the sources of a `FusionEnsemble` are,
    and the weights are those under which the mean gives the gold labels of the held-out rows the smallest log loss,
    see `learned_weights`. They are never negative and add up to 1; with few rows they are shrunk towards equal ones.
    A language model that would get less than 0.01 gets 0; of other members at least a trace is left, so that they
    answer where everybody else fails. A member that scored no held-out row gets 0. Rows that were chosen by ranking
    (`TrainingData.chosen_by`) take no part, nor do those that a language model was not asked about in its weight.
    Where no row can be held out the weights are equal.
    A pool of log-probabilities, with a check whether it is worth deploying, is `FusionEnsemble`.

    Args:
        sources: {name: classifier}, a list of classifiers (named by kind: "linear", "llm", "llm_2"), or an
            `EnsembleConfig` with the method "weighted".
        labels: the label schema; None = as a member was given it, else from the data.
        weights: {name: weight} or a weight per member in their order, >= 0; None = learned. A member with weight 0 is
            not asked.
        calibrated: whether each member's probabilities are calibrated on the held-out rows first.
        n_folds: folds under 2,000 rows, where anything is learned.
        one_model: reserve a fifth for the weights instead, and train each member once.
        fusion_rows: rows that a language model is asked about for the weights; None = max(500, 10 K).
        multi_label: asserted when given.
        random_state: seeds folds and samples.

    Learned: `sources_` (fitted members by name), `weights_` (by name, adding up to 1).

    >>> from textclassify.testing import FixedClassifier
    >>> members = {"sure": FixedClassifier({"hi": [0.9, 0.1]}), "other": FixedClassifier({"hi": [0.2, 0.8]})}
    >>> WeightedEnsemble(members, weights={"sure": 3, "other": 1}).predict_proba(["hi"]).round(3)
    array([[0.725, 0.275]])

    """

    kind: ClassVar[str] = "weighted"
    own_state: ClassVar[tuple[str, ...]] = ("weights_",)

    def __init__(
        self,
        sources: Any = None,
        labels: Any = None,
        *,
        weights: Any = None,
        calibrated: bool = False,
        n_folds: int = 5,
        one_model: bool = False,
        fusion_rows: int | None = None,
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
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

    @property
    def _learns_on_top(self) -> bool:
        return self.weights is None or self.calibrated

    def _check_options(self, schema: LabelSchema, names: tuple[str, ...]) -> None:  # noqa: ARG002 - of use to others
        checked_weights(self.weights, names)

    def _learn(self, names: tuple[str, ...], honest: HonestAnswers | None) -> None:
        if self.weights is None and honest is not None:
            learned = dict(zip(honest.names, learned_weights(honest).tolist(), strict=True))
            needless = {name for name, one in learned.items() if one < NEGLIGIBLE and self.sources_[name].asks_llm}
            given = {name: 0.0 if name in needless else learned.get(name, 0.0) for name in names}
        else:
            given = checked_weights(self.weights, names)
        total = sum(given.values())
        self.weights_ = {name: weight / total for name, weight in given.items()}

    def _whom_to_ask(self) -> list[str]:
        return [name for name, weight in self.weights_.items() if weight > 0]

    def _joined(self, said: MemberAnswers) -> ClassificationResult:
        weights = np.array([self.weights_[name] for name in said.names])
        metadata = {"weights": dict(self.weights_), "votes_as_probabilities": list(said.uncalibrated_votes)}
        return said.result(weighted_mean(said.probabilities, weights), self.kind, votes=False, metadata=metadata)

    def _stored_parameters(self) -> dict[str, Any]:
        return super()._stored_parameters() | {"weights": None if self.weights is None else self.weights_}
