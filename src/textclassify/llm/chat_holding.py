"""`HoldsChat`: which chat a classifier asks, and how one that holds a live chat is copied, cloned and pickled."""

from __future__ import annotations

import copy
from typing import Any, Self

from textclassify.errors import ConfigError
from textclassify.llm.chat import AbsentChat, Chat
from textclassify.llm.http.keys import Secret, checked_variable
from textclassify.llm.http.providers import resolve_endpoint
from textclassify.llm.http.retries import RetryPolicy
from textclassify.llm.http.transport import HttpChat
from textclassify.llm.money.limits import current as current_limits

_GIVEN_BY_A_FOLDER = ("template_", "_was_redacted")
"""What a saved folder holds in the place of a parameter: a clone without it would show texts that must not be shown."""


class HoldsChat:
    """A classifier's chat: one that was given, or one that is made from a provider's name, an address and a key.

    Copies and clones share the chat, which may hold connections and locks; pickles know its name alone. A pickle holds
    no key either, and nothing that was opened.
    """

    chat: Chat | None
    provider: str
    model: str | None
    base_url: str | None
    offline: bool
    concurrency: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    timeout: float
    max_retries: int
    _opened: tuple[Any, Chat] | None = None

    @property
    def api_key(self) -> Secret | None:
        """The key, which shows itself to nobody."""
        return self._api_key

    @api_key.setter
    def api_key(self, key: str | Secret | None) -> None:
        self._api_key = Secret(key) if isinstance(key, str) else key

    @property
    def api_key_env(self) -> str | None:
        """Name of the environment variable that holds the key."""
        return self._api_key_env

    @api_key_env.setter
    def api_key_env(self, name: str | None) -> None:
        self._api_key_env = checked_variable(name)  # at once, because whatever is kept is shown and saved

    def _http_chat(self, *, sends: bool) -> Chat:
        """Return the provider's model, the same object as long as nothing about it changes: it learns about its server.

        Without `sends`, neither a key nor an allowed address is needed.
        """
        endpoint = resolve_endpoint(
            self.provider,
            self.base_url,
            self.api_key,
            self.api_key_env,
            offline=sends and (self.offline or current_limits().offline),
            needs_key=sends,
        )
        model = self.model or endpoint.provider.default_model
        if model is None:
            raise ConfigError(
                f"provider {self.provider!r} has no default model; pass model=..., as the server lists it"
            )
        limits = (self.requests_per_minute, self.tokens_per_minute, self.concurrency, self.timeout, self.max_retries)
        identity = (endpoint, self._api_key, model, *limits)
        if self._opened is None or self._opened[0] != identity:
            chat = HttpChat(
                endpoint,
                model,
                timeout_seconds=self.timeout,
                retries=RetryPolicy(max_tries=self.max_retries + 1),
                concurrency=self.concurrency,
                requests_per_minute=self.requests_per_minute,
                tokens_per_minute=self.tokens_per_minute,
            )
            self._opened = (identity, chat)
        return self._opened[1]

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
        cloned: Self = super(HoldsChat, without).__sklearn_clone__()  # type: ignore[misc] # scikit-learn's
        cloned.chat = self.chat
        for name in _GIVEN_BY_A_FOLDER:
            if name in self.__dict__:
                setattr(cloned, name, self.__dict__[name])
        return cloned

    def _with_state(self, state: dict[str, Any]) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(state)
        return copied


def absent(chat: Chat | None) -> AbsentChat | None:
    """Return what stands for a chat where it cannot be kept."""
    return None if chat is None else AbsentChat(chat.name, chat.model)
