"""The networks of a fusion: FusionMLP on scores, FusionWrapper with the encoder below it, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from textclassify.errors import ConfigError
from textclassify.ml.training import seeded


class FusionMLP(nn.Module):
    """A multi-layer perceptron from concatenated scores to fused logits: linear, ReLU and dropout per hidden layer.

    Args:
        input_dim: inputs per text; 2 K for the logits and LLM scores of the paper.
        output_dim: labels K.
        hidden_dims: widths of the hidden layers.
        dropout: share of hidden units dropped in training.

    >>> FusionMLP(8, 4)(torch.zeros(1, 8)).shape
    torch.Size([1, 4])

    """

    def __init__(
        self, input_dim: int, output_dim: int, hidden_dims: Sequence[int] = (64, 32), dropout: float = 0.1
    ) -> None:
        super().__init__()
        widths = [input_dim, *hidden_dims]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], output_dim))

    def forward(self, scores: Tensor) -> Tensor:
        """Return fused logits (n, output_dim) for scores (n, input_dim)."""
        logits: Tensor = self.layers(scores)
        return logits


class FusionOutput(dict[str, Tensor]):
    """What `FusionWrapper` returns: `ml_logits`, `llm_scores` and `fused_logits`, as keys and as attributes."""

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class FusionWrapper(nn.Module):
    """An encoder with its classification head, and the network that fuses its logits with LLM scores.

    No gradient flows into the scores. A text whose scores are NaN is answered by the encoder's own logits.

    Args:
        ml_model: gives logits (n, K), or an object with `.logits`, of input ids and attention mask.
        fusion_mlp: gives fused logits (n, K) of the logits and the scores side by side, (n, K + L).

    >>> encoder = torch.nn.Embedding(10, 4)
    >>> wrapper = FusionWrapper(lambda ids, mask: encoder(ids).mean(1), FusionMLP(8, 4))
    >>> output = wrapper(torch.zeros(2, 5, dtype=torch.long), torch.ones(2, 5), torch.zeros(2, 4))
    >>> output["fused_logits"].shape
    torch.Size([2, 4])

    """

    def __init__(self, ml_model: Any, fusion_mlp: nn.Module) -> None:
        super().__init__()
        self.ml_model = ml_model
        self.fusion_mlp = fusion_mlp

    def forward(self, input_ids: Tensor, attention_mask: Tensor, llm_scores: Tensor) -> FusionOutput:
        """Return the encoder's logits (n, K), the scores (n, L) without their history, and the fused logits (n, K)."""
        found = self.ml_model(input_ids, attention_mask)
        ml_logits = found if isinstance(found, Tensor) else found.logits
        llm_scores = llm_scores.detach()
        fused_logits = self.fuse(ml_logits, llm_scores)
        return FusionOutput(ml_logits=ml_logits, llm_scores=llm_scores, fused_logits=fused_logits)

    def fuse(self, ml_logits: Tensor, llm_scores: Tensor) -> Tensor:
        """Return fused logits (n, K), float32 under autocast too, of logits that the encoder gave."""
        scored = ~llm_scores.isnan().any(dim=1, keepdim=True)
        with torch.autocast(ml_logits.device.type, enabled=False):
            inputs = torch.cat([ml_logits.float(), llm_scores.nan_to_num().float()], dim=1)
            return torch.where(scored, self.fusion_mlp(inputs), ml_logits.float())


@dataclass(frozen=True)
class NetworkSettings:
    """How a fusion network is made and trained; `fusion_*` settings of the configuration end here and nowhere else."""

    hidden_dims: tuple[int, ...] = (64, 32)
    learning_rate: float = 1e-3
    epochs: int = 60
    """At most: training stops early, and the best weights are kept."""
    batch_size: int | None = None
    """None = 64, or a thirtieth of the rows where that is more."""
    network: type[nn.Module] = FusionMLP
    """A class with FusionMLP's constructor: (input_dim, output_dim, hidden_dims=...)."""
    dropout: float = 0.1
    """Of FusionMLP; a network of another class has its own."""
    weight_decay: float = 1e-2
    patience: int = 6


def new_network(settings: NetworkSettings, n_inputs: int, n_labels: int, *, seed: int) -> nn.Module:
    """Return an untrained network (n, n_inputs) -> (n, n_labels) with weights drawn from a seed.

    Raises:
        ConfigError: `settings.network` is no such class.

    """
    make: Any = settings.network
    if make is FusionMLP:
        return _seeded_network(seed, lambda: FusionMLP(n_inputs, n_labels, settings.hidden_dims, settings.dropout))
    if not (isinstance(make, type) and issubclass(make, nn.Module)):
        raise ConfigError(f"{make!r} is no class derived from torch.nn.Module; pass one with FusionMLP's constructor")
    try:
        network = _seeded_network(seed, lambda: make(n_inputs, n_labels, hidden_dims=list(settings.hidden_dims)))
    except TypeError as error:
        raise ConfigError(
            f"{make.__name__} cannot be made like FusionMLP ({error}); its constructor must take "
            "(input_dim, output_dim, hidden_dims)"
        ) from error
    found = _answer(network, n_inputs)
    if found.shape != (2, n_labels):
        raise ConfigError(
            f"{make.__name__} turns scores (2, {n_inputs}) into {tuple(found.shape)}; it must return (2, {n_labels})"
        )
    return network


def _seeded_network(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    with seeded(seed, torch.device("cpu")):
        return make()


def start_at_zero(network: nn.Module, n_inputs: int) -> nn.Module:
    """Return the network with its last linear layer set to 0, so that it adds nothing before it is trained.

    Raises:
        ConfigError: it answers something other than 0 even so.

    """
    last = next((layer for layer in reversed(list(network.modules())) if isinstance(layer, nn.Linear)), None)
    for parameter in last.parameters() if last is not None else ():
        nn.init.zeros_(parameter)
    if _answer(network, n_inputs).any():
        raise ConfigError(
            f"{type(network).__name__} does not end in a linear layer, so it cannot start from the pool; "
            'end it in torch.nn.Linear, or use combiner="mlp"'
        )
    return network


def _answer(network: nn.Module, n_inputs: int) -> Tensor:
    """Return what the network says of two texts, as it would in use."""
    was_training = network.training
    with torch.inference_mode():
        found: Tensor = network.eval()(torch.ones(2, n_inputs))
    network.train(was_training)
    return found


def flat_weights(network: nn.Module) -> NDArray[np.float32]:
    """Return all that a network has learned, buffers included, as one row of numbers."""
    parts = [value.detach().reshape(-1).float() for value in network.state_dict().values()]
    return np.array(torch.cat(parts).cpu().numpy())


def with_weights(network: nn.Module, flat: NDArray[np.float32]) -> nn.Module:
    """Return a network in use with the weights that `flat_weights` gave of one of its shape."""
    state, start = network.state_dict(), 0
    for name, value in state.items():
        part = torch.from_numpy(np.array(flat[start : start + value.numel()]))
        state[name] = part.reshape(value.shape).to(value.dtype)
        start += value.numel()
    network.load_state_dict(state)
    return network.eval()
