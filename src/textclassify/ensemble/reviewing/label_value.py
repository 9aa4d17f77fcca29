"""What a gold label would be worth: how unsure the answer, how much the sources disagree, how typical the text.

All are numbers from 0 to 1. A text is worth more the less sure its answer (margin: Scheffer et al. 2001) and the more
texts are like it (density: Settles and Craven 2008); texts that are like one already chosen are worth less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.scores import Scores
from textclassify.ensemble.combining.readings import Floats
from textclassify.errors import DataError

NEIGHBOURS = 10
REFERENCE = 2000
"""Texts that density is measured against: a sample, so that a million texts take minutes."""
NEAR_DUPLICATE = 0.95
"""Cosine from which on two texts are taken for one."""
FEWEST_FOR_WORDS, WORD_DIMENSIONS = 200, 100
"""Texts below which shared words tell little, and the length of the vectors that they give."""
SPREAD = 1000
"""Texts that are chosen one by one, each away from those before; the rest follow by value alone."""


@dataclass(frozen=True, eq=False)
class LabelValue:
    """What n labels are worth, each (n,): 0 to 1, NaN where a text has no scores (of `density`: where unknown)."""

    uncertainty: Floats
    disagreement: Floats
    density: Floats

    @property
    def total(self) -> Floats:
        """Uncertainty or disagreement, whichever there is, less up to half of it for texts that are like no other."""
        doubt = 1 - (1 - self.uncertainty) * (1 - self.disagreement)
        return np.asarray(doubt * (0.5 + 0.5 * np.where(np.isnan(self.density), 1.0, self.density)))


def label_value(scores: Scores, sources: Mapping[str, Scores], vectors: NDArray[np.float32] | None) -> LabelValue:
    """Return what labels of n texts are worth.

    Args:
        scores: the fused ones.
        sources: of each source, calibrated, for the same texts.
        vectors: (n, d) of unit length; None = density is not known.

    """
    density = np.full(len(scores), np.nan) if vectors is None else typicality(vectors)
    return LabelValue(uncertainty(scores), disagreement(sources, len(scores)), density)


def uncertainty(scores: Scores) -> Floats:
    """Return 1 less the margin between the two best labels, (n,); multi-label: of the label that is least sure."""
    return np.asarray(1 - _margins(scores.probabilities, multi_label=scores.multi_label).min(axis=1))


def disagreement(sources: Mapping[str, Scores], n: int) -> Floats:
    """Return how sure two sources are of different answers, (n,): the smaller margin of the pair that differs most.

    A source that has no opinion, or no scores, contradicts nobody. Multi-label: for the label that they differ on most.
    """
    worst = np.zeros(n)
    for one, other in combinations(sources.values(), 2):
        sure = [_margins(source.probabilities, multi_label=source.multi_label) for source in (one, other)]
        differ = _answers(one) != _answers(other)
        clash = np.where(differ, np.fmin(*sure), 0.0)
        worst = np.fmax(worst, np.where(one.answered & other.answered, clash.max(axis=1), 0.0))
    return worst


def typicality(vectors: NDArray[np.float32], *, random_state: int = 0) -> Floats:
    """Return the rank of each text's density among all, (n,), above 0 to 1.

    Density is the mean cosine to the nearest neighbours in a sample of the texts.
    """
    n = len(vectors)
    sample = np.random.default_rng(random_state).permutation(n)[:REFERENCE]
    if len(sample) < 2:
        return np.ones(n)
    near = min(NEIGHBOURS, len(sample) - 1)
    density = np.empty(n)
    place = np.full(n, -1)
    place[sample] = np.arange(len(sample))
    for start in range(0, n, REFERENCE):
        block = np.arange(start, min(start + REFERENCE, n))
        cosines = vectors[block] @ vectors[sample].T
        itself = np.flatnonzero(place[block] >= 0)
        cosines[itself, place[block][itself]] = -1.0
        density[block] = np.partition(cosines, -near, axis=1)[:, -near:].mean(axis=1)
    return np.asarray((density.argsort().argsort() + 1) / n)


def spread_out(
    value: Floats, vectors: NDArray[np.float32] | None, chosen: NDArray[np.intp], n: int
) -> NDArray[np.intp]:
    """Return at most n rows by falling value, each worth less the more it is like one before; near-duplicates left out.

    Args:
        value: (rows,) with NaN where a row must not be taken.
        vectors: (rows, d) of unit length; None = by value alone.
        chosen: rows that are taken already.
        n: rows to return.

    """
    left = ~np.isnan(value)
    left[chosen] = False
    order: list[int] = []
    if vectors is not None:
        nearest = np.zeros(len(value))
        for row in chosen:
            _mark_likeness(vectors, int(row), nearest, left)
        while left.any() and len(order) < min(n, SPREAD):
            row = int(np.where(left, value * (1 - nearest**2), -1.0).argmax())
            order.append(row)
            left[row] = False
            _mark_likeness(vectors, row, nearest, left)
    rest = np.flatnonzero(left)
    rest = rest[np.argsort(-value[rest], kind="stable")][: n - len(order)]
    return np.concatenate([np.array(order, dtype=np.intp), rest])


def _mark_likeness(vectors: NDArray[np.float32], row: int, nearest: Floats, left: NDArray[np.bool_]) -> None:
    """Note how like a row the others are; near-duplicates of it are not to be taken any more."""
    np.maximum(nearest, vectors @ vectors[row], out=nearest)
    left[nearest > NEAR_DUPLICATE] = False


def unit_vectors(vectors: ArrayLike, n: int) -> NDArray[np.float32]:
    """Return vectors of n texts as unit vectors (n, d).

    Raises:
        DataError: another shape, or a number that is not finite.

    """
    given = np.asarray(vectors, dtype=np.float32)
    if given.ndim != 2 or len(given) != n or not np.isfinite(given).all():
        raise DataError(f"vectors have shape {given.shape}; pass one vector of finite numbers per text, ({n}, d)")
    return np.asarray(given / np.maximum(np.linalg.norm(given, axis=1, keepdims=True), 1e-9))


def word_vectors(texts: Sequence[str]) -> NDArray[np.float32] | None:
    """Return vectors (n, 100) of texts by the words that they share; None where there are too few to tell.

    Latent semantic analysis (Deerwester et al. 1990): it finds near-duplicates and crowds without a model to load.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    if len(texts) < FEWEST_FOR_WORDS:
        return None
    try:
        words = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=50_000).fit_transform(texts)
    except ValueError:  # no word occurs twice
        return None
    if words.shape[1] <= WORD_DIMENSIONS:
        return None
    return np.asarray(TruncatedSVD(WORD_DIMENSIONS, random_state=0).fit_transform(words), dtype=np.float32)


def _margins(probabilities: Floats, *, multi_label: bool) -> Floats:
    """Return how far the best label is ahead, (n, 1); multi-label: how far each is from one half, doubled, (n, K)."""
    if multi_label:
        return np.abs(2 * probabilities - 1)
    if probabilities.shape[1] == 1:
        return np.asarray(probabilities)
    best = np.sort(probabilities, axis=1)
    return np.asarray(best[:, -1:] - best[:, -2:-1])


def _answers(scores: Scores) -> NDArray[np.int64]:
    """Return the best label, (n, 1); multi-label: whether each is given, (n, K)."""
    shares = np.nan_to_num(scores.probabilities, nan=0.0)
    if scores.multi_label:
        return (shares >= 0.5).astype(np.int64)
    return shares.argmax(axis=1)[:, None] if len(shares) else np.zeros((0, 1), dtype=np.int64)
