"""Options of a wrong kind end in one sentence, not in an error of Python's."""

import re
from pathlib import Path

import numpy as np
import pytest

from textclassify.errors import ConfigError
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.llm.options import checked_options


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("max_cost", "5", "a number from 0 on, or None"),
        ("max_cost", float("nan"), "a number from 0 on, or None"),
        ("concurrency", "8", "a whole number from 1 on"),
        ("concurrency", 1.5, "a whole number from 1 on"),
        ("concurrency", True, "a whole number from 1 on"),
        ("timeout", "3", "a number above 0"),
        ("timeout", None, "a number above 0"),
        ("requests_per_minute", 0, "a number above 0, or None"),
        ("examples_per_label", -1, "a whole number from 0 on"),
        ("nearest_examples", 2.5, "a whole number from 0 on"),
        ("max_retries", -1, "a whole number from 0 on"),
        ("temperature", -1, "a number from 0 on"),
        ("max_completion_tokens", 0, "a whole number from 1 on"),
        ("provider", None, "text"),
        ("model", 4, "text, or None"),
        ("template", 5, "a path, or None"),
        ("cache_only", "no", "True or False"),
        ("redact", "x", "a function from text to text, or None"),
    ],
)
def test_an_option_of_a_wrong_kind_names_itself_and_what_is_allowed(name, value, allowed):
    with pytest.raises(ConfigError, match=re.escape(f"{name} is {value!r}; pass {allowed}") + "$"):
        checked_options(LLMClassifier(["a", "b"], **{name: value}))


def test_what_is_usual_is_allowed():
    """Defaults, paths, and numbers as NumPy and searches of hyperparameters give them."""
    checked_options(LLMClassifier(["a", "b"]))
    checked_options(
        LLMClassifier(
            ["a", "b"],
            concurrency=np.int64(8),
            timeout=np.float32(3.0),
            max_cost=1,
            template=Path("prompt.txt"),
            offline=np.bool_(True),  # noqa: FBT003 - the value under test
            redact=str.upper,
        )
    )
