"""What a fitted fusion says of rows: each row by the combiner for the sources that scored it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from textclassify.core.labels import Gold
from textclassify.core.result import NO_LABEL
from textclassify.core.scales import SMALLEST_PROBABILITY, Method, Scale, Status
from textclassify.core.scores import Scores
from textclassify.ensemble.combining.patterns import Patterns
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import EMBEDDINGS, Embeddings

Parts: TypeAlias = Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class Answers:
    """Fused log-probabilities or log-odds (n, K) and the answers they imply; NaN rows and code -1 where none is.

    `codes` are label codes (n,), or 0/1 answers (n, K) for multi-label scores.
    """

    values: Floats
    codes: Gold


def answers(
    patterns: Patterns,
    sources: Mapping[str, Scores],
    embeddings: Embeddings | None,
    *,
    multi_label: bool,
    change: Callable[[Floats], Floats] | None = None,
) -> Answers:
    """Return what the fusion says of rows by the sources that scored each of them; `change` corrects fused scores."""
    first = next(iter(sources.values()))
    values = np.full((len(first), len(first.labels)), np.nan)
    codes: Gold = np.zeros(values.shape, dtype=np.int64) if multi_label else np.full(len(first), NO_LABEL)
    for names, rows in patterns.by_row(sources, _extra(patterns, embeddings)):
        ladder = patterns.ladder_for(names)
        needed = {name: sources[name].take(rows) for name in ladder.combiner.needs if name != EMBEDDINGS}
        fused = ladder.scores(needed, None if embeddings is None else embeddings[rows])
        values[rows] = fused if change is None else change(fused)
        codes[rows] = ladder.decision.answers(values[rows]) if multi_label else values[rows].argmax(axis=1)
    return Answers(values, codes)


def fused_scores(values: Floats, sources: Mapping[str, Scores], calibration: str, *, multi_label: bool) -> Scores:
    """Return fused values as `Scores`: rows without any say why, and costs add up over the sources."""
    first = next(iter(sources.values()))
    missing = np.isnan(values).all(axis=1)
    return Scores.build(
        values if multi_label else np.maximum(values, np.log(SMALLEST_PROBABILITY)),
        first.labels,
        Scale.LOG_ODDS if multi_label else Scale.LOG_PROBABILITY,
        source="fusion",
        method=Method.FUSED,
        status=np.where(missing, gravest([scores.status for scores in sources.values()]), Status.OK),
        cost=np.sum([scores.cost for scores in sources.values()], axis=0),
        row_ids=known_row_ids(sources),
        calibration=calibration,
    )


def known_row_ids(sources: Mapping[str, Scores]) -> NDArray[np.uint64] | None:
    """Return what text each row is, from the first source that knows; None = none does."""
    return next((scores.row_ids for scores in sources.values() if scores.row_ids is not None), None)


def explained(
    patterns: Patterns,
    sources: Mapping[str, Scores],
    embeddings: Embeddings | None,
    row: int,
    added: Parts | None = None,
) -> dict[str, float]:
    """Return how many log-odds each part adds to the answer of one row over its nearest rival.

    Multi-label: over the absence of the label whose decision is least certain. `added` are parts that come from no
    combiner, (K,) each.
    """
    one = {name: scores.take([row]) for name, scores in sources.items()}
    vectors = None if embeddings is None else embeddings[[row]]
    found = patterns.by_row(one, _extra(patterns, embeddings))
    if not found:
        return {}
    ladder = patterns.ladder_for(found[0][0])
    parts = ladder.combiner.contributions(one, vectors) | {name: part[None] for name, part in (added or {}).items()}
    total = np.sum(list(parts.values()), axis=0)[0]
    if next(iter(sources.values())).multi_label:
        label = int(np.abs(total - logit(ladder.decision.thresholds)).argmin())
        return {name: float(part[0, label]) for name, part in parts.items()}
    order = np.argsort(-total, kind="stable")
    rival = order[1] if len(order) > 1 else order[0]
    return {name: float(part[0, order[0]] - part[0, rival]) for name, part in parts.items()}


def without_rows(scores: Scores, rows: NDArray[np.bool_]) -> Scores:
    """Return scores as if the source had not been asked about the rows of a mask (n,)."""
    values, cost = scores.values.copy(), scores.cost.copy()
    values[rows], cost[rows] = np.nan, 0.0
    return replace(scores, values=values, cost=cost, status=np.where(rows, Status.NOT_CALLED, scores.status))


def _extra(patterns: Patterns, embeddings: Embeddings | None) -> tuple[str, ...]:
    return (EMBEDDINGS,) if embeddings is not None and patterns.rows.embeddings is not None else ()


def gravest(statuses: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return why rows (n,) have no scores: the gravest reason that any source's status (n,) gives."""
    worst = np.max(statuses, axis=0)
    return np.where(worst == Status.OK, np.uint8(Status.NOT_CALLED), worst)
