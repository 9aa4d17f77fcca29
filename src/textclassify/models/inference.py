"""Forward passes over many rows of tokens: batches of similar length, in halves where the memory does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report
from textclassify.errors import ModelError
from textclassify.models.batching import token_batches
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

logger = logging.getLogger(__name__)

Forward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A function of input ids and attention mask, each (rows, tokens), to results (rows, ...)."""

TOKENS_PADDED_TO = 16
"""Batches are padded to a multiple of this many tokens.

Odd lengths change which kernel computes a row, and with it the last digits of bf16; even ones do not, so a text's
scores do not depend on its neighbours.
"""

# Measured best on two cores for a 22M encoder: larger batches fall out of the processor's cache.
_TOKENS_PER_BATCH = {"cpu": 4096, "cuda": 65536}


def padded(
    token_ids: Sequence[Sequence[int]], pad_token_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the input ids and the attention mask of one batch, (rows, longest), padded on the right."""
    width = _padded_length(max(len(ids) for ids in token_ids))
    input_ids = np.full((len(token_ids), width), pad_token_id, dtype=np.int64)
    mask = np.zeros((len(token_ids), width), dtype=np.int64)
    for row, ids in enumerate(token_ids):
        input_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return torch.from_numpy(input_ids).to(device), torch.from_numpy(mask).to(device)


def computed_batches(
    function: Forward,
    pieces: Sequence[Sequence[int]],
    *,
    device: torch.device,
    dtype: torch.dtype,
    pad_token_id: int,
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield the positions of the rows of each batch and their results (rows, ...), each row once, the longest first.

    Args:
        function: computes a batch, under autocast where `dtype` is not float32.
        pieces: token ids of each row.
        device: where the function computes.
        dtype: the number format of its matrix products.
        pad_token_id: fills short rows up.

    Raises:
        ModelError: one row alone is too large for the memory.

    """
    lengths = [_padded_length(len(piece)) for piece in pieces]
    waiting = token_batches(lengths, max_tokens=_TOKENS_PER_BATCH["cuda" if device.type == "cuda" else "cpu"])[::-1]
    while waiting:
        batch = waiting.pop()
        input_ids, mask = padded([pieces[row] for row in batch], pad_token_id, device)
        try:
            with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
                results = function(input_ids, mask).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            waiting += _halves(batch, error)
            continue
        yield batch, results


def compute_in_batches(
    function: Forward,
    pieces: Sequence[Sequence[int]],
    width: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
    pad_token_id: int,
) -> NDArray[np.float32]:
    """Return the results (pieces, width) of a function of input ids and mask, in the order of the pieces.

    Raises:
        ModelError: one piece alone is too large for the memory.

    """
    results = np.zeros((len(pieces), width), dtype=np.float32)
    done = 0
    for batch, values in computed_batches(function, pieces, device=device, dtype=dtype, pad_token_id=pad_token_id):
        results[batch] = values
        done += len(batch)
        report("reading texts", done, len(pieces))
    return results


def _padded_length(tokens: int) -> int:
    return -(-tokens // TOKENS_PADDED_TO) * TOKENS_PADDED_TO


def _halves(batch: NDArray[np.intp], error: Exception) -> list[NDArray[np.intp]]:
    """Return a batch that was too large for the memory in two parts."""
    if len(batch) == 1:
        raise ModelError("one text alone is too large for the memory; lower max_length, or set device='cpu'") from error
    middle = len(batch) // 2
    logger.warning("out of memory: %d texts at once become %d", len(batch), middle)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return [batch[middle:], batch[:middle]]
