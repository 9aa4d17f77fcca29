"""`Connection`: an open `HttpChat`. Requests that fail on their way are repeated here, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from textclassify.core.scales import Status
from textclassify.errors import BudgetError, ConfigError, ProviderError, UnreachableError
from textclassify.llm.chat import ChatFailure, ChatReply, ChatRequest
from textclassify.llm.completions import parsed, reply_in
from textclassify.llm.http.addresses import proxy_for
from textclassify.llm.http.governor import Governor
from textclassify.llm.http.keys import concealing
from textclassify.llm.http.protocols import LONGEST_ANSWER, encoded, native_parameters, native_path
from textclassify.llm.http.retries import RequestCourse
from textclassify.llm.http.server_errors import Retry, Verdict, Without, error_in_reply, judge

if TYPE_CHECKING:
    from textclassify.llm.http.transport import HttpChat

logger = logging.getLogger(__name__)

_BYTES_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4


class Connection:
    """An `HttpChat` with an open session; `tries` counts the HTTP requests that were sent."""

    def __init__(self, chat: HttpChat, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> None:
        endpoint = chat.endpoint
        self.name, self.model, self.tries = chat.name, chat.model, 0
        self.before_retry: Callable[[ChatRequest], Awaitable[None]] | None = None
        self._memory, self._session, self._retries = chat.memory, session, chat.retries
        self._timeout_seconds, self._max_reply_bytes = chat.timeout_seconds, chat.max_reply_bytes
        self._url = URL(f"{endpoint.base_url}/chat/completions")
        self._headers = _with_content_type(headers)
        self._native_url, self._native_headers = endpoint.native_url, _with_content_type(endpoint.headers(native=True))
        self._proxy = proxy_for(endpoint.base_url)
        self._conceal = concealing(endpoint.key())
        self._governor = Governor(
            concurrency=chat.concurrency,
            requests_per_minute=chat.requests_per_minute,
            tokens_per_minute=chat.tokens_per_minute,
            memory=chat.memory.rate,
        )
        self._admitted = 0

    def try_admit(self, request: ChatRequest) -> bool:
        """Take a slot for a request if one is free now; `complete` uses it."""
        if not self._governor.try_start(_tokens(request)):
            return False
        self._admitted += 1
        return True

    async def admit(self, request: ChatRequest) -> None:
        """Wait for a slot and take it; `complete` uses it."""
        await self._governor.start(_tokens(request))
        self._admitted += 1

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply to one request, after as many tries as help; raises as `HttpChat.complete`.

        It uses a slot that was taken before, or waits for one.
        """
        if self._admitted:
            self._admitted -= 1
        else:
            await self._governor.start(_tokens(request))
        reply = await self._reply(request)
        if reply.is_empty and self._retries.max_tries > 1:
            reply = await self._reply_instead(request, reply)
        return reply

    async def _reply(self, request: ChatRequest) -> ChatReply:
        """The reply to a request that has its slot, whatever is in it."""
        answers = self._memory.answers
        outcome = await self._try(request)
        if not isinstance(outcome, ChatReply):
            outcome = await self._persist(request, outcome, RequestCourse(self._retries, answers))
        self._memory.answered()
        return outcome

    async def _reply_instead(self, request: ChatRequest, empty: ChatReply) -> ChatReply:
        """What is said when asked once more after an empty reply, which was paid for as well; else that one."""
        both = replace(empty, discarded=empty.usage)
        try:
            await self._hold_again(request)
            await self._governor.start(_tokens(request))
            reply = await self._reply(request)
        except BudgetError:
            return both
        except ChatFailure as failure:
            if failure.may_be_billed:
                raise
            return both
        return replace(reply, usage=reply.usage + empty.usage, discarded=empty.usage)

    async def _persist(self, request: ChatRequest, trouble: Verdict, course: RequestCourse) -> ChatReply:
        """The reply, after a first try that got none."""
        while True:
            if isinstance(trouble, Without):
                course.refusals.append(trouble)
            elif isinstance(trouble, Retry):
                await self._wait(course, trouble)
                if trouble.may_be_billed:
                    await self._hold_again(request)
            elif isinstance(trouble, ChatFailure) and trouble.status is Status.FAILED and course.is_worth_another_try():
                await asyncio.sleep(self._retries.backoff_seconds(1))
            else:
                raise self._memory.refused(trouble)
            await self._governor.start(_tokens(request))
            outcome = await self._try(request, [refusal.parameter for refusal in course.refusals])
            if isinstance(outcome, ChatReply):
                self._memory.learn(request.model, course.refusals)
                return outcome
            trouble = outcome

    async def _hold_again(self, request: ChatRequest) -> None:
        """Have the money reserved for another try after one that may have been billed."""
        if self.before_retry is not None:
            await self.before_retry(request)

    async def _wait(self, course: RequestCourse, trouble: Retry) -> None:
        """Return when the next try makes sense; raise when none does."""
        seconds = course.wait_seconds(trouble, self._memory.answers)
        if seconds is None or self._memory.nobody_is_there(course, trouble):
            raise self._memory.lost(course, trouble)
        if seconds:
            logger.info("%s; next try in %.1f s", trouble.reason, seconds)
            await asyncio.sleep(seconds)

    async def _try(self, request: ChatRequest, without: Sequence[str] = ()) -> ChatReply | Verdict:
        """One try, in a slot that is taken and will be free again."""
        try:
            sent = self._memory.parameters(request, without)
            if self.before_retry is not None and request.max_tokens is not None:
                self._check_is_bounded(sent)
            return await self._ask(sent)
        finally:
            self._governor.finished()

    def _check_is_bounded(self, sent: Mapping[str, Any]) -> None:
        """Make sure that what was reserved for a request is the most that it can cost.

        Raises:
            ConfigError: the server refuses every limit to the length of an answer.

        """
        if LONGEST_ANSWER.isdisjoint(sent):
            raise ConfigError(
                f"max_cost cannot be kept: {self.model!r} at {self._url} takes neither max_tokens nor "
                "max_completion_tokens, so that nothing bounds what an answer costs: ask another model or server, or "
                "leave max_cost out"
            )

    async def _ask(self, sent: Mapping[str, Any]) -> ChatReply | Verdict:
        """What the server says. Errors are returned, not raised: aiohttp's would carry the request's headers along."""
        url, headers, body = self._url, self._headers, sent
        if self._native_url is not None and "logprobs" in sent:
            url, headers = _model_url(self._native_url, sent["model"]), self._native_headers
            body = native_parameters(sent)
        self.tries += 1
        try:
            response = await self._session.post(
                url, data=encoded(body), headers=headers, allow_redirects=False, proxy=self._proxy
            )
            answer = await _read_at_most(response, self._max_reply_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return self._broken(error)
        if answer is None:
            self._governor.answered(response.headers)
            reason = f"the reply is longer than {self._max_reply_bytes} bytes"
            return ChatFailure(Status.INVALID, reason, may_be_billed=True)
        return self._understood(response.status, response.headers, answer, sent)

    def _broken(self, error: Exception) -> Retry | ProviderError:
        """What a connection means that was not made or did not last."""
        if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            self.tries -= 1  # nothing was sent
        if isinstance(error, aiohttp.ClientSSLError):
            return UnreachableError(
                f"no secure connection to {self._url} ({type(error).__name__}): check the certificate"
            )
        self._governor.failed()
        if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            return Retry(f"cannot connect ({type(error).__name__})", connected=False)
        if isinstance(error, TimeoutError):
            return Retry(f"no answer within {self._timeout_seconds:g} s", may_be_billed=True)
        return Retry(f"the connection broke: {type(error).__name__}", may_be_billed=True)

    def _understood(
        self, status: int, headers: Mapping[str, str], answer: bytes, sent: Mapping[str, Any]
    ) -> ChatReply | Verdict:
        """What an answer means; the governor hears of it."""
        if status == 200:
            try:
                value = parsed(answer)
                if (failed := error_in_reply(value)) is None:
                    reply = reply_in(value, answer)
                    self._governor.answered(headers)
                    return reply
                status = failed
            except ValueError:  # cut short, not JSON, not UTF-8, or not a completion
                self._governor.failed()
                return Retry("HTTP 200, but the reply is no chat completion", may_be_billed=True)
        if 300 <= status < 400:
            return ProviderError(f"{self._url} redirects (HTTP {status}), which is not followed: correct base_url")
        verdict = judge(status, headers, answer, sent, self._conceal)
        self._report(verdict, headers)
        return verdict

    def _report(self, verdict: Verdict, headers: Mapping[str, str]) -> None:
        """Tell the governor how the server fares; not of a wait that nobody will keep."""
        if not isinstance(verdict, Retry):
            self._governor.answered(headers)
        elif not verdict.rate_limited:
            self._governor.failed()
        elif (verdict.wait_seconds or 0.0) <= self._retries.patience_seconds:
            self._governor.refused(verdict.wait_seconds, headers)


def _with_content_type(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict({**headers, "Content-Type": "application/json"})


@lru_cache(16)
def _model_url(address: str, model: str) -> URL:
    return URL(address + native_path(model), encoded=True)


def _tokens(request: ChatRequest) -> int:
    """What a request counts as: the longer of its prompt and its longest answer, as OpenAI counts them beforehand."""
    size = 0
    for message in request.messages:
        content = message.content
        size += len(content) if content.isascii() else len(content.encode("utf-8", "replace"))
    prompt = size // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE * len(request.messages)
    return max(prompt, request.max_tokens or 0)


async def _read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body of a reply; None when it is longer than the limit."""
    length = response.content_length
    if length is not None and length <= limit and "Content-Encoding" not in response.headers:
        return await response.read()
    parts, size = [], 0
    async with response:
        if length is not None and length > limit:
            response.close()
            return None
        async for part in response.content.iter_any():
            size += len(part)
            if size > limit:
                response.close()
                return None
            parts.append(part)
    return b"".join(parts)
