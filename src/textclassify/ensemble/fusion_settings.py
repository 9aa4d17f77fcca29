"""Settings of a `FusionEnsemble` by their published names, and the encoders' learning rate, which is set on copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.model_settings import EnsembleConfig
from textclassify.core.number_checks import is_number
from textclassify.ensemble.members import own_options
from textclassify.errors import ConfigError

NETWORK_OPTIONS = {
    "fusion_hidden_dims": "hidden_dims",
    "fusion_lr": "learning_rate",
    "fusion_epochs": "epochs",
    "fusion_batch_size": "batch_size",
}
"""Options of the fusion's network, and what a `ScoreFusion` calls them."""

_PUBLISHED = {
    "num_epochs": "fusion_epochs",
    "batch_size": "fusion_batch_size",
    "hidden_dims": "fusion_hidden_dims",
    "fusion_learning_rate": "fusion_lr",
    "ml_learning_rate": "ml_lr",
}
_TRAIN, _VALIDATION, _TEST, _ALL = "train_llm_cache_path", "val_llm_cache_path", "test_llm_cache_path", "cache_dir"


def published_options(ensemble: type) -> dict[str, str]:
    """Return what the parameters of an `EnsembleConfig` may be called, and the option that each is."""
    return own_options(ensemble) | _PUBLISHED


def with_cache_paths(sources: Any) -> Any:
    """Return an `EnsembleConfig` that names a folder of kept answers for training and one for prediction at most.

    That of training is `train_llm_cache_path`, else `val_llm_cache_path`, else `cache_dir`; that of prediction is
    `test_llm_cache_path`, else `cache_dir`. Anything else is returned as it is.
    """
    if not isinstance(sources, EnsembleConfig):
        return sources
    rest = dict(sources.parameters)
    given = {name: rest.pop(name, None) for name in (_TRAIN, _VALIDATION, _TEST, _ALL)}
    folders = {_TRAIN: given[_TRAIN] or given[_VALIDATION] or given[_ALL], _TEST: given[_TEST] or given[_ALL]}
    return replace(sources, parameters=rest | {name: folder for name, folder in folders.items() if folder is not None})


def takes_learning_rate(source: Any) -> bool:
    """Return whether `ml_lr` is for a source: one that is trained, and has a learning rate."""
    return (
        isinstance(source, TextClassifier) and not source.asks_llm and "learning_rate" in source.get_params(deep=False)
    )


def with_learning_rate(sources: Mapping[str, TextClassifier], ml_lr: float | None) -> dict[str, TextClassifier]:
    """Return the sources, and copies with another learning rate of those that `ml_lr` is for; None changes nothing.

    Raises:
        ConfigError: it is no number above 0.

    """
    if ml_lr is None:
        return dict(sources)
    if not is_number(ml_lr) or not ml_lr > 0:
        raise ConfigError(f"ml_lr is {ml_lr!r:.60}; pass a number above 0, such as 1e-5, or None")
    return {
        name: clone(source).set_params(learning_rate=ml_lr) if takes_learning_rate(source) else source
        for name, source in sources.items()
    }
