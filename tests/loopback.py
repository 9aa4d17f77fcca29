"""A language model on this machine, for tests of several folders: it speaks the providers' protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LoopbackModel(ThreadingHTTPServer):
    """Answers every chat request; what it was asked, and with which key, is kept.

    Args:
        answer: returns the reply to a request.
        usage: tokens that each answer says it took: of the prompt, of the completion.

    """

    daemon_threads = True
    request_queue_size = (
        256  # with the usual 5, a busy machine's connections wait for the kernel's retries, for seconds
    )

    def __init__(self, answer: Callable[[dict[str, Any]], str], *, usage: tuple[int, int] = (100, 2)) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answer = answer
        self.usage = dict(zip(("prompt_tokens", "completion_tokens"), usage, strict=True))
        self.requests: list[dict[str, Any]] = []
        self.keys: set[str] = set()

    @property
    def url(self) -> str:
        """The address, version path included."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def asked(self) -> list[str]:
        """The last message of each request."""
        return [request["messages"][-1]["content"] for request in self.requests]

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Answer inside the block."""
        with self:
            thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join()


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackModel

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.server.keys.add(str(self.headers["Authorization"]).removeprefix("Bearer "))
        message = {"role": "assistant", "content": self.server.answer(request)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = json.dumps({"choices": [choice], "usage": self.server.usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep standard error to what is tested."""
