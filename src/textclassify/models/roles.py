"""Whether a model reads a text as a whole (an encoder) or from its beginning on (a causal language model)."""

from __future__ import annotations

import functools
import os
from typing import Any

from textclassify.errors import ModelError
from textclassify.models.dependencies import needs_extra
from textclassify.models.sources import EMBEDDED_ENCODER, EMBEDDED_LLM, ModelSource, resolve

with needs_extra("torch"):
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    from textclassify.models.loading import load_configuration


def resolve_any(name: str | os.PathLike[str] | None) -> ModelSource:
    """Return where a model is, whichever of the two it is; None = the embedded encoder, or `roberta-base` without it.

    Raises:
        ModelError: it cannot be had.

    """
    if name is None or os.fspath(name) == EMBEDDED_ENCODER:
        from textclassify.models.sources import sentence_encoder

        return sentence_encoder(name)
    return resolve(name, "causal")


@functools.lru_cache(maxsize=64)
def is_causal(source: ModelSource) -> bool:
    """Return whether the model is a causal language model; its configuration tells, without loading weights.

    Raises:
        ModelError: the configuration cannot be read, or the model is of a third kind, such as translation.

    """
    if source.format == "gguf" or source.name == EMBEDDED_LLM:
        return True
    config = load_configuration(source)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{source.name!r} is an encoder with a decoder ({config.model_type}); name an encoder (BERT, RoBERTa, "
            "DeBERTa, ...) or a causal language model (Llama, Qwen, GPT, ...)"
        )
    if any(name.endswith("ForCausalLM") for name in config.architectures or ()):
        return True
    kind = config.model_type
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


@functools.lru_cache(maxsize=64)
def configuration(source: ModelSource) -> Any:
    """Return the settings of the part of a model that reads text: `hidden_size`, `num_hidden_layers` and more.

    Raises:
        ModelError: they cannot be read.

    """
    config = load_configuration(source)
    of_text = config.get_text_config()
    if not hasattr(of_text, "vocab_size"):
        raise ModelError(
            f"{source.name!r} reads no text ({config.model_type}); name an encoder (BERT, RoBERTa, DeBERTa, ...) or a "
            "causal language model (Llama, Qwen, GPT, ...)"
        )
    return of_text
