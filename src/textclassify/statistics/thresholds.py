"""From which probability on a label is given, when a text can have several."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import ConfigError, DataError

Floats = NDArray[np.float64]
Objective = Literal["micro_f1", "macro_f1"]
# The iteration below doubles its correct digits each time; it ends by itself after some five rounds.
MAX_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A probability per label, (K,), from which on it is given; how many were tuned and what the others share."""

    values: Floats
    shared: float
    tuned: NDArray[np.bool_]
    objective: Objective

    def decide(self, probabilities: ArrayLike, *, at_least_one: bool = False) -> NDArray[np.int8]:
        """0/1 answers (n, K); a row with NaN has no answer and is -1 throughout.

        `at_least_one` gives a row without any label the one whose probability lies highest above its threshold.
        """
        p = np.asarray(probabilities, dtype=np.float64)
        if p.ndim != 2 or p.shape[1] != len(self.values):
            raise DataError(f"probabilities {p.shape} do not fit {len(self.values)} thresholds; pass (n, K)")
        missing = np.isnan(p).any(axis=1)
        answers = (p >= self.values).astype(np.int8)
        if at_least_one:
            empty = np.flatnonzero(~answers.any(axis=1))
            answers[empty, np.argmax(p[empty] - self.values, axis=1)] = 1
        answers[missing] = -1
        return answers


def tune_thresholds(
    probabilities: ArrayLike,
    gold: ArrayLike,
    *,
    objective: Objective = "micro_f1",
    min_positives: int = 10,
    default: float = 0.5,
) -> Thresholds:
    """Thresholds that maximise micro- or macro-F1 on rows that the source and its calibrator were not trained on.

    First one threshold shared by all labels, if they have `min_positives` positive rows between them (else `default`);
    then one for each label that has `min_positives` itself. For macro-F1 each label maximises its own F1, which leaves
    the labels independent; for micro-F1 all are maximised jointly and exactly (Dinkelbach 1967). Thresholds lie halfway
    between neighbouring probabilities, and of equally good ones that nearest to the shared (or default) one is taken.
    Rows with NaN are left out.
    """
    if objective not in get_args(Objective):
        raise ConfigError(f"objective={objective!r} is unknown; choose 'micro_f1' or 'macro_f1'")
    if min_positives < 1 or not 0 < default < 1:
        raise ConfigError(f"min_positives={min_positives}, default={default}: pass at least 1, and one between 0 and 1")
    p, is_gold = _scored(probabilities, gold)
    positives = is_gold.sum(axis=0)
    tuned = positives >= min_positives
    shared = _shared_threshold(p, is_gold, objective, default) if positives.sum() >= min_positives else default
    values = np.full(p.shape[1], shared)
    cuts = [_Cuts.of(p[:, k], is_gold[:, k]) for k in np.flatnonzero(tuned)]
    if objective == "macro_f1":
        values[tuned] = [cut.thresholds[cut.best(cut.f1, shared)] for cut in cuts]
    else:
        claimed = p[:, ~tuned] >= shared
        fixed_hits = int((claimed & is_gold[:, ~tuned]).sum())
        fixed_total = int(claimed.sum()) + int(positives.sum())
        values[tuned] = _jointly_best(cuts, fixed_hits, fixed_total, shared)
    return Thresholds(values, float(shared), tuned, objective)


@dataclass(frozen=True, slots=True)
class _Cuts:
    """All that a threshold on one column can do: where it cuts, how many it claims and hits, and the positives."""

    thresholds: Floats
    claimed: NDArray[np.int64]
    hits: NDArray[np.int64]
    positives: int

    @classmethod
    def of(cls, p: Floats, is_gold: NDArray[np.bool_]) -> "_Cuts":
        order = np.argsort(-p, kind="stable")
        falling, hits = p[order], np.cumsum(is_gold[order])
        # Only between two different probabilities can a threshold cut; the last one claims all, the first nothing.
        ends = np.append(np.flatnonzero(np.diff(falling)), len(p) - 1)
        below = np.append(falling[ends[:-1] + 1], 0.0)
        nothing = max((1 + falling[0]) / 2, float(np.nextafter(falling[0], 2.0)))
        return cls(
            np.append(nothing, (falling[ends] + below) / 2),
            np.append(0, ends + 1),
            np.append(0, hits[ends]),
            int(is_gold.sum()),
        )

    @property
    def f1(self) -> Floats:
        return 2.0 * self.hits / np.maximum(self.claimed + self.positives, 1)

    def best(self, quality: Floats, aim: float) -> int:
        """Which cut has the highest quality; among equals the one whose threshold is nearest to `aim`."""
        equals = np.flatnonzero(quality >= quality.max() - 1e-12)
        return int(equals[np.argmin(np.abs(self.thresholds[equals] - aim))])


def _jointly_best(cuts: list[_Cuts], fixed_hits: int, fixed_total: int, aim: float) -> Floats:
    """Thresholds of the labels in `cuts` that maximise 2 hits / (claimed + positives) over all labels together.

    For a given F1 the labels part: each maximises 2 hits - F1 * claimed. The F1 of that choice is never lower, and
    when it stays the same it is the highest.
    """
    f1 = 0.0
    chosen = np.full(len(cuts), aim)
    for _ in range(MAX_ROUNDS):
        hits, total = fixed_hits, fixed_total
        for k, cut in enumerate(cuts):
            gain = 2.0 * cut.hits - f1 * cut.claimed
            taken = cut.best(gain, aim)
            chosen[k] = cut.thresholds[taken]
            hits, total = hits + int(cut.hits[taken]), total + int(cut.claimed[taken])
        reached = 2.0 * hits / total if total else 0.0
        if reached <= f1 + 1e-12:
            break
        f1 = reached
    return chosen


def _shared_threshold(p: Floats, is_gold: NDArray[np.bool_], objective: Objective, default: float) -> float:
    pooled = _Cuts.of(p.ravel(), is_gold.ravel())
    if objective == "micro_f1":
        return float(pooled.thresholds[pooled.best(pooled.f1, default)])
    # Macro-F1 of a shared threshold has no shortcut; 99 places are as fine as any data set can tell apart.
    grid = np.linspace(0.01, 0.99, 99)
    with_gold = np.flatnonzero(is_gold.any(axis=0))
    quality = np.zeros(len(grid))
    for k in with_gold:
        column = np.sort(p[:, k])
        hits = np.sort(p[is_gold[:, k], k])
        n_claimed = len(column) - np.searchsorted(column, grid)
        n_hits = len(hits) - np.searchsorted(hits, grid)
        quality += 2 * n_hits / (n_claimed + len(hits))
    best = grid[quality >= quality.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - default))])


def _scored(probabilities: ArrayLike, gold: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    p, answers = np.asarray(probabilities, dtype=np.float64), np.asarray(gold)
    if p.ndim != 2 or p.shape != answers.shape:
        raise DataError(f"probabilities {p.shape} do not fit gold {answers.shape}; pass both as (n, K)")
    kept = ~np.isnan(p).any(axis=1)
    if p[kept].size and (p[kept].min() < 0 or p[kept].max() > 1):
        raise DataError(f"probabilities reach from {p[kept].min():.3g} to {p[kept].max():.3g}; pass values from 0 to 1")
    return p[kept], answers[kept] > 0
