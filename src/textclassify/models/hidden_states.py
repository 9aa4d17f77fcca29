"""Hidden states of a model that is not trained, as one vector of each text and layer."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from textclassify.errors import ModelError
from textclassify.models.dependencies import needs_extra
from textclassify.models.sources import ModelSource

with needs_extra("torch"):
    import torch

    from textclassify.models.devices import pick_device
    from textclassify.models.fingerprints import stamp
    from textclassify.models.inference import Forward, readable_length
    from textclassify.models.loading import encodable, load_encoder, load_tokenizer

Pooling = Literal["mean", "cls", "pooler", "last"]


def feature_function(model: Any, layers: tuple[int, ...] | None, pooling: Pooling) -> Forward:
    """Return what computes the features of input ids and mask (rows, tokens): (rows, d), or (rows, layers, d).

    Args:
        model: without a head.
        layers: their numbers among the hidden states; None = the last one, without an axis for layers.
        pooling: how the tokens of a layer become one vector.

    """
    if pooling == "pooler":
        return functools.partial(_pooler_output, model)

    def features(input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        read = _read(model, input_ids=input_ids, attention_mask=mask, output_hidden_states=layers is not None)
        if layers is None:
            return pooled(read.last_hidden_state, mask, pooling)
        vectors = [pooled(read.hidden_states[number], mask, pooling) for number in layers]
        widths = {vector.shape[1] for vector in vectors}
        if len(widths) > 1:
            raise ModelError(
                f"the layers {layers} of this {type(model).__name__} differ in width {tuple(sorted(widths))}; name "
                "layers of one width, such as (-2, -3)"
            )
        return torch.stack(vectors, dim=1)

    return features


def pooled(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return one float32 vector per row, (rows, d), of hidden states (rows, tokens, d) and a mask (rows, tokens)."""
    if pooling == "cls":
        return hidden[:, 0].float()
    if pooling == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), (mask.sum(1) - 1).clamp(min=0)].float()
    weights = mask.unsqueeze(-1).float()
    # Where padding is not a number, its product with 0 is none either.
    tokens = hidden.float().masked_fill(weights == 0, 0.0)
    return tokens.sum(1) / weights.sum(1).clamp(min=1.0)


def _pooler_output(model: Any, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    vectors: torch.Tensor = _read(model, input_ids=input_ids, attention_mask=mask).pooler_output.float()
    return vectors


def _read(model: Any, **inputs: Any) -> Any:
    try:
        return model(**inputs)
    except (AttributeError, TypeError, ValueError) as error:  # it wanted an image, or the beginning of an answer
        raise ModelError(
            f"a {type(model).__name__} does not read text alone ({error}); name an encoder (BERT, RoBERTa, DeBERTa, "
            "...) or a causal language model (Llama, Qwen, GPT, ...)"
        ) from error


@dataclass(frozen=True, eq=False)
class FrozenModel:
    """A model in this process and its tokenizer."""

    model: Any
    tokenizer: Any
    longest: int
    device: torch.device
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def tokens(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Return the token ids of each text, at most `max_tokens` and at least one."""
        clean = [encodable(text) for text in texts]
        with self._reading:  # a tokenizer keeps the limit of whoever asked last
            ids: list[list[int]] = self.tokenizer(clean, truncation=True, max_length=max_tokens)["input_ids"]
        # A limit below the number of special tokens is none to a tokenizer.
        return [row[:max_tokens] or [self.tokenizer.pad_token_id or 0] for row in ids]


_loading = threading.Lock()


def loaded_once(source: ModelSource, device: str) -> FrozenModel:
    """Return a model that this process loads once, at most three of them at a time: the published form has three.

    Raises:
        ModelError: it cannot be loaded.

    """
    with _loading:
        return _load(source, device, stamp(source))


@functools.lru_cache(maxsize=64)
def longest_read(source: ModelSource, device: str) -> int:
    """Return how many tokens a model reads at once; it is loaded when this is asked first.

    Raises:
        ModelError: it cannot be loaded.

    """
    return loaded_once(source, device).longest


@functools.lru_cache(maxsize=3)
def _load(source: ModelSource, device: str, saved: tuple[Any, ...]) -> FrozenModel:
    del saved  # only part of what is remembered
    place = pick_device(device)
    model, tokenizer = load_encoder(source).to(place), load_tokenizer(source)
    return FrozenModel(model, tokenizer, readable_length(model, tokenizer), place)
