"""`DeepSeekClassifier`: an `LLMClassifier` that asks DeepSeek's models."""

from __future__ import annotations

from typing import ClassVar

from textclassify.llm.provider_classifier import ProviderClassifier


class DeepSeekClassifier(ProviderClassifier):
    """Asks a model of DeepSeek which label fits; the arguments are those of `ProviderClassifier`.

    >>> from textclassify.core.types import ModelConfig, ModelType
    >>> config = ModelConfig("deepseek-chat", ModelType.LLM, {"temperature": 0.1})
    >>> DeepSeekClassifier(config=config, label_columns=["positive", "negative"]).model
    'deepseek-chat'

    """

    kind: ClassVar[str] = "deepseek"
    named: ClassVar[str] = "deepseek"
