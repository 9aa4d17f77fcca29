"""What asking a model's language models about one more text is expected to cost."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence

from textclassify.apps.asked_models import language_models, runs_here
from textclassify.core.contract import TextClassifier
from textclassify.errors import ConfigError

SAMPLE = 200
"""Texts that a price is estimated on."""


def price_per_call(classifier: TextClassifier, texts: Sequence[str]) -> float | None:
    """Return the US dollars that all language models together are expected to cost per new text.

    None where nothing is paid, or a price is unknown. Kept answers do not count: the next text has none.
    """
    sample, dollars = list(texts[:SAMPLE]), 0.0
    try:
        models = [model for _, model in language_models(classifier) if not runs_here(model)]
        with tempfile.TemporaryDirectory() as empty:
            for model in models:
                without_kept = copy.copy(model)
                without_kept.cache_dir = empty
                expected = without_kept.estimate(sample)
                if expected.cost is None:
                    return None
                dollars += expected.cost.expected / max(len(sample), 1)
    except ConfigError:  # a source of the user's own that cannot say what it costs
        return None
    return dollars or None
