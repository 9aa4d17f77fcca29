"""Forward passes over many texts: read a block ahead, batches of similar length, half precision as long as it holds."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report
from textclassify.errors import ModelError
from textclassify.models.batching import token_batches
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

    from textclassify.models.loading import usable_length

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
Forward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A function of input ids and attention mask, each (rows, tokens), to results (rows, ...)."""
ShowProgress = Callable[[int, int], None]
"""Called with the rows that are done, and rows in all."""

TEXTS_PER_BLOCK = 2048
"""Texts that are read together and sorted by length: some thirty batches, of which one is not full."""

TOKENS_PADDED_TO = 16
"""Batches are padded to a multiple of this many tokens.

Odd lengths change which kernel computes a row, and with it the last digits of bf16; even ones do not, so a text's
scores do not depend on its neighbours.
"""

_KERNEL_CHANGES_AT = (192, 768)
"""From these widths on, torch's attention on a CPU computes larger blocks, with other last digits."""

# Larger batches fall out of a processor's cache, the more so beside other programs: on a busy machine a 22M encoder
# took 1.4 times as long with 4096. In smaller ones, making a large encoder's weights half counts.
_TOKENS_PER_BATCH = {"cpu": 2048, "cuda": 65536}


class NumberFormat:
    """The number format of a model's matrix products: half precision as long as its results are finite.

    A batch with results that are not is computed again in float32, and so is everything after it; a warning says so.
    `steady` keeps one of these for each model, so that this is found out once.

    Args:
        dtype: `torch.bfloat16`, `torch.float16` or `torch.float32`. The attribute of this name says what is in use now.

    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def computed(self, function: Forward, input_ids: torch.Tensor, mask: torch.Tensor) -> NDArray[np.float32]:
        """Return the finite results (rows, ...) of one batch.

        Raises:
            ModelError: in float32, too, some are not finite.

        """
        dtype = self.dtype  # another thread may change it meanwhile
        half = dtype is not torch.float32
        with torch.inference_mode(), torch.autocast(input_ids.device.type, dtype=dtype, enabled=half):
            results: NDArray[np.float32] = function(input_ids, mask).float().cpu().numpy()
        if np.isfinite(results).all():
            return results
        if half:
            if self.dtype is not torch.float32:
                logger.warning("this model gives NaN or infinite values in %s; it computes in float32 now", dtype)
            self.dtype = torch.float32
            return self.computed(function, input_ids, mask)
        broken = int((~np.isfinite(results.reshape(len(results), -1)).all(axis=1)).sum())
        raise ModelError(
            f"the model gives NaN or infinite values for {broken} of {len(results)} texts, in float32 too: its weights "
            "are damaged; take another copy, or train it again with a lower learning rate"
        )


_formats: WeakKeyDictionary[torch.nn.Module, dict[torch.dtype, NumberFormat]] = WeakKeyDictionary()


def steady(model: torch.nn.Module, dtype: torch.dtype) -> NumberFormat:
    """Return the number format of a model that shall compute in `dtype`: one object as long as the model lives."""
    return _formats.setdefault(model, {}).setdefault(dtype, NumberFormat(dtype))


def one_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Yield `function(item)` of each item; a thread computes the next one while the caller works on this one.

    What the function raises reaches the caller in the item's turn. The function sees the caller's context variables.
    The thread has ended when the iterator is closed or exhausted.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="one-ahead") as pool:
        waiting: Future[Result] | None = None
        try:
            for item in items:
                following = pool.submit(contextvars.copy_context().run, function, item)
                if waiting is not None:
                    yield waiting.result()
                waiting = following
            if waiting is not None:
                yield waiting.result()
        finally:
            pool.shutdown(cancel_futures=True)


def read_ahead(
    texts: Sequence[str], read: Callable[[Sequence[str]], Result]
) -> Generator[tuple[int, Result], None, None]:
    """Yield the position of the first text of each block of texts, and what `read` (a tokenizer) makes of the block.

    A block is read while the caller computes the one before; the blocks come in the order of the texts.
    """
    starts = range(0, len(texts), TEXTS_PER_BLOCK)
    with closing(one_ahead(lambda start: read(texts[start : start + TEXTS_PER_BLOCK]), starts)) as blocks:
        yield from zip(starts, blocks, strict=True)


def readable_length(model: Any, tokenizer: Any) -> int:
    """Return how many tokens, special ones included, can be read at once: the model's limit, in whole paddings.

    Raises:
        ModelError: it is less than one.

    """
    limit = usable_length(model, tokenizer)
    if limit < TOKENS_PADDED_TO:
        raise ModelError(
            f"{type(model).__name__} reads {limit} tokens at once, and batches are padded to {TOKENS_PADDED_TO}; "
            "take a model that reads more"
        )
    return limit - limit % TOKENS_PADDED_TO


def padded(
    token_ids: Sequence[Sequence[int]], pad_token_id: int, device: torch.device, *, multiple: int = TOKENS_PADDED_TO
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the input ids and the attention mask of one batch, (rows, longest), padded on the right.

    Args:
        token_ids: of each row.
        pad_token_id: fills short rows up.
        device: where the tensors are put.
        multiple: the width is one of this number of tokens.

    """
    width = _padded_length(max(len(ids) for ids in token_ids), multiple)
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
    dtype: torch.dtype | NumberFormat,
    pad_token_id: int,
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield the positions of the rows of each batch and their results (rows, ...), each row once, the longest first.

    Args:
        function: computes a batch, under autocast where the format is not float32.
        pieces: token ids of each row.
        device: where the function computes.
        dtype: the number format of its matrix products; `steady(model, dtype)` remembers for the next call that half
            precision does not hold, a plain dtype for this call only.
        pad_token_id: fills short rows up.

    Raises:
        ModelError: one row alone is too large for the memory, or results are not finite in float32.

    """
    number_format = dtype if isinstance(dtype, NumberFormat) else NumberFormat(dtype)
    lengths = [_padded_length(len(piece)) for piece in pieces]
    max_tokens = _TOKENS_PER_BATCH["cuda" if device.type == "cuda" else "cpu"]
    waiting = token_batches(lengths, max_tokens=max_tokens, max_rows=max_tokens, apart=_KERNEL_CHANGES_AT)[::-1]
    while waiting:
        batch = waiting.pop()
        input_ids, mask = padded([pieces[row] for row in batch], pad_token_id, device)
        try:
            results = number_format.computed(function, input_ids, mask)
        except torch.OutOfMemoryError as error:
            waiting += _halves(batch, error)
            continue
        yield batch, results


def part_of_texts(start: int, texts: int, in_all: int) -> ShowProgress:
    """Return what reports the progress over the pieces of some texts that come after `start` others."""
    return lambda done, pieces: report("reading texts", start + done * texts // pieces, in_all)


def reading_texts(done: int, total: int) -> None:
    """Tell whoever listens how many texts are read."""
    report("reading texts", done, total)


def compute_in_batches(
    function: Forward,
    pieces: Sequence[Sequence[int]],
    width: int,
    *,
    device: torch.device,
    dtype: torch.dtype | NumberFormat,
    pad_token_id: int,
    show_progress: ShowProgress = reading_texts,
) -> NDArray[np.float32]:
    """Return the results (pieces, width) of a function of input ids and mask, in the order of the pieces.

    Args:
        function: as of `computed_batches`, like `pieces`, `device`, `dtype` and `pad_token_id`.
        pieces: token ids of each row.
        width: columns of the results.
        device: where the function computes.
        dtype: the number format.
        pad_token_id: fills short rows up.
        show_progress: called with the pieces done and the pieces in all after every batch.

    Raises:
        ModelError: as `computed_batches`.

    """
    results = np.zeros((len(pieces), width), dtype=np.float32)
    done = 0
    for batch, values in computed_batches(function, pieces, device=device, dtype=dtype, pad_token_id=pad_token_id):
        results[batch] = values
        done += len(batch)
        show_progress(done, len(pieces))
    return results


def _padded_length(tokens: int, multiple: int = TOKENS_PADDED_TO) -> int:
    return -(-tokens // multiple) * multiple


def _halves(batch: NDArray[np.intp], error: Exception) -> list[NDArray[np.intp]]:
    """Return a batch that was too large for the memory in two parts."""
    if len(batch) == 1:
        raise ModelError("one text alone is too large for the memory; lower max_length, or set device='cpu'") from error
    middle = len(batch) // 2
    logger.warning("out of memory: %d texts at once become %d", len(batch), middle)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return [batch[middle:], batch[:middle]]
