"""Where features come from: names, settings or objects, as `FeatureSource`s."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from textclassify.errors import ConfigError, StorageError
from textclassify.ml.embedding.features import Rows

logger = logging.getLogger(__name__)

KINDS = {
    "encoder": "textclassify.ml.encoder:FrozenEncoder",
    "stored": "textclassify.ml.stored_features:StoredFeatures",
}
"""What a saved classifier calls its sources: nothing else is ever imported because a folder names it."""


class FeatureSource(Protocol):
    """What gives features of texts, as a `FrozenEncoder` does."""

    @property
    def identity(self) -> str:
        """What the features depend on; equal for sources that give the same ones."""
        ...

    def rows(self, texts: Sequence[str]) -> Rows:
        """Return the features of n texts, (n, d) or (n, layers, d), to be read by index."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON."""
        ...


def as_source(given: Any, device: str, *, published: bool = False) -> FeatureSource:
    """Return the source that is meant: a model by name or folder, settings of a saved one, or a source as it is.

    A model by name is read in layers that are spread over its depth; `published`: a language model in its last five, of
    at most 200 tokens, an encoder by its first token.

    Raises:
        ConfigError: it is none of these.
        ModelError: a model must be known to tell how it is read, and cannot be had.

    """
    if isinstance(given, str | os.PathLike):
        made: FeatureSource = _class_of("encoder")(given, device=device, **_reading_of(given, published=published))
        return made
    if isinstance(given, Mapping):
        settings = dict(given)
        kind = settings.pop("kind", None)
        if kind not in KINDS:
            raise ConfigError(f"unknown kind of feature source {kind!r}; known: {', '.join(KINDS)}")
        read: FeatureSource = _class_of(kind).from_dict(settings)
        return read
    if isinstance(given, type) or not callable(getattr(given, "rows", None)):
        raise ConfigError(
            f"{given!r:.60} gives no features; pass the name or folder of a model, a FrozenEncoder or StoredFeatures"
        )
    source: FeatureSource = given
    return source


def _reading_of(model: str | os.PathLike[str], *, published: bool) -> dict[str, Any]:
    if not published:
        return {"layers": "spread"}
    return {"layers": 5, "max_length": 200} if _class_of("encoder")(model).is_causal else {"pooling": "cls"}


def described(given: Any) -> str | dict[str, Any]:
    """Return what `as_source` reads of a source, as JSON.

    Raises:
        StorageError: a source of a class that no saved classifier may name.

    """
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    if isinstance(given, Mapping):
        return dict(given)
    of_class = f"{type(given).__module__}:{type(given).__qualname__}"
    for kind, path in KINDS.items():
        if of_class == path:
            return {"kind": kind, **given.to_dict()}
    raise StorageError(
        f"a classifier on features of a {type(given).__name__} cannot be saved; use a FrozenEncoder or StoredFeatures"
    )


def name_of(source: FeatureSource) -> str:
    """Return what to call a source."""
    return str(getattr(source, "name", source.identity))


def check_different(identities: Sequence[str]) -> None:
    """Make sure that no source is another one once more: it would add nothing, and hides a mistaken path.

    Raises:
        ConfigError: two give the same features.

    """
    for number, identity in enumerate(identities):
        first = identities.index(identity)
        if first < number:
            raise ConfigError(
                f"sources {first} and {number} (counted from 0) give the same features ({identity}); name each once, "
                "and look whether one path was copied for another"
            )


def check_same(learned: Sequence[str], now: Sequence[str]) -> None:
    """Say once for each pair where features are computed in another way than those that were learned from."""
    for before, found in zip(learned, now, strict=True):
        if before != found:
            _say_once(f"features come from {found} now, and came from {before} in training; labels may be wrong")


@functools.cache
def _say_once(note: str) -> None:
    logger.warning(note)


def _class_of(kind: str) -> Any:
    module, name = KINDS[kind].split(":")
    return getattr(import_module(module), name)
