"""Candidates on the same held-out rows: cross-fitted scores, paired differences, the rule that selects, the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textclassify.core.scores import Scores
from textclassify.ensemble.combining.combiners import targets_of
from textclassify.ensemble.combining.decisions import Decision, held_out_answers, row_hits, tuned_decision
from textclassify.ensemble.combining.ladder_report import Gate, RungReport
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import Embeddings, FusionRows
from textclassify.ensemble.pooling import BestSingle
from textclassify.statistics.metrics import log_loss_per_row
from textclassify.statistics.resampling import PairedDifference, paired_difference

REFERENCE = "reference"
"""Name of the candidate that the gate compares with."""


class Step(Protocol):
    """Anything that learns from rows and then scores others."""

    def fit(self, rows: FusionRows) -> Step:
        """Learn from rows."""

    def scores(self, sources: Mapping[str, Scores], embeddings: Embeddings | None = None) -> Floats:
        """Return log-probabilities or log-odds (n, K)."""


def cross_fitted(make: Callable[[], Step], rows: FusionRows, folds: NDArray[np.int16]) -> Floats:
    """Return scores (n, K) of each row by a step that was fitted without it; NaN where no fold holds the row out."""
    held_out = np.full((len(rows), len(rows.labels)), np.nan)
    for outside, inside, others in rows.splits(folds):
        held_out[outside] = make().fit(inside).scores(others.sources, others.embeddings)
    return held_out


@dataclass
class Comparison:
    """Held-out losses and headline hits of several candidates on the same rows."""

    rows: FusionRows
    folds: NDArray[np.int16]
    metric: str
    non_empty: bool | None = None
    losses: dict[str, Floats] = field(default_factory=dict)
    held_out: dict[str, Floats] = field(default_factory=dict)
    """Cross-fitted scores (n, K) by candidate; NaN where no fold holds the row out."""

    def add(self, name: str, scores: Floats, *, as_reference: bool = False) -> None:
        """Take in a candidate's cross-fitted scores."""
        kept, name = self.folds >= 0, REFERENCE if as_reference else name
        self.held_out[name] = scores
        self.losses[name] = row_losses(self.rows, scores)[kept]

    def decision(self, name: str) -> Decision:
        """Return the decision that is best for a candidate's held-out scores."""
        if not self.rows.multi_label:
            return Decision.untuned(len(self.rows.labels))
        return tuned_decision(
            self.held_out[name],
            self.rows.gold,
            self.folds,
            self.metric,
            clusters=self.rows.clusters,
            non_empty=self.non_empty,
        )

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
        """Return (m,) contributions of the held-out rows whose mean is the headline metric."""
        if self.metric == "log_loss":
            return -self.losses[name]
        kept = self.folds >= 0
        gold, scores = targets_of(self.rows)[kept], self.held_out[name][kept]
        if self.rows.multi_label:
            answers = held_out_answers(
                scores,
                self.rows.gold[kept],
                self.folds[kept],
                self.metric,
                clusters=self.rows.clusters[kept],
                non_empty=self.non_empty,
            )
        else:
            answers = np.eye(gold.shape[1], dtype=np.int8)[scores.argmax(axis=1)]
        return row_hits(answers, gold, self.metric)


def row_losses(rows: FusionRows, scores: Floats) -> Floats:
    """Return (n,) log losses; NaN where a row has no scores."""
    losses = np.full(len(rows), np.nan)
    scored = ~np.isnan(scores).any(axis=1)
    probabilities = expit(scores[scored]) if rows.multi_label else np.exp(scores[scored])
    losses[scored] = log_loss_per_row(rows.gold[scored], probabilities)
    return losses
