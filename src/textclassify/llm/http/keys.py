"""Keys that show themselves to nobody, and the names of the variables that hold them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from textclassify.errors import ConfigError

_VARIABLE = re.compile(r"(?!(?:sk|hf|gsk|ghp|pk)_|AIza)[A-Za-z_][A-Za-z0-9_]*")
"""A name that the shell allows and that does not begin as keys do."""
_SHORTEST_KEY = 8
"""Characters; "none" or "x" for a server that wants any key is no secret."""
_MOST_ESCAPES = 64
"""Backslashes before one character: JSON inside JSON inside JSON has seven before a quote."""


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


def concealing(key: str) -> Callable[[str], str]:
    r"""What puts *** where a text repeats a key, plainly or as JSON or a URL may spell it.

    >>> concealing("sk-a/b-0123")(r"wrong key: sk-a\/b-0123")
    'wrong key: ***'

    """
    if len(key) < _SHORTEST_KEY:
        return str
    characters = re.sub(r"\\+", r"\\", key)  # so many of them may stand there, however many there are
    return partial(re.compile("".join(map(_spellings, characters))).sub, "***")


def _spellings(character: str) -> str:
    """The pattern of one character: itself, escaped or not, or its number in JSON or in a URL; it never backtracks."""
    if character == "\\":
        return rf"(?:\\(?i:u005c)?+|%5[Cc]){{1,{_MOST_ESCAPES}}}+"
    number = f"{ord(character):02x}"
    return rf"(?:\\{{0,{_MOST_ESCAPES}}}+(?:{re.escape(character)}|u00(?i:{number}))|%(?i:{number}))"
