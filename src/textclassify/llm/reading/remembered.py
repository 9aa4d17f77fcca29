"""`Remembered`: what was worked out for a short text, kept for the next time that the same text comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

Found = TypeVar("Found")

_LONGEST_KEPT = 80  # characters: what models write again and again is short
_MOST_KEPT = 4096


class Remembered(dict[str, Found]):
    """A function of texts as a dict: `remembered[text]` calls it the first time only.

    Language models answer thousands of texts with the same few words, so reading a reply is mostly this look-up.
    Only short texts are kept, and only so many: memory stays bounded whatever is asked.

    Args:
        work_out: the function; it must depend on its text alone.
        known: answers that need no call.

    >>> lengths = Remembered(len)
    >>> lengths["sports"], list(lengths)
    (6, ['sports'])

    """

    def __init__(self, work_out: Callable[[str], Found], known: Mapping[str, Found] | None = None) -> None:
        super().__init__(known or {})
        self._work_out = work_out
        self._most = len(self) + _MOST_KEPT

    def __missing__(self, text: str) -> Found:
        found = self._work_out(text)
        if len(text) <= _LONGEST_KEPT and len(self) < self._most:
            self[text] = found
        return found
