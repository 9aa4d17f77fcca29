"""Exact search for the labels with the highest scores: blocks of a matrix product, each cut to its best labels."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.rac.retrieving.candidates import NO_CANDIDATE, Candidates, checked_k, highest, in_order
from textclassify.rac.retrieving.label_texts import Vectors

logger = logging.getLogger(__name__)

MOST_FOR_NUMPY = 50_000
"""Labels beyond which faiss searches, where it is installed: at 100,000 twice as fast as blocks of numpy."""
_SCORES_PER_BLOCK = 2_500_000
"""Ten megabytes: a block stays in the processor's cache between the product and the search in it."""
_LINKS_PER_NODE = 32
"""Of the HNSW graph (Malkov and Yashunin 2018), the usual value for some hundred dimensions."""


def nearest(vectors: Vectors, label_vectors: Vectors, k: int, *, approximate: bool = False) -> Candidates:
    """Return the k labels with the highest products for each text; equal ones in the order of the labels.

    Args:
        vectors: (n, d) of the texts.
        label_vectors: (K, d); need not be of unit length.
        k: labels per text; all where there are fewer.
        approximate: beyond 50,000 labels, search a graph (faiss's HNSW) that misses some of the nearest labels and
            pays from a million labels or so on.

    """
    width = min(checked_k(k), len(label_vectors))
    if len(label_vectors) > MOST_FOR_NUMPY and len(vectors):
        faiss = _faiss_if_installed(len(label_vectors))
        if faiss is not None:
            return _found_by_faiss(faiss, vectors, label_vectors, width, approximate=approximate)
    codes, scores = _empty(len(vectors), width)
    for start in range(0, len(vectors), block_rows(len(label_vectors))):
        block = slice(start, start + block_rows(len(label_vectors)))
        codes[block], scores[block] = highest(vectors[block] @ label_vectors.T, width)
    return Candidates(codes, scores)


def block_rows(n_labels: int) -> int:
    """Return how many texts are scored at a time."""
    return max(16, _SCORES_PER_BLOCK // n_labels)


def with_blank_rows(candidates: Candidates, blank: NDArray[np.bool_]) -> Candidates:
    """Return the candidates of non-blank texts as those of all; blank ones have none."""
    if not blank.any():
        return candidates
    codes, scores = _empty(len(blank), candidates.k)
    codes[~blank], scores[~blank] = candidates.codes, candidates.scores
    return Candidates(codes, scores)


def _empty(n: int, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    return np.full((n, k), NO_CANDIDATE, dtype=np.int32), np.full((n, k), -np.inf, dtype=np.float32)


def _faiss_if_installed(n_labels: int) -> Any:
    try:
        import faiss
    except ModuleNotFoundError:
        logger.warning(
            "%d labels are searched by numpy, which is slower than faiss; install it with: "
            'pip install "textclassify[faiss]"',
            n_labels,
        )
        return None
    return faiss


def _found_by_faiss(faiss: Any, vectors: Vectors, label_vectors: Vectors, k: int, *, approximate: bool) -> Candidates:
    dimensions = label_vectors.shape[1]
    if approximate:
        index = faiss.IndexHNSWFlat(dimensions, _LINKS_PER_NODE, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexFlatIP(dimensions)
    index.add(np.ascontiguousarray(label_vectors, dtype=np.float32))
    scores, codes = index.search(np.ascontiguousarray(vectors, dtype=np.float32), k)
    scores = np.where(codes >= 0, scores, -np.inf)
    return Candidates(*in_order(codes, scores))
