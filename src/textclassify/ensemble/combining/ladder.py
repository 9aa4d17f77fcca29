"""Which combiner to deploy: rungs compared on cross-fitted losses, the simplest near the best, and a gate before it.

The rungs are ranked by held-out log loss; of those within one paired standard error of the best the simplest is taken
(Breiman et al. 1984, the one-standard-error rule, with the standard error of the difference). The gate then asks
whether that rung beats the reference, which is what the user could have had for less: the best single source, or the
fusion without any language model, chosen afresh inside each training fold. These figures select; they are not
performance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report as report_progress
from textclassify.core.progress import silenced
from textclassify.core.scores import Scores
from textclassify.ensemble.combining.combiners import Combiner, targets_of
from textclassify.ensemble.combining.comparison import REFERENCE, Comparison, cross_fitted, row_losses
from textclassify.ensemble.combining.decisions import Decision
from textclassify.ensemble.combining.ladder_report import LadderReport
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import EMBEDDINGS, Embeddings, FusionRows
from textclassify.ensemble.pooling import BestSingle, LogLinearPool, PriorPool
from textclassify.statistics.folds import assign_folds

N_FOLDS = 5
MIN_ROWS = 10
"""Rows that can be held out, below which nothing is learned."""

NESTED_BELOW = 2000
"""Rows below which the reference is selected afresh inside each training fold; with more, that changes no figure."""

METRICS = ("accuracy", "macro_f1", "micro_f1", "subset_accuracy", "log_loss")
WITHOUT_LLM = "without_llm"

RungFactory = Callable[..., Combiner]
"""Makes an unfitted rung; called with `random_state`. A class derived from `Combiner` is one."""


@dataclass
class Ladder:
    """Fits the rungs, selects, gates and refits: a step like its rungs.

    Args:
        rungs: from simple to complex, without the best single source, which is always there.
        llm_names: sources that ask a language model.
        metric: the headline metric that the gate guards.
        random_state: seeds folds and networks.
        forced: deploy the only rung whatever the gate says.
        learns: False = take prior weights, however many rows there are.
        non_empty: whether a text always gets a label; None = learned (multi-label only).
        calibrator: how sources that give probabilities are calibrated; None = by the number of rows.
        unasked: more rows that only the sources without a language model scored: what could be had for less is
            learned from these, too.

    """

    rungs: Sequence[RungFactory]
    llm_names: frozenset[str]
    metric: str
    random_state: int = 0
    forced: bool = False
    learns: bool = True
    non_empty: bool | None = None
    calibrator: Any = None
    unasked: FusionRows | None = None
    combiner: Combiner = field(init=False)
    report: LadderReport = field(init=False)
    decision: Decision = field(init=False)
    held_out: Floats | None = field(init=False, default=None)
    """Cross-fitted scores (n, K) of what is deployed; NaN where no fold holds the row out, None = nothing learned."""
    without_llm: Ladder | None = field(init=False, default=None)
    """The ladder of the same rows without language models; None where there is nothing to leave out."""

    def fit(self, rows: FusionRows) -> Ladder:
        """Select and fit the combiner for these sources."""
        if not self.can_learn(rows):
            return self._without_learning(rows)
        folds = self.folds_of(rows)
        comparison = Comparison(rows, folds, self.metric, self.non_empty)
        if self.forced:
            return self._forced(rows, comparison)
        rungs = self._eligible(rows)
        for number, (name, make) in enumerate(rungs.items()):
            report_progress("comparing combiners", number, len(rungs) + 1)
            comparison.add(name, cross_fitted(make, rows, folds))
        report_progress("comparing combiners", len(rungs), len(rungs) + 1)
        if len(rungs) == 1:  # one source: nothing to combine, and nothing to hold it against
            report = LadderReport(len(rows), comparison.reports(rungs))
            self._deploy(rungs[BestSingle.rung]().fit(rows), report, comparison, BestSingle.rung)
        else:
            self._gated(rows, comparison, rungs)
        report_progress("comparing combiners", len(rungs) + 1, len(rungs) + 1)
        return self

    def _forced(self, rows: FusionRows, comparison: Comparison) -> Ladder:
        """Deploy the only rung; its cross-fitted scores are for what is learned on top of it."""
        make = self.maker(self.rungs[0])
        name = make().rung
        comparison.add(name, cross_fitted(make, rows, comparison.folds))
        report = LadderReport(len(rows), comparison.reports([name]))
        return self._deploy(make().fit(rows), report, comparison, name)

    def _gated(self, rows: FusionRows, comparison: Comparison, rungs: Mapping[str, Callable[[], Combiner]]) -> None:
        """Deploy the simplest rung near the best if it beats the reference, else the reference."""
        with silenced():
            chosen, reference = comparison.simplest_near_best(), _Reference(self).fit(rows)
            self.without_llm = reference.without_llm
            held_out = reference.held_out
            if len(rows) + len(self.unasked or ()) < NESTED_BELOW:
                inside = replace(self, rungs=self._rungs_up_to(reference))
                held_out = cross_fitted(lambda: _Reference(inside, rows.clusters), rows, comparison.folds)
        comparison.add(reference.name, held_out, as_reference=True)
        gate = comparison.gate(comparison.judged(chosen), reference.name, wanted=chosen)
        report = LadderReport(len(rows), comparison.reports(rungs), gate, pool_weights=_pool_weights(rows))
        if gate.passed:
            self._deploy(rungs[chosen]().fit(rows), report, comparison, chosen)
        else:
            self._deploy(reference.chosen, report, comparison, REFERENCE)
            self.report = replace(self.report, selected=reference.name)

    def can_learn(self, rows: FusionRows) -> bool:
        """Return whether there are enough rows to hold out, of at least two labels that have two rows each."""
        return self.learns and len(rows) >= MIN_ROWS and _enough(rows, self.folds_of(rows))

    def scores(self, sources: Mapping[str, Scores], embeddings: Embeddings | None = None) -> Floats:
        """Return log-probabilities or log-odds (n, K) of the deployed combiner."""
        return self.combiner.scores(sources, embeddings)

    def folds_of(self, rows: FusionRows) -> NDArray[np.int16]:
        """Return the fold that holds each row out, (n,); -1 for rows that are in every training part."""
        return assign_folds(rows.gold, N_FOLDS, rows.clusters, random_state=self.random_state)

    def _eligible(self, rows: FusionRows) -> dict[str, Callable[[], Combiner]]:
        makers: dict[str, Callable[[], Combiner]] = {BestSingle.rung: self.maker(BestSingle)}
        for make in self.rungs if len(rows.available) > 1 else ():
            rung = make(random_state=self.random_state)
            useful = (rows.multi_label or not rung.multi_label_only) and (
                rows.embeddings is not None or not rung.uses_embeddings
            )
            if useful and len(rows) >= rung.min_rows:
                makers[rung.rung] = self.maker(make)
        return makers

    def maker(self, make: RungFactory) -> Callable[[], Combiner]:
        """Return what makes unfitted rungs of one kind, seeded and calibrated as all of this ladder."""

        def made() -> Combiner:
            rung = make(random_state=self.random_state)
            rung.calibrator = self.calibrator
            return rung

        return made

    def _rungs_up_to(self, reference: _Reference) -> list[RungFactory]:
        """Return the rungs that the reference tries inside training folds: none beyond the one it takes on all rows.

        Networks that lose on all rows are not worth fitting five times five times more.
        """
        without = reference.without_llm
        wanted = without.combiner.rung if without else BestSingle.rung
        names = [make(random_state=self.random_state).rung for make in self.rungs]
        return list(self.rungs[: names.index(wanted) + 1]) if wanted in names else list(self.rungs[:1])

    def _without_learning(self, rows: FusionRows) -> Ladder:
        note = f"nothing could be learned from {len(rows)} rows: prior weights, and no estimate of quality"
        self.combiner = PriorPool().fit(rows)
        self.decision = Decision.untuned(len(rows.labels), non_empty=bool(self.non_empty))
        self.report = LadderReport(
            len(rows), selected=self.combiner.rung, weights=self.combiner.weights(), notes=(note,)
        )
        return self

    def _deploy(self, combiner: Combiner, report: LadderReport, comparison: Comparison, compared: str) -> Ladder:
        """Take a fitted combiner, and tune its decision on the cross-fitted scores of the candidate that it was."""
        self.combiner, self.held_out = combiner, comparison.held_out[compared]
        self.decision = comparison.decision(compared)
        loss = float(comparison.losses[compared].mean())
        self.report = replace(report, selected=combiner.rung, weights=combiner.weights(), log_loss=loss)
        return self


@dataclass
class _Reference:
    """What could be had for less: the best single source, or the same ladder without language models."""

    ladder: Ladder
    clusters: NDArray[np.int64] | None = None
    """Of all asked rows; those that are not in the rows of `fit` are held out, and so are their copies."""
    chosen: Combiner = field(init=False)
    name: str = field(init=False, default=BestSingle.rung)
    without_llm: Ladder | None = field(init=False, default=None)
    held_out: Floats = field(init=False)
    """Cross-fitted scores (n, K) of what was chosen; the choice was made on all rows."""

    def fit(self, rows: FusionRows) -> _Reference:
        best_single = self.ladder.maker(BestSingle)
        folds = self.ladder.folds_of(rows)
        self.chosen, self.held_out = best_single().fit(rows), cross_fitted(best_single, rows, folds)
        free = [name for name in rows.names if name not in self.ladder.llm_names]
        if not free or len(free) == len(rows.names):
            return self
        ladder = self.ladder
        kept = (*free, EMBEDDINGS) if rows.embeddings is not None else free
        free_rows = rows.only(kept)
        if ladder.unasked is not None:
            held_out_clusters = np.setdiff1d([] if self.clusters is None else self.clusters, rows.clusters)
            known = ~np.isin(ladder.unasked.clusters, held_out_clusters)
            free_rows = free_rows.joined(ladder.unasked.take(np.flatnonzero(known)))
        without = replace(ladder, llm_names=frozenset(), unasked=None).fit(free_rows)
        self.without_llm = without
        if without.held_out is None or without.combiner.needs == self.chosen.needs:
            return self
        held_out = without.held_out[np.isin(free_rows.places, rows.places)]
        if np.nanmean(row_losses(rows, held_out)) < np.nanmean(row_losses(rows, self.held_out)):
            self.chosen, self.name = without.combiner, WITHOUT_LLM
            self.held_out = np.where(np.isnan(held_out), self.held_out, held_out)  # held out by one of both only
        return self

    def scores(self, sources: Mapping[str, Scores], embeddings: Embeddings | None = None) -> Floats:
        return self.chosen.scores(sources, embeddings)


def _pool_weights(rows: FusionRows) -> dict[str, float]:
    return LogLinearPool().fit(rows).weights()


def _enough(rows: FusionRows, folds: NDArray[np.int16]) -> bool:
    """Return whether there are rows to hold out, of at least two labels that have two rows each."""
    held_out = int((folds >= 0).sum())
    counts = targets_of(rows).sum(axis=0)
    learnable = int((counts >= 2).sum())
    return held_out >= MIN_ROWS and (learnable >= 2 or (rows.multi_label and learnable >= 1))
