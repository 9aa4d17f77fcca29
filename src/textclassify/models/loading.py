"""Models and tokenizers from their sources, without a word of advice from the libraries below."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textclassify.errors import ModelError
from textclassify.models.dependencies import needs_extra
from textclassify.models.sources import ModelSource, resolve

with needs_extra("torch"):
    import torch
    import transformers

    from textclassify.models.devices import quiet_transformers

__all__ = [
    "ModelSource",
    "encodable",
    "load_causal_lm",
    "load_configuration",
    "load_encoder",
    "load_tokenizer",
    "resolve",
    "usable_length",
]

# Tokenizers that state no limit state this or more.
_NO_LIMIT = 1_000_000


def load_configuration(source: ModelSource) -> Any:
    """The settings of the model, without its weights."""
    location = _folder(source)
    with _loading(source):
        return transformers.AutoConfig.from_pretrained(location, **_options(source))


def load_tokenizer(source: ModelSource) -> Any:
    """The tokenizer of the model; one without a padding token pads with its end token."""
    location = _folder(source)
    with _loading(source):
        tokenizer = transformers.AutoTokenizer.from_pretrained(location, **_options(source))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_encoder(source: ModelSource, *, dtype: torch.dtype = torch.float32) -> Any:
    """The encoder without a head, in evaluation mode, on the CPU."""
    return _load(transformers.AutoModel, source, dtype=dtype)


def load_causal_lm(source: ModelSource, *, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """The language model, in evaluation mode, on the CPU, and its tokenizer with the chat template."""
    return _load(transformers.AutoModelForCausalLM, source, dtype=dtype), load_tokenizer(source)


def usable_length(model: Any, tokenizer: Any) -> int:
    """How many tokens, special ones included, the model can read at once."""
    config = model.config.get_text_config()
    limits = [tokenizer.model_max_length] if tokenizer.model_max_length < _NO_LIMIT else []
    positions = getattr(config, "max_position_embeddings", None)
    if positions:
        # RoBERTa and its kin number their positions from the padding token's index on.
        embeddings = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
        offset = getattr(embeddings, "padding_idx", None)
        limits.append(positions if offset is None else positions - offset - 1)
    return int(min(limits, default=_NO_LIMIT))


def encodable(text: str) -> str:
    """The text as a tokenizer accepts it: half surrogate pairs, which are no characters, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _load(model_class: Any, source: ModelSource, **options: Any) -> Any:
    location = _folder(source)
    with _loading(source):
        model, found = model_class.from_pretrained(
            location, use_safetensors=True, output_loading_info=True, **_options(source), **options
        )
    missing = sorted(name for name in found["missing_keys"] if "pooler" not in name)
    if missing:
        raise ModelError(
            f"the model {source.location!r} lacks {len(missing)} of its weights, such as {missing[0]!r}, and random "
            "ones would stand for them; copy its folder again, or name a model whose config.json fits its weights"
        )
    return model.eval()


def _folder(source: ModelSource) -> str:
    if source.format == "huggingface":
        return source.location
    from textclassify.models.gguf import unpacked

    return str(unpacked(Path(source.location)))


def _options(source: ModelSource) -> dict[str, Any]:
    return {"trust_remote_code": False, "local_files_only": source.origin != "hub"}


@contextlib.contextmanager
def _loading(source: ModelSource) -> Iterator[None]:
    """Loading that is silent, and whose failures say which model and what to do."""
    try:
        with quiet_transformers():
            yield
    except ModelError:
        raise
    except Exception as error:  # tokenizers and safetensors raise what has no better name
        remedy = (
            f'copy its folder here and set TEXTCLASSIFY_MODEL_PATHS="{source.location}=/folder"'
            if source.origin in {"hub", "hub cache"}
            else "check that the folder is complete, and that save_pretrained wrote the model and its tokenizer there"
        )
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"the model {source.location!r} cannot be loaded: {reason[0]}; {remedy}") from error
