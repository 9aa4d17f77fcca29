"""A language model server on this machine that answers as a test tells it to."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

import pytest
from aiohttp import web

from textclassify.llm.chat import ChatRequest, Message
from textclassify.llm.http.providers import resolve_endpoint
from textclassify.llm.http.retries import RetryPolicy
from textclassify.llm.http.transport import HttpChat

KEY = "sk-secret-0123456789"


def completion(content: str | None, **message: Any) -> dict[str, Any]:
    """A chat completion as servers send it."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, **message}}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}


class LoopbackServer:
    """Answers from `script` while it lasts, then with the upper-cased question; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.script: deque[Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]] = deque()
        self.delay_seconds: Callable[[str], float] = lambda _: 0.0
        self.in_flight = self.most_in_flight = 0
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def will_answer(self, status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> None:
        """Queue an answer; bytes are sent as they are."""
        raw = body if isinstance(body, bytes) else None
        self.script.append(
            lambda _: (
                web.Response(status=status, body=raw, headers=headers)
                if raw is not None
                else web.json_response(body, status=status, headers=headers)
            )
        )

    def will_break(self) -> None:
        """Queue a connection that breaks."""

        def broken(request: web.Request) -> web.Response:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.script.append(broken)

    def will_drip(self, body: bytes, seconds: float = 0.02, *, breaks_off: bool = False) -> None:
        """Queue an answer that comes byte by byte, or one that breaks off in its middle."""

        async def dripping(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for byte in body[: len(body) // 2 if breaks_off else None]:
                await response.write(bytes([byte]))
                await asyncio.sleep(seconds)
            if breaks_off and request.transport is not None:
                request.transport.abort()
            return response

        self.script.append(dripping)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.script:
                answer = self.script.popleft()(request)
                return await answer if inspect.isawaitable(answer) else answer
            question = body["messages"][-1]["content"]
            await asyncio.sleep(self.delay_seconds(question))
            return web.json_response(completion(question.upper()))
        finally:
            self.in_flight -= 1

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1beta/models/{model}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    async def _stop(self) -> None:
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def chat(server: LoopbackServer) -> HttpChat:
    """A chat with the server that waits milliseconds where others wait seconds."""
    endpoint = resolve_endpoint("vllm", base_url=server.url, api_key=KEY)
    return HttpChat(endpoint, "m", timeout_seconds=5.0, retries=RetryPolicy(max_tries=3, first_wait_seconds=0.005))


@pytest.fixture
def asking() -> Callable[..., ChatRequest]:
    return lambda text, **options: ChatRequest("m", (Message("user", text),), **options)


@pytest.fixture
def complete() -> Callable[..., dict[str, Any]]:
    return completion
