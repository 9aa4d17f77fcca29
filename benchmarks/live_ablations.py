"""Stage 3 of the live benchmark: what each choice is worth, on the encoder and one language model as in the paper."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from live_cells import Cell, answered_everywhere
from live_table import ENCODER, Answers, CellAnswers, as_it_is, fused, of_source
from textclassify import Scores
from textclassify.core.scales import NEVER_TRAINED

IN_SAMPLE_ENCODER = "the encoder of the in-sample fusions, trained on all rows"
JOINTLY = "joint training instead of stacked, one model trained on all rows"
REFERENCE = "out-of-fold, likelihoods, ladder"


def ablated_cell(cell: Cell, model: str) -> CellAnswers:
    """Return the answers of the encoder's fusion with a model, and of the same with one thing changed."""
    rows = answered_everywhere(cell, [model])
    found = CellAnswers(cell, rows)
    found.systems[ENCODER] = of_source(cell, ENCODER, rows)
    for name, variant in VARIANTS.items():
        answers = variant(cell, [ENCODER, model], rows)
        if answers is not None:
            found.systems[name] = answers
    if model in cell.joint:
        answered, scores = cell.joint[model]
        place = np.searchsorted(answered, rows)
        if np.array_equal(answered[place.clip(max=len(answered) - 1)], rows):
            found.systems[JOINTLY] = as_it_is(scores.take(place))
    if cell.in_sample is not None:
        found.systems[IN_SAMPLE_ENCODER] = as_it_is(cell.in_sample[1].take(rows))
    return found


def _reference(cell: Cell, names: list[str], rows: NDArray[np.intp]) -> Answers:
    return fused(cell, names, rows)


def _votes(cell: Cell, names: list[str], rows: NDArray[np.intp]) -> Answers:
    """Take only the model's best label, as a chat interface that returns no probabilities would give it."""
    model = names[-1]
    votes = {model: (as_votes(cell.train[model]), as_votes(cell.test[model]))}
    return fused(cell, names, rows, replaced=votes)


def _network(cell: Cell, names: list[str], rows: NDArray[np.intp]) -> Answers:
    return fused(cell, names, rows, combiner="mlp")


def _embeddings(cell: Cell, names: list[str], rows: NDArray[np.intp]) -> Answers:
    """Let a network see the texts' frozen vectors and the model's scores, without the encoder's logits."""
    return fused(cell, names[1:], rows, vectors=True, combiner="embeddings")


def _in_sample(cell: Cell, names: list[str], rows: NDArray[np.intp]) -> Answers | None:
    """Learn from what the encoder says of the rows it was trained on; it is one model, trained on all of them."""
    return None if cell.in_sample is None else fused(cell, names, rows, replaced={ENCODER: cell.in_sample})


def _in_sample_network(cell: Cell, names: list[str], rows: NDArray[np.intp]) -> Answers | None:
    """Learn the published network from in-sample scores, as it was published."""
    if cell.in_sample is None:
        return None
    return fused(cell, names, rows, replaced={ENCODER: cell.in_sample}, combiner="mlp")


VARIANTS: dict[str, Callable[[Cell, list[str], NDArray[np.intp]], Answers | None]] = {
    REFERENCE: _reference,
    "votes instead of likelihoods": _votes,
    "the network alone instead of the ladder": _network,
    "embeddings instead of logits": _embeddings,
    "in-sample instead of out-of-fold": _in_sample,
    "in-sample, the network alone": _in_sample_network,
}
"""Ablation -> its answers, None where the cell has no scores for it."""


def as_votes(scores: Scores) -> Scores:
    """Return the best label of each row as one vote; rows without scores stay without."""
    best = np.where(scores.answered, np.nan_to_num(scores.probabilities).argmax(axis=1), -1)
    names = [None if code < 0 else scores.labels[code] for code in best]
    votes = [name if name is None or not scores.multi_label else [name] for name in names]
    options = {"fold": NEVER_TRAINED, "row_ids": scores.row_ids, "multi_label": scores.multi_label}
    return Scores.from_votes(votes, scores.labels, source=scores.source, **options)
