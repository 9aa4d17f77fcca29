"""The language models that this process holds, each loaded once, and which of them need float32."""

import functools
import logging
import threading
from dataclasses import dataclass
from typing import Any

from textclassify.llm.in_process.chat_tokens import ChatTokenizer
from textclassify.models.dependencies import needs_extra
from textclassify.models.loading import load_causal_lm, usable_length
from textclassify.models.sources import ModelSource

with needs_extra("torch"):
    import torch

    from textclassify.models.devices import pick_device, pick_dtype

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A causal language model in memory, its tokenizer, and how many tokens it can read."""

    model: Any
    chat: ChatTokenizer
    context: int


_changing = threading.Lock()
_out_of_range: set[tuple[str, str, str]] = set()
"""Location, device and precision of the models that half precision cannot hold."""


def loaded_once(source: ModelSource, device: str, precision: str) -> LoadedModel:
    """Return the model; whoever asks for the same gets the same.

    Raises:
        ModelError: it cannot be had or loaded.

    """
    with _changing:
        return _load(source, device, dtype_of(source, device, precision))


def dtype_of(source: ModelSource, device: str, precision: str) -> torch.dtype:
    """Return the number format in which a model computes: what the precision says, unless it was too small for it."""
    if (source.location, device, precision) in _out_of_range:
        return torch.float32
    return pick_dtype(precision, pick_device(device))


def go_on_in_float32(source: ModelSource, device: str, precision: str) -> None:
    """Have a model, whose scores were no numbers in half precision, loaded in float32 from now on, and say so."""
    with _changing:
        dtype = dtype_of(source, device, precision)
        if dtype is torch.float32:  # another thread was faster
            return
        _out_of_range.add((source.location, device, precision))
        _load.cache_clear()  # both formats at once may not fit into the memory
    logger.warning(
        "the scores of %s are no numbers in %s, whose range its activations leave; it goes on in float32, which is "
        "slower and needs twice the memory (precision='fp32' does so from the beginning)",
        source.name,
        str(dtype).removeprefix("torch."),
    )


@functools.lru_cache(maxsize=2)
def _load(source: ModelSource, device: str, dtype: torch.dtype) -> LoadedModel:
    model, tokenizer = load_causal_lm(source, dtype=dtype)
    return LoadedModel(model.to(pick_device(device)), ChatTokenizer(tokenizer), usable_length(model, tokenizer))
