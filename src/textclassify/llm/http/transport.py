"""`HttpChat`: any endpoint of the OpenAI chat completions protocol, asked over aiohttp."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from textclassify.errors import ConfigError
from textclassify.llm.chat import ChatReply, ChatRequest
from textclassify.llm.http.connection import Connection
from textclassify.llm.http.providers import Endpoint
from textclassify.llm.http.retries import RetryPolicy
from textclassify.llm.http.server_memory import ServerMemory

_CONNECT_SECONDS = 10.0


class HttpChat:
    """A language model behind the OpenAI chat completions protocol.

    Args:
        endpoint: where it is, from `resolve_endpoint`.
        model: its name there.
        timeout_seconds: for one request, connecting included.
        retries: how often and how patiently a failed request is repeated.
        max_reply_bytes: a longer reply is given up.
        concurrency: most requests in flight over one connection.
        requests_per_minute: limit that is kept from the start; None = what the server says.
        tokens_per_minute: as `requests_per_minute`.

    It holds no connection itself, so it can be pickled (without a key given by hand) and shared by threads.

    Raises:
        ConfigError: the timeout is no number of seconds.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        timeout_seconds: float = 60.0,
        retries: RetryPolicy | None = None,
        max_reply_bytes: int = 10_000_000,
        concurrency: int = 64,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        if not timeout_seconds > 0:
            raise ConfigError(f"timeout {timeout_seconds!r} must be a number of seconds above 0")
        self.endpoint = endpoint
        self.name = endpoint.provider.name
        self.model = model
        self.timeout_seconds = timeout_seconds
        self.retries = retries or RetryPolicy()
        self.max_reply_bytes = max_reply_bytes
        self.concurrency = concurrency
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self.memory = self._nothing_known()

    def __repr__(self) -> str:
        return f"HttpChat({self.name!r}, {self.model!r}, base_url={self.endpoint.base_url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"memory": self._nothing_known()}

    def key(self, request: ChatRequest) -> bytes:
        """The cache's key: of the request with the provider's own parameters, at this address."""
        return request.key(self.name, self.endpoint.base_url, self.memory.defaults(request.model))

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply to one request over a connection of its own; for many, see `connected`.

        Raises:
            ChatFailure: this request cannot be answered.
            ProviderError: none can.

        """
        async with self.connected() as chat:
            return await chat.complete(request)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """The same chat with one session open in the running event loop, its requests paced by one governor.

        Raises:
            AuthenticationError: the provider needs a key and there is none.
            ConfigError: nothing may be sent to the address.

        """
        headers = self.endpoint.headers()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self.timeout_seconds, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            yield Connection(self, session, headers)

    def _nothing_known(self) -> ServerMemory:
        return ServerMemory(self.endpoint.provider, self.endpoint.base_url)
