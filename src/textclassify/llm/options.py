"""`checked_options`: the numbers and kinds of a language model's options, looked at before anything is asked."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from typing import Any

import numpy as np

from textclassify.errors import ConfigError
from textclassify.llm.prompting.wordings import checked_language

_WHOLE = {  # option -> the least that is allowed
    "n_samples": 1,
    "texts_per_request": 1,
    "examples_per_label": 0,
    "nearest_examples": 0,
    "concurrency": 1,
    "max_retries": 0,
    "max_completion_tokens": 1,
}
_ABOVE_ZERO = {"timeout": False, "requests_per_minute": True, "tokens_per_minute": True}  # -> whether it may be None
_FROM_ZERO = {"temperature": False, "max_cost": True}
_TEXT = {"provider": False, "method": False, "model": True, "base_url": True}
_PATH = {"template": True, "cache_dir": True}
_YES_OR_NO = {"cache_only": False, "offline": False, "multi_label": True}


def checked_options(classifier: Any) -> None:
    """Make sure that every option of a classifier is of its kind and in its range.

    Args:
        classifier: an `LLMClassifier`.

    Raises:
        ConfigError: one is not; the message names the option, its value and what is allowed.

    """
    for name, least in _WHOLE.items():
        value = getattr(classifier, name)
        _require(name, value, f"a whole number from {least} on", holds=_is_number(value, Integral) and value >= least)
    for name, optional in _ABOVE_ZERO.items():
        value = getattr(classifier, name)
        _require(name, value, "a number above 0", optional=optional, holds=_is_number(value, Real) and value > 0)
    for name, optional in _FROM_ZERO.items():
        value = getattr(classifier, name)
        _require(name, value, "a number from 0 on", optional=optional, holds=_is_number(value, Real) and value >= 0)
    for options, kinds, allowed in (
        (_TEXT, str, "text"),
        (_PATH, (str, os.PathLike), "a path"),
        (_YES_OR_NO, (bool, np.bool_), "True or False"),
    ):
        for name, optional in options.items():
            value = getattr(classifier, name)
            _require(name, value, allowed, optional=optional, holds=isinstance(value, kinds))
    checked_language(classifier.language)
    redact = classifier.redact
    _require("redact", redact, "a function from text to text", optional=True, holds=callable(redact))


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]


def _require(name: str, value: Any, allowed: str, *, holds: bool, optional: bool = False) -> None:
    if not (holds or (optional and value is None)):
        raise ConfigError(f"{name} is {value!r:.60}; pass {allowed}{', or None' if optional else ''}")
