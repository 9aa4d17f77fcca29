"""`ml_model: embedding:...` in a configuration: an encoder source that learns a head on features of frozen models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textclassify.core.kinds import class_of
from textclassify.core.texts import listed
from textclassify.errors import ConfigError

if TYPE_CHECKING:
    from textclassify.core.contract import TextClassifier
    from textclassify.runs.config import Config

EMBEDDING = "embedding"
STORED = "features:"
"""Before a folder of features: they are taken as they are."""
_OF_MODELS = ("max_length", "precision")
_OF_NO_USE = ("long_texts",)


def names_embedding(ml_model: str | None) -> bool:
    """Return whether an `ml_model` asks for features of frozen models instead of an encoder to fine-tune."""
    return ml_model is not None and ml_model.partition(":")[0] == EMBEDDING


def source_names(ml_model: str) -> list[str]:
    """Return what is read in "embedding:minilm,smollm2": models, and stores as "features:FOLDER".

    Raises:
        ConfigError: nothing is named, or something twice.

    """
    from textclassify.ml.embedding_classifier import DEFAULT_SOURCES

    _, named, listing = ml_model.partition(":")
    names = [name.strip() for name in listing.split(",")] if named else list(DEFAULT_SOURCES)
    if not all(name.removeprefix(STORED) for name in names):
        raise ConfigError(
            f"ml_model {ml_model!r} names no model after ':' or ','; write 'embedding:minilm,smollm2', folders or "
            f"names of models, or 'embedding:{STORED}FOLDER'"
        )
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ConfigError(f"ml_model {ml_model!r} names {twice[0]!r} twice; name it once")
    return names


def embedding_source(config: Config, notes: list[str]) -> TextClassifier:
    """Return the unfitted source, which keeps features in the cache folder; settings of no use to it are noted.

    Raises:
        ConfigError: `ml_model` names nothing to read.
        ModelError: a model or a store cannot be had.
        MissingDependencyError: torch is not installed.

    """
    from textclassify.ml.encoder import FrozenEncoder
    from textclassify.ml.stored_features import StoredFeatures

    names = source_names(str(config.ml_model))
    read = [name for name in names if not name.startswith(STORED)]
    idle = [name for name in (*_OF_NO_USE, *(() if read else _OF_MODELS)) if _is_set(config, name)]
    if idle:
        of_what = "frozen models, which read the beginning of a text" if read else "features that are there already"
        notes.append(f"{listed(idle)}: no effect on {of_what} (ml_model: {config.ml_model})")
    sources = [
        StoredFeatures(name.removeprefix(STORED))
        if name.startswith(STORED)
        else FrozenEncoder(name, layers="spread", max_length=config.max_length, precision=config.precision, store=True)
        for name in names
    ]
    renamed = {
        "num_epochs": config.num_epochs,
        "batch_size": config.batch_size,
        "learning_rate": config.ml_lr,
        "class_weight": config.class_weight,
    }
    settings: dict[str, Any] = {name: value for name, value in renamed.items() if value is not None}
    classifier = class_of(EMBEDDING)(sources, random_state=config.random_state, **settings)
    classifier.check_model()
    return classifier


def _is_set(config: Config, name: str) -> bool:
    return bool(getattr(config, name) != type(config).model_fields[name].default)
