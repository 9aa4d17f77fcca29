"""Which members score the labels, and with what weights: whatever held-out examples show to be better, else vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from textclassify.core.texts import hash_wordings
from textclassify.rac.retrieving.label_texts import Floats, LabelTexts
from textclassify.rac.retrieving.levelling import fitted_member
from textclassify.rac.retrieving.members import DENSE, worth_trying
from textclassify.statistics.folds import assign_folds, stratified_sample
from textclassify.statistics.resampling import paired_difference

FEWEST_ROWS = 30
"""Held-out examples below which nothing is chosen: with 12 to 20, choosing raised the log loss of other texts."""
SMALLEST_GAIN = 1.0
"""Nats that a member must save over all held-out examples: the price of a parameter (Akaike 1974)."""
SHRINKAGE = 3.0
"""How strongly weights are drawn to their prior, in nats per squared unit."""
MOST_ROWS = 1_500
"""Held-out examples that are looked at; more of them change no choice."""
MOST_SCORES = 1_000_000
"""Held-out examples times labels that are looked at: about ten seconds on one core for a thousand labels."""
MOST_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination of members that was tried on held-out examples.

    `gain` is the log loss it saves per example against what was kept before it, with its paired standard error.
    """

    members: tuple[str, ...]
    loss: float
    gain: float
    standard_error: float
    kept: bool


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Which members score the labels and why: `weights` multiply their logits.

    Args:
        weights: by member; {"dense": 1.0} where nothing could be validated or nothing was better.
        rows: how many held-out examples this rests on; 0 = nothing was validated.
        folds: parts in which examples were held out, copies of a text in one part.
        trials: what was tried, in order; the first is vectors alone, at the temperature that was set.
        reason: in words.

    """

    weights: dict[str, float]
    rows: int
    folds: int
    trials: tuple[Trial, ...]
    reason: str

    @property
    def members(self) -> tuple[str, ...]:
        """The members that have a say."""
        return tuple(self.weights)

    @property
    def temperature(self) -> float:
        """How much flatter (above 1) or sharper the weighted mean of the members' logits becomes."""
        return 1 / sum(self.weights.values())

    @property
    def losses(self) -> dict[str, float]:
        """Held-out log loss of each combination that was tried."""
        return {" + ".join(trial.members): trial.loss for trial in self.trials}


def choose_members(said: LabelTexts, temperature: float) -> RetrievalReport:
    """Return the members to score labels with, chosen on examples that were held out.

    Starting from vectors alone, the member whose addition lowers the held-out log loss most is added as long as that
    gain is at least one paired standard error, copies of a text counting as one. Weights are at least 0, and are
    themselves fitted on the other folds; those of the report on all held-out examples.
    """
    wordings = hash_wordings(said.texts)
    folds, n_folds = _folds(said, wordings)
    rows = np.flatnonzero(folds >= 0)
    if len(rows) < FEWEST_ROWS:
        reason = f"{len(rows)} examples can be held out, fewer than {FEWEST_ROWS}: vectors alone"
        return RetrievalReport({DENSE: 1.0}, 0, 0, (), reason)
    most = max(FEWEST_ROWS, min(MOST_ROWS, MOST_SCORES // len(said.cards)))
    if len(rows) > most:
        rows = rows[stratified_sample(said.codes[rows], most, wordings[rows])]
    held_out = HeldOut(said, temperature, folds, rows)
    return _chosen(held_out, wordings[rows], n_folds)


def _folds(said: LabelTexts, wordings: NDArray[np.uint64]) -> tuple[NDArray[np.int16], int]:
    """Return the fold that holds each example out, -1 = none, and how many folds there are."""
    several = said.counts[said.counts > 1]
    if not len(several) or len(said.cards) < 2:
        return np.full(len(said.codes), -1, dtype=np.int16), 0
    n_folds = int(np.clip(np.median(several), 2, MOST_FOLDS))
    return assign_folds(said.codes, n_folds, wordings), n_folds


class HeldOut:
    """Logits of held-out examples by members that were fitted without them; each member is fitted when asked for.

    Args:
        said: the labels' cards and examples.
        temperature: of cosines.
        folds: (E,) the fold that holds an example out.
        rows: (n,) the examples that are looked at.

    """

    def __init__(self, said: LabelTexts, temperature: float, folds: NDArray[np.int16], rows: NDArray[np.int64]) -> None:
        self.said = said
        self.temperature = temperature
        self.gold = said.codes[rows]
        self.folds = folds[rows]
        self._fold_of_all = folds
        self._rows = rows
        self._known: dict[str, Floats] = {}

    def logits(self, names: Sequence[str]) -> Floats:
        """Return the logits of several members, (members, n, K)."""
        for name in names:
            if name not in self._known:
                self._known[name] = self._computed(name)
        return np.stack([self._known[name] for name in names])

    def _computed(self, name: str) -> Floats:
        logits = np.zeros((len(self._rows), len(self.said.cards)))
        for fold in np.unique(self.folds):
            outside = np.flatnonzero(self.folds == fold)
            member = fitted_member(name, self.said.with_examples(self._fold_of_all != fold), self.temperature)
            asked = self._rows[outside]
            texts = [self.said.texts[row] for row in asked.tolist()]
            logits[outside] = member.logits(texts, self.said.vectors[asked])
        return logits

    def weights(self, names: Sequence[str]) -> Floats:
        """Return the weights of several members that suit all rows."""
        return fitted_weights(self.logits(names), self.gold)

    def losses(self, names: Sequence[str]) -> Floats:
        """Return each row's log loss, (n,), with weights that were fitted on the other folds."""
        logits = self.logits(names)
        start, losses = self.weights(names), np.zeros(len(self.gold))
        for fold in np.unique(self.folds):
            outside = self.folds == fold
            weights = fitted_weights(logits[:, ~outside], self.gold[~outside], start=start)
            losses[outside] = _losses(weights, logits[:, outside], self.gold[outside])
        return losses


def _chosen(held_out: HeldOut, wordings: NDArray[np.uint64], n_folds: int) -> RetrievalReport:
    """Return what forward selection keeps."""
    kept: tuple[str, ...] = (DENSE,)
    losses = _losses(np.ones(1), held_out.logits(kept), held_out.gold)
    weights, trials = np.ones(1), [Trial(kept, float(losses.mean()), 0.0, 0.0, kept=True)]
    candidates: list[tuple[str, ...]] = [kept]
    while candidates:
        tried = {names: held_out.losses(names) for names in candidates}
        best = min(tried, key=lambda names: float(tried[names].mean()))
        gains = {names: paired_difference(losses, tried[names], wordings) for names in tried}
        needed = max(gains[best].standard_error, SMALLEST_GAIN / len(losses))
        better = gains[best].mean >= needed
        for names, gain in gains.items():
            won = better and names == best
            trials.append(Trial(names, float(tried[names].mean()), gain.mean, gain.standard_error, kept=won))
        if better:
            kept, losses, weights = best, tried[best], held_out.weights(best)
        elif candidates != [(DENSE,)]:
            break
        candidates = [(*kept, name) for name in worth_trying(held_out.said) if name not in kept]
    reason = f"{' + '.join(kept)}: the lowest log loss of {len(losses)} held-out examples"
    return RetrievalReport(dict(zip(kept, weights.tolist(), strict=True)), len(losses), n_folds, tuple(trials), reason)


def fitted_weights(logits: Floats, gold: NDArray[np.int64], *, start: Floats | None = None) -> Floats:
    """Return the weights, (members,), that minimise the log loss of the rows plus 3 (weight - prior)^2 each.

    The prior is 1 for the first member and 0 for the others; no weight is below 0.

    Args:
        logits: (members, n, K).
        gold: (n,) codes.
        start: where the search starts; None = the prior.

    """
    prior = np.eye(1, len(logits))[0]
    rows = np.arange(len(gold))
    at_gold = logits[:, rows, gold]

    def loss_and_gradient(weights: Floats) -> tuple[float, Floats]:
        mixed = np.tensordot(weights, logits, axes=1)
        totals = logsumexp(mixed, axis=1)
        shares = np.exp(mixed - totals[:, None])
        expected = np.array([np.vdot(shares, one) for one in logits])
        away = weights - prior
        loss = float(totals.sum() - weights @ at_gold.sum(axis=1) + SHRINKAGE * away @ away)
        return loss, np.asarray(expected - at_gold.sum(axis=1) + 2 * SHRINKAGE * away)

    begin = prior if start is None else start
    bounds = [(0.0, None)] * len(logits)
    found = minimize(loss_and_gradient, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-7})
    return np.asarray(found.x, dtype=np.float64)


def _losses(weights: Floats, logits: Floats, gold: NDArray[np.int64]) -> Floats:
    mixed = np.tensordot(weights, logits, axes=1)
    return np.asarray(logsumexp(mixed, axis=1) - mixed[np.arange(len(gold)), gold])
