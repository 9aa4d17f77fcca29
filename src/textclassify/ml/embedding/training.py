"""Training of a small network on features: seeded, stopped early, the best weights kept."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report
from textclassify.errors import ModelError
from textclassify.ml.embedding.features import Features
from textclassify.ml.losses import losses_of
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is trained; see `EmbeddingClassifier` for what each means."""

    num_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int


@dataclass(frozen=True)
class HeadLesson:
    """What is learned from (or validated on).

    Attributes:
        features: of all rows.
        rows: (m,) which of them belong to this lesson.
        targets: label codes of all rows, (n,), or a 0/1 indicator (n, K).
        weights: (n,) weights above 0.
        positive_weight: (K,) weight of the rows that have a label; indicator only.

    """

    features: Features
    rows: NDArray[np.intp]
    targets: NDArray[Any]
    weights: NDArray[np.float64]
    positive_weight: NDArray[np.float64] | None = None

    def losses(self, logits: torch.Tensor, rows: NDArray[np.intp]) -> torch.Tensor:
        """Return the weighted loss of each row, from its logits; multi-label: the mean over labels."""
        weights = torch.from_numpy(self.weights[rows]).to(logits)
        return losses_of(logits, self.targets[rows], self.positive_weight) * weights


class HeadTraining:
    """One run of training; the weights with the lowest validation loss are kept.

    Args:
        network: gives logits (rows, K) of a list of features.
        recipe: how to train.

    """

    def __init__(self, network: torch.nn.Module, recipe: HeadRecipe) -> None:
        self.network = network
        self.recipe = recipe
        self.device = next(network.parameters()).device
        self._best_loss = math.inf
        self._best: dict[str, torch.Tensor] | None = None

    def run(self, lesson: HeadLesson, validation: HeadLesson | None = None) -> list[float]:
        """Train, restore the best weights if there is validation, and return the validation losses, one per epoch.

        The caller seeds torch's generator, from which dropout draws. Ctrl-C is passed on after the best weights so far
        are restored.

        Raises:
            ModelError: the loss is no number.

        """
        try:
            return self._run_epochs(lesson, validation)
        except KeyboardInterrupt:
            kept = "the best weights so far" if self._best else "the weights as they are"
            logger.warning("training was interrupted; the classifier keeps %s", kept)
            raise
        finally:
            if self._best is not None:
                self.network.load_state_dict(self._best)
            self.network.eval()

    def _run_epochs(self, lesson: HeadLesson, validation: HeadLesson | None) -> list[float]:
        recipe = self.recipe
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        shuffle = np.random.default_rng(recipe.seed)
        losses: list[float] = []
        for epoch in range(recipe.num_epochs):
            self.network.train()
            for rows, features in lesson.features.batches(shuffle.permutation(lesson.rows), recipe.batch_size):
                self._step(lesson, rows, features, optimizer)
            report("training the head", epoch + 1, recipe.num_epochs)
            if validation is not None:
                losses.append(self._validate(validation))
                logger.info("epoch %d: validation loss %.4f", epoch + 1, losses[-1])
                if len(losses) - 1 - int(np.argmin(losses)) >= recipe.patience:
                    break
        if self._best is None:  # the last step may be the one that went too far
            _check_loss(logits_of(self.network, lesson.features, lesson.rows[: recipe.batch_size]))
        return losses

    def _step(self, lesson: HeadLesson, rows: NDArray[np.intp], features: list[torch.Tensor], optimizer: Any) -> None:
        logits = self.network([values.to(self.device) for values in features])
        loss = lesson.losses(logits, rows).sum() / float(lesson.weights[rows].sum())
        _check_loss(loss)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch has no types for it
        optimizer.step()

    def _validate(self, lesson: HeadLesson) -> float:
        """Return the mean loss on rows that are not trained on, and keep the weights if it is the lowest so far."""
        logits = logits_of(self.network, lesson.features, lesson.rows)
        total = float(lesson.losses(logits, lesson.rows).sum())
        loss = total / float(lesson.weights[lesson.rows].sum())
        if loss < self._best_loss:
            self._best_loss = loss
            self._best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        return loss


def logits_of(network: torch.nn.Module, features: Features, rows: NDArray[np.intp]) -> torch.Tensor:
    """Return the logits (m, K) of m rows, without dropout, on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        found = [network([values.to(device) for values in some]).cpu() for _, some in features.batches(rows)]
    return torch.cat(found)


def _check_loss(values: torch.Tensor) -> None:
    if not torch.isfinite(values).all():
        raise ModelError("the training loss is no number; lower learning_rate")
