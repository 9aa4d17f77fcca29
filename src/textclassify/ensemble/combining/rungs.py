"""Which rungs a fusion compares, and which of the network's settings had any effect on what was deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from textclassify.core.texts import did_you_mean
from textclassify.ensemble.combining.combiners import Combiner
from textclassify.ensemble.combining.cross_label import CrossLabelPool
from textclassify.ensemble.combining.ladder import RungFactory
from textclassify.ensemble.pooling import LogLinearPool, VectorScalingPool
from textclassify.errors import ConfigError, MissingDependencyError

COMBINERS = ("auto", "mlp", "embeddings")
"""What `ScoreFusion` can be told to use; all but "auto" are deployed whatever the gate would say."""

NETWORK_SETTINGS = ("hidden_dims", "learning_rate", "epochs", "batch_size")


def chosen_rungs(combiner: str, given: Mapping[str, Any], network: Any = None) -> list[RungFactory]:
    """Return the rungs of a combiner's name, from simple to complex.

    Args:
        combiner: one of `COMBINERS`.
        given: settings of the network by name; None = its default.
        network: a class to use in place of FusionMLP.

    Raises:
        MissingDependencyError: a network was asked for by name and torch is not installed.

    """
    simple: list[RungFactory] = [LogLinearPool, VectorScalingPool, CrossLabelPool]
    try:
        from textclassify.ensemble.mlp import EmbeddingsMLP, NetworkSettings, PublishedMLP, ResidualMLP
    except ImportError as error:
        if combiner == "auto":  # without torch the ladder ends a few rungs earlier
            return simple
        raise MissingDependencyError(
            f'the "{combiner}" combiner needs torch; pip install "textclassify[torch]"'
        ) from error
    plain = {name: tuple(value) if isinstance(value, list | tuple) else value for name, value in given.items()}
    plain |= {"network": network}
    settings = NetworkSettings(**{name: value for name, value in plain.items() if value is not None})  # type: ignore[arg-type]
    forced = {"mlp": PublishedMLP, "embeddings": EmbeddingsMLP}
    if combiner in forced:
        return [partial(forced[combiner], settings=settings)]
    return [*simple, partial(ResidualMLP, settings=settings), partial(EmbeddingsMLP, settings=settings)]


def settings_without_effect(combiner: Combiner, given: Mapping[str, Any]) -> list[str]:
    """Return the names of the network's settings that were given and that the deployed combiner did not use."""
    return [name for name, value in given.items() if value is not None and name not in combiner.uses_settings]


def check_options(combiner: str, rungs: Sequence[RungFactory] | None, hidden_dims: Sequence[int] | None) -> None:
    """Refuse what no fusion can be made of.

    Raises:
        ConfigError: the combiner is unknown, a rung is no class, or a layer has no width.

    """
    if combiner not in COMBINERS:
        hint = did_you_mean(combiner, COMBINERS)
        raise ConfigError(f"unknown combiner {combiner!r}{hint}; known: {', '.join(COMBINERS)}")
    for rung in rungs or ():
        if not callable(rung):
            raise ConfigError(f"rung {rung!r} is no Combiner class; pass classes such as LogLinearPool")
    if hidden_dims is not None and not all(width > 0 for width in hidden_dims):
        raise ConfigError(f"hidden_dims must be widths of at least 1, got {list(hidden_dims)}")
