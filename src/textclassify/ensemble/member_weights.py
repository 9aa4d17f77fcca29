"""How much each member of an ensemble counts: weights that were given, checked, or learned from honest scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from textclassify.core.scales import SMALLEST_PROBABILITY
from textclassify.core.texts import listed
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.honest_answers import HonestAnswers
from textclassify.ensemble.members import check_member_name
from textclassify.ensemble.pooling import PRIOR_STRENGTH, minimised
from textclassify.errors import ConfigError

STAND_IN = 1e-6
"""The least weight that is learned: it changes no answer, but counts where everybody else fails."""
NEGLIGIBLE = 0.01
"""Learned weights of language models below this become 0: they hardly ever change an answer, and a call costs money."""


def checked_weights(weights: Any, names: Sequence[str]) -> dict[str, float]:
    """Return the weight of each member.

    Args:
        weights: {name: weight}, or one per member in the members' order; None = 1 for each.
        names: of the members, in their order.

    Raises:
        ConfigError: a member has none or is unknown, or a weight is no number, negative or not finite, or all are 0.

    """
    if weights is None:
        return dict.fromkeys(names, 1.0)
    if isinstance(weights, Mapping):
        for name in weights:
            check_member_name(name, names, "weights")
        missing = [name for name in names if name not in weights]
        if missing:
            raise ConfigError(f"weights name no weight for {listed(map(repr, missing))}; give each member one, or 0")
        given = {name: weights[name] for name in names}
    else:
        given = _in_order(weights, names)
    checked = {name: _checked_weight(name, weight) for name, weight in given.items()}
    if not any(checked.values()):
        raise ConfigError("weights are all 0, so that no member counts; give at least one a weight above 0")
    return checked


def _in_order(weights: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(weights, str) or not isinstance(weights, Sequence | np.ndarray):
        raise ConfigError(f"weights={weights!r:.60} are none; pass one number per member, or {{name: number}}")
    if len(weights) != len(names):
        raise ConfigError(f"{len(weights)} weights for {len(names)} members ({listed(names, 12)}); pass one for each")
    return dict(zip(names, weights, strict=True))


def _checked_weight(name: str, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, Real) or not np.isfinite(float(weight)) or weight < 0:
        raise ConfigError(f"the weight of {name!r} is {weight!r:.60}; pass a finite number from 0 on")
    return float(weight)


def learned_weights(honest: HonestAnswers) -> Floats:
    """Return the weights (M,) of the members, >= 0 and adding up to 1, under which gold is most likely.

    Minimises the log loss of the weighted mean of probabilities, summed over rows (multi-label: over all pairs of row
    and label), the mean taken over the members that scored the row, + `PRIOR_STRENGTH` * sum (weight - 1 / M)^2: with
    no rows the weights are equal. None is below `STAND_IN`. A linear opinion pool (Stone 1961), its weights by maximum
    likelihood.
    """
    chances = _chances_of_gold(honest)
    there = ~np.isnan(chances)
    chances = np.where(there, np.maximum(np.nan_to_num(chances), SMALLEST_PROBABILITY), 0.0)
    repeats = 1 if honest.gold.ndim == 1 else honest.gold.shape[1]
    weights = _most_likely(chances, there.astype(np.float64), np.repeat(honest.weight, repeats))
    weights = np.maximum(weights, STAND_IN)
    return np.asarray(weights / weights.sum())


def _chances_of_gold(honest: HonestAnswers) -> Floats:
    """Return the probability that each member gives to what is right: (M, n), or, multi-label, (M, n * K)."""
    said, gold = honest.probabilities, honest.gold
    if gold.ndim > 1:
        return np.where(gold > 0, said, 1 - said).reshape(len(said), -1)
    return np.asarray(said[:, np.arange(len(gold)), gold])


def _most_likely(chances: Floats, there: Floats, row_weight: Floats) -> Floats:
    """Return the weights (M,) for members' chances of gold (M, n), 0 where they are not there (M, n)."""
    equal = np.full(len(chances), 1 / len(chances))

    def objective(weights: Floats) -> tuple[float, Floats]:
        shares = weights / weights.sum()
        # A row that only members of weight 0 scored, or nobody, must not be divided by 0.
        hits, total = shares @ chances + SMALLEST_PROBABILITY**2, shares @ there + SMALLEST_PROBABILITY
        away = shares - equal
        loss = -float(row_weight @ (np.log(hits) - np.log(total))) + PRIOR_STRENGTH * float(away @ away)
        gradient = there @ (row_weight / total) - chances @ (row_weight / hits) + 2 * PRIOR_STRENGTH * away
        return loss, (gradient - gradient @ shares) / weights.sum()

    found = minimised(objective, equal, n_bounded=len(equal))
    return np.asarray(found / found.sum())
