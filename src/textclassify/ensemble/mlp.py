"""FusionMLP, the small network of the LabelFusion paper, and the rungs that train it: as published, as a residual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor, nn

from textclassify.ensemble.combiners import Combiner, Evidence, targets_of
from textclassify.ensemble.pooling import pooled
from textclassify.ensemble.readings import Floats
from textclassify.ensemble.rows import FusionRows

INTERACTION = "interaction"
"""The part of the logits that the network adds from all sources together."""


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


@dataclass(frozen=True)
class NetworkSettings:
    """How a fusion network is trained; `fusion_*` settings of the configuration end here and nowhere else."""

    hidden_dims: tuple[int, ...] = (64, 32)
    learning_rate: float = 1e-3
    epochs: int = 60
    batch_size: int | None = None
    """None = 64, or a thirtieth of the rows where that is more."""
    dropout: float = 0.1
    weight_decay: float = 1e-2
    patience: int = 6


class PublishedMLP(Combiner):
    """The combiner of the paper: FusionMLP on the sources' concatenated scores, trained as configured."""

    rung: ClassVar[str] = "mlp"

    def __init__(self, *, settings: NetworkSettings | None = None, random_state: int = 0) -> None:
        super().__init__(random_state=random_state)
        self.settings = settings or NetworkSettings()

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        inputs = self._inputs(evidence)
        self._standardise(inputs)
        network = self._network(inputs.shape[1], len(rows.labels), self.random_state)
        fitting = _Fitting(self.settings, multi_label=rows.multi_label, random_state=self.random_state)
        fitting.run(network, (inputs - self.centre_) / self.spread_, np.zeros_like(targets_of(rows)), rows)
        self.network_state_: NDArray[np.float32] = _flat(network)
        self.shape_ = np.array([inputs.shape[1], len(rows.labels), *self.settings.hidden_dims])

    def _parts(self, evidence: Evidence) -> Evidence:
        return {INTERACTION: self._forward((self._inputs(evidence) - self.centre_) / self.spread_, self.network_state_)}

    def _inputs(self, evidence: Evidence) -> Floats:
        return np.concatenate([_bounded(evidence[name]) for name in self.names], axis=1)

    def _standardise(self, inputs: Floats) -> None:
        self.centre_: Floats = inputs.mean(axis=0)
        self.spread_: Floats = np.maximum(inputs.std(axis=0), 1e-3)

    def _network(self, n_inputs: int, n_labels: int, seed: int) -> FusionMLP:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return FusionMLP(n_inputs, n_labels, self.settings.hidden_dims, self.settings.dropout)

    def _forward(self, inputs: Floats, flat: NDArray[np.float32]) -> Floats:
        n_inputs, n_labels, *hidden = (int(width) for width in self.shape_)
        network = FusionMLP(n_inputs, n_labels, hidden)
        nn.utils.vector_to_parameters(torch.from_numpy(np.array(flat)), network.parameters())
        network.eval()
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(inputs.astype(np.float32))).numpy(), dtype=np.float64)


class ResidualMLP(PublishedMLP):
    """The pool plus what a network adds to it from scores, masks, margin, entropy and agreement.

    The network's last layer starts at zero, so training starts from the pool and early stopping can return to it;
    whole sources are dropped at random in training; three networks of other seeds and validation parts are averaged.
    """

    rung: ClassVar[str] = "mlp"
    min_rows: ClassVar[int] = 100
    bag: ClassVar[int] = 3
    source_dropout: ClassVar[float] = 0.15

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        self.weights_, self.biases_ = pooled(np.stack([evidence[name] for name in self.names]), rows)
        inputs, base = self._inputs(evidence), self._pool(evidence)
        self._standardise(inputs)
        scaled, networks = (inputs - self.centre_) / self.spread_, []
        for seed in range(self.random_state, self.random_state + self.bag):
            network = self._network(inputs.shape[1], len(rows.labels), seed)
            nn.init.zeros_(network.layers[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(network.layers[-1].bias)  # type: ignore[arg-type]
            fitting = _Fitting(self.settings, multi_label=rows.multi_label, random_state=seed)
            fitting.run(network, scaled, base, rows, n_sources=len(self.names), source_dropout=self.source_dropout)
            networks.append(_flat(network))
        self.network_state_ = np.stack(networks)
        self.shape_ = np.array([inputs.shape[1], len(rows.labels), *self.settings.hidden_dims])

    def _pool(self, evidence: Evidence) -> Floats:
        weighted = [weight * evidence[name] for name, weight in zip(self.names, self.weights_, strict=True)]
        return np.asarray(np.sum(weighted, axis=0) + self.biases_)

    def _parts(self, evidence: Evidence) -> Evidence:
        parts = {name: weight * evidence[name] for name, weight in zip(self.names, self.weights_, strict=True)}
        inputs = (self._inputs(evidence) - self.centre_) / self.spread_
        residual = np.mean([self._forward(inputs, flat) for flat in self.network_state_], axis=0)
        return parts | {INTERACTION: residual + self.biases_}

    def weights(self) -> dict[str, float]:
        """Return each source's weight in the pool that the network corrects."""
        return {name: float(weight) for name, weight in zip(self.names, self.weights_, strict=True)}

    def _inputs(self, evidence: Evidence) -> Floats:
        """Return, source by source, K scores, mask, margin, entropy and agreement with the pool: (n, S (K + 4))."""
        pool = self._pool(evidence)
        return np.concatenate([self._block(evidence[name], pool) for name in self.names], axis=1)

    def _block(self, scores: Floats, pool: Floats) -> Floats:
        bounded = _bounded(scores)
        if self.multi_label:
            p = np.clip(expit(scores), 1e-6, 1 - 1e-6)
            margin = np.abs(p - 0.5).min(axis=1)
            entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean(axis=1)
            agreement = ((scores > 0) == (pool > 0)).mean(axis=1)
        else:
            p = np.clip(softmax(scores, axis=1), 1e-9, 1)
            ordered = np.sort(p, axis=1)
            margin = ordered[:, -1] - (ordered[:, -2] if p.shape[1] > 1 else 0.0)
            entropy = -(p * np.log(p)).sum(axis=1)
            agreement = (scores.argmax(axis=1) == pool.argmax(axis=1)).astype(np.float64)
        return np.column_stack([bounded, np.ones(len(scores)), margin, entropy, agreement])


@dataclass
class _Fitting:
    """One training run of a network on top of fixed base logits, with early stopping and the best weights restored."""

    settings: NetworkSettings
    multi_label: bool
    random_state: int

    def run(
        self,
        network: FusionMLP,
        inputs: Floats,
        base: Floats,
        rows: FusionRows,
        *,
        n_sources: int = 1,
        source_dropout: float = 0.0,
    ) -> None:
        x, offset, y, weight = (_tensor(a) for a in (inputs, base, targets_of(rows), rows.weight))
        draw = torch.Generator().manual_seed(self.random_state)
        held_out = _validation_rows(rows.clusters, self.random_state)
        train, check = torch.from_numpy(np.flatnonzero(~held_out)), torch.from_numpy(np.flatnonzero(held_out))
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        best, kept, waited = self._loss(network, x, offset, y, weight, check), _copied(network), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            for _ in range(self.settings.epochs):
                network.train()
                shuffled = train[torch.randperm(len(train), generator=draw)]
                for chosen in torch.split(shuffled, self.settings.batch_size or max(64, len(train) // 30)):
                    seen = _without_some_sources(x[chosen], n_sources, source_dropout, draw)
                    loss = self._losses(network(seen) + offset[chosen], y[chosen]) @ weight[chosen] / len(chosen)
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                now = self._loss(network, x, offset, y, weight, check)
                waited = 0 if now < best else waited + 1
                if now < best:
                    best, kept = now, _copied(network)
                if waited >= self.settings.patience:
                    break
        network.load_state_dict(kept)

    def _loss(self, network: FusionMLP, x: Tensor, offset: Tensor, y: Tensor, weight: Tensor, rows: Tensor) -> float:
        network.eval()
        with torch.inference_mode():
            return float(self._losses(network(x[rows]) + offset[rows], y[rows]) @ weight[rows])

    def _losses(self, logits: Tensor, y: Tensor) -> Tensor:
        if self.multi_label:
            return nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(dim=1)
        return nn.functional.cross_entropy(logits, y, reduction="none")


def _validation_rows(clusters: Any, random_state: int) -> Any:
    """Return a mask of about a fifth of the rows, equal texts together, never all rows of either side."""
    unique, inverse = np.unique(clusters, return_inverse=True)
    drawn = np.random.default_rng(random_state).permutation(len(unique))
    return np.isin(inverse, drawn[: max(1, len(unique) // 5)])


def _without_some_sources(x: Tensor, n_sources: int, share: float, draw: torch.Generator) -> Tensor:
    """Return inputs with whole sources' blocks set to their mean (0 once standardised), at random by row."""
    if share == 0 or n_sources < 2:
        return x
    kept = torch.rand((len(x), n_sources, 1), generator=draw) >= share
    return (x.view(len(x), n_sources, -1) * kept).view(len(x), -1)


def _bounded(scores: Floats) -> Floats:
    return np.asarray(np.clip(scores, -10.0, 10.0))


def _tensor(array: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _flat(network: nn.Module) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = nn.utils.parameters_to_vector(network.parameters()).detach().numpy().copy()
    return flat
