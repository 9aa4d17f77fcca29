"""One measured client, in a process of its own; `llm_client.py` starts it and says when to go.

It gets what to do as JSON, does once what is only slow the first time, writes "ready", waits for a line, and writes
what it measured as one line of JSON. Only the jobs that use the package import it: the bare loop's process stays bare.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import asyncio
import gc
import hashlib
import json
import operator
import resource
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import orjson
from aiohttp import web

from llm_client_texts import LABELS, answer_of, numbers_of, text_of

KEY = "sk-for-the-loopback-server"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
KEYS_PER_QUERY = 500

Job = dict[str, Any]


def main() -> None:
    """Do the job that the command line holds."""
    job: Job = json.loads(sys.argv[1])
    JOBS[job["kind"]](job)


def predict(job: Job) -> None:
    """Label the texts with this package."""
    numbers = numbers_of(job["rows"], duplicates=job.get("duplicates", 0.0), seed=job.get("seed", 0))
    texts = [text_of(number) for number in numbers]
    classifier = classifier_of(job, job["base_url"], job["cache_dir"])
    _warm_up(job)
    measured = _measured(lambda: classifier.predict_scores(texts))
    scores = measured.pop("result")
    status, best = scores.status.tolist(), scores.values.argmax(axis=1).tolist()  # of NaN alone: 0, and not looked at
    named = [label for label, code in zip(best, status, strict=True) if code == 0]
    truth = [answer_of(number) for number, code in zip(numbers, status, strict=True) if code == 0]
    _tell(
        measured,
        unanswered=len(numbers) - len(truth),
        wrong=sum(map(operator.ne, named, truth)),
        statuses=Counter(status),
        methods=Counter(scores.method.tolist()),
    )


def stream(job: Job) -> None:
    """Label rows one after another that are never all in memory, with this package."""
    classifier = classifier_of(job, job["base_url"], job["cache_dir"])
    _warm_up(job)
    measured = _measured(lambda: asyncio.run(_streamed(classifier, map(text_of, range(job["rows"])))))
    rows, right = measured.pop("result")
    _tell(measured, rows=rows, right=right)


def bare(job: Job) -> None:
    """Send recorded requests with nothing but aiohttp, in one of `WAYS`, and read the answers' contents."""
    way = WAYS[job.get("way", "bare")]
    requests = list(map(way.request, Path(job["bodies"]).read_bytes().split(b"\n")))
    send = partial(_sent, way, f"{job['base_url']}/chat/completions")
    asyncio.run(send(requests[:2], 2))
    measured = _measured(lambda: asyncio.run(send(requests, job["concurrency"])))
    _tell(measured, rows=len(measured.pop("result")))


def record(job: Job) -> None:
    """Write the bodies of the requests that this package sends, one per line."""
    texts = [text_of(number) for number in numbers_of(job["rows"])]
    with Recorder(job["base_url"]) as recorder, tempfile.TemporaryDirectory() as cache:
        classifier_of(job, recorder.url, cache).predict_scores(texts)
    Path(job["bodies"]).write_bytes(b"\n".join(recorder.bodies))
    _tell(_measured(lambda: None), rows=len(recorder.bodies))


def read_store(job: Job) -> None:
    """Hash the texts and read 40 bytes for each from a table, in queries of `KEYS_PER_QUERY`: a warm cache's floor."""
    texts = [text_of(number) for number in numbers_of(job["rows"])]
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "floor.sqlite")
        db.execute("CREATE TABLE found (key BLOB PRIMARY KEY, entry BLOB) WITHOUT ROWID")
        rows = ((hashlib.sha256(text.encode()).digest(), bytes(40)) for text in texts)
        db.executemany("INSERT INTO found VALUES (?, ?)", rows)
        db.commit()
        measured = _measured(lambda: _read(db, texts))
        db.close()
    _tell(measured, rows=measured.pop("result"))


JOBS: dict[str, Callable[[Job], None]] = {
    "predict": predict,
    "stream": stream,
    "bare": bare,
    "record": record,
    "read_store": read_store,
}


def classifier_of(job: Job, base_url: str, cache_dir: str, labels: Sequence[str] = LABELS) -> Any:
    """Return the classifier that is measured."""
    from textclassify import LLMClassifier

    return LLMClassifier(
        provider="openai",
        model="fake-model",
        labels=list(labels),
        base_url=base_url,
        api_key=KEY,
        cache_dir=cache_dir,
        concurrency=job.get("concurrency", 64),
    )


class Recorder:
    """A proxy in a thread that hands requests on and keeps the bodies of those that ask the model.

    Args:
        base_url: of the server that answers.

    """

    def __init__(self, base_url: str) -> None:
        self.bodies: list[bytes] = []
        self.url = ""
        self._server = base_url.removesuffix("/v1")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._hand_on)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _hand_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.path.endswith("/chat/completions"):
            self.bodies.append(body)
        url = f"{self._server}{request.path_qs}"
        async with self._session.request(request.method, url, data=body, headers=HEADERS) as answer:
            return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)


async def _streamed(classifier: Any, texts: Iterator[str]) -> tuple[int, int]:
    """Return how many rows came, and how many of them with their true label."""
    rows = right = 0
    async for answer in classifier.astream(texts):
        rows += 1
        right += answer.label == LABELS[answer_of(answer.row)]
    return rows, right


class Way(NamedTuple):
    """A way of using aiohttp: what it makes of a recorded body, its session, and how it asks."""

    request: Callable[[bytes], Any]
    session: Callable[[], aiohttp.ClientSession]
    ask: Callable[[aiohttp.ClientSession, str, Any], Awaitable[Any]]


async def _ask_barely(session: aiohttp.ClientSession, url: str, body: bytes) -> Any:
    async with session.post(url, data=body, headers=HEADERS) as answer:
        return orjson.loads(await answer.read())


async def _ask_as_usual(session: aiohttp.ClientSession, url: str, request: Any) -> Any:
    async with session.post(url, json=request, headers=HEADERS) as answer:
        return await answer.json()


def _bare_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())


def _usual_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


WAYS = {
    "bare": Way(bytes, _bare_session, _ask_barely),  # as little as can be done: the floor
    "usual": Way(orjson.loads, _usual_session, _ask_as_usual),  # as people write it
}


async def _sent(way: Way, url: str, requests: Sequence[Any], concurrency: int) -> list[str]:
    """Return the contents of the answers, in the order in which they came."""
    contents: list[str] = []
    left = iter(requests)

    async def work(session: aiohttp.ClientSession) -> None:
        for request in left:
            reply = await way.ask(session, url, request)
            contents.append(reply["choices"][0]["message"]["content"])

    async with way.session() as session:
        await asyncio.gather(*(work(session) for _ in range(min(concurrency, len(requests)))))
    return contents


def _read(db: sqlite3.Connection, texts: Sequence[str]) -> int:
    found = 0
    for start in range(0, len(texts), KEYS_PER_QUERY):
        keys = [hashlib.sha256(text.encode()).digest() for text in texts[start : start + KEYS_PER_QUERY]]
        query = f"SELECT key, entry FROM found WHERE key IN ({','.join('?' * len(keys))})"  # noqa: S608 - question marks
        found += len(dict(db.execute(query, keys).fetchall()))
    return found


def _warm_up(job: Job) -> None:
    """Import what is imported at the first use; other labels and another cache, so that nothing else is known."""
    with tempfile.TemporaryDirectory() as cache:
        other = classifier_of(job, job["base_url"], cache, labels=LABELS[::-1])
        other.predict_scores([text_of(number) for number in (1 << 40, 1 << 41)])


def _measured(work: Callable[[], Any]) -> dict[str, Any]:
    """Say that all is ready, wait for the word, and return what the work returned and took."""
    gc.collect()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return {"result": result, "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def _tell(measured: dict[str, Any], **more: Any) -> None:
    """Write the figures; `rss_mb` is the most memory that the process ever had."""
    measured.pop("result", None)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(measured | more | {"rss_mb": rss_mb}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
