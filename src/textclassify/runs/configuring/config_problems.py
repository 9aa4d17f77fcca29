"""What is wrong with a configuration, in words that name the key, the value and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from textclassify.core.texts import did_you_mean, listed
from textclassify.runs.configuring.config_keys import MEANINGS

VARIABLE = "TEXTCLASSIFY_"
"""How the environment variables begin that set a key."""
_SECTIONS = ("models", "fusion")
"""Keys of the paper's form that are none of ours."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a configuration.

    Args:
        key: its key as it was written, such as `models.llm.provider`.
        words: what is wrong, and the remedy.

    """

    key: str
    words: str

    def __str__(self) -> str:
        return self.words


def called(name: str) -> str:
    """Return a key, or the environment variable that sets it, as messages call it."""
    return f"environment variable {name}" if name.startswith(VARIABLE) else f"configuration key {name!r}"


def problems_in(error: ValidationError, names: Mapping[str, str]) -> list[Problem]:
    """Return what a check found.

    Args:
        error: what pydantic says.
        names: how the source of a setting calls its key, where it is not ours.

    """
    found = []
    for problem in error.errors():
        key = str(problem["loc"][0]) if problem["loc"] else ""
        name = names.get(key, key)
        found.append(Problem(name, _in_words(key, name, problem)))
    return list(dict.fromkeys(found))


def _in_words(key: str, name: str, problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        known = (*MEANINGS, *_SECTIONS)
        hint = did_you_mean(key, known) or f"; known keys: {listed(MEANINGS, len(MEANINGS))}"
        return f"unknown configuration key {key!r}{hint}"
    said = problem["msg"].removeprefix("Value error, ")
    if key == "llm_api_key_env":  # may be a key, pasted into the wrong place
        return f"{called(name)}: {said}"
    return f"{called(name)} is {problem['input']!r}: {said[:1].lower()}{said[1:]}"
