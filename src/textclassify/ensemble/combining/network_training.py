"""Several fusion networks trained in one loop, each on its own part of the rows, with the best weights restored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from textclassify.ensemble.combining.network import FusionMLP, NetworkSettings
from textclassify.ensemble.combining.rows import FusionRows
from textclassify.ml.training import seeded

Forward = Callable[[Tensor], Tensor]
"""From inputs (B, rows, F) to logits (B, rows, K), each of B networks on its own rows."""

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class FusionLesson:
    """What fusion networks learn from: they add to base logits.

    Args:
        inputs: (n, F), of mean 0.
        base: (n, K) logits that the networks' are added to.
        rows: gold, weights and clusters of the n rows.
        source_of_input: (F,) number of the source that an input comes from.

    """

    inputs: NDArray[np.float32]
    base: NDArray[np.float32]
    rows: FusionRows
    source_of_input: NDArray[np.intp] | None = None


class BagTraining:
    """One training run of B networks; each has its own fifth of the rows to stop on.

    Args:
        networks: of one shape; they are trained in place.
        lesson: what they learn.
        settings: how.
        random_state: seeds the parts, batches and dropout.
        source_dropout: share of a batch's rows for which a source is left out, its inputs being 0 then.

    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        lesson: FusionLesson,
        settings: NetworkSettings,
        *,
        random_state: int,
        source_dropout: float = 0.0,
    ) -> None:
        self.networks = networks
        self.settings = settings
        self.random_state = random_state
        rows = lesson.rows
        self.multi_label = rows.multi_label
        self.inputs, self.base = torch.from_numpy(lesson.inputs), torch.from_numpy(lesson.base)
        self.gold = torch.from_numpy(rows.gold.astype(np.float32 if rows.multi_label else np.int64))
        self.weight = torch.from_numpy(rows.weight.astype(np.float32))
        self.inputs_of_source = _indicator(lesson.source_of_input)
        self.source_dropout = source_dropout
        held_out = [_validation_rows(rows.clusters, random_state + number) for number in range(len(networks))]
        self.training_rows = [torch.from_numpy(np.flatnonzero(~held)) for held in held_out]
        self.checked_rows, self.checked = _side_by_side([np.flatnonzero(held) for held in held_out])

    def run(self) -> None:
        """Train until no network has improved for a while, and restore each network's best weights."""
        forward, parameters = _in_one(self.networks)
        optimiser = torch.optim.AdamW(
            parameters, lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay, fused=True
        )
        best, kept = self._losses_now(forward), [_copied(network) for network in self.networks]
        waited = np.zeros(len(self.networks))
        with seeded(self.random_state, _CPU):
            for _ in range(self.settings.epochs):
                self._train_once(forward, optimiser)
                now = self._losses_now(forward)
                for number in np.flatnonzero((now < best) & (waited < self.settings.patience)).tolist():
                    best[number], kept[number] = now[number], _copied(self.networks[number])
                    waited[number] = -1
                waited += 1
                if (waited >= self.settings.patience).all():
                    break
        for network, weights in zip(self.networks, kept, strict=True):
            network.load_state_dict(weights)

    def _train_once(self, forward: Forward, optimiser: torch.optim.Optimizer) -> None:
        for network in self.networks:
            network.train()
        n_rows = min(len(rows) for rows in self.training_rows)
        shuffled = torch.stack([rows[torch.randperm(len(rows))[:n_rows]] for rows in self.training_rows])
        for chosen in torch.split(shuffled, self.settings.batch_size or max(64, n_rows // 30), dim=1):
            logits = forward(self._without_some_sources(_taken(self.inputs, chosen))) + _taken(self.base, chosen)
            loss = (self._losses(logits, chosen) * self.weight[chosen]).sum() / chosen.shape[1]
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    def _losses_now(self, forward: Forward) -> NDArray[np.float64]:
        """Return each network's loss on its held-out rows, (B,)."""
        for network in self.networks:
            network.eval()
        with torch.inference_mode():
            logits = forward(_taken(self.inputs, self.checked_rows)) + _taken(self.base, self.checked_rows)
            losses = self._losses(logits, self.checked_rows) * self.weight[self.checked_rows] * self.checked
            return np.asarray(losses.sum(dim=1).numpy(), dtype=np.float64)

    def _losses(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return the loss of each row, (B, rows)."""
        if self.multi_label:
            gold = _taken(self.gold, rows)
            return nn.functional.binary_cross_entropy_with_logits(logits, gold, reduction="none").sum(dim=2)
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), self.gold[rows.flatten()], reduction="none")
        return losses.view(rows.shape)

    def _without_some_sources(self, inputs: Tensor) -> Tensor:
        """Return inputs (B, rows, F) with whole sources' set to 0, at random by row."""
        if len(self.inputs_of_source) < 2 or self.source_dropout == 0:
            return inputs
        kept = torch.rand((*inputs.shape[:2], len(self.inputs_of_source))) >= self.source_dropout
        return inputs * (kept.float() @ self.inputs_of_source)


class _Stack(nn.Module):
    """FusionMLPs of one shape computed together: their weights become views of one tensor per layer."""

    def __init__(self, networks: Sequence[FusionMLP]) -> None:
        super().__init__()
        self.networks = networks  # a plain tuple: the parameters are the stacks below
        layers = zip(
            *([layer for layer in net.layers if isinstance(layer, nn.Linear)] for net in networks), strict=True
        )
        weights, biases = [], []
        for layer in layers:
            weights.append(nn.Parameter(torch.stack([linear.weight.detach() for linear in layer])))
            biases.append(nn.Parameter(torch.stack([linear.bias.detach() for linear in layer])))
            for number, linear in enumerate(layer):
                linear.weight.data, linear.bias.data = weights[-1].data[number], biases[-1].data[number]
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)

    def forward(self, inputs: Tensor) -> Tensor:
        first = self.networks[0]
        for layer in range(len(self.weights)):
            inputs = torch.baddbmm(self.biases[layer][:, None], inputs, self.weights[layer].mT)
            if layer + 1 < len(self.weights):
                share = first.layers[3 * layer + 2].p
                inputs = nn.functional.dropout(inputs.relu(), share, training=first.training)  # type: ignore[arg-type]
        return inputs


def _in_one(networks: Sequence[nn.Module]) -> tuple[Forward, list[nn.Parameter]]:
    """Return what computes all networks, each on its own rows, and the parameters to train."""
    ours = [network for network in networks if type(network) is FusionMLP]
    if len(ours) == len(networks):
        stack = _Stack(ours)
        return stack, list(stack.parameters())

    def one_by_one(inputs: Tensor) -> Tensor:
        return torch.stack([network(one) for network, one in zip(networks, inputs, strict=True)])

    return one_by_one, [parameter for network in networks for parameter in network.parameters()]


def _validation_rows(clusters: NDArray[np.int64], random_state: int) -> NDArray[np.bool_]:
    """Return a mask of about a fifth of the rows, equal texts together (unless all are), never all rows of a side."""
    unique, inverse = np.unique(clusters, return_inverse=True)
    if len(unique) == 1:
        unique = inverse = np.arange(len(clusters))
    drawn = np.random.default_rng(random_state).permutation(len(unique))
    return np.isin(inverse, drawn[: max(1, math.floor(len(unique) / 5))])


def _side_by_side(parts: Sequence[NDArray[np.intp]]) -> tuple[Tensor, Tensor]:
    """Return row numbers (B, longest), short parts filled up with row 0, and 1 where a number is none of these."""
    rows = np.zeros((len(parts), max(len(part) for part in parts)), dtype=np.int64)
    real = np.zeros(rows.shape, dtype=np.float32)
    for number, part in enumerate(parts):
        rows[number, : len(part)], real[number, : len(part)] = part, 1.0
    return torch.from_numpy(rows), torch.from_numpy(real)


def _indicator(source_of_input: NDArray[np.intp] | None) -> Tensor:
    """Return which inputs are which source's, (S, F) zeros and ones."""
    numbers = np.zeros(0, dtype=np.intp) if source_of_input is None else source_of_input
    return torch.from_numpy((np.arange(numbers.max(initial=-1) + 1)[:, None] == numbers).astype(np.float32))


def _taken(values: Tensor, rows: Tensor) -> Tensor:
    """Return (B, rows, columns) of (n, columns); `values[rows]` is the same, three times slower."""
    return values.index_select(0, rows.flatten()).view(*rows.shape, -1)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
