"""From settings of the published interface to a classifier's own options: names are translated, nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from textclassify.core.model_settings import EnsembleConfig, ModelConfig, ModelType, label_names
from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import ConfigError

Function = TypeVar("Function", bound=Callable[..., None])

_FIELDS = ("api_key", "api_base", "batch_size", "max_retries", "timeout")
_NAMED_FIRST = ("model", "labels", "label_columns")
"""Arguments whose None means that they were not given."""
_CLASSES = {
    ModelType.LLM: "DeepSeekClassifier, OpenAIClassifier or GeminiClassifier",
    ModelType.TRADITIONAL_ML: "RoBERTaClassifier",
    ModelType.ENSEMBLE: "nothing here: an ensemble takes an EnsembleConfig",
}


class NamesOptionsOf:
    """A classifier whose constructor also takes published names, and whose parameters are `native`, for scikit-learn.

    `get_params`, `clone` and a saved folder know the native names alone.
    """

    native: ClassVar[Mapping[str, Any]]
    """The options by name, and their defaults."""

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted(cls.native)


def shows_options(native: Mapping[str, Any]) -> Callable[[Function], Function]:
    """Return a decorator of a constructor with `**options` that has its signature name them, for `help` and `repr`."""

    def decorate(init: Function) -> Function:
        named = [each for each in inspect.signature(init).parameters.values() if each.kind is not each.VAR_KEYWORD]
        taken = {each.name for each in named}
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in native.items()
            if name not in taken
        ]
        init.__signature__ = inspect.Signature([*named, *more])  # type: ignore[attr-defined] # read by `inspect`
        return init

    return decorate


def parameters_of(make: type, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the parameters of a class's constructor with their defaults, without some."""
    parameters = list(inspect.signature(make).parameters.values())
    return {each.name: each.default for each in parameters if each.name not in set(without)}


def native_options(
    *parts: Mapping[str, Any], known: Iterable[str], published: Mapping[str, str], owner: str
) -> dict[str, Any]:
    """Return options under the owner's own names; the values stay the objects that they are.

    Args:
        *parts: options by any name, which may be given in several of them if they agree.
        known: the owner's own names.
        published: {published name: own name}.
        owner: the class that takes them, for messages.

    Raises:
        ConfigError: a name is unknown, or one option has two values.

    """
    names = list(known)
    found: dict[str, Any] = {}
    for name, value in (pair for part in parts for pair in part.items()):
        own = name if name in names else published.get(name)
        if own is None:
            hint = did_you_mean(name, [*names, *published]) or f"; known: {listed(names, len(names))}"
            raise ConfigError(f"unknown option {name!r} of {owner}{hint}")
        if own in found and not same_value(found[own], value):
            also = "" if own == name else f" ({name!r})"
            values = "" if own == "api_key" else f", {found[own]!r:.40} and {value!r:.40}"
            raise ConfigError(f"{own!r}{also} of {owner} has two values{values}; give it once")
        found.setdefault(own, value)
    return found


def model_options(
    config: Any, arguments: Mapping[str, Any], known: Iterable[str], published: Mapping[str, str], *, owner: Any
) -> dict[str, Any]:
    """Return a classifier's own options, from its `config` and its other arguments.

    Args:
        config: a `ModelConfig`, or None.
        arguments: the other arguments; a `model`, `labels` or `label_columns` of None was not given.
        known: the classifier's own names.
        published: {published name: own name}, of parameters and of the configuration's own fields.
        owner: the classifier, whose `asks_llm` says which configurations are for it.

    Raises:
        ConfigError: the configuration is for another class, an option is unknown, or it has two values.

    """
    name = type(owner).__name__
    parts = [dict(part) for part in (*_settings(config, name, asks_llm=owner.asks_llm), arguments)]
    for part in parts:
        for left_out in _NAMED_FIRST:
            if part.get(left_out, ...) is None:
                del part[left_out]
        if "label_columns" in part:
            part["label_columns"] = label_names(part["label_columns"])
    return native_options(*parts, known=known, published={**published, "label_columns": "labels"}, owner=name)


def _settings(config: Any, owner: str, *, asks_llm: bool) -> tuple[Mapping[str, Any], ...]:
    """Return a configuration's own fields, and its parameters.

    Raises:
        ConfigError: it is for another class.

    """
    if config is None:
        return ()
    wanted = ModelType.LLM if asks_llm else ModelType.TRADITIONAL_ML
    if isinstance(config, EnsembleConfig):
        raise ConfigError(f"{owner} takes a ModelConfig; an EnsembleConfig is for FusionEnsemble and other ensembles")
    if not isinstance(config, ModelConfig):
        raise ConfigError(
            f"config is of type {type(config).__name__}; pass ModelConfig(model_name, ModelType.{wanted.name}), and "
            f"options by their names: {owner}(labels=[...])"
        )
    if config.model_type is not wanted:
        raise ConfigError(
            f"the config of {config.model_name!r} has ModelType.{config.model_type.name}, which is for "
            f"{_CLASSES[config.model_type]}; {owner} takes ModelType.{wanted.name}"
        )
    fields = {name: getattr(config, name) for name in _FIELDS if getattr(config, name) is not None}
    return {"model_name": config.model_name, **fields}, config.parameters


def same_value(one: Any, other: Any) -> bool:
    """Return whether two values of an option are one; 1 and True are not, nor are two arrays."""
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except ValueError:  # arrays
        return False
