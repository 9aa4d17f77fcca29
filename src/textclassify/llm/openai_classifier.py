"""`OpenAIClassifier`: an `LLMClassifier` that asks OpenAI's models."""

from __future__ import annotations

from typing import ClassVar

from textclassify.llm.provider_classifier import ProviderClassifier


class OpenAIClassifier(ProviderClassifier):
    """Asks a model of OpenAI which label fits; the arguments are those of `ProviderClassifier`.

    >>> from textclassify.core.types import ModelConfig, ModelType
    >>> config = ModelConfig("gpt-4o-mini", ModelType.LLM, {"temperature": 0.1})
    >>> OpenAIClassifier(config=config, label_columns=["positive", "negative"]).model
    'gpt-4o-mini'

    """

    kind: ClassVar[str] = "openai"
    named: ClassVar[str] = "openai"
