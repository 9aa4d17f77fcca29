"""Which combiner to deploy: rungs compared on cross-fitted losses, the simplest near the best, and a gate before it.

The rungs are ranked by held-out log loss; of those within one paired standard error of the best the simplest is taken
(Breiman et al. 1984, the one-standard-error rule, with the standard error of the difference). The gate then asks
whether that rung beats the reference, which is what the user could have had for less: the best single source, or the
fusion without any language model, chosen afresh inside each training fold. These figures select; they are not
performance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textclassify.core.scores import Scores
from textclassify.ensemble.combiners import Combiner, targets_of
from textclassify.ensemble.pooling import BestSingle, PriorPool
from textclassify.ensemble.readings import Floats
from textclassify.ensemble.rows import FusionRows
from textclassify.errors import ConfigError
from textclassify.statistics.folds import assign_folds
from textclassify.statistics.metrics import log_loss_per_row
from textclassify.statistics.resampling import PairedDifference, paired_difference

if TYPE_CHECKING:
    import pandas as pd

N_FOLDS = 5
MIN_ROWS = 10
"""Rows that can be held out, below which nothing is learned."""

METRICS = ("accuracy", "micro_f1", "subset_accuracy", "log_loss")
WITHOUT_LLM = "without_llm"
_REFERENCE = "reference"

RungFactory = Callable[..., Combiner]
"""Makes an unfitted rung; called with `random_state`. A class derived from `Combiner` is one."""


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


@dataclass(frozen=True)
class RungReport:
    """How one rung did on rows that it was not fitted on."""

    rung: str
    log_loss: float
    behind_best: float
    standard_error: float

    def __str__(self) -> str:
        behind = f"{self.behind_best:+.4f} +- {self.standard_error:.4f}"
        return f"{self.rung:<15} log loss {self.log_loss:.4f}, behind the best {behind}"


@dataclass(frozen=True)
class Gate:
    """Whether the chosen rung earns its place over the reference."""

    rung: str
    reference: str
    gain: float
    """Log loss saved per row, in nats."""
    standard_error: float
    metric: str
    metric_gain: float
    metric_standard_error: float
    passed: bool

    def __str__(self) -> str:
        gain = f"{self.gain:+.4f} +- {self.standard_error:.4f} nats"
        change = f"{self.metric} {self.metric_gain:+.4f} +- {self.metric_standard_error:.4f}"
        return (
            f"{self.rung} against {self.reference}: gain {gain}, {change}: {'passed' if self.passed else 'not passed'}"
        )


@dataclass(frozen=True)
class LadderReport:
    """What was compared, on how many rows, and why the deployed combiner was taken."""

    n_rows: int
    rungs: tuple[RungReport, ...] = ()
    gate: Gate | None = None
    selected: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    log_loss: float | None = None
    """Cross-fitted log loss of what was selected."""
    notes: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per rung."""
        import pandas as pd

        return pd.DataFrame([vars(rung) | {"selected": rung.rung == self.selected} for rung in self.rungs])

    def __str__(self) -> str:
        lines = [f"selected: {self.selected} ({len(self.rungs)} rungs compared on {self.n_rows} rows)"]
        lines += [f"  {rung}" for rung in self.rungs]
        if self.weights:
            lines.append("weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in self.weights.items()))
        return "\n".join(lines + ([f"gate: {self.gate}"] if self.gate else []) + list(self.notes))


@dataclass
class Ladder:
    """Fits the rungs, selects, gates and refits: a step like its rungs.

    Args:
        rungs: from simple to complex, without the best single source, which is always there.
        llm_names: sources that ask a language model.
        metric: the headline metric that the gate guards.
        random_state: seeds folds and networks.
        forced: deploy the only rung whatever the gate says.

    """

    rungs: Sequence[RungFactory]
    llm_names: frozenset[str]
    metric: str
    random_state: int = 0
    forced: bool = False
    combiner: Combiner = field(init=False)
    report: LadderReport = field(init=False)
    without_llm: Ladder | None = field(init=False, default=None)
    """The ladder of the same rows without language models; None where there is nothing to leave out."""

    def fit(self, rows: FusionRows) -> Ladder:
        """Select and fit the combiner for these sources."""
        if self.metric not in METRICS:
            raise ConfigError(f"unknown metric {self.metric!r}; known: {', '.join(METRICS)}")
        folds = self._folds(rows)
        if not _enough(rows, folds):
            return self._without_learning(rows)
        if self.forced:
            return self._deploy(self.rungs[0](random_state=self.random_state).fit(rows), LadderReport(len(rows)))
        comparison, rungs = _Comparison(rows, folds, self.metric), self._eligible(rows)
        for name, make in rungs.items():
            comparison.add(name, cross_fitted(make, rows, folds))
        chosen, reference = comparison.simplest_near_best(), _Reference(self).fit(rows)
        self.without_llm = reference.without_llm
        inside = Ladder(self._rungs_up_to(reference), self.llm_names, self.metric, self.random_state)
        comparison.add(reference.name, cross_fitted(lambda: _Reference(inside), rows, folds), as_reference=True)
        report = LadderReport(len(rows), comparison.reports(rungs), comparison.gate(chosen, reference.name))
        if comparison.gate(chosen, reference.name).passed:
            return self._deploy(rungs[chosen]().fit(rows), report, comparison.losses[chosen])
        self._deploy(reference.chosen, report, comparison.reference_losses)
        self.report = replace(self.report, selected=reference.name)
        return self

    def scores(self, sources: Mapping[str, Scores]) -> Floats:
        """Return log-probabilities or log-odds (n, K) of the deployed combiner."""
        return self.combiner.scores(sources)

    def _folds(self, rows: FusionRows) -> NDArray[np.int16]:
        if not len(rows):
            return np.zeros(0, dtype=np.int16)
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
        note = f"{len(rows)} rows are too few to learn from: prior weights, and no estimate of quality"
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
        alone = _losses(rows, cross_fitted(BestSingle, rows, folds))
        if without.report.log_loss < float(np.nanmean(alone)):
            self.chosen, self.name = without.combiner, WITHOUT_LLM
        return self

    def scores(self, sources: Mapping[str, Scores]) -> Floats:
        return self.chosen.scores(sources)


@dataclass
class _Comparison:
    """Held-out losses and headline hits of several candidates on the same rows."""

    rows: FusionRows
    folds: NDArray[np.int16]
    metric: str
    losses: dict[str, Floats] = field(default_factory=dict)
    held_out: dict[str, Floats] = field(default_factory=dict)

    def add(self, name: str, scores: Floats, *, as_reference: bool = False) -> None:
        kept, name = self.folds >= 0, _REFERENCE if as_reference else name
        self.held_out[name] = scores[kept]
        self.losses[name] = _losses(self.rows, scores)[kept]

    @property
    def reference_losses(self) -> Floats:
        return self.losses[_REFERENCE]

    def difference(self, worse: str, better: str) -> PairedDifference:
        return paired_difference(self.losses[worse], self.losses[better], self.rows.clusters[self.folds >= 0])

    def reports(self, names: Iterable[str]) -> tuple[RungReport, ...]:
        means = {name: float(self.losses[name].mean()) for name in names}
        best = min(means, key=means.__getitem__)
        behind = {name: self.difference(name, best) for name in means}
        return tuple(RungReport(name, means[name], d.mean, d.standard_error) for name, d in behind.items())

    def simplest_near_best(self) -> str:
        return next(rung.rung for rung in self.reports(self.losses) if rung.behind_best <= rung.standard_error)

    def gate(self, rung: str, reference: str) -> Gate:
        gain = self.difference(_REFERENCE, rung)
        clusters = self.rows.clusters[self.folds >= 0]
        change = paired_difference(self._headline(rung), self._headline(_REFERENCE), clusters)
        pays = gain.mean > 0 and gain.mean >= gain.standard_error
        return Gate(
            rung,
            reference,
            gain.mean,
            gain.standard_error,
            self.metric,
            change.mean,
            change.standard_error,
            passed=bool(pays and change.mean >= -change.standard_error),
        )

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


def _losses(rows: FusionRows, scores: Floats) -> Floats:
    """Return (n,) log losses; NaN where a row has no scores."""
    losses = np.full(len(rows), np.nan)
    scored = ~np.isnan(scores).any(axis=1)
    probabilities = expit(scores[scored]) if rows.multi_label else np.exp(scores[scored])
    losses[scored] = log_loss_per_row(rows.gold[scored], probabilities)
    return losses


def _enough(rows: FusionRows, folds: NDArray[np.int16]) -> bool:
    """Return whether there are rows to hold out, of at least two labels that have two rows each."""
    held_out = int((folds >= 0).sum())
    counts = targets_of(rows).sum(axis=0)
    learnable = int((counts >= 2).sum())
    return held_out >= MIN_ROWS and (learnable >= 2 or (rows.multi_label and learnable >= 1))
