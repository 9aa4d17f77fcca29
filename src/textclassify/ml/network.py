"""An encoder, the mean of its last layer, and a linear head: the network behind `TransformerClassifier`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from textclassify.core.progress import report
from textclassify.errors import ModelError
from textclassify.models.batching import token_batches
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

logger = logging.getLogger(__name__)

TOKENS_PADDED_TO = 16
"""Batches are padded to a multiple of this many tokens.

Odd lengths change which kernel computes a row, and with it the last digits of bf16; even ones do not, so a text's
scores do not depend on its neighbours.
"""

HEAD_C = 10.0
"""Inverse penalty of the first head. Best or near it, 32 to 600 rows of topic, question, spam and intent data."""

_TOKENS_PER_BATCH = {"cpu": 4096, "cuda": 65536}


class EncoderNetwork(torch.nn.Module):
    """Unit vectors of texts (masked mean of the encoder's last layer) under one linear layer."""

    def __init__(self, encoder: Any, n_labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.get_text_config().hidden_size, n_labels)

    def vectors(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return float32 vectors of length 1, (rows, d); raw ones measured two points worse, and twice the log loss."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return torch.nn.functional.normalize(mean, dim=-1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return logits (rows, K), float32 under autocast too."""
        vectors = self.vectors(input_ids, attention_mask)
        with torch.autocast(vectors.device.type, enabled=False):
            logits: torch.Tensor = self.head(vectors)
        return logits

    def set_head(self, weight: NDArray[Any], bias: NDArray[Any]) -> None:
        """Take over the weights (K, d) and biases (K,) of a fitted linear model."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.asarray(weight, dtype=np.float32)))
            self.head.bias.copy_(torch.from_numpy(np.asarray(bias, dtype=np.float32)))


def padded(
    token_ids: Sequence[Sequence[int]], pad_token_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the input ids and the attention mask of one batch, (rows, longest), padded on the right."""
    width = _padded_length(max(len(ids) for ids in token_ids))
    input_ids = np.full((len(token_ids), width), pad_token_id, dtype=np.int64)
    mask = np.zeros((len(token_ids), width), dtype=np.int64)
    for row, ids in enumerate(token_ids):
        input_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return torch.from_numpy(input_ids).to(device), torch.from_numpy(mask).to(device)


def _padded_length(tokens: int) -> int:
    return -(-tokens // TOKENS_PADDED_TO) * TOKENS_PADDED_TO


def compute_in_batches(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    pieces: Sequence[Sequence[int]],
    width: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
    pad_token_id: int,
) -> NDArray[np.float32]:
    """Return the results (pieces, width) of a function of input ids and mask, in the order of the pieces.

    Raises:
        ModelError: one piece alone is too large for the memory.

    """
    results = np.zeros((len(pieces), width), dtype=np.float32)
    lengths = [_padded_length(len(piece)) for piece in pieces]
    waiting = token_batches(lengths, max_tokens=_TOKENS_PER_BATCH["cuda" if device.type == "cuda" else "cpu"])[::-1]
    done = 0
    with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
        while waiting:
            batch = waiting.pop()
            input_ids, mask = padded([pieces[row] for row in batch], pad_token_id, device)
            try:
                results[batch] = function(input_ids, mask).float().cpu().numpy()
            except torch.OutOfMemoryError as error:
                waiting += _halves(batch, error)
                continue
            done += len(batch)
            report("reading texts", done, len(pieces))
    return results


def _halves(batch: NDArray[np.intp], error: Exception) -> list[NDArray[np.intp]]:
    """Return a batch that was too large for the memory in two parts."""
    if len(batch) == 1:
        raise ModelError("one text alone is too large for the memory; lower max_length, or set device='cpu'") from error
    middle = len(batch) // 2
    logger.warning("out of memory: %d texts at once become %d", len(batch), middle)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return [batch[middle:], batch[:middle]]


def first_head(
    vectors: NDArray[np.float32],
    gold: NDArray[Any],
    weight: NDArray[np.float64],
    n_labels: int,
    positive_weight: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights (K, d) and biases (K,) of logistic regression on the frozen encoder's vectors.

    Fine-tuning from here changes the encoder less, and keeps more of what it knows, than from a random head (Kumar et
    al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution").

    Args:
        vectors: (n, d) unit vectors; they are centred and scaled to a total variance of 1 before the penalty.
        gold: (n,) label codes, or a 0/1 indicator (n, K).
        weight: (n,) row weights above 0.
        n_labels: K. Labels without rows (indicator: or on every row) get no weights and a bias that fits one half row.
        positive_weight: (K,) weight of the rows that have a label; indicator only.

    """
    centre = vectors.mean(axis=0)
    spread = max(float(np.sqrt(((vectors - centre) ** 2).sum(axis=1).mean())), 1e-6)
    features = (vectors - centre) / spread
    weights, biases = np.zeros((n_labels, vectors.shape[1])), np.zeros(n_labels)
    if gold.ndim == 1:
        _fit_competing(features, gold, weight, weights, biases)
    else:
        _fit_each(features, gold, weight, weights, biases, positive_weight)
    weights /= spread
    return weights, biases - weights @ centre


def _fit_competing(
    features: NDArray[Any], gold: NDArray[Any], weight: NDArray[Any], weights: NDArray[Any], biases: NDArray[Any]
) -> None:
    seen = np.unique(gold)
    biases[:] = -np.log(2 * len(gold) + 1)
    biases[seen] = 0.0
    if len(seen) > 1:
        model = _regression().fit(features, gold, sample_weight=weight)
        halves = len(seen) == 2  # two labels share one row of coefficients, the second label's over the first
        weights[seen] = np.concatenate([-model.coef_, model.coef_]) / 2 if halves else model.coef_
        biases[seen] = np.concatenate([-model.intercept_, model.intercept_]) / 2 if halves else model.intercept_


def _fit_each(
    features: NDArray[Any],
    gold: NDArray[Any],
    weight: NDArray[Any],
    weights: NDArray[Any],
    biases: NDArray[Any],
    positive_weight: NDArray[np.float64] | None,
) -> None:
    for k in range(gold.shape[1]):
        positive, total = gold[:, k] @ weight, weight.sum()
        if 0 < positive < total:
            of_label = 1.0 if positive_weight is None else np.where(gold[:, k] == 1, positive_weight[k], 1.0)
            model = _regression().fit(features, gold[:, k], sample_weight=weight * of_label)
            weights[k], biases[k] = model.coef_[0], model.intercept_[0]
        else:
            biases[k] = np.log((positive + 0.5) / (total - positive + 0.5))


def _regression() -> LogisticRegression:
    return LogisticRegression(C=HEAD_C, max_iter=500, tol=1e-4)
