"""The members of an ensemble: named, added one by one, or described by an `EnsembleConfig`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.model_options import native_options, same_value
from textclassify.core.model_settings import ENSEMBLES, EnsembleConfig
from textclassify.core.scores import check_same_labels
from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import ConfigError

_KINDS = {True: "multi-label", False: "single-label"}


def named_sources(models: Any) -> dict[str, TextClassifier]:
    """Return classifiers by name: a mapping keeps its names, others are named by kind, "llm_2" for the second "llm".

    Args:
        models: {name: classifier}, or classifiers in any order; the same object twice is one member.

    Raises:
        ConfigError: one is no classifier, or a name is no text.

    """
    if isinstance(models, Mapping):
        for name, model in models.items():
            _check_name(name)
            _check_classifier(model, repr(name))
        return dict(models)
    if isinstance(models, str | TextClassifier) or not isinstance(models, Iterable):
        raise ConfigError(
            f"{models!r:.60} is no list of classifiers; pass [LinearClassifier(), ...] or "
            "{'linear': LinearClassifier(), ...}"
        )
    named: dict[str, TextClassifier] = {}
    for number, model in enumerate(models):
        _check_classifier(model, f"number {number + 1}")
        if not _holds(named, model):
            named[_free_name(model.kind, named)] = model
    return named


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{name!r:.60} is no name of a member; pass a text, such as 'linear'")


def _check_classifier(model: Any, which: str) -> None:
    if isinstance(model, type) and issubclass(model, TextClassifier):
        raise ConfigError(f"member {which} is the class {model.__name__}; pass an instance: {model.__name__}(...)")
    if not isinstance(model, TextClassifier):
        raise ConfigError(
            f"member {which} is {model!r:.60} ({type(model).__name__}), not a TextClassifier; pass one, such as "
            "LinearClassifier()"
        )


def _holds(named: Mapping[str, TextClassifier], model: TextClassifier) -> bool:
    return any(model is other for other in named.values())


def _free_name(kind: str, taken: Iterable[str]) -> str:
    """Return the kind, or the kind with the first number from 2 on that is not taken."""
    names = set(taken)
    number, name = 1, kind
    while name in names:
        number += 1
        name = f"{kind}_{number}"
    return name


def check_member_name(name: Any, names: Iterable[str], where: str) -> None:
    """Make sure that a name is that of a member.

    Raises:
        ConfigError: it is not.

    """
    known = list(names)
    if name not in known:
        hint = did_you_mean(name, known) if isinstance(name, str) else ""
        raise ConfigError(f"{name!r} in {where} is no member{hint}; members: {listed(known, 12)}")


def from_config(config: EnsembleConfig, kind: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Return what an `EnsembleConfig` says as the arguments of the ensemble's constructor.

    Args:
        config: with models, parameters, weights and rules.
        kind: the ensemble's own `ensemble_method`.
        options: what each key of the parameters is called here.

    Raises:
        ConfigError: the method is another class's, a key is unknown, or a setting has two values.

    """
    if config.ensemble_method != kind:
        raise ConfigError(
            f"ensemble_method={config.ensemble_method!r} is not for {ENSEMBLES[kind]}, whose method is {kind!r}; "
            f"pass it to {ENSEMBLES[config.ensemble_method]}"
        )
    own_fields = {"weights": config.weights, "routing_rules": config.routing_rules}
    given = native_options(
        config.parameters,
        {name: value for name, value in own_fields.items() if value is not None},
        known=[name for name, option in options.items() if name == option],
        published=options,
        owner=ENSEMBLES[kind],
    )
    return {"sources": named_sources(config.models), **given}


def own_options(ensemble: type) -> dict[str, str]:
    """Return what an `EnsembleConfig` may call the arguments of an ensemble: as they are; `label_columns` are labels.

    Args:
        ensemble: its class.

    """
    own = [name for name in inspect.signature(ensemble).parameters if name != "sources"]
    return {name: name for name in own} | {"label_columns": "labels"}


def labels_of_members(sources: Any) -> LabelSchema | None:
    """Return the labels that the first member which has any was given; None where none was.

    What a member learned from other data before does not count: it is trained again.

    Raises:
        ScoresError: another member was given other labels; the message names both.

    """
    found: LabelSchema | None = None
    for name, member in named_sources(sources or {}).items():
        given = member._given_schema()  # noqa: SLF001 - of a classifier like the ensemble itself
        if found is not None and given is not None:
            check_same_labels(found.names, given.names, name)
        found = found or given
    return found


def check_members(members: Mapping[str, TextClassifier], schema: LabelSchema) -> None:
    """Make sure that members can say something about these labels, as far as can be told before they are fitted.

    Raises:
        ConfigError: a member is multi-label and the data are not, or the other way round.
        ScoresError: a member was given other labels; the message names both.

    """
    for name, member in members.items():
        own = member._given_schema()  # noqa: SLF001 - of a classifier like the ensemble itself
        several = getattr(member, "multi_label", None)
        if several is None and own is not None and own.multi_label:
            several = True
        if several is not None and bool(several) != schema.multi_label:
            raise ConfigError(
                f"member {name!r} is {_KINDS[bool(several)]} and the data are {_KINDS[schema.multi_label]}; give it "
                f"multi_label={schema.multi_label}, or leave it out"
            )
        if own is not None:
            check_same_labels(schema.names, own.names, name)


class HasMembers:
    """What every ensemble does with its members before they are fitted; `sources` holds them by name.

    The constructor stores its arguments and then calls `_settle`.
    """

    kind: ClassVar[str]
    sources: Mapping[str, TextClassifier] | None

    def _settle(self, options: Mapping[str, str]) -> None:
        """Turn `sources` given as a list or as an `EnsembleConfig` into native arguments.

        Args:
            options: what each key of the configuration's parameters is called here.

        Raises:
            ConfigError: see `named_sources` and `from_config`; or an argument contradicts the configuration.

        """
        given: Any = self.sources
        if isinstance(given, EnsembleConfig):
            self._settle_config(from_config(given, self.kind, options))
        elif given is not None and not isinstance(given, Mapping):
            self.sources = named_sources(given)

    def _settle_config(self, arguments: Mapping[str, Any]) -> None:
        defaults = inspect.signature(type(self)).parameters
        for option, value in arguments.items():
            beside = getattr(self, option)
            if option != "sources" and beside is not defaults[option].default and not same_value(beside, value):
                raise ConfigError(
                    f"{option!r} is {value!r:.60} in the EnsembleConfig and {beside!r:.60} beside it; give it once"
                )
            setattr(self, option, value)

    def add_model(self, model: TextClassifier, name: str | None = None) -> Self:
        """Add a member, which counts from the next `fit` on; one that is there already is not added again.

        Args:
            model: any classifier, fusions included.
            name: what it is called; None = by its kind, "llm_2" for the second "llm".

        Raises:
            ConfigError: it is no classifier, another member has the name, or the ensemble was loaded.

        """
        self._refuse_loaded()
        members = named_sources(self.sources or {})
        _check_classifier(model, f"number {len(members) + 1}")
        if name is not None:
            _check_name(name)
        if _holds(members, model):
            return self
        if name in members:
            raise ConfigError(f"there is a member called {name!r} already; give this one another name")
        self.sources = {**members, name or _free_name(model.kind, members): model}
        return self

    def _refuse_loaded(self) -> None:
        """Refuse to go on from an ensemble that was loaded: its members would be left out without a word.

        Raises:
            ConfigError: it was; the message says what to do.

        """
        if not self.sources and hasattr(self, "sources_"):
            name = type(self).__name__
            raise ConfigError(
                f"this {name} was loaded: it answers with its fitted members, and cannot be fitted again or get "
                f"others; make a new one with all of them: {name}([LinearClassifier(), ...])"
            )

    def add_ml_model(self, model: TextClassifier) -> Self:
        """Add a member that is trained and asks no language model; as `add_model` otherwise.

        Raises:
            ConfigError: it asks a language model.

        """
        _check_classifier(model, "to be added")
        if model.asks_llm:
            raise ConfigError(f"{type(model).__name__} asks a language model; add it by add_llm_model")
        return self.add_model(model)

    def add_llm_model(self, model: TextClassifier) -> Self:
        """Add a member that asks a language model; there may be several. As `add_model` otherwise.

        Raises:
            ConfigError: it asks none.

        """
        _check_classifier(model, "to be added")
        if not model.asks_llm:
            raise ConfigError(f"{type(model).__name__} asks no language model; add it by add_ml_model")
        return self.add_model(model)
