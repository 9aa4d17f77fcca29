"""Soft labels for classifiers that take hard ones: each text repeated with its likeliest answers, weighted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textclassify.ensemble.combining.readings import Floats

SHARPNESS = 2.0
"""Power to which probabilities are raised before they teach."""
MOST_ANSWERS = 2
LEAST_SHARE = 0.05
"""Probability below which an answer is not worth a repetition."""


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """m repetitions: the text of each, its answer (a code, or a row of 0/1) and its weight; a text's add up to 1."""

    rows: NDArray[np.intp]
    answers: NDArray[np.int64]
    weight: Floats


def soft_labels(probabilities: Floats, *, multi_label: bool) -> SoftLabels:
    """Return the answers to teach for probabilities (n, K): as few as carry nearly all of it.

    Single-label: the two likeliest labels. Multi-label: sets of labels, from the sure ones on with one more each time;
    over the sets, weighted, each label is as frequent as its probability says (before the smallest are left out).
    """
    if multi_label:
        return _of_sets(sharpened(probabilities, multi_label=True))
    shares = sharpened(probabilities, multi_label=False)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :MOST_ANSWERS]
    weight = np.take_along_axis(shares, order, axis=1)
    weight[:, 1:][weight[:, 1:] < LEAST_SHARE] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    rows, column = np.nonzero(weight)
    return SoftLabels(rows, order[rows, column].astype(np.int64), weight[rows, column])


def sharpened(probabilities: Floats, *, multi_label: bool, power: float = SHARPNESS) -> Floats:
    """Return probabilities raised to a power and normalised: closer to the likeliest answer."""
    raised = probabilities**power
    rest = (1 - probabilities) ** power if multi_label else raised.sum(axis=1, keepdims=True) - raised
    return np.asarray(raised / (raised + rest))


def drawn_answers(probabilities: Floats, *, multi_label: bool, random_state: int) -> NDArray[np.int64]:
    """Return one answer per text, drawn by its probabilities: what a calibrator can learn them from."""
    rng = np.random.default_rng(random_state)
    if multi_label:
        return (rng.random(probabilities.shape) < probabilities).astype(np.int64)
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    return np.asarray((rng.random((len(shares), 1)) > shares.cumsum(axis=1)[:, :-1]).sum(axis=1))


def _of_sets(shares: Floats) -> SoftLabels:
    rows: list[int] = []
    answers: list[NDArray[np.int64]] = []
    weights: list[float] = []
    for row, one in enumerate(shares):
        sure = (one > 1 - LEAST_SHARE).astype(np.int64)
        open_labels = np.flatnonzero((one >= LEAST_SHARE) & (sure == 0))
        ordered = open_labels[np.argsort(-one[open_labels], kind="stable")]
        steps = -np.diff(np.concatenate([[1.0], one[ordered], [0.0]]))
        kept = np.sort(np.argsort(-steps, kind="stable")[:MOST_ANSWERS])
        kept = kept[steps[kept] >= min(LEAST_SHARE, steps.max())]
        for number in kept:
            answer = sure.copy()
            answer[ordered[:number]] = 1
            rows.append(row)
            answers.append(answer)
            weights.append(float(steps[number] / steps[kept].sum()))
    indicator = np.array(answers, dtype=np.int64).reshape(len(rows), shares.shape[1])
    return SoftLabels(np.array(rows, dtype=np.intp), indicator, np.array(weights))
