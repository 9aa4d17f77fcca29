"""The corrected co-occurrence network: rows of length 1, a learned power normalisation, standardised vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from textclassify.errors import ConfigError
from textclassify.ml.embedding.features import Shape, Spread, one_vector
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from torch.nn import functional

SingleVectors = Literal["standardised", "projected", "left out"]


@dataclass(frozen=True)
class Blocks:
    """What of the features a network reads, and how wide it is; see `EmbeddingClassifier` for what each means."""

    use_gram: bool = True
    use_vectors: bool = True
    single_vectors: SingleVectors = "standardised"
    width: int = 128
    hidden_size: int = 256
    dropout: float = 0.5


class CooccurrenceNetwork(torch.nn.Module):
    """Logits of a text from its vectors and from how alike the layers of all sources are.

    Every layer of every source is standardised, projected to one common width by a map of its own, and brought to
    length 1. The products of all pairs of these m rows (the Gram or co-occurrence matrix, without its diagonal of ones
    and its equal other half) pass through tanh(s x), s > 0 learned. Beside them stand the standardised vectors: the
    mean of a source's layers, or a source's only vector. One hidden layer makes logits of both.

    A linear model of the same vectors can be mixed in; see `set_linear`.

    Args:
        shapes: of one text's features in each source.
        n_labels: K.
        blocks: what is read.

    """

    def __init__(self, shapes: Sequence[Shape], n_labels: int, blocks: Blocks) -> None:
        super().__init__()
        self.blocks = blocks
        self.shapes = tuple(shapes)
        n_rows = sum(shape[0] if len(shape) == 2 else 1 for shape in shapes)
        needs_projections = blocks.use_gram or any(_has_projection(shape, blocks) for shape in shapes)
        self.projections = torch.nn.ParameterList(
            [_projection(shape, blocks.width) for shape in shapes] if needs_projections else []
        )
        self.log_scale = torch.nn.Parameter(torch.zeros(1))
        self._pairs: torch.Tensor
        self.register_buffer("_pairs", torch.triu_indices(n_rows, n_rows, offset=1), persistent=False)
        for number, shape in enumerate(shapes):
            for name, of in (("whole", shape), ("vector", shape[-1:])):
                self.register_buffer(f"{name}_mean_{number}", torch.zeros(of))
                self.register_buffer(f"{name}_deviation_{number}", torch.ones(of))
        n_vector = sum(shape[-1] for shape in shapes if _has_vector(shape, blocks))
        n_projected = sum(blocks.width for shape in shapes if _has_projection(shape, blocks))
        n_inputs = n_vector + n_projected + (self._pairs.shape[1] if blocks.use_gram else 0)
        if not n_inputs:
            raise ConfigError(
                "there is nothing to learn from: set use_vectors=True, or use_gram=True with two vectors or more"
            )
        self.hidden = torch.nn.Linear(n_inputs, blocks.hidden_size)
        self.output = torch.nn.Linear(blocks.hidden_size, n_labels)
        self.linear: torch.nn.Linear | None = None
        if n_vector:
            self.linear = torch.nn.Linear(n_vector, n_labels)
            self.linear.requires_grad_(requires_grad=False)  # fitted by itself, see `ml.network.first_head`
        self.linear_share: torch.Tensor
        self.register_buffer("linear_share", torch.zeros(1))

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return logits (rows, K) of each source's features, (rows, *shape)."""
        vectors = self.vectors(features)
        read = self._dropped(self._read(features, vectors))
        logits: torch.Tensor = self.output(self._dropped(functional.relu(self.hidden(read))))
        if self.linear is not None and self.linear_share > 0:
            logits = torch.lerp(logits, self.linear(vectors), self.linear_share)
        return logits

    def vectors(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the standardised vectors that are read, side by side, (rows, D); D may be 0."""
        found = [features[0].new_zeros((len(features[0]), 0))]
        for number, (shape, values) in enumerate(zip(self.shapes, features, strict=True)):
            if _has_vector(shape, self.blocks):
                found.append(self._standardised("vector", number, one_vector(values)))
        return torch.cat(found, dim=1)

    def cooccurrence(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the power-normalised products of all pairs of layers, (rows, m (m - 1) / 2)."""
        return self._cooccurrence(self._projected(features))

    def standardise(self, whole: Sequence[Spread], over_layers: Sequence[Spread]) -> None:
        """Take over what features are standardised with: each number of a source, and of its mean over layers."""
        for kind, spreads in (("whole", whole), ("vector", over_layers)):
            for number, spread in enumerate(spreads):
                getattr(self, f"{kind}_mean_{number}").copy_(spread.mean)
                getattr(self, f"{kind}_deviation_{number}").copy_(spread.deviation)

    def start_from(self, log_odds: NDArray[np.float64]) -> None:
        """Let every text begin with the same logits (K,)."""
        with torch.no_grad():
            self.output.bias.copy_(torch.from_numpy(log_odds))

    def _read(self, features: list[torch.Tensor], vectors: torch.Tensor) -> torch.Tensor:
        """Return all that the hidden layer reads, side by side."""
        projected = self._projected(features) if len(self.projections) else []
        parts = [vectors]
        if self.blocks.use_gram:
            parts.append(self._cooccurrence(projected))
        for shape, rows in zip(self.shapes, projected, strict=False):
            if _has_projection(shape, self.blocks):
                parts.append(rows[:, 0])
        return torch.cat(parts, dim=1)

    def _projected(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the rows of each source at the common width, (rows, layers or 1, width)."""
        found = []
        for number, values in enumerate(features):
            layers = self._standardised("whole", number, values)
            stacked = layers if layers.ndim == 3 else layers.unsqueeze(1)
            found.append(torch.bmm(stacked.transpose(0, 1), self.projections[number]).transpose(0, 1))
        return found

    def _cooccurrence(self, projected: list[torch.Tensor]) -> torch.Tensor:
        rows = functional.normalize(torch.cat(projected, dim=1), dim=-1)
        products = torch.bmm(rows, rows.transpose(1, 2))
        return torch.tanh(self.log_scale.exp() * products[:, self._pairs[0], self._pairs[1]])

    def _standardised(self, kind: str, number: int, values: torch.Tensor) -> torch.Tensor:
        mean, deviation = getattr(self, f"{kind}_mean_{number}"), getattr(self, f"{kind}_deviation_{number}")
        return torch.as_tensor((values - mean) / deviation)

    def _dropped(self, values: torch.Tensor) -> torch.Tensor:
        return functional.dropout(values, self.blocks.dropout, self.training)


def _projection(shape: Shape, width: int) -> torch.nn.Parameter:
    """Return a random linear map for each layer, (layers, d, width), that keeps the length of standardised rows."""
    layers = shape[0] if len(shape) == 2 else 1
    return torch.nn.Parameter(torch.randn(layers, shape[-1], width) / math.sqrt(shape[-1]))


def _has_vector(shape: Shape, blocks: Blocks) -> bool:
    """Return whether a source's standardised vector is read."""
    return blocks.use_vectors and (len(shape) == 2 or blocks.single_vectors == "standardised")


def _has_projection(shape: Shape, blocks: Blocks) -> bool:
    """Return whether a source's projected vector is read beside the products."""
    return blocks.use_vectors and len(shape) == 1 and blocks.single_vectors == "projected"
