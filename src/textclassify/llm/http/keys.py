"""Keys that show themselves to nobody, and the names of the variables that hold them."""

from __future__ import annotations

import re
from typing import Any

from textclassify.errors import ConfigError

_VARIABLE = re.compile(r"(?!(?:sk|hf|gsk|ghp|pk)_|AIza)[A-Za-z_][A-Za-z0-9_]*")
"""A name that the shell allows and that does not begin as keys do."""


class Secret:
    """A key that shows itself to nobody: not in repr, not in a pickle; `reveal()` is for the header alone.

    White space around it is dropped.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value.strip()

    def reveal(self) -> str:
        """The key itself; empty after a pickle."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, ("",)


def checked_variable(name: str | None) -> str | None:
    """The name of the environment variable that holds a key; None stays None.

    Raises:
        ConfigError: it looks like a key itself, which the message does not repeat.

    """
    if name is not None and not _VARIABLE.fullmatch(name):
        raise ConfigError(
            "api_key_env is the name of an environment variable, such as OPENAI_API_KEY, and what it was given is no "
            "such name: put the key into a variable and name that"
        )
    return name
