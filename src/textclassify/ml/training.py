"""Fine-tuning: a compact training loop for `EncoderNetwork`."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report
from textclassify.errors import ModelError
from textclassify.ml.losses import losses_of
from textclassify.models.dependencies import needs_extra
from textclassify.models.inference import padded

with needs_extra("torch"):
    import torch

logger = logging.getLogger(__name__)

_BATCHES_SORTED_TOGETHER = 16
"""Rows are sorted by length within blocks of this many batches: little padding, batches still differ by epoch."""
_PADDED_TO = {"cpu": 1, "cuda": 8}
"""Tokens per text are padded to a multiple of this: on a CPU the longest row, on a GPU what it computes anyway."""


@dataclass(frozen=True)
class Recipe:
    """How an encoder is fine-tuned; see `TransformerClassifier` for what each means."""

    num_epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    warmup_share: float
    patience: int
    seed: int
    dtype: torch.dtype
    max_gradient_norm: float = 1.0


@dataclass(frozen=True)
class Lesson:
    """What is learned from (or validated on).

    Attributes:
        pieces: token ids of each piece of text.
        targets: (pieces,) label codes, or a 0/1 indicator (pieces, K).
        weights: (pieces,) weights above 0.
        positive_weight: (K,) weight of the pieces that have a label; indicator only.

    """

    pieces: list[list[int]]
    targets: NDArray[Any]
    weights: NDArray[np.float64]
    positive_weight: NDArray[np.float64] | None = None


class FineTuning:
    """One run of training; when memory runs out, the batch is computed in smaller parts with the same result.

    Args:
        network: gives logits (rows, K) of input ids and attention mask; has an `encoder` and a `head`.
        recipe: how to train.
        pad_token_id: fills short rows up.

    """

    def __init__(self, network: Any, recipe: Recipe, pad_token_id: int) -> None:
        self.network = network
        self.recipe = recipe
        self.pad_token_id = pad_token_id
        self.device = next(network.parameters()).device
        self.rows_at_once = recipe.batch_size
        self.best_loss = math.inf
        self.best_weights: dict[str, torch.Tensor] | None = None

    def run(self, lesson: Lesson, validation: Lesson | None = None) -> list[float]:
        """Train, restore the best weights if there is validation, and return the validation losses, one per epoch.

        The first loss is that of the weights before training, which count as a candidate. Ctrl-C is passed on after
        the best weights so far are restored.

        Raises:
            ModelError: one row alone is too large for the memory, or the loss is no number.

        """
        with seeded(self.recipe.seed, self.device):
            try:
                return self._run_epochs(lesson, validation)
            except KeyboardInterrupt:
                kept = "the best weights so far" if self.best_weights else "the weights as they are"
                logger.warning("training was interrupted; the classifier keeps %s", kept)
                raise
            finally:
                self._restore()
                self.network.eval()

    def _run_epochs(self, lesson: Lesson, validation: Lesson | None) -> list[float]:
        recipe = self.recipe
        rows = len(lesson.pieces)
        steps = math.ceil(rows / recipe.batch_size) * recipe.num_epochs
        optimizer, schedule = self._optimizer(steps)
        scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.dtype is torch.float16)
        shuffle = np.random.default_rng(recipe.seed)
        losses = [] if validation is None else [self._validate(validation)]
        done = 0
        for epoch in range(recipe.num_epochs):
            self.network.train()
            for batch in _batches(lesson.pieces, recipe.batch_size, shuffle):
                self._step(lesson, batch, optimizer, scaler)
                schedule.step()
                done += len(batch)
                report("fine-tuning", done, rows * recipe.num_epochs)
            if validation is not None:
                losses.append(self._validate(validation))
                logger.info("epoch %d: validation loss %.4f", epoch + 1, losses[-1])
                if len(losses) - 1 - int(np.argmin(losses)) >= recipe.patience:
                    break
        return losses

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, Any]:
        """Return AdamW (no decay of biases and norms) and its schedule: linear warmup, linear decay to 0."""
        recipe = self.recipe
        body = [weight for weight in self.network.encoder.parameters() if weight.requires_grad]
        head = list(self.network.head.parameters())
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in body if weight.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [weight for weight in body if weight.ndim <= 1], "weight_decay": 0.0},
            {"params": head, "weight_decay": 0.0, "lr": recipe.head_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
        warmup = max(1.0, recipe.warmup_share * steps)
        factor = lambda step: min((step + 1) / warmup, max(steps - step, 0) / max(steps - warmup, 1.0), 1.0)  # noqa: E731
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def _step(self, lesson: Lesson, batch: NDArray[np.intp], optimizer: torch.optim.Optimizer, scaler: Any) -> None:
        while not self._accumulated(lesson, batch, optimizer, scaler):
            self._take_fewer_rows()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.max_gradient_norm)
        scaler.step(optimizer)
        scaler.update()

    def _accumulated(
        self, lesson: Lesson, batch: NDArray[np.intp], optimizer: torch.optim.Optimizer, scaler: Any
    ) -> bool:
        """Add up the gradients of a batch, part by part; return False when the memory did not suffice."""
        optimizer.zero_grad()
        total_weight = float(lesson.weights[batch].sum())
        try:
            for start in range(0, len(batch), self.rows_at_once):
                loss = self._loss(lesson, batch[start : start + self.rows_at_once]).sum() / total_weight
                if not torch.isfinite(loss):
                    raise ModelError("the training loss is no number; lower learning_rate, or set precision='fp32'")
                scaler.scale(loss).backward()
        except torch.OutOfMemoryError:
            return False
        return True

    def _take_fewer_rows(self) -> None:
        if self.rows_at_once == 1:
            raise ModelError("one text alone is too large for the memory; lower max_length, or set device='cpu'")
        self.rows_at_once = math.ceil(self.rows_at_once / 2)
        logger.warning(
            "out of memory: a batch of %d is computed %d at a time", self.recipe.batch_size, self.rows_at_once
        )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _inputs(self, lesson: Lesson, rows: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the input ids and the attention mask of some pieces, (rows, longest)."""
        multiple = _PADDED_TO.get(self.device.type, _PADDED_TO["cuda"])
        pieces = [lesson.pieces[row] for row in rows]
        return padded(pieces, self.pad_token_id, self.device, multiple=multiple)

    def _loss(self, lesson: Lesson, rows: NDArray[np.intp]) -> torch.Tensor:
        """Return the weighted loss of each piece, (rows,); multi-label: the mean over labels."""
        input_ids, mask = self._inputs(lesson, rows)
        with torch.autocast(self.device.type, dtype=self.recipe.dtype, enabled=self.recipe.dtype is not torch.float32):
            logits = self.network(input_ids, mask)
        losses = losses_of(logits, lesson.targets[rows], lesson.positive_weight)
        return losses * torch.tensor(lesson.weights[rows], dtype=torch.float32, device=self.device)

    def _validate(self, lesson: Lesson) -> float:
        """Return the mean loss on rows that are not trained on, and keep the weights if it is the lowest so far."""
        self.network.eval()
        by_length = np.argsort([-len(piece) for piece in lesson.pieces], kind="stable")
        with torch.inference_mode():
            starts = range(0, len(by_length), self.rows_at_once)
            total = sum(float(self._loss(lesson, by_length[at : at + self.rows_at_once]).sum()) for at in starts)
        loss = total / float(lesson.weights.sum())
        if loss < self.best_loss:
            self.best_loss = loss
            self.best_weights = {name: w.detach().cpu().clone() for name, w in self._trained()}
        return loss

    def _trained(self) -> Iterator[tuple[str, torch.Tensor]]:
        return ((name, weight) for name, weight in self.network.named_parameters() if weight.requires_grad)

    def _restore(self) -> None:
        if self.best_weights is not None:
            with torch.no_grad():
                for name, weight in self._trained():
                    weight.copy_(self.best_weights[name])


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw the block's random numbers from a seed, and leave the caller's as they were."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield


def _batches(pieces: list[list[int]], batch_size: int, shuffle: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Give the rows in random batches of similar length."""
    order = shuffle.permutation(len(pieces))
    lengths = np.array([len(piece) for piece in pieces])
    block_size = batch_size * _BATCHES_SORTED_TOGETHER
    batches: list[NDArray[np.intp]] = []
    for start in range(0, len(order), block_size):
        block = order[start : start + block_size]
        block = block[np.argsort(lengths[block], kind="stable")]
        batches += [block[first : first + batch_size] for first in range(0, len(block), batch_size)]
    for number in shuffle.permutation(len(batches)):
        yield batches[number]
