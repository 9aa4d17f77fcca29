"""From a configuration to unfitted classifiers: the only place that knows which setting belongs to which class."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from textclassify.core.contract import TextClassifier
from textclassify.core.kinds import class_of
from textclassify.core.labels import LabelSchema
from textclassify.core.texts import listed
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.errors import ConfigError, MissingDependencyError, ModelError
from textclassify.runs.config import Config
from textclassify.runs.embedding_source import embedding_source, names_embedding

logger = logging.getLogger(__name__)

_CONNECTION = (
    *("provider", "model", "base_url", "api_key_env", "cache_dir", "random_state"),
    *("concurrency", "requests_per_minute", "tokens_per_minute", "timeout", "max_retries"),
)
"""Settings of a language model that hold whatever it is asked."""
FEW = 20
"""Labels up to which a small local model is shown one example of each: one prefix, read once."""


def build_fusion(config: Config, labels: LabelSchema | None = None) -> tuple[FusionEnsemble, list[str]]:
    """Return an unfitted fusion of the configured sources, with a sentence for each default one left out.

    A source that the user named and that cannot be had is an error; one that is merely on by default is left out.

    Raises:
        ConfigError: no source is left.
        MissingDependencyError: a named model needs an extra that is not installed.

    """
    notes: list[str] = []
    sources = _free_sources(config, notes) | _llm_sources(
        config, notes, few_labels=labels is None or len(labels) <= FEW
    )
    if not sources:
        raise ConfigError("every source is switched off; set one of llm_provider, encoder, linear or similarity")
    fusion = FusionEnsemble(
        sources,
        labels,
        multi_label=config.multi_label,
        random_state=config.random_state,
        **_given(
            config, "combiner", "metric", "calibrator", "non_empty", "guard", "n_folds", "one_model", "fusion_rows"
        ),
        **_given(config, "fusion_hidden_dims", "fusion_lr", "fusion_epochs", "fusion_batch_size"),
    )
    for note in notes:
        logger.warning("%s", note)
    return fusion, notes


def build_llm(config: Config) -> TextClassifier:
    """Return what labels zero-shot by the configured labels: the one language model, with `rac` behind retrieval.

    Each of its calls keeps `max_cost` and `offline`; whoever makes several of them opens `config.limited()` around all.

    Raises:
        ConfigError: there are no labels, or there is not exactly one model (with `rac`, at most one).

    """
    if config.labels is None:
        raise ConfigError("labels are needed to label without training: set `labels` to names, descriptions or a file")
    if len(config.llms) != 1 and not (config.rac and not config.llms):
        raise ConfigError(f"{len(config.llms)} language models are configured; labelling without training takes one")
    idle = [name for name in ("llm_budget", "max_risk") if getattr(config, name) is not None]
    if idle:
        logger.warning("%s: no part in labelling without training; a fusion that was trained can keep it", listed(idle))
    labels = LabelSchema.of(config.labels, multi_label=config.multi_label)
    config = config.model_copy(update={"cache_dir": config.replies_in_predict})
    kept: dict[str, Any] = {"max_cost": config.max_cost, "offline": config.offline}
    built = _rac(config, labels, **kept) if config.rac else _llm(config, labels, few_labels=False, **kept)
    built.schema_ = labels
    return built


def _llm(
    config: Config, labels: LabelSchema | None, which: int = 0, *, few_labels: bool, **more: Any
) -> TextClassifier:
    """Return one of the configured language models, which chooses among all labels."""
    provider, model = config.llms[which]
    return class_of("llm")(labels, **_llm_settings(config, provider, model, few_labels=few_labels), **more)


def _rac(config: Config, labels: LabelSchema | None, which: int = 0, **more: Any) -> TextClassifier:
    """Return retrieval with one of the configured language models to check its labels; with none, retrieval alone."""
    asked = None
    if config.llms:
        provider, model = config.llms[which]
        settings = _llm_settings(config, provider, model, few_labels=False)
        settings = {name: setting for name, setting in settings.items() if name in _CONNECTION}
        asked = class_of("llm")(None, **settings, **more)
    options = _given(config, "top_k", "decision")
    if labels is not None:  # in a fusion, the fusion decides
        options |= _given(config, "min_probability", "margin", "other")
    return class_of("rac")(labels, asked, language=config.llm_language, random_state=config.random_state, **options)


def _free_sources(config: Config, notes: list[str]) -> dict[str, TextClassifier]:
    sources: dict[str, TextClassifier] = {}
    if config.encoder and names_embedding(config.ml_model):
        sources["encoder"] = embedding_source(config, notes)
    elif config.encoder:
        settings = _given(config, "max_length", "batch_size", "num_epochs", "class_weight")
        if config.ml_lr is not None:
            settings["learning_rate"] = config.ml_lr
        settings |= {
            "precision": config.precision,
            "long_texts": config.long_texts,
            "random_state": config.random_state,
        }
        encoder = _torch_source(
            "roberta", {"model": config.ml_model, **settings}, notes, named=config.ml_model is not None
        )
        sources |= {} if encoder is None else {"encoder": encoder}
    if config.linear:
        sources["linear"] = class_of("linear")(random_state=config.random_state)
    if config.similarity:
        similarity = _torch_source("similarity", {}, notes, named=False)
        sources |= {} if similarity is None else {"similarity": similarity}
    return sources


def _llm_sources(config: Config, notes: list[str], *, few_labels: bool) -> dict[str, TextClassifier]:
    sources: dict[str, TextClassifier] = {}
    named = "llm_provider" in config.model_fields_set
    kind = "rac" if config.rac else "llm"
    for which, (provider, _) in enumerate(config.llms):
        classifier = _rac(config, None, which) if config.rac else _llm(config, None, which, few_labels=few_labels)
        if provider == "local" and not _usable(classifier, notes, named=named):
            continue
        name = kind if len(config.llms) == 1 else f"{kind}_{provider}"
        sources[name if name not in sources else f"{name}_{len(sources) + 1}"] = classifier
    return sources


def _llm_settings(config: Config, provider: str, model: str | None, *, few_labels: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "language": config.llm_language,
        "cache_dir": config.cache_dir,
        "random_state": config.random_state,
        **_given(config, "examples_per_label", "temperature", "max_completion_tokens", "concurrency"),
    }
    if provider == "local":
        return {"examples_per_label": 1, **settings} if few_labels else settings
    settings |= _given(config, "nearest_examples", "n_samples", "texts_per_request", "max_retries")
    settings |= _given(config, "requests_per_minute", "tokens_per_minute")
    renamed = {
        "base_url": config.llm_base_url,
        "api_key_env": config.llm_api_key_env,
        "method": config.llm_method,
        "template": config.prompt_template,
        "timeout": config.llm_timeout,
    }
    return settings | {name: value for name, value in renamed.items() if value is not None}


def _torch_source(kind: str, settings: Mapping[str, Any], notes: list[str], *, named: bool) -> TextClassifier | None:
    try:
        classifier = class_of(kind)(**settings)
    except MissingDependencyError as error:
        if named:
            raise
        notes.append(f"{kind} is left out: {error}")
        return None
    return classifier if _usable(classifier, notes, named=named) else None


def _usable(classifier: TextClassifier, notes: list[str], *, named: bool) -> bool:
    """Return whether a classifier's model can be had; a named one that cannot is an error."""
    if find_spec("torch") is None and not named:
        notes.append(
            f'{type(classifier).__name__} is left out: torch is not installed; pip install "textclassify[torch]"'
        )
        return False
    try:
        classifier.check_model()
    except (ModelError, MissingDependencyError) as error:
        if named:
            raise
        notes.append(f"{type(classifier).__name__} is left out: {error}")
        return False
    return True


def _given(config: Config, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(config, name)) is not None}
