"""`ProviderClassifier`: an `LLMClassifier` that asks one provider and takes the settings of the published interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textclassify.core.model_options import NamesOptionsOf, model_options, parameters_of, shows_options
from textclassify.core.model_settings import ModelConfig
from textclassify.errors import ConfigError
from textclassify.llm.llm_classifier import LLMClassifier

_PUBLISHED = {
    "model_name": "model",
    "llm_model": "model",
    "api_base": "base_url",
    "batch_size": "concurrency",
    "max_tokens": "max_completion_tokens",
    "seed": "random_state",
}
"""Published names, and what they are called here. Texts that were sent as one batch are requests in flight."""

_CLASSES = {"deepseek": "DeepSeekClassifier", "gemini": "GeminiClassifier", "openai": "OpenAIClassifier"}
_BEGINNINGS = {
    "deepseek": ("deepseek",),
    "gemini": ("gemini", "gemma"),
    "openai": ("gpt-", "chatgpt", "o1", "o3", "o4"),
}
"""What the names of each provider's models begin with."""


class ProviderClassifier(NamesOptionsOf, LLMClassifier):
    """An `LLMClassifier` whose provider is settled; a subclass names it.

    Args:
        config: `ModelConfig` of `ModelType.LLM`: its `model_name`, `api_key`, `api_base`, `max_retries`, `timeout`, its
            `batch_size` as requests in flight, and `parameters` with any option of `LLMClassifier`, or `max_tokens`.
        label_columns: the labels; a name that repeats counts once, with a warning.
        labels: the label schema, which may describe them; instead of `label_columns`.
        **options: of `LLMClassifier`.

    Raises:
        ConfigError: the config is for another class or provider, an option is unknown, or it has two values.

    """

    named: ClassVar[str]
    """The provider that is asked."""
    native: ClassVar[Mapping[str, Any]] = parameters_of(LLMClassifier, without=["provider"])

    @shows_options(native)
    def __init__(
        self, config: ModelConfig | None = None, label_columns: Any = None, *, labels: Any = None, **options: Any
    ) -> None:
        arguments = {"labels": labels, "label_columns": label_columns, **options}
        found = model_options(config, arguments, [*self.native, "provider"], _PUBLISHED, owner=self)
        self._check_provider(found.pop("provider", self.named), found.get("model"), found.get("base_url"))
        super().__init__(**found, provider=self.named)

    def _check_provider(self, provider: Any, model: Any, base_url: Any) -> None:
        """Refuse what belongs to another provider; a server of the user's own may call its models anything.

        Raises:
            ConfigError: the provider, or the model, is another one's.

        """
        if provider != self.named:
            raise ConfigError(
                f"provider {provider!r} is not that of {type(self).__name__}; use "
                f"{_CLASSES.get(str(provider), f'LLMClassifier(provider={provider!r})')}, or leave it out"
            )
        if base_url is not None or not isinstance(model, str):
            return
        for other, beginnings in _BEGINNINGS.items():
            if other != self.named and model.lower().startswith(beginnings):
                raise ConfigError(
                    f"{model!r} is a model of {other!r}, and {type(self).__name__} asks {self.named!r}; use "
                    f"{_CLASSES[other]}, or name the server that has it: ModelConfig(api_base=...)"
                )
