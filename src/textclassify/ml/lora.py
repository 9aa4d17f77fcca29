"""Low-rank adapters: a large encoder is fine-tuned by a hundredth of its weights (Hu et al. 2022, "LoRA")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textclassify.errors import ConfigError
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

    from textclassify.ml.training import seeded

LORA_RATE_FACTOR = 10.0
"""Adapters learn best at ten times the rate of all weights (Schulman et al. 2025, "LoRA Without Regret")."""
_ALPHA_OF_RANK = 2.0
"""Adapters count twice, at every rank."""
_DROPOUT = 0.05


def check_peft() -> None:
    """Make sure that adapters can be trained here.

    Raises:
        MissingDependencyError: peft is not installed.

    """
    with needs_extra("lora"):
        import peft  # noqa: F401


@contextmanager
def trained_by_adapters(network: Any, rank: int | None, seed: int) -> Iterator[None]:
    """Have the encoder's linear layers trained by adapters inside the block, and merged with them at its end.

    Args:
        network: its `encoder` is frozen but for the adapters (A W + B A, B zero at first), then as large as before.
        rank: columns of B and rows of A; None = no adapters, all weights are trained as they are.
        seed: of A.

    Raises:
        ConfigError: the rank is more than the encoder's width.
        MissingDependencyError: peft is not installed.

    """
    if rank is None:
        yield
        return
    width = network.head.in_features
    if rank > width:
        raise ConfigError(f"lora={rank} is more than the encoder's width of {width}; take a rank such as 8")
    with needs_extra("lora"):
        import peft

    config = peft.LoraConfig(
        r=rank, lora_alpha=round(_ALPHA_OF_RANK * rank), lora_dropout=_DROPOUT, target_modules="all-linear"
    )
    with seeded(seed, torch.device("cpu")):
        adapted = peft.LoraModel(network.encoder, config, "default")
    network.encoder = adapted
    try:
        yield
    finally:
        network.encoder = adapted.merge_and_unload()
