"""The rungs that train a network: as published, as a residual on the pool, and with the texts' embeddings beside."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.special import expit, softmax

from textclassify.ensemble.combining.combiners import Combiner, Evidence
from textclassify.ensemble.combining.network import (
    FusionMLP,
    FusionOutput,
    FusionWrapper,
    NetworkSettings,
    flat_weights,
    new_network,
    start_at_zero,
    with_weights,
)
from textclassify.ensemble.combining.network_training import BagTraining, FusionLesson
from textclassify.ensemble.combining.readings import Arrays, Floats
from textclassify.ensemble.combining.rows import EMBEDDINGS, FusionRows
from textclassify.ensemble.pooling import pooled
from textclassify.errors import StorageError

__all__ = [
    "EmbeddingsMLP",
    "FusionMLP",
    "FusionOutput",
    "FusionWrapper",
    "NetworkSettings",
    "PublishedMLP",
    "ResidualMLP",
]

INTERACTION = "interaction"
"""The part of the logits that the network adds from all sources together."""

Inputs = NDArray[np.float32]


class PublishedMLP(Combiner):
    """The combiner of the paper: FusionMLP on the sources' concatenated scores, trained as configured.

    Args:
        settings: of the network; what `uses_settings` names has an effect.
        random_state: seeds weights, batches and the part that training stops on.

    """

    rung: ClassVar[str] = "mlp"
    uses_settings: ClassVar[tuple[str, ...]] = ("hidden_dims", "learning_rate", "epochs", "batch_size", "network")
    bag: ClassVar[int] = 1
    """Networks that are trained and averaged."""
    source_dropout: ClassVar[float] = 0.0

    def __init__(self, *, settings: NetworkSettings | None = None, random_state: int = 0) -> None:
        super().__init__(random_state=random_state)
        self.settings = settings or NetworkSettings()

    def state(self) -> Arrays:
        """Return all that was learned, as arrays by name.

        Raises:
            StorageError: the network is of a class that a folder cannot bring along.

        """
        if self.settings.network is not FusionMLP:
            raise StorageError(
                f"a network of the class {self.settings.network.__name__} cannot be restored from a folder, which "
                "holds no code; pickle the fusion instead, or fit it without fusion_mlp to save it"
            )
        return super().state()

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        self._train(self._inputs(evidence), np.zeros((len(rows), len(rows.labels))), rows)

    def _train(self, inputs: Inputs, base: Floats, rows: FusionRows) -> None:
        """Train the bag of networks on what the base logits leave to explain."""
        self._standardise(inputs)
        seeds = range(self.random_state, self.random_state + self.bag)
        networks = [self._new_network(inputs.shape[1], len(rows.labels), seed) for seed in seeds]
        lesson = FusionLesson(self._standardised(inputs), base.astype(np.float32), rows, self._source_of_input())
        options = {"random_state": self.random_state, "source_dropout": self.source_dropout}
        BagTraining(networks, lesson, self.settings, **options).run()  # type: ignore[arg-type]
        self.network_state_: NDArray[np.float32] = np.stack([flat_weights(network) for network in networks])
        self.shape_ = np.array([inputs.shape[1], len(rows.labels), *self.settings.hidden_dims])

    def _new_network(self, n_inputs: int, n_labels: int, seed: int) -> torch.nn.Module:
        return new_network(self.settings, n_inputs, n_labels, seed=seed)

    def _parts(self, evidence: Evidence) -> Evidence:
        return {INTERACTION: self._network_logits(self._inputs(evidence))}

    def _network_logits(self, inputs: Inputs) -> Floats:
        """Return the mean of the networks' logits (n, K); in float64, so that they do not depend on the other rows."""
        n_inputs, n_labels, *hidden = (int(width) for width in self.shape_)
        settings = NetworkSettings(hidden_dims=tuple(hidden), network=self.settings.network)
        scaled = torch.from_numpy(self._standardised(inputs)).double()
        with torch.inference_mode():
            logits = [
                with_weights(new_network(settings, n_inputs, n_labels, seed=0), flat).double()(scaled).numpy()
                for flat in np.atleast_2d(self.network_state_)
            ]
        return np.asarray(np.mean(logits, axis=0), dtype=np.float64)

    def _inputs(self, evidence: Evidence) -> Inputs:
        return np.concatenate([_bounded(evidence[name]) for name in self.names], axis=1)

    def _source_of_input(self) -> NDArray[np.intp] | None:
        """Return the number of the source that each input comes from; None where none is ever left out."""
        return None

    def _standardise(self, inputs: Inputs) -> None:
        self.centre_: Inputs = inputs.mean(axis=0)
        self.spread_: Inputs = np.maximum(inputs.std(axis=0), np.float32(1e-3))

    def _standardised(self, inputs: Inputs) -> Inputs:
        return np.ascontiguousarray((inputs - self.centre_) / self.spread_, dtype=np.float32)


class ResidualMLP(PublishedMLP):
    """The pool plus what a network adds to it from scores, masks, margin, entropy and agreement.

    The network's last layer starts at zero, so training starts from the pool and early stopping can return to it;
    whole sources are dropped at random in training; three networks of other seeds and validation parts are averaged.
    """

    min_rows: ClassVar[int] = 100
    bag: ClassVar[int] = 3
    source_dropout: ClassVar[float] = 0.15

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        self.weights_, self.biases_ = pooled(np.stack([evidence[name] for name in self.names]), rows)
        self._train(self._inputs(evidence), self._pool(evidence), rows)

    def _new_network(self, n_inputs: int, n_labels: int, seed: int) -> torch.nn.Module:
        return start_at_zero(super()._new_network(n_inputs, n_labels, seed), n_inputs)

    def _pool(self, evidence: Evidence) -> Floats:
        weighted = [weight * evidence[name] for name, weight in zip(self.names, self.weights_, strict=True)]
        return np.asarray(np.sum(weighted, axis=0) + self.biases_)

    def _parts(self, evidence: Evidence) -> Evidence:
        parts = {name: weight * evidence[name] for name, weight in zip(self.names, self.weights_, strict=True)}
        return parts | {INTERACTION: self._network_logits(self._inputs(evidence)) + self.biases_}

    def weights(self) -> dict[str, float]:
        """Return each source's weight in the pool that the network corrects."""
        return {name: float(weight) for name, weight in zip(self.names, self.weights_, strict=True)}

    def _inputs(self, evidence: Evidence) -> Inputs:
        """Return, source by source, K scores, mask, margin, entropy and agreement with the pool: (n, S (K + 4))."""
        pool = self._pool(evidence)
        return np.concatenate([self._block(evidence[name], pool) for name in self.names], axis=1)

    def _source_of_input(self) -> NDArray[np.intp] | None:
        return np.repeat(np.arange(len(self.names)), len(self.biases_) + 4)

    def _standardise(self, inputs: Inputs) -> None:
        """Leave masks as they are: 1 for a source that is there, so that 0 means that it is left out."""
        super()._standardise(inputs)
        width = len(self.biases_) + 4
        masks = np.arange(len(self.names)) * width + len(self.biases_)
        self.centre_[masks], self.spread_[masks] = 0.0, 1.0

    def _block(self, scores: Floats, pool: Floats) -> Inputs:
        bounded = _bounded(scores)
        if self.multi_label:
            p = np.clip(expit(bounded), 1e-6, 1 - 1e-6)
            margin = np.abs(p - 0.5).min(axis=1)
            entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean(axis=1)
            agreement = ((scores > 0) == (pool > 0)).mean(axis=1)
        else:
            p = np.clip(softmax(bounded, axis=1), 1e-9, 1)
            ordered = np.partition(p, -2, axis=1) if p.shape[1] > 1 else p
            margin = ordered[:, -1] - (ordered[:, -2] if p.shape[1] > 1 else 0.0)
            entropy = -(p * np.log(p)).sum(axis=1)
            agreement = (scores.argmax(axis=1) == pool.argmax(axis=1)).astype(np.float32)
        block = np.column_stack([bounded, np.ones(len(scores)), margin, entropy, agreement])
        return np.asarray(block, dtype=np.float32)


class EmbeddingsMLP(ResidualMLP):
    """The residual network with the texts' frozen vectors beside the sources' evidence.

    This is the form of the paper's abstract. The vectors enter as their first principal components, at most
    `most_components` and one per `rows_per_component` rows; all are left out together, like a source.
    """

    rung: ClassVar[str] = "embeddings"
    uses_embeddings: ClassVar[bool] = True
    most_components: ClassVar[int] = 64
    rows_per_component: ClassVar[int] = 10

    def _learn(self, evidence: Evidence, rows: FusionRows) -> None:
        vectors = evidence[EMBEDDINGS]
        self.vector_centre_: Inputs = vectors.mean(axis=0).astype(np.float32)
        most = min(self.most_components, max(1, len(vectors) // self.rows_per_component), vectors.shape[1])
        self.components_: Inputs = _main_directions(vectors - vectors.mean(axis=0), most)
        super()._learn(evidence, rows)

    def _inputs(self, evidence: Evidence) -> Inputs:
        """Return the residual network's inputs, and the vectors' components after them."""
        components = (evidence[EMBEDDINGS].astype(np.float32) - self.vector_centre_) @ self.components_
        return np.concatenate([super()._inputs(evidence), components], axis=1)

    def _source_of_input(self) -> NDArray[np.intp] | None:
        of_sources = super()._source_of_input()
        of_vectors = np.full(self.components_.shape[1], len(self.names))
        return of_vectors if of_sources is None else np.concatenate([of_sources, of_vectors])

    def _standardise(self, inputs: Inputs) -> None:
        """Scale all components alike: their variances say what is signal."""
        super()._standardise(inputs)
        n = self.components_.shape[1]
        self.spread_[-n:] = np.sqrt((self.spread_[-n:] ** 2).mean())


def _bounded(scores: Floats) -> Inputs:
    return np.clip(scores, -10.0, 10.0).astype(np.float32)


def _main_directions(centred: Floats, most: int) -> Inputs:
    """Return the directions (D, most) of the largest variance of vectors (n, D), as principal components do."""
    fewer_rows = len(centred) < centred.shape[1]
    products = centred @ centred.T if fewer_rows else centred.T @ centred
    _, found = eigh(products, subset_by_index=(len(products) - most, len(products) - 1))
    directions = centred.T @ found if fewer_rows else found
    lengths = np.maximum(np.linalg.norm(directions, axis=0), 1e-12)
    return np.ascontiguousarray(directions / lengths, dtype=np.float32)
