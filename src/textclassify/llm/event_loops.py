"""`run_coroutine`: a coroutine's result for code that is none, also inside a running event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_coroutine(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of a coroutine; in a thread of its own where an event loop already runs (a notebook).

    Interrupted (Ctrl-C), the coroutine is cancelled and left the time that it takes to tidy up.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    return _run_in_thread(coroutine)


def _run_in_thread(coroutine: Coroutine[Any, Any, Result]) -> Result:
    started = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def body() -> Result:
        running.append((asyncio.get_running_loop(), asyncio.current_task()))
        started.set()
        return await coroutine

    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="textclassify-llm") as pool:
        future = pool.submit(context.run, asyncio.run, body())
        try:
            return future.result()
        except BaseException:
            if not future.done() and started.wait(timeout=5.0):
                loop, task = running[0]
                if task is not None:
                    loop.call_soon_threadsafe(task.cancel)
            raise
