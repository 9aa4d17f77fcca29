"""The sources' scores of labelled texts, and everything that a fusion answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import ClassificationResult
from textclassify.core.scores import Scores
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.rows import Embeddings, complete, fusion_rows
from textclassify.ensemble.deferring.asking import as_if_asked, curve_on, price_of_calls
from textclassify.ensemble.deferring.cost_report import CostCurve
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.policy import Policy, acceptance_rule, n_asked, set_guarantee
from textclassify.errors import ConfigError, DataError, ScoresError
from textclassify.runs.comparing import Answers
from textclassify.runs.promises import RiskCheck, SetCheck

FUSION = "fusion"
WITHOUT_LLM = "without the LLM"


def price_of_call(ensemble: FusionEnsemble, texts: list[str], policy: Policy) -> float | None:
    """Return what a call is expected to cost, before any is made: a budget of money is kept by it."""
    fusion = ensemble.fusion_
    if policy.llm_budget is None or not fusion.patterns_.asks_llm:
        return None
    names = sorted(fusion.llm_sources_ & set(fusion.needs_))
    return price_of_calls({name: ensemble.sources_[name] for name in names}, texts, policy.llm_budget)


def raw_probabilities(scores: Scores) -> NDArray[np.float64]:
    """Return probabilities as they come, (n, K); NaN where not every label was scored."""
    return np.where(complete(scores)[:, None], scores.probabilities, np.nan)


@dataclass(frozen=True, eq=False)
class ScoredTexts:
    """The sources' scores of labelled texts, and what the fusion answers to them under its policy.

    Args:
        ensemble: the fusion.
        data: the texts and their gold answers.
        scores: of every source that the fusion knows something of.
        policy: what it answers under.
        vectors: (n, D) of the texts, where it uses them.
        result: its answers; a language model's scores count only where it is needed and the budget allows, and free
            sources stand in wherever something is missing.

    """

    ensemble: FusionEnsemble
    data: TrainingData
    scores: Mapping[str, Scores]
    policy: Policy
    vectors: Embeddings | None
    result: ClassificationResult

    @classmethod
    def of(
        cls,
        ensemble: FusionEnsemble,
        data: TrainingData,
        scores: Mapping[str, Scores],
        policy: Policy,
        price: float | None,
    ) -> Self:
        """Return them with the fusion's answers; `price` is of a call in US dollars, for a budget of money."""
        fusion, vectors = ensemble.fusion_, ensemble.embeddings_for(data.texts)
        sold = scores
        if policy.llm_budget is not None:
            asked = fusion.rows_to_ask(scores, policy.llm_budget, vectors, cost_per_call=price)
            sold = as_if_asked(scores, fusion.llm_sources_, asked)
        used = {name: one for name, one in sold.items() if name in fusion.needs_ or name not in fusion.llm_sources_}
        return cls(ensemble, data, scores, policy, vectors, ensemble.fusion_result(used, vectors))

    @property
    def free(self) -> dict[str, Scores]:
        """The scores of the sources that ask no language model."""
        return {name: one for name, one in self.scores.items() if name not in self.ensemble.fusion_.llm_sources_}

    @property
    def notes(self) -> list[str]:
        """What the budget came to."""
        if self.policy.llm_budget is None:
            return []
        asked = n_asked(self.result.sources, self.ensemble.fusion_.llm_sources_)
        return [f"llm_budget {self.policy.llm_budget}: the fusion asked about {asked:,} of {len(self.data):,} texts"]

    def answers(self) -> dict[str, Answers]:
        """Return every system's answers, the fusion's first."""
        answers = {FUSION: Answers.of(self.result)}
        free, alone = self.free, self.ensemble.fusion_result
        if free and len(free) < len(self.scores):
            answers[WITHOUT_LLM] = Answers.of(alone(free, self.vectors))
        return answers | {name: Answers.of(alone({name: one})) for name, one in self.scores.items()}

    def checks(self, alpha: float | None) -> tuple[dict[str, Any], list[str]]:
        """Return the checks of the guarantees that were asked for, and why one could not be given."""
        fusion, policy = self.ensemble.fusion_, self.policy
        checks: dict[str, Any] = {}
        failed = []
        try:
            rule = acceptance_rule(fusion, policy)
            if rule is not None:
                checks["risk"] = RiskCheck.of(rule, self.result, self.data)
            if alpha is not None:
                sets = set_guarantee(fusion, policy, alpha).apply(self.result.scores)
                checks["sets"] = SetCheck.of(sets, self.data)
        except (ConfigError, DataError) as error:
            failed.append(str(error))
        return checks, failed

    def cost_curve(self, cost_per_call: float | None) -> tuple[CostCurve | None, list[str]]:
        """Return the cost curve on these texts, and why there is none where there should be one."""
        fusion, data = self.ensemble.fusion_, self.data
        if fusion.deferral_ is None or not fusion.patterns_.asks_llm:
            return None, []
        known = {name: one for name, one in self.scores.items() if name in fusion.rows_.sources}
        try:
            rows = fusion_rows(known, data.schema.decode(data.gold), data.clusters, None, self.vectors)
        except ScoresError as error:
            return None, [f"there is no cost curve: {error}"]
        return curve_on(fusion.deferral_, fusion.patterns_, rows, fusion.metric_, cost_per_call=cost_per_call), []
