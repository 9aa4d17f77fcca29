"""How much of what tanh gives is at its ends, where it passes no gradient on and tells nothing apart."""

from __future__ import annotations

import numpy as np

from textclassify.ml.embedding.features import Features
from textclassify.ml.embedding.network import CooccurrenceNetwork
from textclassify.ml.embedding.published import PublishedNetwork
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

SATURATED = 0.999
"""From this absolute value on, the slope of tanh is below 0.002."""

_ROWS_LOOKED_AT = 2048


def saturated_share(network: CooccurrenceNetwork | PublishedNetwork, features: Features, random_state: int) -> float:
    """Return the share of power-normalised products beyond 0.999 in absolute value; 0 where none is read."""
    if isinstance(network, CooccurrenceNetwork) and not network.blocks.use_gram:
        return 0.0
    rows = np.random.default_rng(random_state).permutation(len(features))[:_ROWS_LOOKED_AT]
    device = next(network.parameters()).device
    network.eval()
    saturated, in_all = 0, 0
    with torch.inference_mode():
        for _, some in features.batches(rows):
            products = network.cooccurrence([values.to(device) for values in some])
            saturated += int((products.abs() > SATURATED).sum())
            in_all += products.numel()
    return saturated / max(in_all, 1)
