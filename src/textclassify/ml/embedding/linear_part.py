"""Logistic regression on the standardised vectors, mixed into the network's logits as far as it helps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from textclassify.ml.embedding.network import CooccurrenceNetwork
from textclassify.ml.embedding.training import HeadLesson, logits_of
from textclassify.ml.network import first_head
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

SHARE_OF_FEW = 0.5
"""The linear part's weight where no rows are held out to choose it."""

_SHARES = np.linspace(0, 1, 11)
_MOST_ROWS = 50_000
"""More rows hardly change a linear model of a thousand numbers, and it needs all of them in memory."""


def mix_linear_in(
    network: CooccurrenceNetwork, lesson: HeadLesson, validation: HeadLesson | None, random_state: int
) -> None:
    """Fit the linear part on the lesson, and give it the share of the logits with the lowest validation loss.

    The network and the linear model are trained apart from each other: a network that starts from a linear model's
    logits of its own training rows finds errors there that are too small to learn from.

    Args:
        network: trained; its linear part is set.
        lesson: what it was trained on.
        validation: rows of neither; None = the share is 1/2.
        random_state: seeds which rows are taken of very many.

    """
    linear = network.linear
    if linear is None:
        return
    rows = lesson.rows
    if len(rows) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(random_state).permutation(rows)[:_MOST_ROWS])
    weight, bias = first_head(
        _vectors(network, lesson, rows),
        lesson.targets[rows],
        lesson.weights[rows],
        linear.out_features,
        lesson.positive_weight,
    )
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(bias))
    share = SHARE_OF_FEW if validation is None else _best_share(network, linear, validation)
    network.linear_share.fill_(share)


def _best_share(network: CooccurrenceNetwork, linear: torch.nn.Linear, validation: HeadLesson) -> float:
    learned = logits_of(network, validation.features, validation.rows)
    vectors = torch.from_numpy(_vectors(network, validation, validation.rows))
    with torch.inference_mode():
        other = linear(vectors.to(network.log_scale.device)).cpu()
        mixed = (torch.lerp(learned, other, float(share)) for share in _SHARES)
        losses = [float(validation.losses(logits, validation.rows).sum()) for logits in mixed]
    return float(_SHARES[int(np.argmin(losses))])


def _vectors(network: CooccurrenceNetwork, lesson: HeadLesson, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the standardised vectors of some rows, (m, D)."""
    device = network.log_scale.device
    with torch.inference_mode():
        found = [
            network.vectors([values.to(device) for values in some]).cpu().numpy()
            for _, some in lesson.features.batches(rows)
        ]
    return np.concatenate(found)


def first_log_odds(lesson: HeadLesson, n_labels: int) -> NDArray[np.float64]:
    """Return the logits (K,) that fit the labels' shares among the lesson's rows; each is granted half a row."""
    gold, weight = lesson.targets[lesson.rows], lesson.weights[lesson.rows]
    if gold.ndim == 1:
        counts = np.bincount(gold, weights=weight, minlength=n_labels) + 0.5
        return np.asarray(np.log(counts / counts.sum()))
    positive = weight @ gold
    return np.asarray(logit((positive + 0.5) / (weight.sum() + 1.0)))
