"""What a wrong logit costs: cross-entropy of one label per text, binary cross-entropy of several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from torch.nn import functional


def losses_of(
    logits: torch.Tensor, targets: NDArray[Any], positive_weight: NDArray[np.float64] | None = None
) -> torch.Tensor:
    """Return the loss of each row, (rows,), in nats; multi-label: the mean over labels.

    Args:
        logits: (rows, K), float32.
        targets: (rows,) label codes, or a 0/1 indicator (rows, K).
        positive_weight: (K,) weight of the rows that have a label; indicator only.

    """
    gold = torch.from_numpy(targets).to(logits.device)
    if gold.ndim == 1:
        return functional.cross_entropy(logits, gold.long(), reduction="none")
    extra = None if positive_weight is None else torch.from_numpy(positive_weight).to(logits)
    return functional.binary_cross_entropy_with_logits(
        logits, gold.to(logits), pos_weight=extra, reduction="none"
    ).mean(dim=1)
