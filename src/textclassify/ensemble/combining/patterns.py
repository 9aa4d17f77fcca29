"""Which combiner answers when some sources have no scores: one per availability pattern, and which one is deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import silenced
from textclassify.core.scores import Scores
from textclassify.ensemble.combining.ladder import WITHOUT_LLM, Ladder
from textclassify.ensemble.combining.ladder_report import LadderReport
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import EMBEDDINGS, FusionRows, complete
from textclassify.ensemble.pooling import BestSingle

Names = tuple[str, ...]


@dataclass
class Patterns:
    """The combiners of a fusion by the sources that have scores, fitted from stored rows when first needed.

    Args:
        rows: what the fusion learns from.
        llm_names: sources that ask a language model.
        new_ladder: makes an unfitted ladder.
        fitted: ladders by the names of their sources.

    """

    rows: FusionRows
    llm_names: frozenset[str]
    new_ladder: Callable[[], Ladder]
    fitted: dict[Names, Ladder] = field(default_factory=dict)
    _learnable_names: dict[Names, tuple[Names, list[str]]] = field(default_factory=dict, repr=False)

    @property
    def free_names(self) -> Names:
        """The sources that ask no language model."""
        return tuple(name for name in self.rows.names if name not in self.llm_names)

    @property
    def full(self) -> Ladder:
        """The ladder of all sources that there are rows for in common."""
        return self._fitted_on(self.rows.available)

    @property
    def deployed(self) -> Ladder:
        """The ladder that answers when every source has scores.

        Where a language model turned out not to be needed, that is the ladder fitted without any, on all its rows.
        """
        return self.full if self.asks_llm or not self._has_both else self.free

    @property
    def report(self) -> LadderReport:
        """What was compared with all sources, and what was deployed in the end."""
        report = self.full.report
        if self.asks_llm or not self._has_both:
            return report
        without = self.free
        name = without.report.selected if isinstance(without.combiner, BestSingle) else WITHOUT_LLM
        gate = report.gate
        if gate is not None and gate.passed:
            gate = replace(gate, objection="it gives no language model any weight")
        return replace(report, selected=name, gate=gate, weights=without.report.weights)

    @property
    def free(self) -> Ladder:
        """The ladder fitted without language models, on all rows that the other sources scored."""
        return self._fitted_on(self.free_available)

    @property
    def free_available(self) -> Names:
        """The sources that ask no language model, and "embeddings" where there are any."""
        return tuple(name for name in self.rows.available if name not in self.llm_names)

    @property
    def asks_llm(self) -> bool:
        """Whether a language model's scores make a difference to what is deployed."""
        return bool(set(self.full.combiner.needs) & self.llm_names)

    @property
    def _has_both(self) -> bool:
        return 0 < len(self.free_names) < len(self.rows.names)

    def ladder_for(self, names: Names) -> Ladder:
        """Return the ladder for rows that exactly the named sources scored.

        Rows without any language model's scores get the ladder that was fitted without language models, whole.
        """
        answering = self.deployed if set(names) & self.llm_names or not self.free_names else self.free
        if set(answering.combiner.needs) <= set(names):
            return answering
        return self._fitted_on(names)

    def held_out(self, names: Names) -> Floats:
        """Return the cross-fitted scores (n, K) of the ladder of the named sources; NaN where there are none."""
        ladder = self._fitted_on(names)
        usable, _ = self._learnable_names[self._ordered(names)]
        everywhere = np.full((len(self.rows), len(self.rows.labels)), np.nan)
        if ladder.held_out is not None:
            everywhere[self.rows.scored_by(usable)] = ladder.held_out
        return everywhere

    def by_row(self, sources: Mapping[str, Scores], extra: Names = ()) -> list[tuple[Names, NDArray[np.intp]]]:
        """Return which sources scored which rows, with what every row has; rows that no source scored are left out."""
        names = [name for name in sources if name in self.rows.sources]
        if not names:
            return []
        scored = np.stack([complete(sources[name]) for name in names])
        patterns, which = np.unique(scored, axis=1, return_inverse=True)
        found = []
        for number, pattern in enumerate(patterns.T):
            present = tuple(name for name, there in zip(names, pattern, strict=True) if there)
            if present:
                found.append((present + extra, np.flatnonzero(which.ravel() == number)))
        return found

    def _fitted_on(self, names: Names) -> Ladder:
        names = self._ordered(names)
        if names not in self._learnable_names:
            self._learnable_names[names] = self._learnable(names)
        usable, notes = self._learnable_names[names]
        if usable not in self.fitted:
            rows = self.rows.only(usable)
            free = tuple(name for name in usable if name not in self.llm_names)
            with silenced() if self.fitted else nullcontext():
                ladder = self.fitted[usable] = replace(self.new_ladder(), unasked=self._unasked(usable, free)).fit(rows)
            ladder.report = replace(ladder.report, notes=(*ladder.report.notes, *notes))
            if ladder.without_llm is not None:
                self.fitted.setdefault(free, ladder.without_llm)  # fitted on all rows of the free sources
        return self.fitted[usable]

    def _ordered(self, names: Names) -> Names:
        return tuple(sorted(names, key=self.rows.available.index))

    def _unasked(self, names: Names, free: Names) -> FusionRows | None:
        """Return the rows that the free sources scored, and not all the named ones."""
        if not free or len(free) == len(names) or free == (EMBEDDINGS,):
            return None
        only_free = np.setdiff1d(self.rows.scored_by(free), self.rows.scored_by(names))
        return self.rows.take(only_free).only(free) if len(only_free) else None

    def _learnable(self, names: Names) -> tuple[Names, list[str]]:
        """Return the names less those without enough rows in common with the others, fewest rows first.

        Where no subset can be learned from, all stay: nothing is learned then.
        """
        kept, notes = names, []
        while not self.new_ladder().can_learn(self.rows.only(kept)):
            scored = {name: len(self.rows.scored_by([name])) for name in kept if name in self.rows.sources}
            if len(scored) < 2:
                return names, []
            fewest = min(scored, key=lambda name: (scored[name], name not in self.llm_names, name))
            notes.append(f"{fewest} is left out: only {scored[fewest]} of {len(self.rows)} rows have its scores")
            kept = tuple(name for name in kept if name != fewest)
        return kept, notes
