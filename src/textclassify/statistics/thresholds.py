"""From which probability on a label is given, when a text can have several."""

from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.calibration_platt import PlattScaling
from textclassify.statistics.metrics import macro_f1, micro_f1

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Objective = Literal["micro_f1", "macro_f1", "subset_accuracy"]
# The iteration below doubles its correct digits each time; it ends by itself after some five rounds.
MAX_ROUNDS = 50
# Where a quality has no shortcut: 99 places are as fine as any data set can tell apart.
PLACES = np.linspace(0.01, 0.99, 99)
# Standard errors that a threshold must gain in whole sets: many places are tried, and noise alone favours one of them.
GUARD = 2.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A probability per label, (K,), from which on it is given; how many were tuned and what the others share.

    `at_least_one`: whether they were tuned for answers in which a row without any label gets one all the same.
    """

    values: Floats
    shared: float
    tuned: Flags
    objective: Objective
    at_least_one: bool = False

    def decide(self, probabilities: ArrayLike, *, at_least_one: bool | None = None) -> NDArray[np.int8]:
        """0/1 answers (n, K); a row with NaN has no answer and is -1 throughout.

        `at_least_one` gives a row without any label the one whose probability lies highest above its threshold; None =
        as the thresholds were tuned.
        """
        p = np.asarray(probabilities, dtype=np.float64)
        if p.ndim != 2 or p.shape[1] != len(self.values):
            raise DataError(f"probabilities {p.shape} do not fit {len(self.values)} thresholds; pass (n, K)")
        missing = np.isnan(p).any(axis=1)
        filled = self.at_least_one if at_least_one is None else at_least_one
        answers = _given(p, self.values, at_least_one=filled).astype(np.int8)
        answers[missing] = -1
        return answers

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that was learned, as arrays by name; the objective as the bytes of its name."""
        return {
            "values": self.values,
            "shared": np.asarray(self.shared),
            "tuned": self.tuned,
            "objective": np.frombuffer(self.objective.encode(), dtype=np.uint8),
            "at_least_one": np.asarray(self.at_least_one),
        }

    @classmethod
    def from_state(cls, state: dict[str, NDArray[np.generic]]) -> Self:
        """Return the thresholds that `state` described."""
        objective: Objective = bytes(np.asarray(state["objective"], dtype=np.uint8)).decode()  # type: ignore[assignment]
        values, tuned = np.asarray(state["values"], dtype=np.float64), np.asarray(state["tuned"], dtype=np.bool_)
        return cls(values, float(state["shared"].item()), tuned, objective, bool(state["at_least_one"].item()))


def tune_thresholds(
    probabilities: ArrayLike,
    gold: ArrayLike,
    *,
    objective: Objective = "micro_f1",
    min_positives: int = 10,
    default: float = 0.5,
    at_least_one: bool = False,
    strength: float = 100.0,
) -> Thresholds:
    """Return thresholds that do best by an objective, on rows that the source and its calibrator were not trained on.

    First one threshold shared by all labels, if they have `min_positives` positive rows between them (else `default`);
    then one for each label that has `min_positives` itself. For macro-F1 each label maximises its own F1, which leaves
    the labels independent; for micro-F1 all are maximised jointly and exactly (Dinkelbach 1967). Thresholds lie halfway
    between neighbouring probabilities, and of equally good ones that nearest to the shared (or default) one is taken.

    A label's rows are few to place a threshold by, so each row's gold is drawn to the probability that a sigmoid gives
    it, as if the label had `strength` further positive rows that behave so; 0 = gold alone. (Where the sigmoid is right
    and all-powerful, every threshold for micro-F1 is half of the F1 that can be reached: Lipton et al. 2014.)

    For subset accuracy the shared threshold leaves `default`, and a label's leaves the shared one, only for a gain in
    rows beyond chance (2 standard errors). With `at_least_one`, thresholds are tuned for answers in which no row
    stays empty, and all labels share theirs. Rows with NaN are left out.
    """
    if objective not in get_args(Objective):
        raise ConfigError(f"objective={objective!r} is unknown; choose 'micro_f1', 'macro_f1' or 'subset_accuracy'")
    if min_positives < 1 or not 0 < default < 1 or strength < 0:
        raise ConfigError(
            f"min_positives={min_positives}, default={default}, strength={strength}: pass at least 1, one between 0 "
            "and 1, and at least 0"
        )
    p, is_gold = _scored(probabilities, gold)
    positives = is_gold.sum(axis=0)
    shared, tuned = default, np.zeros(p.shape[1], dtype=bool)
    if positives.sum() >= min_positives:
        shared = _shared_threshold(p, is_gold, objective, default, at_least_one=at_least_one)
        tuned = (positives >= min_positives) & (not at_least_one)
    values = np.full(p.shape[1], shared)
    if objective == "subset_accuracy":
        values, tuned = _stepwise(p, is_gold, values, tuned)
    elif tuned.any():
        values[tuned] = _per_label(p, _smoothed(p, is_gold, strength), tuned, shared, objective)
    return Thresholds(values, float(shared), tuned, objective, at_least_one)


@dataclass(frozen=True, slots=True)
class _Cuts:
    """All that a threshold on one column can do: where it cuts, how many it claims and hits, and the positives."""

    thresholds: Floats
    claimed: NDArray[np.int64]
    hits: Floats
    positives: float

    @classmethod
    def of(cls, p: Floats, gold_share: Floats) -> "_Cuts":
        order = np.argsort(-p, kind="stable")
        falling, hits = p[order], np.cumsum(gold_share[order])
        # Only between two different probabilities can a threshold cut; the last one claims all, the first nothing.
        ends = np.append(np.flatnonzero(np.diff(falling)), len(p) - 1)
        below = np.append(falling[ends[:-1] + 1], 0.0)
        nothing = max((1 + falling[0]) / 2, float(np.nextafter(falling[0], 2.0)))
        return cls(
            np.append(nothing, (falling[ends] + below) / 2),
            np.append(0, ends + 1),
            np.append(0.0, hits[ends]),
            float(gold_share.sum()),
        )

    @property
    def f1(self) -> Floats:
        return np.asarray(2.0 * self.hits / np.maximum(self.claimed + self.positives, 1e-9))

    def best(self, quality: Floats, aim: float) -> int:
        """Which cut has the highest quality; among equals the one whose threshold is nearest to `aim`."""
        equals = np.flatnonzero(quality >= quality.max() - 1e-10)
        return int(equals[np.argmin(np.abs(self.thresholds[equals] - aim))])


def _per_label(p: Floats, gold_share: Floats, tuned: Flags, shared: float, objective: Objective) -> Floats:
    """Return the thresholds of the tuned labels; for micro-F1 the others count as they are."""
    cuts = [_Cuts.of(p[:, k], gold_share[:, k]) for k in np.flatnonzero(tuned)]
    if objective == "macro_f1":
        return np.asarray([cut.thresholds[cut.best(cut.f1, shared)] for cut in cuts])
    claimed = p[:, ~tuned] >= shared
    fixed_hits = float(gold_share[:, ~tuned][claimed].sum())
    return _jointly_best(cuts, fixed_hits, float(claimed.sum() + gold_share.sum()), shared)


def _jointly_best(cuts: list[_Cuts], fixed_hits: float, fixed_total: float, aim: float) -> Floats:
    """Return thresholds of the labels in `cuts` that maximise 2 hits / (claimed + positives) over all labels together.

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
            hits, total = hits + float(cut.hits[taken]), total + float(cut.claimed[taken])
        reached = 2.0 * hits / total if total else 0.0
        if reached <= f1 + 1e-12:
            break
        f1 = reached
    return chosen


def _smoothed(p: Floats, is_gold: Flags, strength: float) -> Floats:
    """Return for each cell the share of it that counts as gold, (n, K)."""
    if not strength:
        return is_gold.astype(np.float64)
    log_odds = special.logit(np.clip(p, 1e-7, 1 - 1e-7))
    expected = special.expit(PlattScaling().fit(log_odds, is_gold.astype(np.int8)).transform(log_odds))
    trust = strength / (strength + is_gold.sum(axis=0))
    return np.asarray((1 - trust) * is_gold + trust * expected)


def _shared_threshold(p: Floats, is_gold: Flags, objective: Objective, default: float, *, at_least_one: bool) -> float:
    if objective == "subset_accuracy":
        return _shared_for_sets(p, is_gold, default, at_least_one=at_least_one)
    if objective == "micro_f1" and not at_least_one:
        pooled = _Cuts.of(p.ravel(), is_gold.ravel().astype(np.float64))
        return float(pooled.thresholds[pooled.best(pooled.f1, default)])
    metric, gold = micro_f1 if objective == "micro_f1" else macro_f1, is_gold.astype(np.int8)
    columns = np.full(p.shape[1], 1.0)
    answers = (_given(p, place * columns, at_least_one=at_least_one).astype(np.int8) for place in PLACES)
    return _nearest(np.asarray([metric(gold, answer) for answer in answers]), default)


def _shared_for_sets(p: Floats, is_gold: Flags, default: float, *, at_least_one: bool) -> float:
    """Return the shared threshold under which most rows get their whole set of labels, if that is more than chance."""

    def right(place: float) -> Flags:
        answers = _given(p, np.full(p.shape[1], place), at_least_one=at_least_one)
        return np.asarray((answers == is_gold).all(axis=1))

    usual = right(default)
    rights = np.stack([right(place) for place in PLACES])
    chance = GUARD * np.sqrt((rights != usual).sum(axis=1))
    gain = rights.sum(axis=1) - usual.sum() - chance
    return _nearest(gain, default) if gain.max() > 0 else default


def _stepwise(p: Floats, is_gold: Flags, values: Floats, tunable: Flags) -> tuple[Floats, Flags]:
    """Return thresholds moved one by one, that with the most to gain first, and which were moved."""
    values, moved = values.copy(), np.zeros(len(values), dtype=bool)
    for _ in range(MAX_ROUNDS):
        matches = (p >= values) == is_gold
        wrong = (~matches).sum(axis=1)
        offers = {}
        for k in np.flatnonzero(tunable & ~moved):
            matter = wrong == ~matches[:, k]  # the rows whose other labels are right
            offers[k] = _best_move(p[matter, k], is_gold[matter, k], float(values[k]))
        if not offers or max(gain for gain, _ in offers.values()) <= 0:
            break
        k = max(offers, key=lambda label: offers[label][0])
        values[k], moved[k] = offers[k][1], True
    return values, moved


def _best_move(p: Floats, is_gold: Flags, now: float) -> tuple[float, float]:
    """Return how many more rows come right than by chance if one label's threshold moves, and to where."""
    if not is_gold.any():
        return 0.0, now
    cuts = _Cuts.of(p, is_gold.astype(np.float64))
    claimed_now = p >= now
    right, right_now = 2 * cuts.hits - cuts.claimed, 2 * (claimed_now & is_gold).sum() - claimed_now.sum()
    gain = right - right_now - GUARD * np.sqrt(np.abs(cuts.claimed - claimed_now.sum()))
    taken = cuts.best(gain, now)
    return float(gain[taken]), float(cuts.thresholds[taken])


def _nearest(quality: Floats, default: float) -> float:
    best = PLACES[quality >= quality.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - default))])


def _given(p: Floats, values: Floats, *, at_least_one: bool) -> Flags:
    answers = p >= values
    if at_least_one:
        empty = np.flatnonzero(~answers.any(axis=1))
        answers[empty, np.argmax(p[empty] - values, axis=1)] = True
    return np.asarray(answers)


def _scored(probabilities: ArrayLike, gold: ArrayLike) -> tuple[Floats, Flags]:
    p, answers = np.asarray(probabilities, dtype=np.float64), np.asarray(gold)
    if p.ndim != 2 or p.shape != answers.shape:
        raise DataError(f"probabilities {p.shape} do not fit gold {answers.shape}; pass both as (n, K)")
    kept = ~np.isnan(p).any(axis=1)
    if p[kept].size and (p[kept].min() < 0 or p[kept].max() > 1):
        raise DataError(f"probabilities reach from {p[kept].min():.3g} to {p[kept].max():.3g}; pass values from 0 to 1")
    return p[kept], answers[kept] > 0
