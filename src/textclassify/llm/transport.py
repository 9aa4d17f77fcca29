"""`HttpChat`: any endpoint of the OpenAI chat completions protocol, asked over aiohttp. Retries live here alone."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from textclassify.core.scales import Status
from textclassify.errors import ProviderError, QuotaError, UnreachableError
from textclassify.llm.chat import ChatFailure, ChatReply, ChatRequest
from textclassify.llm.providers import Endpoint, is_loopback
from textclassify.llm.retries import RequestCourse, RetryPolicy
from textclassify.llm.server_errors import Retry, Verdict, Without, error_in_reply, judge

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 10.0
_SHORTEST_KEY = 8  # characters; "none" or "x" for a server that wants any key is no secret
_ROWS_LOST_BEFORE_GIVING_UP = 8
"""So many requests in a row, each after all its tries, without any answer between, and the server counts as dead."""
_ROWS_REFUSED_BEFORE_GIVING_UP = 32
"""So many requests refused before any was answered, and it is not the texts that are at fault."""


@dataclass(slots=True)
class _ServerMemory:
    """What the requests of a chat have learned together about their server."""

    left_out: dict[str, set[str]] = field(default_factory=dict)  # model -> parameters that it refuses
    resume_at: float = 0.0  # time.monotonic() before which the rate limit allows nothing
    answers: int = 0
    lost_in_a_row: int = 0


class HttpChat:
    """A language model behind the OpenAI chat completions protocol.

    Args:
        endpoint: where it is, from `resolve_endpoint`.
        model: its name there.
        timeout_seconds: for one request, connecting included.
        retries: how often and how patiently a failed request is repeated.
        max_reply_bytes: a longer reply is given up.

    It holds no connection itself, so it can be pickled (without a key given by hand) and shared by threads.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        timeout_seconds: float = 60.0,
        retries: RetryPolicy | None = None,
        max_reply_bytes: int = 10_000_000,
    ) -> None:
        self.endpoint = endpoint
        self.name = endpoint.provider.name
        self.model = model
        self.timeout_seconds = timeout_seconds
        self.retries = retries or RetryPolicy()
        self.max_reply_bytes = max_reply_bytes
        self.memory = _ServerMemory()

    def __repr__(self) -> str:
        return f"HttpChat({self.name!r}, {self.model!r}, base_url={self.endpoint.base_url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"memory": _ServerMemory()}

    def key(self, request: ChatRequest) -> str:
        """The cache's key: of the request with the provider's own parameters, at this address."""
        return self._completed(request).key(self.name, self.endpoint.base_url)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply to one request over a connection of its own; for many, see `connected`.

        Raises:
            ChatFailure: this request cannot be answered.
            ProviderError: none can.

        """
        async with self.connected() as chat:
            return await chat.complete(request)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[_Connection]:
        """The same chat with one session open in the running event loop; the caller bounds the requests in flight.

        Raises:
            AuthenticationError: the provider needs a key and there is none.

        """
        async with aiohttp.ClientSession(
            headers=self.endpoint.headers(),
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self.timeout_seconds, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            yield _Connection(self, session)

    def parameters(self, request: ChatRequest, without: Iterable[str] = ()) -> dict[str, Any]:
        """What is sent: the request in the protocol's words, less `without` and what the model is known to refuse."""
        request = self._completed(request)
        sent: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "temperature": request.temperature,
            self.endpoint.provider.max_tokens_parameter: request.max_tokens,
            "seed": request.seed,
            **request.extra,
        }
        if request.top_logprobs is not None:
            sent |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.response_schema is not None:
            schema = {"name": "answer", "strict": True, "schema": request.response_schema}
            sent["response_format"] = {"type": "json_schema", "json_schema": schema}
        _leave_out(sent, self.memory.left_out.get(request.model, set()).union(without))
        return {name: value for name, value in sent.items() if value is not None}

    def learn(self, model: str, refusals: Iterable[Without]) -> None:
        """Remember that the model refuses parameters: it answered as soon as they were left out."""
        left_out = self.memory.left_out.setdefault(model, set())
        for refusal in refusals:
            if refusal.parameter not in left_out:
                left_out.add(refusal.parameter)
                logger.warning("%s refuses %r and is asked without it: %s", model, refusal.parameter, refusal.reason)

    def _completed(self, request: ChatRequest) -> ChatRequest:
        extra = self.endpoint.provider.extra
        return replace(request, extra={**extra, **request.extra}) if extra else request


class _Connection:
    """An `HttpChat` with an open session."""

    def __init__(self, chat: HttpChat, session: aiohttp.ClientSession) -> None:
        self._chat = chat
        self._session = session
        self._url = f"{chat.endpoint.base_url}/chat/completions"
        self._proxy = proxy_for(self._url)
        self.name, self.model = chat.name, chat.model

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply to one request, after as many tries as help; raises as `HttpChat.complete`."""
        memory = self._chat.memory
        course = RequestCourse(self._chat.retries, memory.answers)
        while True:
            while (pause := memory.resume_at - time.monotonic()) > 0:  # noqa: ASYNC110 - a time, not an event
                await asyncio.sleep(pause)
            sent = self._chat.parameters(request, (refusal.parameter for refusal in course.refusals))
            outcome = await self._ask(sent)
            if isinstance(outcome, ChatReply):
                memory.answers += 1
                memory.lost_in_a_row = 0
                self._chat.learn(request.model, course.refusals)
                return outcome
            if isinstance(outcome, Without):
                course.refusals.append(outcome)
            elif isinstance(outcome, Retry):
                await self._wait(course, outcome)
            else:
                raise self._refused(outcome)

    async def _wait(self, course: RequestCourse, trouble: Retry) -> None:
        """Return when the next try makes sense; raise when none does."""
        memory = self._chat.memory
        wait = course.wait_seconds(trouble)
        if wait is None:
            raise self._lost(course, trouble)
        logger.info("%s; next try in %.1f s", trouble.reason, wait)
        if trouble.rate_limited:  # everybody waits, not this request alone
            memory.resume_at = max(memory.resume_at, time.monotonic() + wait)
        else:
            await asyncio.sleep(wait)

    def _lost(self, course: RequestCourse, trouble: Retry) -> ChatFailure | ProviderError:
        """The failure of this row, or of the run when the server seems dead."""
        memory = self._chat.memory
        if trouble.rate_limited:
            return QuotaError(f"the rate limit allows nothing for too long ({trouble.reason}): run again later")
        memory.lost_in_a_row += 1
        nobody_ever = not trouble.connected and memory.answers == course.answers_at_start
        if nobody_ever or memory.lost_in_a_row >= _ROWS_LOST_BEFORE_GIVING_UP:
            return UnreachableError(
                f"no usable answer from {self._url} after {course.failures} tries ({trouble.reason}): "
                "check base_url and that the server runs; answers so far are kept"
            )
        return ChatFailure(Status.FAILED, trouble.reason)

    def _refused(self, outcome: ChatFailure | ProviderError) -> ChatFailure | ProviderError:
        """The failure of this row, or of the run when the server has refused every request so far."""
        memory = self._chat.memory
        if isinstance(outcome, ChatFailure) and outcome.status is Status.FAILED:
            memory.lost_in_a_row += 1
            if not memory.answers and memory.lost_in_a_row >= _ROWS_REFUSED_BEFORE_GIVING_UP:
                return ProviderError(
                    f"{self._url} refuses every request ({outcome.reason}): check model and parameters"
                )
        return outcome

    async def _ask(self, sent: Mapping[str, Any]) -> ChatReply | Verdict:
        """One try. Errors are returned, not raised: aiohttp's would carry the request's headers along."""
        body = json.dumps(sent, ensure_ascii=False).encode("utf-8", "replace")
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                answer = await _read_at_most(response, self._chat.max_reply_bytes)
                status, headers = response.status, response.headers
        except aiohttp.ClientSSLError as error:
            return UnreachableError(
                f"no secure connection to {self._url} ({type(error).__name__}): check the certificate"
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Retry(f"cannot connect ({type(error).__name__})", connected=False)
        except TimeoutError:
            return Retry(f"no answer within {self._chat.timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Retry(f"the connection broke: {type(error).__name__}")
        if answer is None:
            return ChatFailure(Status.INVALID, f"the reply is longer than {self._chat.max_reply_bytes} bytes")
        return self._read(status, headers, answer, sent)

    def _read(
        self, status: int, headers: Mapping[str, str], answer: bytes, sent: Mapping[str, Any]
    ) -> ChatReply | Verdict:
        """What the server's answer means."""
        if 300 <= status < 400:
            return ProviderError(f"{self._url} redirects (HTTP {status}), which is not followed: correct base_url")
        if status == 200:
            try:
                raw = json.loads(answer)
                if (failed := error_in_reply(raw)) is None:
                    return ChatReply.from_raw(raw)
            except (ValueError, RecursionError):  # cut short, not JSON, not UTF-8, or not a completion
                return Retry("HTTP 200, but the reply is no chat completion")
            status = failed
        return judge(status, headers, self._scrubbed(answer), sent)

    def _scrubbed(self, answer: bytes) -> bytes:
        """A server's words without the key that it may repeat."""
        key = self._session.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        return answer.replace(key, b"***") if len(key) >= _SHORTEST_KEY else answer


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; never one for this machine itself."""
    host = urlsplit(url).hostname or ""
    if is_loopback(url) or proxy_bypass(host):
        return None
    return getproxies().get(urlsplit(url).scheme)


def _leave_out(sent: dict[str, Any], left_out: set[str]) -> None:
    """Remove refused parameters; the longest answer is asked for under its other name before it is left out."""
    names = {"max_tokens", "max_completion_tokens"}
    refused = names & left_out
    if len(refused) == 1 and (old := refused.pop()) in sent:
        sent[(names - {old}).pop()] = sent[old]
    for name in left_out:
        sent.pop(name, None)
    if "logprobs" in left_out:
        sent.pop("top_logprobs", None)


async def _read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body of a reply; None when it is longer than the limit."""
    if response.content_length is not None and response.content_length > limit:
        return None
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)
