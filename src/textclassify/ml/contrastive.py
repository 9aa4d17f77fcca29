"""A contrastive stage before the head: texts of one label are drawn together, texts of different ones apart.

In the manner of SetFit (Tunstall et al. 2022, "Efficient few-shot learning without prompts"), through the trainer of
sentence-transformers. SetFit reads both texts of every pair; here a batch's texts are read once, and all pairs among
them are compared, which is 16 pairs per text read instead of half a pair at a batch of 32.
"""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from textclassify.core.progress import report
from textclassify.errors import ModelError
from textclassify.ml.training import Lesson, Recipe, seeded
from textclassify.models.dependencies import needs_extra
from textclassify.models.inference import TOKENS_PADDED_TO, padded

with needs_extra("torch"):
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.modules import Module
    from sentence_transformers.base.sampler import BatchSamplers
    from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
    from transformers import PrinterCallback, TrainerCallback

    from textclassify.models.devices import quiet_transformers

_COLUMN = "piece"
_ROWS_READ_AT_ONCE = 8


def learn_from_pairs(network: Any, lesson: Lesson, recipe: Recipe, pad_token_id: int, *, steps: int) -> None:
    """Train the encoder of a network so that pieces of one label have a cosine near 1, of different labels near 0.

    Nothing is printed or left on the disk, and the random generators of the process are as before.

    Args:
        network: has an `encoder`, and gives unit vectors by `vectors(input_ids, attention_mask)`.
        lesson: pieces, label codes and weights; a pair counts for the product of its two weights.
        recipe: how to train; the batch size is even and at least 4, and a label in a batch has two or more pieces.
        pad_token_id: fills short rows up.
        steps: batches to learn from.

    Raises:
        ModelError: the encoder's weights are no numbers afterwards.

    """
    device = next(network.parameters()).device
    with _undisturbed(recipe.seed, device), tempfile.TemporaryDirectory() as folder:
        model = SentenceTransformer(modules=[_UnitVectors(network)], device=str(device))
        trainer = _QuietTrainer(
            model=model,
            args=_arguments(recipe, steps, device, folder),
            train_dataset=Dataset.from_dict({_COLUMN: list(range(len(lesson.pieces))), "label": lesson.targets}),
            loss=PairLoss(model),
            data_collator=SentenceTransformerDataCollator(_reading(lesson, pad_token_id)),
            callbacks=[_Progress()],
            optimizers=_optimizer(network.encoder, recipe, steps),
        )
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train()
        finally:
            network.to(device).eval()
    if not all(bool(torch.isfinite(weight).all()) for weight in network.encoder.parameters()):
        raise ModelError(
            "the contrastive stage lost the encoder's weights; lower learning_rate, or set contrastive=False"
        )


class PairLoss(torch.nn.Module):
    """Squared distance of all cosines in a batch to 1 (one label) or 0 (two), both kinds of pairs counting alike."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, sentence_features: Sequence[Mapping[str, torch.Tensor]], labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch, a scalar; sentence-transformers gives the features of one column."""
        features = dict(sentence_features[0])
        weights = features.pop("weight")
        vectors = self.model(features)["sentence_embedding"]
        with torch.autocast(vectors.device.type, enabled=False):
            return pair_loss(vectors.float(), labels, weights)


def pair_loss(vectors: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean of two weighted means: of (1 - cosine)^2 over pairs of one label, of cosine^2 over the others.

    Args:
        vectors: (n, d) unit vectors.
        labels: (n,) codes.
        weights: (n,) of the rows.

    """
    cosines = vectors @ vectors.T
    same = labels[:, None] == labels[None, :]
    of_pairs = weights[:, None] * weights[None, :]
    alike = of_pairs * (same & ~torch.eye(len(labels), dtype=torch.bool, device=same.device))
    unlike = of_pairs * ~same
    near = (alike * (1 - cosines) ** 2).sum() / alike.sum().clamp(min=1e-12)
    far = (unlike * cosines**2).sum() / unlike.sum().clamp(min=1e-12)
    return (near + far) / 2


class _UnitVectors(Module):
    """A network as the one module of a sentence-transformers model."""

    def __init__(self, network: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.network = network

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**features, "sentence_embedding": self._vectors(features["input_ids"], features["attention_mask"])}

    def _vectors(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return vectors (n, d), read a few rows of similar length at a time: on a processor padding costs as text."""
        if input_ids.device.type == "cuda":
            return self.network.vectors(input_ids, mask)  # type: ignore[no-any-return]
        lengths = mask.sum(dim=1)
        by_length = torch.argsort(lengths, stable=True)
        found = []
        for rows in torch.split(by_length, _ROWS_READ_AT_ONCE):
            width = -(-int(lengths[rows].max()) // TOKENS_PADDED_TO) * TOKENS_PADDED_TO
            found.append(self.network.vectors(input_ids[rows, :width], mask[rows, :width]))
        return torch.cat(found)[torch.argsort(by_length)]

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        raise NotImplementedError("the classifier saves its encoder itself")


class _QuietTrainer(SentenceTransformerTrainer):
    """The trainer without the model card, for which it would read the rows again."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave it out."""


def _reading(lesson: Lesson, pad_token_id: int) -> Callable[..., dict[str, torch.Tensor]]:
    """Return a function of the numbers of pieces to a batch of them: they are token ids already."""

    def read(numbers: list[int], **_: Any) -> dict[str, torch.Tensor]:
        input_ids, mask = padded([lesson.pieces[number] for number in numbers], pad_token_id, torch.device("cpu"))
        weights = torch.tensor(lesson.weights[numbers], dtype=torch.float32)
        return {"input_ids": input_ids, "attention_mask": mask, "weight": weights}

    return read


class _Progress(TrainerCallback):
    """Tells whoever listens how far training has come."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Report a batch."""
        report("comparing texts", state.global_step, state.max_steps)


def _arguments(recipe: Recipe, steps: int, device: torch.device, folder: str) -> SentenceTransformerTrainingArguments:
    arguments = SentenceTransformerTrainingArguments(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=recipe.batch_size,
        batch_sampler=BatchSamplers.GROUP_BY_LABEL,
        seed=recipe.seed,
        bf16=recipe.dtype is torch.bfloat16,
        fp16=recipe.dtype is torch.float16,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type != "cpu",
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # noqa: SLF001 - several GPUs would share a batch of 32 short texts
    return arguments


def _optimizer(encoder: Any, recipe: Recipe, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    trained = [weight for weight in encoder.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in trained if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    warmup = max(1.0, recipe.warmup_share * steps)
    left = max(steps - warmup, 1.0)
    factor = lambda step: min((step + 1) / warmup, max(steps - step, 0) / left, 1.0)  # noqa: E731
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@contextlib.contextmanager
def _undisturbed(seed: int, device: torch.device) -> Iterator[None]:
    """Let the block seed and set what it likes: random generators, environment and verbosity are as before."""
    of_python, of_numpy, environment = random.getstate(), np.random.get_state(), dict(os.environ)  # noqa: NPY002
    try:
        with seeded(seed, device), quiet_transformers(), warnings.catch_warnings():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
