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
from functools import partial

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report as report_progress
from textclassify.core.progress import silenced
from textclassify.core.scores import Scores
from textclassify.ensemble.combiners import Combiner, targets_of
from textclassify.ensemble.comparison import Comparison, cross_fitted, row_losses
from textclassify.ensemble.ladder_report import LadderReport
from textclassify.ensemble.pooling import BestSingle, LogLinearPool, PriorPool
from textclassify.ensemble.readings import Floats
from textclassify.ensemble.rows import FusionRows
from textclassify.errors import ConfigError
from textclassify.statistics.folds import assign_folds

N_FOLDS = 5
MIN_ROWS = 10
"""Rows that can be held out, below which nothing is learned."""

METRICS = ("accuracy", "micro_f1", "subset_accuracy", "log_loss")
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

    """

    rungs: Sequence[RungFactory]
    llm_names: frozenset[str]
    metric: str
    random_state: int = 0
    forced: bool = False
    learns: bool = True
    combiner: Combiner = field(init=False)
    report: LadderReport = field(init=False)
    without_llm: Ladder | None = field(init=False, default=None)
    """The ladder of the same rows without language models; None where there is nothing to leave out."""

    def fit(self, rows: FusionRows) -> Ladder:
        """Select and fit the combiner for these sources."""
        if self.metric not in METRICS:
            raise ConfigError(f"unknown metric {self.metric!r}; known: {', '.join(METRICS)}")
        if not self.can_learn(rows):
            return self._without_learning(rows)
        folds = self._folds(rows)
        if self.forced:
            return self._deploy(self.rungs[0](random_state=self.random_state).fit(rows), LadderReport(len(rows)))
        comparison, rungs = Comparison(rows, folds, self.metric), self._eligible(rows)
        for number, (name, make) in enumerate(rungs.items()):
            report_progress("comparing combiners", number, len(rungs) + 1)
            comparison.add(name, cross_fitted(make, rows, folds))
        report_progress("comparing combiners", len(rungs), len(rungs) + 1)
        if len(rungs) == 1:  # one source: nothing to combine, and nothing to hold it against
            report = LadderReport(len(rows), comparison.reports(rungs))
            self._deploy(BestSingle().fit(rows), report, comparison.losses[BestSingle.rung])
        else:
            self._gated(rows, comparison, rungs)
        report_progress("comparing combiners", len(rungs) + 1, len(rungs) + 1)
        return self

    def _gated(self, rows: FusionRows, comparison: Comparison, rungs: Mapping[str, Callable[[], Combiner]]) -> None:
        """Deploy the simplest rung near the best if it beats the reference, else the reference."""
        with silenced():
            chosen, reference = comparison.simplest_near_best(), _Reference(self).fit(rows)
            self.without_llm = reference.without_llm
            inside = Ladder(self._rungs_up_to(reference), self.llm_names, self.metric, self.random_state)
            held_out = cross_fitted(lambda: _Reference(inside), rows, self._folds(rows))
        comparison.add(reference.name, held_out, as_reference=True)
        gate = comparison.gate(comparison.judged(chosen), reference.name, wanted=chosen)
        report = LadderReport(len(rows), comparison.reports(rungs), gate, pool_weights=_pool_weights(rows))
        if gate.passed:
            self._deploy(rungs[chosen]().fit(rows), report, comparison.losses[chosen])
        else:
            self._deploy(reference.chosen, report, comparison.reference_losses)
            self.report = replace(self.report, selected=reference.name)

    def can_learn(self, rows: FusionRows) -> bool:
        """Return whether there are enough rows to hold out, of at least two labels that have two rows each."""
        return self.learns and len(rows) >= MIN_ROWS and _enough(rows, self._folds(rows))

    def scores(self, sources: Mapping[str, Scores]) -> Floats:
        """Return log-probabilities or log-odds (n, K) of the deployed combiner."""
        return self.combiner.scores(sources)

    def _folds(self, rows: FusionRows) -> NDArray[np.int16]:
        return assign_folds(rows.gold, N_FOLDS, rows.clusters, random_state=self.random_state)

    def _eligible(self, rows: FusionRows) -> dict[str, Callable[[], Combiner]]:
        makers: dict[str, Callable[[], Combiner]] = {BestSingle.rung: BestSingle}
        if len(rows.names) > 1:
            for make in self.rungs:
                rung = make(random_state=self.random_state)
                if len(rows) >= rung.min_rows:
                    makers[rung.rung] = partial(make, random_state=self.random_state)
        return makers

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
        return self._deploy(PriorPool().fit(rows), LadderReport(len(rows), notes=(note,)))

    def _deploy(self, combiner: Combiner, report: LadderReport, losses: Floats | None = None) -> Ladder:
        self.combiner = combiner
        loss = None if losses is None else float(losses.mean())
        self.report = replace(report, selected=combiner.rung, weights=combiner.weights(), log_loss=loss)
        return self


@dataclass
class _Reference:
    """What could be had for less: the best single source, or the same ladder without language models."""

    ladder: Ladder
    chosen: Combiner = field(init=False)
    name: str = field(init=False, default=BestSingle.rung)
    without_llm: Ladder | None = field(init=False, default=None)

    def fit(self, rows: FusionRows) -> _Reference:
        self.chosen = BestSingle().fit(rows)
        free = [name for name in rows.names if name not in self.ladder.llm_names]
        if not free or len(free) == len(rows.names):
            return self
        ladder = self.ladder
        without = Ladder(ladder.rungs, frozenset(), ladder.metric, ladder.random_state).fit(rows.only(free))
        self.without_llm = without
        if without.report.log_loss is None or without.combiner.needs == self.chosen.needs:
            return self
        folds = ladder._folds(rows)  # noqa: SLF001 - the same folds as the ladder's own
        alone = row_losses(rows, cross_fitted(BestSingle, rows, folds))
        if without.report.log_loss < float(np.nanmean(alone)):
            self.chosen, self.name = without.combiner, WITHOUT_LLM
        return self

    def scores(self, sources: Mapping[str, Scores]) -> Floats:
        return self.chosen.scores(sources)


def _pool_weights(rows: FusionRows) -> dict[str, float]:
    return LogLinearPool().fit(rows).weights()


def _enough(rows: FusionRows, folds: NDArray[np.int16]) -> bool:
    """Return whether there are rows to hold out, of at least two labels that have two rows each."""
    held_out = int((folds >= 0).sum())
    counts = targets_of(rows).sum(axis=0)
    learnable = int((counts >= 2).sum())
    return held_out >= MIN_ROWS and (learnable >= 2 or (rows.multi_label and learnable >= 1))
