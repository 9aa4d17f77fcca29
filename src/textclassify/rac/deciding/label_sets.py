"""`likeliest_sets`: which labels to give a text that may have any number of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def likeliest_sets(probabilities: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return for each text the set of labels with the best expected F1, as 0/1, (n, K).

    A threshold of one half would leave texts unlabelled whose probability is divided among many labels. Of the sets of
    the m most probable labels that one is taken whose 2 E(hits) / (m + E(number of labels)) is largest, the plug-in
    estimate of F1 (as in Ye, Chai, Lee and Chieu 2012); the empty set is worth the probability that no label fits,
    which is what shares leave over or, where labels are judged one by one, the product of all 1 - p.

    Args:
        probabilities: (n, K) of each label; NaN rows get no label.

    """
    p = np.nan_to_num(probabilities, nan=0.0)
    order = np.argsort(-p, axis=1, kind="stable")
    hits = np.cumsum(np.take_along_axis(p, order, axis=1), axis=1)
    expected = p.sum(axis=1)
    sizes = np.arange(1, p.shape[1] + 1)
    worth = 2 * hits / (sizes + expected[:, None])
    nothing = np.where(expected <= 1, 1 - expected, np.exp(np.log1p(-np.minimum(p, 1 - 1e-12)).sum(axis=1)))
    size = np.where(nothing > worth.max(axis=1, initial=0.0), 0, worth.argmax(axis=1) + 1)
    chosen = np.zeros(p.shape, dtype=np.uint8)
    np.put_along_axis(chosen, order, (np.arange(p.shape[1]) < size[:, None]).astype(np.uint8), axis=1)
    return chosen
