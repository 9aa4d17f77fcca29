"""Which rungs a fusion compares, and which of the network's settings had any effect on what was deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from textclassify.core.number_checks import is_count, is_number
from textclassify.core.texts import did_you_mean, listed
from textclassify.ensemble.combining.combiners import Combiner
from textclassify.ensemble.combining.cross_label import CrossLabelPool
from textclassify.ensemble.combining.ladder import METRICS, RungFactory
from textclassify.ensemble.pooling import LogLinearPool, VectorScalingPool
from textclassify.errors import ConfigError, MissingDependencyError
from textclassify.statistics.calibration import new_calibrator

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
    combiner: str,
    rungs: Sequence[RungFactory] | None,
    given: Mapping[str, Any],
    llm_sources: Any,
    names: Iterable[str],
    called: Mapping[str, str],
) -> None:
    """Refuse what no fusion can be made of.

    Args:
        combiner: one of `COMBINERS`.
        rungs: given by the user.
        given: settings of the network by name.
        llm_sources: names of the sources that ask a language model; None = to be recognised.
        names: of all sources.
        called: what the user knows the settings as, where it is another name.

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
    _check_settings(given, called)
    if isinstance(llm_sources, str):
        raise ConfigError(f"llm_sources={llm_sources!r} must be a list of names, such as [{llm_sources!r}]")
    known = list(names)
    for name in llm_sources or ():
        if name not in known:
            raise ConfigError(
                f"llm_sources names {name!r}{did_you_mean(name, known)}, which is no source; there are: {listed(known)}"
            )


def check_metric(metric: str | None, *, multi_label: bool) -> None:
    """Refuse a metric that does not exist, or is not one of the data's kind.

    Raises:
        ConfigError: it is not; the message names those that are.

    """
    if metric is not None and metric not in METRICS:
        raise ConfigError(f"unknown metric {metric!r}{did_you_mean(metric, METRICS)}; known: {', '.join(METRICS)}")
    if multi_label and metric == "accuracy":
        raise ConfigError("metric='accuracy' is of one label per text; choose 'subset_accuracy' or 'micro_f1'")


def check_calibrator(calibrator: Any, n_labels: int, *, multi_label: bool) -> None:
    """Refuse a calibrator that does not exist, or is made for several labels per text where there is one.

    Raises:
        ConfigError: it cannot be used.

    """
    made = new_calibrator(calibrator, 1, n_labels, multi_label=multi_label)
    if not multi_label and made.name in {"platt", "beta", "isotonic"}:
        raise ConfigError(
            f"calibrator={made.name!r} judges each label by itself, and there is one label per text; choose "
            "'temperature' or 'vector'"
        )


def _check_settings(given: Mapping[str, Any], called: Mapping[str, str]) -> None:
    hidden_dims = given["hidden_dims"]
    if hidden_dims is not None and not (isinstance(hidden_dims, Iterable) and all(map(is_count, hidden_dims))):
        name = called.get("hidden_dims", "hidden_dims")
        raise ConfigError(f"{name} must be whole widths of at least 1, such as [64, 32]; got {hidden_dims!r:.60}")
    rate = given["learning_rate"]
    if rate is not None and not (is_number(rate) and rate > 0):
        raise ConfigError(f"{called.get('learning_rate', 'learning_rate')} is {rate!r:.60}; pass a number above 0")
    for name in ("epochs", "batch_size"):
        value = given[name]
        if value is not None and not is_count(value):
            raise ConfigError(f"{called.get(name, name)} is {value!r:.60}; pass a whole number from 1 on")
