"""What free scores show about a text before the language model is asked: how unsure they are, and of which labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textclassify.ensemble.combining.readings import Floats

MOST_LABELS = 100
"""Labels that can have an effect of their own, the most frequent answers first."""
FEWEST_ANSWERS = 5
"""Rows that must have got a label before it has an effect."""


def entropy(scores: Floats, *, multi_label: bool) -> Floats:
    """Return how unsure each row is, in nats (n,): the entropy of its distribution, or the sum over its labels'."""
    if multi_label:
        return np.asarray((np.logaddexp(0.0, scores) - expit(scores) * scores).sum(axis=1))
    likely = np.exp(scores)
    return np.asarray(-(likely * np.where(likely > 0, scores, 0.0)).sum(axis=1))


def features(scores: Floats, cuts: Floats, *, multi_label: bool) -> Floats:
    """Return (n, F) numbers about each row, entropy first.

    Single-label: the probability that the answer is wrong, and how close the second label comes. Multi-label: the
    expected number of wrong labels, how close the closest label is to being decided otherwise, the expected number of
    labels, the highest probability, and whether no label is given.

    Args:
        scores: (n, K) log-probabilities or log-odds, finite.
        cuts: (K,) log-odds from which on a label is given; not used for a single label.
        multi_label: what the scores are.

    """
    unsure = entropy(scores, multi_label=multi_label)
    if not multi_label:
        highest = np.exp(np.sort(scores, axis=1)[:, ::-1][:, :2])
        margin = highest[:, 0] - highest[:, 1] if highest.shape[1] > 1 else np.ones(len(scores))
        return np.column_stack([unsure, 1 - highest[:, 0], 1 - margin])
    p, given = expit(scores), scores >= cuts
    wrong = np.where(given, 1 - p, p).sum(axis=1)
    closest = expit(-np.abs(scores - cuts).min(axis=1))
    return np.column_stack([unsure, wrong, closest, p.sum(axis=1), p.max(axis=1), ~given.any(axis=1)])


def given_labels(scores: Floats, cuts: Floats, labels: NDArray[np.int64], *, multi_label: bool) -> Floats:
    """Return whether each of the labels (L,) is the free answer or part of it, as 0 and 1; shape (n, L)."""
    if multi_label:
        return np.asarray(scores[:, labels] >= cuts[labels], dtype=np.float64)
    return np.asarray(scores.argmax(axis=1)[:, None] == labels, dtype=np.float64)


def frequent_labels(scores: Floats, cuts: Floats, *, multi_label: bool) -> NDArray[np.int64]:
    """Return the labels that are answered often enough to have an effect of their own, in schema order."""
    if multi_label:
        counts = (scores >= cuts).sum(axis=0)
    else:
        counts = np.bincount(scores.argmax(axis=1), minlength=scores.shape[1])
    most = np.argsort(-counts, kind="stable")[:MOST_LABELS]
    return np.sort(most[counts[most] >= FEWEST_ANSWERS]).astype(np.int64)
