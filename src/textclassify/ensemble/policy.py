"""How fused scores become answers in one prediction: under which budget, with which guarantee, for which corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.ensemble.combining.combiners import targets_of
from textclassify.ensemble.combining.rows import Embeddings, FusionRows, complete
from textclassify.ensemble.deferring.asking import as_if_asked
from textclassify.ensemble.deferring.llm_budget import Budget, ShareOfTexts, read_budget
from textclassify.ensemble.guarantees import AcceptanceRule, PredictionSets, SetGuarantee
from textclassify.ensemble.guard import GUARD_SHARE, MIN_GUARD
from textclassify.errors import ConfigError, DataError
from textclassify.statistics.label_shift import LabelShift

if TYPE_CHECKING:
    from textclassify.ensemble.score_fusion import ScoreFusion


@dataclass(frozen=True)
class Policy:
    """What a prediction is made under; a guarantee holds for the policy that it was made for.

    Args:
        llm_budget: see `llm_budget.read_budget`; None = every text.
        max_risk: share of wrong answers among the accepted; None = every answer is given.
        confidence: of that bound.
        label_shift: whether label shares are estimated on the texts themselves.

    """

    llm_budget: Any = None
    max_risk: float | None = None
    confidence: float = 0.95
    label_shift: bool = False

    def check(self) -> None:
        """Refuse what excludes each other, before anything is asked.

        Raises:
            ConfigError: the budget is none, or no guarantee can be made under it.

        """
        limit = None if self.llm_budget is None else read_budget(self.llm_budget)
        if not isinstance(self.label_shift, bool):
            raise ConfigError(f"label_shift={self.label_shift!r} is neither True nor False")
        _check_number("confidence", self.confidence, "0.95")
        if not 0.5 <= self.confidence < 1:
            raise ConfigError(f"confidence={self.confidence} is out of range; pass one from 0.5 on, such as 0.95")
        if self.max_risk is None:
            return
        _check_number("max_risk", self.max_risk, "0.05")
        if not 0 < self.max_risk < 1:
            raise ConfigError(f"max_risk={self.max_risk} is out of range; pass a share of wrong answers, such as 0.05")
        if limit is not None and not _is_fixed(limit):
            raise ConfigError(
                f"max_risk={self.max_risk} cannot be promised under a budget of {limit}: whom it asks depends on the "
                "other texts; give llm_budget as a share, such as 0.2"
            )
        if self.label_shift:
            raise ConfigError(
                "max_risk and label_shift exclude each other: a guarantee is for texts like the guard's, with their "
                "label shares"
            )


def _is_fixed(limit: Budget) -> bool:
    """Return whether a budget asks about a text whatever the others are; none at all does."""
    return isinstance(limit, ShareOfTexts) or limit.limit == 0


def _check_number(name: str, value: Any, example: str) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigError(f"{name}={value!r} is no number; pass one such as {example}")


def guarded(fusion: ScoreFusion, policy: Policy) -> FusionRows:
    """Return the guard's rows, with the scores that the policy would have obtained for them.

    Raises:
        DataError: there is no guard; the message names the rows it would take.
        ConfigError: under such a budget nothing can be promised.

    """
    if fusion.guard_ is None:
        needed = int(np.ceil(MIN_GUARD / GUARD_SHARE))
        raise DataError(
            f"no guarantee can be given: no rows were kept for it; fit with guard={GUARD_SHARE} on at least {needed:,} "
            f"rows (the guard takes a share of them and needs {MIN_GUARD}; there were {len(fusion.rows_):,} rows here)"
        )
    rows = fusion.guard_
    if policy.llm_budget is None:
        return rows
    if not _is_fixed(read_budget(policy.llm_budget)):
        raise ConfigError(f"nothing can be promised under llm_budget={policy.llm_budget!r}; give it as a share")
    asked = fusion.rows_to_ask(rows.sources, policy.llm_budget, rows.embeddings)
    return replace(rows, sources=as_if_asked(rows.sources, fusion.llm_sources_, asked))


def acceptance_rule(fusion: ScoreFusion, policy: Policy) -> AcceptanceRule | None:
    """Return which answers a policy accepts; None = all.

    Raises:
        DataError: the guard cannot support the promise; the message names the rows needed.

    """
    if policy.max_risk is None:
        return None
    max_risk, confidence = policy.max_risk, policy.confidence

    def fitted() -> AcceptanceRule:
        rows = guarded(fusion, policy)
        answers = fusion.answered(rows.sources, rows.embeddings)
        return AcceptanceRule.fit(answers, rows.gold, max_risk=max_risk, confidence=confidence, clusters=rows.clusters)

    return fitted() if fusion.guard_ is None else fusion.guard_.learned(("acceptance", str(policy)), fitted)


def accepted(
    fusion: ScoreFusion, result: ClassificationResult, policy: Policy, embeddings: Embeddings | None = None
) -> ClassificationResult:
    """Return the result with the answers withheld that are not sure enough for the promised risk; it says so.

    Texts that lack a language model's scores, though the policy would have obtained them, are held to the rule for
    texts that nobody was asked about; if the guard supports none, their answers are withheld.
    """
    rule = acceptance_rule(fusion, policy)
    if rule is None:
        return result
    kept, lacking = rule.accepts(result), _lacking(fusion, result.sources, policy, embeddings)
    if lacking.any():
        try:
            spare = acceptance_rule(fusion, replace(policy, llm_budget=0.0))
        except DataError:
            spare = None
        kept = np.where(lacking, spare is not None and spare.accepts(result), kept)
    return result.withheld(~kept, guarantee=str(rule))


def prediction_sets(
    fusion: ScoreFusion,
    scores: Scores,
    sources: Mapping[str, Scores],
    policy: Policy,
    guarantee: SetGuarantee,
    embeddings: Embeddings | None = None,
) -> PredictionSets:
    """Return the sets of texts; those that lack a language model's scores get sets as if nobody had been asked.

    If the guard supports none of these, they hold every label.
    """
    sets, lacking = guarantee.apply(scores), _lacking(fusion, sources, policy, embeddings)
    if not lacking.any():
        return sets
    rule = guarantee.rule
    try:
        options: dict[str, Any] = {"class_conditional": guarantee.class_conditional}
        if not guarantee.multi_label:
            options |= {"method": rule.method, "random_state": rule.random_state}
        options["at_least_one"] = guarantee.at_least_one
        spare = (
            set_guarantee(fusion, replace(policy, llm_budget=0.0), guarantee.alpha, **options).apply(scores).indicator
        )
    except DataError:
        spare = np.repeat(scores.answered[:, None], len(scores.labels), axis=1)
    return replace(sets, indicator=np.where(lacking[:, None], spare, sets.indicator))


def _lacking(
    fusion: ScoreFusion, sources: Mapping[str, Scores], policy: Policy, embeddings: Embeddings | None
) -> NDArray[np.bool_]:
    """Return which texts (n,) have no scores of a language model that the policy would have asked about them."""
    missing = np.zeros(len(next(iter(sources.values()))), dtype=bool)
    free = {name: one for name, one in sources.items() if name in fusion.patterns_.free_names}
    if not free:
        return missing
    for name in set(fusion.needs_) & fusion.llm_sources_:
        missing |= ~complete(sources[name]) if name in sources else True
    if policy.llm_budget is not None and missing.any():
        missing &= fusion.rows_to_ask(free, policy.llm_budget, embeddings)
    return missing


def set_guarantee(fusion: ScoreFusion, policy: Policy, alpha: float, **options: Any) -> SetGuarantee:
    """Return the guarantee for prediction sets under a policy; see `SetGuarantee.fit`."""
    _check_number("alpha", alpha, "0.1")
    rows = guarded(fusion, policy)
    scores = fusion.answered(rows.sources, rows.embeddings).scores
    return SetGuarantee.fit(scores, rows.gold, alpha=alpha, clusters=rows.clusters, **options)


def shift_of(fusion: ScoreFusion, scores: Scores) -> LabelShift:
    """Return how the label shares of scored texts differ from those that the fusion learned from."""
    rows = fusion.rows_
    half_a_row = 0.5  # so that a label without any row is rare, not impossible
    counts, n = rows.weight @ targets_of(rows) + half_a_row, rows.weight.sum()
    shares = counts / (n + 2 * half_a_row) if rows.multi_label else counts / counts.sum()
    return LabelShift.estimate(scores.probabilities, shares, multi_label=rows.multi_label)


def n_asked(sources: Mapping[str, Scores], llm_names: frozenset[str]) -> int:
    """Return about how many texts a language model was asked, whatever became of it."""
    asked = [one.status != Status.NOT_CALLED for name, one in sources.items() if name in llm_names]
    return int(np.any(asked, axis=0).sum()) if asked else 0
