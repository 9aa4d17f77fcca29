"""A loopback server that speaks OpenAI's protocol and answers yes/no questions with known error rates.

    python benchmarks/rac_loopback.py --true-yes 0.9 --false-yes 0.05 --latency-ms 200 --port-file FILE

It knows the truth of the texts of `rac_texts`. Whether it says yes follows from a hash of text and label, so that equal
questions have equal answers. GET /stats tells how many requests came, and zeroes the count. It ends with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from rac_texts import asked_about, truth_of

SURENESS = 0.95
"""The probability of the answer that is given, where probabilities are asked for."""
_STARTING_SECONDS = 30.0


@dataclass(frozen=True)
class Rates:
    """How a model errs.

    Args:
        true_yes: P(yes) about the right label.
        false_yes: P(yes) about another one.

    """

    true_yes: float
    false_yes: float

    def says_yes(self, question: str) -> bool:
        """Return the answer to a question: drawn by a hash of the rates, the text and the label."""
        number, code = asked_about(question)
        right = number is not None and code == truth_of(number)
        asked = f"{self} {question if number is None or code is None else (number, code)}"
        drawn = int.from_bytes(hashlib.blake2b(asked.encode(), digest_size=8).digest()) / 2**64
        return drawn < (self.true_yes if right else self.false_yes)


class Model:
    """Answers requests, and counts them.

    Args:
        rates: how it errs.
        latency_seconds: how long each answer takes.

    """

    def __init__(self, rates: Rates, latency_seconds: float) -> None:
        self._rates = rates
        self._latency_seconds = latency_seconds
        self._requests = 0

    def app(self) -> web.Application:
        """Return the server's application."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/stats", self._stats)
        return app

    async def _complete(self, request: web.Request) -> web.Response:
        self._requests += 1
        asked = await request.json()
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        return web.json_response(answer(asked, says_yes=self._rates.says_yes(asked["messages"][-1]["content"])))

    async def _stats(self, _: web.Request) -> web.Response:
        found, self._requests = self._requests, 0
        return web.json_response({"requests": found})


def answer(asked: dict[str, Any], *, says_yes: bool) -> dict[str, Any]:
    """Return a chat completion that says yes or no, with log-probabilities where they are asked for."""
    words = ("yes", "no") if says_yes else ("no", "yes")
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": words[0]},
        "finish_reason": "stop",
    }
    if asked.get("logprobs"):
        top = [
            {"token": word, "logprob": math.log(share)}
            for word, share in zip(words, (SURENESS, 1 - SURENESS), strict=True)
        ]
        choice["logprobs"] = {"content": [top[0] | {"top_logprobs": top}]}
    usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
    return {
        "id": "loopback",
        "object": "chat.completion",
        "created": 0,
        "model": asked.get("model", "loopback"),
        "choices": [choice],
        "usage": usage,
    }


class Server:
    """A server process that is running.

    Args:
        port: where it listens.

    """

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self.base_url = f"{self._root}/v1"

    def requests(self) -> int:
        """Return how many requests came since the last time this was asked."""
        with urllib.request.urlopen(f"{self._root}/stats", timeout=30) as found:  # noqa: S310 - our own loopback server
            return int(json.load(found)["requests"])


@contextmanager
def running(rates: Rates, *, latency_ms: float = 0.0) -> Iterator[Server]:
    """Give a server in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [sys.executable, __file__, "--port-file", str(port_file), "--latency-ms", str(latency_ms)]
        command += ["--true-yes", str(rates.true_yes), "--false-yes", str(rates.false_yes)]
        process = subprocess.Popen(command)  # noqa: S603 - this script
        try:
            yield Server(_port_in(port_file, process))
        finally:
            process.terminate()
            process.wait(_STARTING_SECONDS)


def _port_in(port_file: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _STARTING_SECONDS
    while not port_file.is_file():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the loopback server did not start; its own words stand above")
        time.sleep(0.02)
    return int(port_file.read_text(encoding="utf-8"))


async def _serve(options: argparse.Namespace) -> None:
    """Serve until the parent process ends, or says so."""
    model = Model(Rates(options.true_yes, options.false_yes), options.latency_ms / 1000)
    runner = web.AppRunner(model.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port, backlog=4096).start()
    temporary = options.port_file.with_suffix(".tmp")
    temporary.write_text(str(runner.addresses[0][1]), encoding="utf-8")
    temporary.replace(options.port_file)
    stop, parent = asyncio.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(stop.wait(), 1.0)
        except TimeoutError:
            continue
    await runner.cleanup()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--true-yes", type=float, default=0.9)
    parser.add_argument("--false-yes", type=float, default=0.05)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_serve(_options()))
