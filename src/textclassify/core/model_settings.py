"""`ModelConfig` and `EnsembleConfig`: the settings of a model and of an ensemble as the published interface has them.

They hold arguments and nothing else: the classifiers translate them into their own, where they are checked again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from textclassify.core.labels import LabelSchema
from textclassify.core.number_checks import is_number, is_whole
from textclassify.core.texts import did_you_mean, each_once, listed
from textclassify.errors import ConfigError

ENSEMBLES = {
    "fusion": "FusionEnsemble",
    "voting": "VotingEnsemble",
    "weighted": "WeightedEnsemble",
    "class_routing": "ClassRoutingEnsemble",
}
"""What `ensemble_method` may be, and the class of each; all are in `textclassify.ensemble`."""


class ModelType(StrEnum):
    """What kind of model the settings are of."""

    LLM = "llm"
    TRADITIONAL_ML = "traditional_ml"
    ENSEMBLE = "ensemble"


@dataclass
class ModelConfig:
    """The settings of one model, for `RoBERTaClassifier(config=...)`, `DeepSeekClassifier(config=...)` and the like.

    Args:
        model_name: name or folder of the model.
        model_type: `ModelType.LLM` or `ModelType.TRADITIONAL_ML`, or the value of one as text.
        parameters: options of the classifier by name, its own names or the published ones.
        api_key: key of a language model; None = from the environment. It is never shown.
        api_base: address of a language model, with its version path; None = the provider's, or the environment's.
        batch_size: texts per training step, for a language model: requests in flight; None = the classifier's default.
        max_retries: of one request.
        timeout: seconds for one request.

    Raises:
        ConfigError: a value is of another kind, or out of range.

    >>> ModelConfig("roberta-base", ModelType.TRADITIONAL_ML, {"num_epochs": 3}).parameters
    {'num_epochs': 3}

    """

    model_name: str
    model_type: ModelType
    parameters: dict[str, Any] = field(default_factory=dict)
    api_key: str | None = field(default=None, repr=False)
    api_base: str | None = None
    batch_size: int | None = None
    max_retries: int | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        _check_name(self.model_name)
        self.model_type = _model_type(self.model_type)
        self.parameters = _parameters(self.parameters)
        for name in ("api_key", "api_base"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigError(f"{name} is of type {type(value).__name__}; pass text, or leave it out")
        _check_number("batch_size", self.batch_size, 1, whole=True)
        _check_number("max_retries", self.max_retries, 0, whole=True)
        _check_number("timeout", self.timeout, 0, whole=False)


@dataclass
class EnsembleConfig:
    """The settings of an ensemble, for `FusionEnsemble(EnsembleConfig(...))` and the other ensembles.

    Args:
        ensemble_method: "fusion", "voting", "weighted" or "class_routing".
        models: its members, a list or {name: classifier}; more can be added to the ensemble.
        parameters: options of the ensemble by name, its own names or the published ones.
        weights: of the members, in their order or by name; for a weighted ensemble.
        routing_rules: {label: member}; for class routing.

    Raises:
        ConfigError: a value is of another kind, or the method is unknown.

    """

    ensemble_method: str
    models: Any = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    weights: Any = None
    routing_rules: Any = None

    def __post_init__(self) -> None:
        if self.ensemble_method not in ENSEMBLES:
            raise ConfigError(
                f"unknown ensemble_method {self.ensemble_method!r}{did_you_mean(self.ensemble_method, ENSEMBLES)}; "
                f"known: {listed(map(repr, ENSEMBLES))}"
            )
        self.models = _members(self.models)
        self.parameters = _parameters(self.parameters)
        if isinstance(self.weights, str) or not isinstance(self.weights, Iterable | None):
            raise ConfigError(f"weights is {self.weights!r:.60}; pass one number per model, or {{name: number}}")
        if self.routing_rules is not None and not isinstance(self.routing_rules, Mapping):
            raise ConfigError(f"routing_rules is {self.routing_rules!r:.60}; pass {{label: name of a model}}")


def label_names(label_columns: Any) -> Any:
    """Return `label_columns` as names, each once with a warning where one repeats; the same object where none does.

    Args:
        label_columns: names, one name, or whatever describes a label schema.

    """
    if isinstance(label_columns, str):
        return [label_columns]
    if isinstance(label_columns, LabelSchema | Mapping):
        return label_columns
    return each_once(label_columns, "label_columns")


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"model_name is {name!r:.60}; pass the name of a model, such as 'roberta-base'")


def _members(models: Any) -> Any:
    if isinstance(models, str) or not isinstance(models, Iterable):
        raise ConfigError(
            f"models is of type {type(models).__name__}; pass a list of classifiers, such as [RoBERTaClassifier()]"
        )
    return dict(models) if isinstance(models, Mapping) else list(models)


def _model_type(value: Any) -> ModelType:
    try:
        return ModelType(value)
    except ValueError:
        known = [str(kind) for kind in ModelType]
        raise ConfigError(
            f"unknown model_type {value!r}{did_you_mean(value, known)}; known: {listed(map(repr, known))}"
        ) from None


def _parameters(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"parameters is of type {type(value).__name__}; pass {{name of an option: value}}")
    if "api_key" in value:
        raise ConfigError("parameters hold an api_key, and are shown; pass it beside them: ModelConfig(api_key=...)")
    parameters = dict(value)
    if parameters.get("label_columns") is not None:
        parameters["label_columns"] = label_names(parameters["label_columns"])
    return parameters


def _check_number(name: str, value: Any, least: int, *, whole: bool) -> None:
    if value is None:
        return
    usable = is_whole(value) if whole else is_number(value)
    if not usable or not math.isfinite(value) or value < least or (value == least and not whole):
        allowed = f"a whole number from {least} on" if whole else f"a number above {least}"
        raise ConfigError(f"{name} is {value!r:.60}; pass {allowed}, or None")
