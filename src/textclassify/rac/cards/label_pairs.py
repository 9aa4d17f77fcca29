"""Pairs of labels that an encoder cannot tell apart: how near is too near, and which pairs are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

LEAST = 0.6
"""Cosine below which no two cards are near, however far apart all others are."""
SURE = 0.9
"""Cosine from which two cards are near in every label set, unless all of its cards are nearly that near."""

_SPREADS = 2.5
_LEAST_SPREAD = 0.05
_EQUAL = 0.999
_BY_CHANCE = 0.1
_SAMPLE = 1000
_BLOCK = 1024


def near_bar(vectors: NDArray[np.float32]) -> float:
    """Return the cosine from which two of these labels count as near.

    A pair is near when it stands out among the pairs of its own label set: when it lies at least 2.5 spreads above the
    median pair (1.4826 times the median absolute deviation, which is the standard deviation of a normal distribution),
    and more where there are many labels, so that K labels would have K / 10 such pairs if cosines were normally
    distributed. It has to be at least `LEAST` as well. Of two or three labels none can stand out, and only nearly equal
    cards count. Chosen on three public label sets (news topics, kinds of question, emotions).

    Args:
        vectors: unit vectors of the cards, (K, d); the bar of more than 1,000 labels comes from 1,000 of them.

    """
    n_labels = len(vectors)
    if n_labels < 4:
        return SURE
    rows = np.random.default_rng(0).choice(n_labels, min(n_labels, _SAMPLE), replace=False)
    cosines = (vectors[rows] @ vectors[rows].T)[np.triu_indices(len(rows), 1)]
    median = float(np.median(cosines))
    spread = max(1.4826 * float(np.median(np.abs(cosines - median))), _LEAST_SPREAD)
    spreads = max(_SPREADS, float(ndtri(1 - 2 * _BY_CHANCE / (n_labels - 1))))
    sure = max(SURE, 1 - (1 - SURE) * (1 - median) / (1 - LEAST))
    return min(max(LEAST, median + spreads * spread), sure, _EQUAL)


def near_pairs(vectors: NDArray[np.float32], bar: float, *, limit: int) -> tuple[list[tuple[int, int, float]], int]:
    """Return the nearest pairs (first, second, cosine), nearest first, and how many pairs reach the bar.

    Args:
        vectors: unit vectors, (K, d); compared by the block, so that 20,000 of them need 80 MB.
        bar: least cosine.
        limit: pairs returned at most.

    """
    kept = np.zeros((0, 3))
    count = 0
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors[start:].T
        size = len(cosines)
        cosines[:, :size][np.tril_indices(size)] = -np.inf
        first, second = np.nonzero(cosines >= bar)
        count += len(first)
        found = np.column_stack([first + start, second + start, cosines[first, second]])
        kept = np.concatenate([kept, found])
        kept = kept[np.argsort(-kept[:, 2], kind="stable")[:limit]]
    return [(int(one), int(other), float(cosine)) for one, other, cosine in kept], count
