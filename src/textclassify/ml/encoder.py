"""`FrozenEncoder`: features of texts from a model that is not trained, an encoder or a causal language model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.number_checks import is_count, is_whole
from textclassify.core.progress import report
from textclassify.core.shared_work import shared
from textclassify.core.storage import cache_folder
from textclassify.core.texts import as_texts, did_you_mean
from textclassify.errors import ConfigError, ModelError
from textclassify.models.dependencies import needs_extra
from textclassify.models.feature_store import FeatureRows, FeatureSpec, FeatureStore
from textclassify.models.sources import ModelSource

with needs_extra("torch"):
    from textclassify.models.devices import pick_device, pick_dtype
    from textclassify.models.fingerprints import fingerprint, weight_names
    from textclassify.models.hidden_states import Pooling, feature_function, loaded_once, longest_read
    from textclassify.models.inference import computed_batches, read_ahead, steady
    from textclassify.models.roles import configuration, is_causal, resolve_any

POOLINGS = ("mean", "cls", "pooler", "last")
STORE_DTYPES = ("float16", "float32")
READING_VERSION = 1
"""Raised when features come to be computed differently, so that a store does not mix the two."""
SPREAD: Final = "spread"
SPREAD_LAYERS = 5
"""Layers that are read where they are to be spread evenly over a model's depth."""
_SAVED = ("model", "layers", "pooling", "max_length", "precision", "device")


@dataclass(frozen=True)
class FrozenEncoder:
    """Features of texts from a model that stays as it is: one vector, or one vector of each of its last layers.

    Padding is no part of any mean. Equal texts are read once. In half precision every value is checked; a model that
    gives infinite ones is read in float32 from there on, with a warning.

    Args:
        model: an encoder or a causal language model: an embedded one ("minilm", "smollm2"), a Hugging Face folder or
            name, a `.gguf` file; None = the embedded encoder.
        layers: how many of the last layers to read; or their numbers, such as (-1, -7), where -1 is the last one and 0
            are the word embeddings; or "spread": five, evenly over the model's depth, since lower layers often say more
            about a text than the last ones. None = "spread" for a causal model, else the last one without an axis.
        pooling: "mean" over a text's tokens, its "cls" (first) token, the encoder's own "pooler", or the "last" token.
        max_length: tokens that are read, special ones included; longer texts are cut. None = 256, or what the model
            can read.
        precision: "auto" (bf16 where it is fast, else fp32), "bf16", "fp16" or "fp32".
        device: "auto" (a GPU where there is one), "cpu", "cuda".
        store: where features are kept: a folder, True for one in the cache folder, None for nowhere.
        store_dtype: "float16" or "float32", of the store.

    >>> FrozenEncoder("minilm").encode(["a text", "another"]).shape
    (2, 384)

    """

    model: str | os.PathLike[str] | None = None
    layers: int | Sequence[int] | Literal["spread"] | None = None
    pooling: Pooling = "mean"
    max_length: int | None = None
    precision: str = "auto"
    device: str = "auto"
    store: str | os.PathLike[str] | bool | None = None
    store_dtype: Literal["float16", "float32"] = "float16"

    def __post_init__(self) -> None:
        if not isinstance(self.model, str | os.PathLike | None):
            raise ConfigError(f"model={self.model!r} is no model; write its name, a folder or a .gguf file")
        if not isinstance(self.store, str | os.PathLike | bool | None):
            raise ConfigError(
                f"store={self.store!r} is no folder; write one, True for one in the cache folder, or None"
            )
        if self.store_dtype not in STORE_DTYPES:
            raise ConfigError(f"unknown store_dtype={self.store_dtype!r}; known: {', '.join(STORE_DTYPES)}")
        if self.pooling not in POOLINGS:
            hint = did_you_mean(str(self.pooling), POOLINGS)
            raise ConfigError(f"unknown pooling {self.pooling!r}{hint}; known: {', '.join(POOLINGS)}")
        object.__setattr__(self, "layers", _checked_layers(self.layers))
        if self.max_length is not None:
            if not is_count(self.max_length):
                raise ConfigError(f"max_length must be a whole number from 1 on, got {self.max_length!r}")
            object.__setattr__(self, "max_length", int(self.max_length))
        if self.pooling == "pooler" and self.layers is not None:
            raise ConfigError("pooling='pooler' has one vector; leave layers out, or take pooling='cls'")

    @property
    def source(self) -> ModelSource:
        """Where the model is.

        Raises:
            ModelError: it cannot be had.

        """
        return resolve_any(self.model)

    @property
    def name(self) -> str:
        """What to call it: the model, its layers and the pooling."""
        layers = "" if self._layers is None else f", {len(self._layers)} layers"
        return f"{self.source.name} ({self.pooling}{layers})"

    @property
    def is_causal(self) -> bool:
        """Whether the model is a causal language model."""
        return is_causal(self.source)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one text's features: (d,), or (layers, d)."""
        width = int(configuration(self.source).hidden_size)
        return (width,) if self._layers is None else (len(self._layers), width)

    @property
    def identity(self) -> str:
        """What the features depend on, as text: two encoders with equal ones give the same features."""
        return self._spec.identity

    @property
    def _layers(self) -> tuple[int, ...] | None:
        """The numbers of the layers, as they follow each other in the features; None = the last one, without an axis.

        Numbers count from the last layer, -1, so that one that counts from the word embeddings means the same as it.
        """
        depth = int(configuration(self.source).num_hidden_layers)
        if isinstance(self.layers, int):
            return tuple(range(-1, -self.layers - 1, -1))
        if isinstance(self.layers, tuple):
            return tuple(number if number < 0 else number - depth - 1 for number in self.layers)
        if self.layers is None and not self.is_causal:
            return None
        count = min(SPREAD_LAYERS, depth)
        return tuple(-1 - place * depth // count for place in range(count))

    @property
    def _spec(self) -> FeatureSpec:
        source = self.source
        max_length = self._max_tokens(longest_read(source, self.device))
        return FeatureSpec(
            model=f"{fingerprint(source)} read as {READING_VERSION}",
            layers=self._layers,
            pooling=self.pooling,
            max_length=max_length,
            precision=str(pick_dtype(self.precision, pick_device(self.device))).removeprefix("torch."),
            shape=self.shape,
            dtype=self.store_dtype,
            name=source.name,
        )

    def check_model(self) -> None:
        """Make sure that the model can be had and read this way, without loading its weights (but for a hub's pooler).

        Raises:
            ModelError: it cannot; the message names the remedy.
            ConfigError: the layers or the pooling do not go with the model.

        """
        if self.pooling == "pooler" and self.source.origin == "hub":
            loaded_once(self.source, self.device)  # only weights that are here tell their names
        if self.pooling == "pooler" and not any("pooler" in name for name in weight_names(self.source)):
            raise ModelError(f"{self.source.name!r} has no pooler that was trained; take pooling='cls' or 'mean'")
        depth = int(configuration(self.source).num_hidden_layers)
        if not all(-depth - 1 <= number <= -1 for number in self._layers or ()):
            raise ConfigError(
                f"{self.source.name!r} has {depth} layers and its word embeddings, so layers={self.layers} is too "
                f"many; take at most {depth + 1}, or numbers from {-depth} to -1"
            )
        if self.is_causal and self.pooling in {"cls", "pooler"}:
            raise ConfigError(
                f"pooling={self.pooling!r} is for encoders: the first token of the causal model {self.source.name!r} "
                "has read nothing yet; take 'mean' or 'last'"
            )

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of n texts in their order: (n, d), or (n, layers, d) with the layers as asked for.

        Raises:
            DataError: a text is no string.
            ModelError: the model cannot be had, or gives values that are no numbers in float32 either.
            ConfigError: the options do not go with the model.
            StorageError: the store is another model's, damaged, or cannot be written.

        """
        return np.asarray(self.rows(texts), dtype=np.float32)

    def rows(self, texts: Sequence[str]) -> FeatureRows:
        """Return the features of n texts as rows to be read when they are needed; with a store, from its files."""
        texts = as_texts(texts)
        self.check_model()
        if self.store is None or self.store is False:
            return self._in_memory(texts)
        with self.opened_store() as store:
            self._fill(store, texts)
            return store.rows(texts)

    def opened_store(self) -> FeatureStore:
        """Return the store of these features.

        Raises:
            ConfigError: there is none.
            StorageError: it is another model's, damaged, or cannot be written.

        """
        if self.store is None or self.store is False:
            raise ConfigError("this encoder keeps nothing; pass store=True, or store=FOLDER")
        spec = self._spec
        folder = cache_folder() / "features" / spec.digest if self.store is True else Path(self.store).expanduser()
        return FeatureStore(folder, spec)

    def _fill(self, store: FeatureStore, texts: Sequence[str]) -> None:
        missing = store.missing(texts)
        done = 0
        for some, values in self._computed(missing):
            store.add(some, values)
            done += len(some)
            report("extracting features", done, len(missing))

    def _in_memory(self, texts: Sequence[str]) -> FeatureRows:
        """Return the features of the texts, computed once for all that share their work."""
        kept: dict[str, NDArray[np.float32]] = shared(("features", self), dict)
        missing = [text for text in dict.fromkeys(texts) if text not in kept]
        done = 0
        for some, values in self._computed(missing):
            kept.update(zip(some, values, strict=True))
            done += len(some)
            report("extracting features", done, len(missing))
        values = np.stack([kept[text] for text in texts]) if len(texts) else np.zeros((0, *self.shape), np.float32)
        return FeatureRows.of(values)

    def _computed(self, texts: Sequence[str]) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yield some of the texts and their features, batch by batch."""
        loaded = loaded_once(self.source, self.device)
        options: dict[str, Any] = {
            "device": loaded.device,
            "dtype": steady(loaded.model, pick_dtype(self.precision, loaded.device)),
            "pad_token_id": loaded.tokenizer.pad_token_id or 0,
        }
        function = feature_function(loaded.model, self._layers, self.pooling)
        most = self._max_tokens(loaded.longest)
        with closing(read_ahead(texts, lambda block: loaded.tokens(block, most))) as blocks:
            for start, ids in blocks:
                for batch, values in computed_batches(function, ids, **options):
                    yield [texts[start + row] for row in batch], values

    def _max_tokens(self, longest: int) -> int:
        return min(self.max_length or 256, longest)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads, as JSON; not the store, which belongs to this machine."""
        plain = {name: getattr(self, name) for name in _SAVED}
        plain["layers"] = list(self.layers) if isinstance(self.layers, tuple) else self.layers
        plain["model"] = None if self.model is None else os.fspath(self.model)
        return plain

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Return the encoder that `to_dict` described.

        Raises:
            ConfigError: another setting is among them, such as a store: a stranger's folder may not say where to write.

        """
        unknown = [name for name in settings if name not in _SAVED]
        if unknown:
            raise ConfigError(f"{unknown[0]!r} is no setting of a saved encoder; known: {', '.join(_SAVED)}")
        return cls(**settings)


def _checked_layers(layers: Any) -> Any:
    """Return which layers are meant, as plain numbers, so that it can be hashed and written as JSON."""
    if layers is None or (isinstance(layers, str) and layers == SPREAD):
        return layers
    if is_count(layers):
        return int(layers)
    if isinstance(layers, tuple | list | range):
        return _layer_numbers(layers)
    raise ConfigError(f"layers must be a whole number from 1 on, the layers' numbers, or {SPREAD!r}; got {layers!r}")


def _layer_numbers(layers: Sequence[Any]) -> tuple[int, ...]:
    if not layers or not all(map(is_whole, layers)):
        raise ConfigError(f"layers={layers!r} are no layers; write how many, or their numbers, such as (-1, -7)")
    return tuple(map(int, layers))
