"""What every way of combining sources shares: learn from rows, give scores, say what each source added."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, softmax

from textclassify.core.scores import Scores
from textclassify.ensemble.combining.readings import Arrays, Floats, Reading, reading_for
from textclassify.ensemble.combining.rows import EMBEDDINGS, Embeddings, FusionRows
from textclassify.errors import ScoresError

Evidence: TypeAlias = dict[str, Floats]
"""Per source: calibrated log-probabilities or log-odds (n, K); for a rung that uses them, the embeddings (n, D)."""


class Combiner(ABC):
    """One rung of the ladder: sources' scores in, log-probabilities (multi-label: log-odds) out.

    One of your own names its `rung` and implements `_learn` and `_parts`; what it learns are arrays whose names end in
    `_`.
    """

    rung: ClassVar[str]
    min_rows: ClassVar[int] = 0
    """Rows below which it is not tried."""
    multi_label_only: ClassVar[bool] = False
    """Whether it is of use for multi-label scores only."""
    uses_embeddings: ClassVar[bool] = False
    """Whether it needs vectors of the texts, `evidence["embeddings"]`."""
    uses_settings: ClassVar[tuple[str, ...]] = ()
    """Which settings of the fusion network make a difference to it."""

    multi_label: bool
    names: tuple[str, ...]
    readings: dict[str, Reading]

    calibrator: Any = None
    """How sources that give probabilities are calibrated; None = by the number of rows."""

    def __init__(self, *, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, rows: FusionRows) -> Self:
        """Learn from rows that every source scored."""
        self.multi_label = rows.multi_label
        self.names = rows.names
        key = ("readings", type(self)._reading, str(self.calibrator))  # noqa: SLF001 - the rung's own way to read
        self.readings, evidence = rows.learned(key, lambda: self._read_all(rows))
        self._learn(self._with_embeddings(self._centred(evidence), rows.embeddings), rows)
        return self

    def _read_all(self, rows: FusionRows) -> tuple[dict[str, Reading], Evidence]:
        """Return each source's reading, learned from the rows, and what it makes of them."""
        readings = {name: self._reading(scores) for name, scores in rows.sources.items()}
        evidence = {
            name: reading.fit_read(rows.sources[name], rows.gold, rows.weight, rows.clusters)
            for name, reading in readings.items()
        }
        return readings, evidence

    @property
    def needs(self) -> tuple[str, ...]:
        """The sources whose scores (and "embeddings", where they) make a difference."""
        return (*self.names, EMBEDDINGS) if self.uses_embeddings else self.names

    def scores(self, sources: Mapping[str, Scores], embeddings: Embeddings | None = None) -> Floats:
        """Return log-probabilities (log-odds) of shape (n, K) for rows that every needed source scored."""
        logits = np.sum(list(self.contributions(sources, embeddings).values()), axis=0)
        return logits if self.multi_label else np.asarray(log_softmax(logits, axis=1))

    def contributions(self, sources: Mapping[str, Scores], embeddings: Embeddings | None = None) -> Evidence:
        """Return what each part adds to the logits: {source (or "label bias", "interaction"): (n, K)}."""
        needed = [name for name in self.needs if name != EMBEDDINGS]
        evidence = self._centred({name: self.readings[name].read(sources[name]) for name in needed})
        return self._parts(self._with_embeddings(evidence, embeddings))

    def _with_embeddings(self, evidence: Evidence, embeddings: Embeddings | None) -> Evidence:
        """Return the evidence and, for a rung that uses them, the embeddings beside it."""
        if not self.uses_embeddings:
            return evidence
        if embeddings is None:
            raise ScoresError(f"the rung {self.rung!r} needs the texts' vectors; pass embeddings=... of shape (n, D)")
        return {**evidence, EMBEDDINGS: embeddings.astype(np.float64)}

    def weights(self) -> dict[str, float]:
        """Return each source's weight, where the combiner has one number for it."""
        return {}

    def state(self) -> Arrays:
        """Return all that was learned, as arrays by name."""
        arrays = {name: np.asarray(value) for name, value in vars(self).items() if name.endswith("_")}
        for number, name in enumerate(self.names):
            arrays |= {f"reading.{number}.{key}": value for key, value in self.readings[name].state().items()}
        return arrays

    def load_state(self, sources: Mapping[str, Scores], state: Arrays) -> Self:
        """Take over what a combiner of the same rung learned from sources of these scales."""
        self.names = tuple(sorted(sources))
        self.multi_label = next(iter(sources.values())).multi_label
        self.readings = {name: self._reading(sources[name]) for name in self.names}
        for number, name in enumerate(self.names):
            start = f"reading.{number}."
            self.readings[name].load_state(
                {key.removeprefix(start): a for key, a in state.items() if key.startswith(start)}
            )
        for name, value in state.items():
            if not name.startswith("reading."):
                setattr(self, name, value)
        return self

    def _centred(self, evidence: Evidence) -> Evidence:
        """Return single-label evidence less its mean over labels, so that a source that says nothing adds nothing."""
        if self.multi_label:
            return evidence
        return {name: values - values.mean(axis=1, keepdims=True) for name, values in evidence.items()}

    def _reading(self, scores: Scores) -> Reading:
        return reading_for(scores, calibrator=self.calibrator)

    @abstractmethod
    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        """Learn from calibrated evidence and gold."""

    @abstractmethod
    def _parts(self, evidence: Evidence) -> Evidence:
        """Return the additive parts of the logits."""


def targets_of(rows: FusionRows) -> Floats:
    """Return gold as (n, K) zeros and ones."""
    if rows.multi_label:
        return rows.gold.astype(np.float64)
    return np.asarray(np.eye(len(rows.labels))[rows.gold])


def loss_and_residual(logits: Floats, targets: Floats, weight: Floats, *, multi_label: bool) -> tuple[float, Floats]:
    """Return the summed log loss and its gradient by the logits (n, K)."""
    if multi_label:
        losses = (np.logaddexp(0.0, logits) - targets * logits).sum(axis=1)
        probabilities = expit(logits)
    else:
        losses = logsumexp(logits, axis=1) - (targets * logits).sum(axis=1)
        probabilities = softmax(logits, axis=1)
    return float(weight @ losses), weight[:, None] * (probabilities - targets)
