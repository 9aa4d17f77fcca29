"""Sentence vectors: the masked mean of an encoder's last layer, of unit length."""

import functools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.models.dependencies import needs_extra
from textclassify.models.devices import pick_device, pick_dtype
from textclassify.models.hidden_states import pooled
from textclassify.models.inference import ShowProgress, computed_batches, read_ahead, readable_length, steady
from textclassify.models.loading import encodable, load_encoder, load_tokenizer
from textclassify.models.sources import ModelSource

with needs_extra("torch"):
    import torch


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
        distinct = list(dict.fromkeys(texts))
        vectors = np.empty((len(distinct), model.config.get_text_config().hidden_size), dtype=np.float32)
        number_format = steady(model, pick_dtype(self.precision, model.device))
        padding = tokenizer.pad_token_id or 0
        done = 0
        for start, token_ids in read_ahead(distinct, functools.partial(self._tokenise, max_length=max_length)):
            for batch, values in computed_batches(
                functools.partial(_mean_vectors, model),
                token_ids,
                device=model.device,
                dtype=number_format,
                pad_token_id=padding,
            ):
                vectors[start + batch] = values
                done += len(batch)
                if show_progress is not None:
                    show_progress(done, len(distinct))
        row = {text: number for number, text in enumerate(distinct)}
        return vectors[[row[text] for text in texts]]

    def _tokenise(self, texts: Sequence[str], *, max_length: int) -> list[list[int]]:
        model, tokenizer = self._model_and_tokenizer()
        longest = min(max_length, readable_length(model, tokenizer))
        clean = [encodable(text) for text in texts]
        with self._lock:  # a tokenizer keeps the limit of whoever asked last
            ids: list[list[int]] = tokenizer(clean, truncation=True, max_length=longest)["input_ids"]
        return ids

    def _model_and_tokenizer(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                model = load_encoder(self.source).to(pick_device(self.device))
                self._loaded = model, load_tokenizer(self.source)
            return self._loaded


def _mean_vectors(model: Any, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    hidden = model(input_ids=input_ids, attention_mask=mask).last_hidden_state
    return torch.nn.functional.normalize(pooled(hidden, mask, "mean"), dim=-1)
