"""`HoldsChat`: which chat a classifier asks, and how one that holds a live chat is copied, cloned and pickled."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from textclassify.core.storage import replies_folder
from textclassify.errors import ConfigError
from textclassify.llm.access import Access, open_cache
from textclassify.llm.chat import AbsentChat, Chat
from textclassify.llm.http.addresses import check_may_leave
from textclassify.llm.http.keys import Secret, checked_variable
from textclassify.llm.http.providers import find_provider, resolve_endpoint
from textclassify.llm.http.retries import RetryPolicy
from textclassify.llm.http.transport import HttpChat
from textclassify.llm.money.limits import Redaction, limited, run_budget
from textclassify.llm.money.limits import current as current_limits
from textclassify.llm.money.price_list import price_of
from textclassify.llm.options import checked_options

LOCAL = "local"
"""The provider that runs a model in this process."""
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
    redact: Redaction | None
    cache_dir: str | Path | None
    cache_only: bool
    max_cost: float | None
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

    @property
    def runs_here(self) -> bool:
        """Whether the model runs in this process."""
        return self.chat is None and self.provider == LOCAL

    @property
    def model_used(self) -> str:
        """The language model that is asked, and whose it is."""
        if self.chat is not None:
            return f"{self.chat.model} ({self.chat.name})"
        if self.provider == LOCAL:
            from textclassify.models.sources import resolve

            source = resolve(self.model, "causal")
            return f"{source.name} ({source.origin})"
        return f"{self.model or find_provider(self.provider).default_model} ({self.provider})"

    def check_model(self) -> None:
        """Make sure that the model is there, or that the provider and its key are known, without asking anything."""
        if self.runs_here:
            from textclassify.models.sources import resolve

            resolve(self.model, "causal")
        elif self.chat is None:
            self._http_chat(sends=not (self.cache_only or current_limits().cache_only))

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

    @contextmanager
    def _access(self, *, sends: bool = True) -> Iterator[Access]:
        """Give the remote model with its cache open.

        Args:
            sends: whether anything may have to be asked.

        """
        checked_options(self)
        cache_only = self.cache_only or current_limits().cache_only
        asks = sends and not cache_only
        chat = self._http_chat(sends=asks) if self.chat is None else self.chat
        is_free = isinstance(chat, HttpChat) and chat.endpoint.free
        price, budget = price_of(chat.name, chat.model, free=is_free), run_budget(self.max_cost)
        if isinstance(chat, HttpChat) and asks:
            check_may_leave(chat.endpoint.base_url, offline=self.offline or current_limits().offline)
        if budget is not None and asks:
            budget.require_price(price, chat.name, chat.model)
        redact = self._redaction()
        with open_cache(replies_folder(self.cache_dir), read_only=not asks) as cache:
            yield Access(chat, cache, self.concurrency, price, budget, cache_only, redact, sends)

    def _redaction(self) -> Redaction | None:
        """Return what every text goes through: our own first, then that of the run."""
        with limited(redact=self.redact) as limits:
            redact = limits.redact
        if redact is None and getattr(self, "_was_redacted", False):
            raise ConfigError(
                "texts were redacted when this classifier was saved, and a folder holds no functions: pass it again, "
                "classifier.set_params(redact=...)"
            )
        return redact

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
