"""Sentence vectors: the masked mean of an encoder's last layer, of unit length."""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.models.batching import token_batches
from textclassify.models.dependencies import needs_extra
from textclassify.models.devices import has_fast_bf16, pick_device
from textclassify.models.loading import encodable, load_encoder, load_tokenizer, usable_length
from textclassify.models.sources import ModelSource

with needs_extra("torch"):
    import torch

ShowProgress = Callable[[int, int], None]

# Measured best on two cores for a 22M encoder: larger batches fall out of the processor's cache.
# Tokens per text are padded to a multiple of this: bf16 vectors then do not depend on the other texts of a batch.
_PADDED_TO = 16
_TOKENS_PER_BATCH = {"cpu": 4096, "cuda": 65536}


def sentence_vectors(
    texts: Sequence[str],
    source: ModelSource,
    *,
    max_length: int = 256,
    show_progress: ShowProgress | None = None,
) -> NDArray[np.float32]:
    """Unit vectors (n, d) of the texts, from the weights that this process shares (see `SentenceEncoder`)."""
    return shared_encoder(source).encode(texts, max_length=max_length, show_progress=show_progress)


@functools.cache
def shared_encoder(source: ModelSource, device: str = "auto") -> "SentenceEncoder":
    """The one `SentenceEncoder` of this process for the source: several classifiers load its weights once."""
    return SentenceEncoder(source, device=device)


class SentenceEncoder:
    """Texts to unit vectors with a frozen encoder, which is loaded at the first text.

    Computes in bf16 autocast where the processor has it: four times as fast, cosines equal to within 0.005.

    Args:
        source: where the encoder is; any Hugging Face encoder serves.
        device: "auto" (a GPU where there is one), "cpu", "cuda".
        precision: "auto", "fp32" or "bf16".

    Example:
        >>> from textclassify.models.sources import resolve
        >>> SentenceEncoder(resolve("minilm", "encoder")).encode(["a text", "another"]).shape
        (2, 384)
    """

    def __init__(self, source: ModelSource, *, device: str = "auto", precision: str = "auto") -> None:
        self.source = source
        self.device = device
        self.precision = precision
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "device": self.device, "precision": self.precision}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def encode(
        self,
        texts: Sequence[str],
        *,
        max_length: int = 256,
        show_progress: ShowProgress | None = None,
    ) -> NDArray[np.float32]:
        """Unit vectors (n, d), float32, in the order of the texts.

        Equal texts are computed once. Texts are cut to `max_length` tokens, or to what the model can read.
        `show_progress` is called with (texts done, texts in all), equal texts counted once.
        """
        model, tokenizer = self._model_and_tokenizer()
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = np.empty((len(distinct), model.config.get_text_config().hidden_size), dtype=np.float32)
        token_ids = self._tokenise([encodable(text) for text in distinct], max_length)
        budget = _TOKENS_PER_BATCH["cuda" if model.device.type == "cuda" else "cpu"]
        longest = usable_length(model, tokenizer)
        done = 0
        with torch.inference_mode(), self._autocast(model.device):
            for batch in token_batches([len(ids) for ids in token_ids], max_tokens=budget):
                ids = [token_ids[row] for row in batch]
                width = min(-(-max(map(len, ids)) // _PADDED_TO) * _PADDED_TO, longest)
                padded = tokenizer.pad({"input_ids": ids}, padding="max_length", max_length=width, return_tensors="pt")
                vectors[batch] = _mean_vectors(model, padded.to(model.device)).cpu().numpy()
                done += len(batch)
                if show_progress is not None:
                    show_progress(done, len(distinct))
        return vectors[[distinct[text] for text in texts]]

    def _tokenise(self, texts: list[str], max_length: int) -> list[list[int]]:
        model, tokenizer = self._model_and_tokenizer()
        longest = min(max_length, usable_length(model, tokenizer))
        if not texts:
            return []
        ids: list[list[int]] = tokenizer(texts, truncation=True, max_length=longest)["input_ids"]
        return ids

    def _model_and_tokenizer(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                model = load_encoder(self.source).to(pick_device(self.device))
                self._loaded = model, load_tokenizer(self.source)
            return self._loaded

    def _autocast(self, device: torch.device) -> torch.autocast:
        enabled = self.precision == "bf16" or (self.precision == "auto" and has_fast_bf16(device))
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def _mean_vectors(model: Any, encoded: Any) -> torch.Tensor:
    hidden = model(**encoded).last_hidden_state.float()
    mask = encoded["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
    return torch.nn.functional.normalize(mean, dim=-1)
