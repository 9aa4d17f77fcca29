"""Candidates on the same held-out rows: cross-fitted scores, paired differences, the rule that selects, the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textclassify.core.scores import Scores
from textclassify.ensemble.combiners import targets_of
from textclassify.ensemble.ladder_report import Gate, RungReport
from textclassify.ensemble.pooling import BestSingle
from textclassify.ensemble.readings import Floats
from textclassify.ensemble.rows import FusionRows
from textclassify.statistics.metrics import log_loss_per_row
from textclassify.statistics.resampling import PairedDifference, paired_difference

REFERENCE = "reference"
"""Name of the candidate that the gate compares with."""


class Step(Protocol):
    """Anything that learns from rows and then scores others."""

    def fit(self, rows: FusionRows) -> Step:
        """Learn from rows."""

    def scores(self, sources: Mapping[str, Scores]) -> Floats:
        """Return log-probabilities or log-odds (n, K)."""


def cross_fitted(make: Callable[[], Step], rows: FusionRows, folds: NDArray[np.int16]) -> Floats:
    """Return scores (n, K) of each row by a step that was fitted without it; NaN where no fold holds the row out."""
    held_out = np.full((len(rows), len(rows.labels)), np.nan)
    for fold in np.unique(folds[folds >= 0]):
        outside = np.flatnonzero(folds == fold)
        step = make().fit(rows.take(np.flatnonzero(folds != fold)))
        held_out[outside] = step.scores(rows.take(outside).sources)
    return held_out


@dataclass
class Comparison:
    """Held-out losses and headline hits of several candidates on the same rows."""

    rows: FusionRows
    folds: NDArray[np.int16]
    metric: str
    losses: dict[str, Floats] = field(default_factory=dict)
    held_out: dict[str, Floats] = field(default_factory=dict)

    def add(self, name: str, scores: Floats, *, as_reference: bool = False) -> None:
        """Take in a candidate's cross-fitted scores."""
        kept, name = self.folds >= 0, REFERENCE if as_reference else name
        self.held_out[name] = scores[kept]
        self.losses[name] = row_losses(self.rows, scores)[kept]

    @property
    def reference_losses(self) -> Floats:
        """Held-out losses of the reference."""
        return self.losses[REFERENCE]

    def difference(self, worse: str, better: str) -> PairedDifference:
        """Return how much log loss the second candidate saves per row."""
        return paired_difference(self.losses[worse], self.losses[better], self.rows.clusters[self.folds >= 0])

    def reports(self, names: Iterable[str]) -> tuple[RungReport, ...]:
        """Return each candidate's loss, and how far it is behind the best of them."""
        means = {name: float(self.losses[name].mean()) for name in names}
        best = min(means, key=means.__getitem__)
        behind = {name: self.difference(name, best) for name in means}
        return tuple(RungReport(name, means[name], d.mean, d.standard_error) for name, d in behind.items())

    def simplest_near_best(self) -> str:
        """Return the first candidate that is at most one paired standard error behind the best."""
        return next(rung.rung for rung in self.reports(self.losses) if rung.behind_best <= rung.standard_error)

    def judged(self, chosen: str) -> str:
        """Return the rung to hold against the reference: the chosen one, or the best that combines sources at all."""
        combining = [name for name in self.losses if name not in {BestSingle.rung, REFERENCE}]
        if chosen != BestSingle.rung or not combining:
            return chosen
        return min(combining, key=lambda name: float(self.losses[name].mean()))

    def gate(self, rung: str, reference: str, *, wanted: str) -> Gate:
        """Return how a rung does against the reference; it passes only if it is the wanted one."""
        gain = self.difference(REFERENCE, rung)
        clusters = self.rows.clusters[self.folds >= 0]
        change = paired_difference(self._headline(rung), self._headline(REFERENCE), clusters)
        objection = ""
        if rung != wanted:
            objection = f"{wanted} is simpler and within one standard error of it"
        elif gain.mean <= 0 or gain.mean < gain.standard_error:
            objection = "the gain is below one standard error"
        elif change.mean < -change.standard_error:
            objection = f"{self.metric} falls by more than one standard error"
        gains = (gain.mean, gain.standard_error, self.metric, change.mean, change.standard_error)
        return Gate(rung, reference, *gains, objection=objection)

    def _headline(self, name: str) -> Floats:
        """Return (n,) contributions whose mean is the headline metric (for micro-F1: up to second order)."""
        if self.metric == "log_loss":
            return -self.losses[name]
        gold = targets_of(self.rows)[self.folds >= 0]
        if not self.rows.multi_label:
            answers = np.eye(gold.shape[1])[self.held_out[name].argmax(axis=1)]
        else:
            answers = (self.held_out[name] >= 0).astype(np.float64)
        if self.metric != "micro_f1":
            return np.asarray((answers == gold).all(axis=1), dtype=np.float64)
        hits, both = 2 * (answers * gold).sum(axis=1), (answers + gold).sum(axis=1)
        f1 = hits.sum() / max(both.sum(), 1.0)
        return np.asarray(f1 + (hits - f1 * both) / max(both.mean(), 1e-9))


def row_losses(rows: FusionRows, scores: Floats) -> Floats:
    """Return (n,) log losses; NaN where a row has no scores."""
    losses = np.full(len(rows), np.nan)
    scored = ~np.isnan(scores).any(axis=1)
    probabilities = expit(scores[scored]) if rows.multi_label else np.exp(scores[scored])
    losses[scored] = log_loss_per_row(rows.gold[scored], probabilities)
    return losses
