"""Which rungs a fusion compares, and which of the network's settings had any effect on what was deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from textclassify.core.texts import did_you_mean, listed
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


def settings_without_effect(combiner: Combiner, given: Mapping[str, Any], network: Any = None) -> list[str]:
    """Return the names of the network's settings that were given and that the deployed combiner did not use."""
    unused = [name for name, value in given.items() if value is not None and name not in combiner.uses_settings]
    return unused + ["fusion_mlp"] * (network is not None and "network" not in combiner.uses_settings)


def check_options(
    combiner: str, rungs: Sequence[RungFactory] | None, given: Mapping[str, Any], llm_sources: Any, names: Iterable[str]
) -> None:
    """Refuse what no fusion can be made of.

    Args:
        combiner: one of `COMBINERS`.
        rungs: given by the user.
        given: settings of the network by name.
        llm_sources: names of the sources that ask a language model; None = to be recognised.
        names: of all sources.

    Raises:
        ConfigError: the combiner is unknown, a rung is no class, a setting out of range, or a source unknown.

    """
    if combiner not in COMBINERS:
        hint = did_you_mean(combiner, COMBINERS)
        raise ConfigError(f"unknown combiner {combiner!r}{hint}; known: {', '.join(COMBINERS)}")
    for rung in rungs or ():
        if not callable(rung):
            raise ConfigError(f"rung {rung!r} is no Combiner class; pass classes such as LogLinearPool")
    if rungs is not None and combiner != COMBINERS[0]:
        raise ConfigError(f"rungs are compared by combiner='auto' only, and combiner is {combiner!r}; pass one of both")
    _check_settings(given)
    if isinstance(llm_sources, str):
        raise ConfigError(f"llm_sources={llm_sources!r} must be a list of names, such as [{llm_sources!r}]")
    known = list(names)
    for name in llm_sources or ():
        if name not in known:
            raise ConfigError(
                f"llm_sources names {name!r}{did_you_mean(name, known)}, which is no source; there are: {listed(known)}"
            )


def _check_settings(given: Mapping[str, Any]) -> None:
    hidden_dims = given["hidden_dims"]
    if hidden_dims is not None and not all(width > 0 for width in hidden_dims):
        raise ConfigError(f"hidden_dims must be widths of at least 1, got {list(hidden_dims)}")
    for name, least in (("learning_rate", 0.0), ("epochs", 1), ("batch_size", 1)):
        value = given[name]
        if value is not None and (value < least or value == 0):
            raise ConfigError(
                f"{name}={value} is out of range; pass a number {'above' if not least else 'from'} {least}"
            )
