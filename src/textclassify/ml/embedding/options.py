"""What the options of `EmbeddingClassifier` may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from textclassify.core.number_checks import is_number, is_whole
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError

_LEAST = {"width": 1, "hidden_size": 1, "batch_size": 1, "num_epochs": 0, "patience": 1}
_SWITCHES = ("use_gram", "use_vectors", "linear_part", "early_stopping")
_CHOICES: dict[str, tuple[Any, ...]] = {
    "compat": (None, "llmembed"),
    "power_norm": ("readme", "code"),
    "single_vectors": ("standardised", "projected", "left out"),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Make sure that every option is in its range.

    Raises:
        ConfigError: one is not; the message names it, its value and the range.

    """
    for name, known in _CHOICES.items():
        value = options[name]
        if value not in known:
            words = [choice for choice in known if choice is not None]
            raise ConfigError(
                f"unknown {name} {value!r}{did_you_mean(str(value), words)}; known: {', '.join(map(repr, known))}"
            )
    _check_switches(options)
    for name, least in _LEAST.items():
        value = options[name]
        if value is not None and (not is_whole(value) or value < least):
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if not is_number(options["dropout"]) or not 0 <= options["dropout"] < 1:
        raise ConfigError(f"dropout must be a number from 0 to below 1, got {options['dropout']!r}")
    if not is_number(options["validation_fraction"]) or not 0 < options["validation_fraction"] <= 0.5:
        raise ConfigError(
            f"validation_fraction must be a number above 0, at most 0.5, got {options['validation_fraction']!r}"
        )
    if not is_number(options["weight_decay"]) or not 0 <= options["weight_decay"] < np.inf:
        raise ConfigError(f"weight_decay must be a number from 0 on, got {options['weight_decay']!r}")
    rate = options["learning_rate"]
    if rate is not None and (not is_number(rate) or not 0 < rate < np.inf):
        raise ConfigError(f"learning_rate must be a number above 0, got {rate!r}")


def _check_switches(options: Mapping[str, Any]) -> None:
    for name in _SWITCHES:
        if not isinstance(options[name], bool | np.bool_) and not (name == "early_stopping" and options[name] is None):
            raise ConfigError(f"{name} must be True or False, got {options[name]!r}")
