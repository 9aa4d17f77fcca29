"""The network of LLMEmbed as published (ACL 2024, paper 433), but for the softmax before its cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from textclassify.errors import ConfigError
from textclassify.ml.embedding.features import Shape, one_vector
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

PowerNorm = Literal["readme", "code"]
FACTORS = {"readme": 2.0, "code": 0.5}
"""What sigma x is multiplied with before tanh: the README has tanh(2 sigma x), the code tanh(sigma x / 2)."""

_DROPOUT = 0.5


class PublishedNetwork(torch.nn.Module):
    """Logits from the products of compressed layers and encoder vectors, and from the mean of the layers.

    Each layer of the one layered source goes through a linear map of its own to the width of the vectors of the other
    sources, ReLU and dropout. The products of all pairs of the stacked rows (5 layers and 2 vectors: 7 x 7 = 49) pass
    through tanh. With the mean of the layers beside them (4,096 numbers, so 4,145) they go through layers of 1,024 and
    256 numbers with ReLU and dropout. Nothing is standardised, and rows keep their lengths: as published.

    The common width is that of the first single vector (without any: the layers'). A single vector of another width
    gets a linear map to it, of which the publication knows nothing: both of its encoders have 1,024.

    Args:
        shapes: of one text's features in each source; exactly one is (layers, d).
        n_labels: K.
        power_norm: "readme": tanh(2 sigma x), or "code": tanh(sigma x / 2).
        sigma: 1 as published.

    Raises:
        ConfigError: no layered source, several of them, or another `power_norm`.

    """

    def __init__(
        self, shapes: Sequence[Shape], n_labels: int, *, power_norm: PowerNorm = "readme", sigma: float = 1.0
    ) -> None:
        super().__init__()
        if power_norm not in FACTORS:
            raise ConfigError(f"power_norm must be one of {', '.join(map(repr, FACTORS))}, got {power_norm!r}")
        layered = [number for number, shape in enumerate(shapes) if len(shape) == 2]
        if len(layered) != 1:
            raise ConfigError(
                f"compat='llmembed' takes exactly one source with several layers, got {len(layered)}; give it one "
                "language model, such as 'smollm2', and encoders beside it"
            )
        self.factor = FACTORS[power_norm] * sigma
        self.layered = layered[0]
        self.singles = [number for number in range(len(shapes)) if number != self.layered]
        n_layers, layer_width = shapes[self.layered]
        width = shapes[self.singles[0]][0] if self.singles else layer_width
        self.compressions = torch.nn.ModuleList(_layer(layer_width, width) for _ in range(n_layers))
        self.adapters = torch.nn.ModuleDict(
            {str(n): torch.nn.Linear(shapes[n][0], width) for n in self.singles if shapes[n][0] != width}
        )
        n_products = (n_layers + len(self.singles)) ** 2
        self.head = torch.nn.Sequential(
            _layer(n_products + layer_width, 1024), _layer(1024, 256), torch.nn.Linear(256, n_labels)
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return logits (rows, K) of each source's features, (rows, *shape)."""
        mean = one_vector(features[self.layered])
        logits: torch.Tensor = self.head(torch.cat([self.cooccurrence(features), mean], dim=1))
        return logits

    def cooccurrence(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the power-normalised products of all pairs of rows, (rows, m * m)."""
        layers = features[self.layered]
        stacked = [compress(layers[:, number]) for number, compress in enumerate(self.compressions)]
        for number in self.singles:
            vector = features[number]
            stacked.append(self.adapters[str(number)](vector) if str(number) in self.adapters else vector)
        rows = torch.stack(stacked, dim=1)
        return torch.tanh(self.factor * torch.bmm(rows, rows.transpose(1, 2))).flatten(1)


def _layer(n_inputs: int, n_outputs: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(n_inputs, n_outputs), torch.nn.ReLU(), torch.nn.Dropout(_DROPOUT))
