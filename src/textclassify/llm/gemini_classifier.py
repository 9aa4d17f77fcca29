"""`GeminiClassifier`: an `LLMClassifier` that asks Gemini's models."""

from __future__ import annotations

from typing import ClassVar

from textclassify.llm.provider_classifier import ProviderClassifier


class GeminiClassifier(ProviderClassifier):
    """Asks a model of Gemini which label fits; the arguments are those of `ProviderClassifier`.

    >>> from textclassify.core.types import ModelConfig, ModelType
    >>> config = ModelConfig("gemini-2.5-flash", ModelType.LLM, {"temperature": 0.1})
    >>> GeminiClassifier(config=config, label_columns=["positive", "negative"]).model
    'gemini-2.5-flash'

    """

    kind: ClassVar[str] = "gemini"
    named: ClassVar[str] = "gemini"
