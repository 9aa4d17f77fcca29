"""`SharesChat`: how a classifier that holds a live `Chat` is copied, cloned and pickled."""

from __future__ import annotations

import copy
from typing import Any, Self

from textclassify.llm.chat import AbsentChat, Chat


class SharesChat:
    """Copies and clones share the chat, which may hold connections and locks; pickles know its name alone.

    A pickle holds no key either, and nothing that was opened.
    """

    chat: Chat | None

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment] # scikit-learn's is a dict
        return {**state, "_api_key": None, "_opened": None, "chat": absent(self.chat)}

    def __copy__(self) -> Self:
        return self._with_state(self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        for live in (self.chat, self.__dict__.get("_opened")):
            memo[id(live)] = live
        return self._with_state(copy.deepcopy(self.__dict__, memo))

    def __sklearn_clone__(self) -> Self:
        without = copy.copy(self)
        without.chat = None
        cloned: Self = super(SharesChat, without).__sklearn_clone__()  # type: ignore[misc] # scikit-learn's
        cloned.chat = self.chat
        return cloned

    def _with_state(self, state: dict[str, Any]) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(state)
        return copied


def absent(chat: Chat | None) -> AbsentChat | None:
    """Return what stands for a chat where it cannot be kept."""
    return None if chat is None else AbsentChat(chat.name, chat.model)
