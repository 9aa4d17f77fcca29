"""Stage 2 of the live benchmark: fusions fitted to kept scores, and the figures of the paper's table."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_cells import Cell, answered_everywhere
from live_data import FREE_SOURCES
from textclassify import ScoreFusion, Scores
from textclassify.core.labels import LabelSchema
from textclassify.core.result import decide
from textclassify.statistics import (
    correct_per_row,
    label_table,
    log_loss,
    macro_f1,
    micro_f1,
    paired_difference,
    subset_accuracy,
)

ENCODER, NO_LLM, FUSION = "encoder", "fusion without a language model", "fusion"
REFIT = "encoder, calibrated"


@dataclass(frozen=True)
class Answers:
    """What one system answered about the test rows of a cell.

    Attributes:
        codes: (m,) label codes or (m, K) indicator.
        probabilities: (m, K).
        note: the combiner that was deployed; empty for a source as it is.
        seconds: what fitting the fusion and its answers took.

    """

    codes: NDArray[Any]
    probabilities: NDArray[np.float64]
    note: str = ""
    seconds: float = 0.0

    def take(self, rows: NDArray[np.intp]) -> Answers:
        """Return the answers about some rows."""
        return replace(self, codes=self.codes[rows], probabilities=self.probabilities[rows])


@dataclass(frozen=True)
class CellAnswers:
    """What every system answered about the test rows that all of them scored, and the free ones about all rows."""

    cell: Cell
    rows: NDArray[np.intp]
    systems: dict[str, Answers] = field(default_factory=dict)
    free_systems: dict[str, Answers] = field(default_factory=dict)

    @property
    def gold(self) -> NDArray[Any]:
        """Gold of the rows that all systems answered."""
        return self.cell.test_gold[self.rows]

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return metrics by system."""
        out: dict[str, dict[str, Any]] = {}
        for name, answers in self.systems.items():
            out[name] = {**metrics(self.gold, answers.codes), "log_loss": log_loss(self.gold, answers.probabilities)}
            if answers.note:
                out[name] |= {"selected": answers.note, "seconds": round(answers.seconds, 1)}
        return out

    def correct(self, system: str) -> NDArray[np.float64]:
        """Return whether each row's whole answer is right, (m,)."""
        return correct_per_row(self.gold, self.systems[system].codes).astype(np.float64)


def answered_cell(cell: Cell) -> CellAnswers:
    """Return the answers of each source as it is, the calibrated encoder, and the fusions with and without models."""
    everywhere = np.arange(len(cell.test_gold))
    rows = answered_everywhere(cell, cell.models) if cell.models else everywhere
    found = CellAnswers(cell, rows)
    for name in FREE_SOURCES:
        found.free_systems[name] = of_source(cell, name, everywhere)
    found.free_systems[REFIT] = fused(cell, [ENCODER], everywhere)
    found.free_systems[NO_LLM] = fused(cell, FREE_SOURCES, everywhere)
    found.systems.update({name: of_source(cell, name, rows) for name in cell.models})
    found.systems.update({name: answers.take(rows) for name, answers in found.free_systems.items()})
    for model in cell.models:
        found.systems[f"{FUSION} with {model}"] = fused(cell, [*FREE_SOURCES, model], rows)
    return found


def of_source(cell: Cell, name: str, rows: NDArray[np.intp]) -> Answers:
    """Return a source's answers without anything learned: its best label, or its labels at 0.5 and above.

    A language model that was asked which one label fits best answers with that one, whatever its share.
    """
    scores = cell.test[name].take(rows)
    found = as_it_is(scores)
    if not (cell.multi_label and name in cell.models):
        return found
    best = scores.probabilities.argmax(axis=1)
    return replace(found, codes=np.eye(len(scores.labels), dtype=np.uint8)[best])


def as_it_is(scores: Scores) -> Answers:
    """Return the answers that scores imply without anything learned."""
    return Answers(decide(scores).codes, scores.probabilities)


def fused(
    cell: Cell,
    names: Iterable[str],
    rows: NDArray[np.intp],
    *,
    replaced: Mapping[str, tuple[Scores, Scores]] | None = None,
    vectors: bool = False,
    **options: Any,
) -> Answers:
    """Return the answers of a `ScoreFusion` that learned from the named sources' held-out scores.

    Args:
        cell: the scores.
        names: sources to fuse.
        rows: test rows to answer.
        replaced: other scores of training and test rows for some sources.
        vectors: pass on the texts' frozen vectors.
        **options: of `ScoreFusion`.

    """
    replaced = replaced or {}
    train = {name: replaced[name][0] if name in replaced else cell.train[name] for name in names}
    test = {name: (replaced[name][1] if name in replaced else cell.test[name]).take(rows) for name in names}
    labels = LabelSchema(next(iter(train.values())).labels, multi_label=cell.multi_label)
    given = [{"embeddings": part} if vectors else {} for part in (cell.vectors[0], cell.vectors[1][rows])]
    started = time.perf_counter()
    fusion = ScoreFusion(random_state=cell.seed, **options).fit(train, labels.decode(cell.gold), **given[0])
    result = fusion.predict(test, **given[1])
    seconds = time.perf_counter() - started
    return Answers(result.codes, result.probabilities, fusion.selected_, seconds)


def metrics(gold: NDArray[Any], codes: NDArray[Any]) -> dict[str, float]:
    """Return the figures of the paper's table.

    One label per text: accuracy and unweighted means over the labels of F1, precision and recall. Several: share of
    texts with the right set, micro- and macro-F1, and precision and recall of all decisions pooled.
    """
    table = label_table(gold, codes)
    if gold.ndim == 1:
        return {
            "accuracy": float(np.mean(gold == codes)),
            "macro_f1": macro_f1(gold, codes),
            "macro_precision": float(np.nanmean(table.precision)),
            "macro_recall": float(np.nanmean(table.recall)),
        }
    return {
        "subset_accuracy": subset_accuracy(gold, codes),
        "micro_f1": micro_f1(gold, codes),
        "macro_f1": macro_f1(gold, codes),
        "micro_precision": float(table.hits.sum() / max(1, table.predicted.sum())),
        "micro_recall": float(table.hits.sum() / table.support.sum()),
    }


def lead(cells: list[CellAnswers], system: str, rival: str) -> tuple[float, float]:
    """Return how much more of the rows a system gets right than its rival, mean over seeds, and the standard error.

    The seeds answer the same test rows, so that a row's differences are averaged first.
    """
    cells = [one for one in cells if system in one.systems and rival in one.systems]
    n = min(len(one.rows) for one in cells)
    mine, theirs = (np.mean([one.correct(name)[:n] for one in cells], axis=0) for name in (system, rival))
    difference = paired_difference(mine, theirs)
    return float(difference.mean), float(difference.standard_error)
