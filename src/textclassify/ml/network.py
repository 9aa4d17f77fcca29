"""An encoder, the mean of its last layer, and a linear head: the network behind `TransformerClassifier`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

HEAD_C = 10.0
"""Inverse penalty of the first head. Best or near it, 32 to 600 rows of topic, question, spam and intent data."""


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
