"""Which texts a fitted fusion asks its language models about under a budget, and what that buys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.scores import Scores
from textclassify.ensemble.answering import Answers, answers, without_rows
from textclassify.ensemble.combining.patterns import Patterns
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import Embeddings, FusionRows
from textclassify.ensemble.deferral import Deferral, cross_fitted_ranking
from textclassify.ensemble.deferring.both_answers import BothAnswers
from textclassify.ensemble.deferring.cost_curve import cost_curve
from textclassify.ensemble.deferring.cost_report import CostCurve
from textclassify.ensemble.deferring.llm_budget import Budget, Dollars, read_budget
from textclassify.errors import ConfigError, ScoresError


def fitted_deferral(patterns: Patterns, metric: str) -> Deferral | None:
    """Return what tells by the free scores which texts to ask about; None where there is nothing to choose."""
    if not patterns.free_names or not patterns.asks_llm:
        return None
    rows = patterns.rows
    free = _without_llm(patterns, rows.sources)
    deployed = answers(patterns, free, rows.embeddings, multi_label=rows.multi_label).values
    held_out = _held_out(patterns)
    if held_out is None:  # too few rows to learn whom to ask: the most uncertain
        nothing = np.full(deployed.shape, np.nan)
        held_out = BothAnswers.of(deployed, nothing, rows.gold, rows.clusters, multi_label=rows.multi_label)
    return Deferral().fit_answers(held_out, metric).with_shares_of(deployed)


def training_curve(
    patterns: Patterns, metric: str, random_state: int, *, cost_per_call: float | None = None
) -> CostCurve | None:
    """Return the cross-fitted cost curve of the rows that a fusion learned from; None where nobody is to be asked."""
    held_out = _held_out(patterns) if patterns.free_names and patterns.asks_llm else None
    if held_out is None:
        return None
    known = held_out.take(held_out.comparable)
    ranking = cross_fitted_ranking(
        known.free,
        known.fused,
        known.gold,
        known.clusters,
        multi_label=known.multi_label,
        metric=metric,
        random_state=random_state,
        free_codes=known.free_codes,
        fused_codes=known.fused_codes,
    )
    return _curve(known, ranking, metric, cost_per_call)


def curve_on(
    deferral: Deferral | None, patterns: Patterns, rows: FusionRows, metric: str, *, cost_per_call: float | None = None
) -> CostCurve:
    """Return the cost curve on rows that the fusion has not seen; flat where it asks nobody."""
    multi_label = rows.multi_label
    free = answers(patterns, _without_llm(patterns, rows.sources), rows.embeddings, multi_label=multi_label)
    fused = answers(patterns, rows.sources, rows.embeddings, multi_label=multi_label)
    codes = {"free_codes": _or_none(free), "fused_codes": _or_none(fused)} if multi_label else {}
    both = BothAnswers.of(free.values, fused.values, rows.gold, rows.clusters, multi_label=multi_label, **codes)
    ranking = np.zeros(len(rows)) if deferral is None else -deferral.share_needed(free.values)
    return _curve(both, ranking, metric, cost_per_call)


def rows_to_ask(
    deferral: Deferral | None,
    patterns: Patterns,
    sources: Mapping[str, Scores],
    budget: Any,
    embeddings: Embeddings | None,
    cost_per_call: ArrayLike | None,
    row_ids: NDArray[np.uint64] | None,
) -> NDArray[np.bool_]:
    """Return which rows to ask the language models about, (n,); none where asking is not worth it at all."""
    limit = checked_budget(patterns, budget)
    if deferral is None:
        return np.zeros(len(next(iter(sources.values()))), dtype=bool)
    free = answers(patterns, _without_llm(patterns, sources), embeddings, multi_label=patterns.rows.multi_label)
    return deferral.mask(free.values, limit, cost_per_call=cost_per_call, row_ids=row_ids)


def checked_budget(patterns: Patterns, budget: Any) -> Budget:
    """Return what a budget means for a fusion.

    Raises:
        ConfigError: it is no budget, or this fusion cannot keep any.

    """
    limit = read_budget(budget)
    if patterns.asks_llm and not patterns.free_names:
        raise ConfigError(
            f"llm_budget={budget!r} cannot be kept: every source of this fusion asks a language model, so there is "
            "nothing else to answer with; add a source that asks none, or leave llm_budget out"
        )
    return limit


def as_if_asked(
    sources: Mapping[str, Scores], llm_names: frozenset[str], asked: NDArray[np.bool_]
) -> dict[str, Scores]:
    """Return scores as if the language models had been asked about the rows of a mask only."""
    return {name: without_rows(one, ~asked) if name in llm_names else one for name, one in sources.items()}


def price_of_calls(models: Mapping[str, TextClassifier], texts: list[str], budget: Any) -> float | None:
    """Return what asking all these models about a text is expected to cost, in US dollars; None for other budgets.

    Raises:
        ConfigError: a model cannot say what it costs, or its price is unknown.

    """
    if not isinstance(read_budget(budget), Dollars):
        return None
    dollars = 0.0
    for name, model in models.items():
        estimate = getattr(model, "estimate", None)
        if estimate is None:
            raise ConfigError(f"source {name!r} cannot say what a call costs; pass llm_budget as a share or in calls")
        expected = estimate(texts)
        if expected.cost is None:
            raise ConfigError(
                f"the price of {', '.join(expected.unpriced)} is unknown, so llm_budget={budget!r} cannot be kept; set "
                "the price, or pass llm_budget as a share or in calls"
            )
        to_pay = min(expected.distinct, expected.rows - expected.blank - expected.cached)
        dollars += expected.cost.expected / max(to_pay, 1)
    return dollars


def _without_llm(patterns: Patterns, sources: Mapping[str, Scores]) -> dict[str, Scores]:
    free = {name: one for name, one in sources.items() if name not in patterns.llm_names}
    if not free:
        raise ScoresError(
            "which texts to ask about is told by the other sources' scores, and there are none here; pass those of "
            + " or ".join(patterns.free_names)
        )
    return free


def _held_out(patterns: Patterns) -> BothAnswers | None:
    """Return cross-fitted scores and answers of all rows, without and with the language models."""
    rows, free, full = patterns.rows, patterns.free, patterns.full
    if free.held_out is None or full.held_out is None:
        return None
    without, fused = (patterns.held_out(names) for names in (patterns.free_available, rows.available))
    given: dict[str, Any] = {}
    if rows.multi_label:
        decisions = (free.decision, full.decision)
        thresholds = np.stack([decision.thresholds for decision in decisions])
        given = {"free_codes": decisions[0].answers(without), "fused_codes": decisions[1].answers(fused)}
        given["thresholds"] = thresholds
    return BothAnswers.of(without, fused, rows.gold, rows.clusters, multi_label=rows.multi_label, **given)


def _or_none(found: Answers) -> NDArray[Any]:
    """Return multi-label answers (n, K) with -1 in rows without any: an empty set is an answer."""
    return np.where(np.isnan(found.values).any(axis=1, keepdims=True), -1, found.codes)


def _curve(both: BothAnswers, ranking: Floats, metric: str, cost_per_call: float | None) -> CostCurve:
    given: dict[str, Any] = {"metric": metric, "multi_label": both.multi_label, "cost_per_call": cost_per_call}
    if both.multi_label:
        given |= {"free_codes": both.free_codes, "fused_codes": both.fused_codes}
    return cost_curve(both.free, both.fused, ranking, both.gold, both.clusters, **given)
