"""`RoBERTaClassifier`: `TransformerClassifier` by the name of its default model, with published settings as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textclassify.core.model_options import NamesOptionsOf, model_options, parameters_of, shows_options
from textclassify.core.model_settings import ModelConfig
from textclassify.ml.transformer_classifier import TransformerClassifier

_PUBLISHED = {
    "model_name": "model",
    "ml_model": "model",
    "ml_lr": "learning_rate",
    "ml_learning_rate": "learning_rate",
    "epochs": "num_epochs",
    "warmup_ratio": "warmup_share",
    "seed": "random_state",
}
"""Published names, and what they are called here."""


class RoBERTaClassifier(NamesOptionsOf, TransformerClassifier):
    """A `TransformerClassifier` that also takes the settings of the published interface.

    Without a model's name this is `roberta-base` where a hub or its cache answers, else the embedded encoder; the
    result's metadata say which.

    Args:
        model: name or folder of an encoder.
        labels: the label schema.
        config: `ModelConfig` of `ModelType.TRADITIONAL_ML`: its `model_name`, its `batch_size`, and `parameters` with
            any option of `TransformerClassifier`, or `ml_lr`, `epochs`, `warmup_ratio`, `seed`.
        label_columns: the labels, instead of `labels`; a name that repeats counts once, with a warning.
        **options: of `TransformerClassifier`.

    Raises:
        ConfigError: the config is for another class, an option is unknown, or it has two values.

    >>> from textclassify.core.types import ModelConfig, ModelType
    >>> config = ModelConfig("roberta-base", ModelType.TRADITIONAL_ML, {"ml_lr": 1e-5, "num_epochs": 3})
    >>> RoBERTaClassifier(config=config).learning_rate
    1e-05

    """

    kind: ClassVar[str] = "roberta"
    native: ClassVar[Mapping[str, Any]] = parameters_of(TransformerClassifier)

    @shows_options(native)
    def __init__(
        self,
        model: Any = None,
        labels: Any = None,
        *,
        config: ModelConfig | None = None,
        label_columns: Any = None,
        **options: Any,
    ) -> None:
        if isinstance(model, ModelConfig) and config is None:
            model, config = None, model
        arguments = {"model": model, "labels": labels, "label_columns": label_columns, **options}
        super().__init__(**model_options(config, arguments, self.native, _PUBLISHED, owner=self))
