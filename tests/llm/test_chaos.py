"""Runs that are killed again and again, with faults in between: nothing is lost, and what is paid twice is counted."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from aiohttp import web

from textclassify.llm.store.cache import ResponseCache

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="no signal kills at once there, and nothing can be claimed"),
]

CONCURRENCY = 32
ROWS, DISTINCT = 3000, 2400
DELAY_SECONDS = 0.03
FAULTS = [*[None] * 12, 500, None, 429, *[None] * 5, "break", None, 503]
"""What happens to the requests, in turn, while there are faults: about one in six comes to nothing, unpaid."""

CLIENT = f"""
import json, sys
from textclassify import LLMClassifier

base_url, folder, method = sys.argv[1:]
texts = [f"Number #{{row % {DISTINCT}}}: is it odd?" for row in range({ROWS})]
options = dict(provider="vllm", model="m", labels=["even", "odd"], concurrency={CONCURRENCY}, method=method)
scores = LLMClassifier(base_url=base_url, cache_dir=folder, **options).predict_scores(texts)
print(json.dumps([scores.status.tolist(), scores.values.argmax(axis=1).tolist()]))
"""


class CountingServer:
    """Names each number's label after a while; counts requests, and answers by number, however they end."""

    def __init__(self):
        self.requests = 0
        self.paid = Counter()
        self.faulty = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    async def _answer(self, request):
        question = (await request.json())["messages"][-1]["content"]
        self.requests += 1
        fault = FAULTS[self.requests % len(FAULTS)] if self.faulty else None
        if fault == "break":
            request.transport.abort()
        if fault is not None:
            headers = {"Retry-After": "0.05"}
            return web.Response(status=500 if fault == "break" else fault, headers=headers)
        number = int(question.partition("#")[2].partition(":")[0])
        self.paid[number] += 1  # from here on the model works, whether or not anybody still listens
        await asyncio.sleep(DELAY_SECONDS)
        message = {"role": "assistant", "content": "odd" if number % 2 else "even"}
        usage = {"prompt_tokens": 20, "completion_tokens": 1}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})

    async def _start(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    def __enter__(self):
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def server():
    with CountingServer() as running:
        yield running


def started(server, folder, method="auto"):
    command = [sys.executable, "-c", CLIENT, server.base_url, str(folder), method]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed_after(client, server, answers):
    """Kill a client without warning after so many more answers."""
    target = server.paid.total() + answers
    while server.paid.total() < target and client.poll() is None:
        time.sleep(0.001)
    client.send_signal(signal.SIGKILL)
    client.communicate()
    assert client.returncode == -signal.SIGKILL, "it was done before it could be killed"


def finished(client):
    """What a client that is left alone says about its rows: statuses and labels."""
    told, _ = client.communicate(timeout=120)
    assert client.returncode == 0
    return json.loads(told)


def check_rows(statuses, labels):
    """Every row has one answer, the right one."""
    assert statuses == [0] * ROWS
    assert labels == [row % DISTINCT % 2 for row in range(ROWS)]


def check_ledger(server, folder, kills):
    """The ledger holds one answer for each distinct row; what else the server was paid for was lost in flight."""
    with ResponseCache(folder) as cache:
        runs = cache.runs()
        assert len(cache) >= DISTINCT
    answers, lost = sum(run.answers for run in runs), sum(run.lost for run in runs)
    assert answers == len(server.paid) == DISTINCT
    assert server.paid.total() - answers <= min(lost, kills * CONCURRENCY)
    return runs


def test_a_run_that_is_killed_again_and_again_loses_and_repeats_nothing_that_was_received(server, tmp_path):
    """What a crash costs is what was in flight, and the ledger knows it; faults make no difference."""
    rng = random.Random(0)
    for kill in range(9):
        server.faulty = kill % 2 == 1
        killed_after(started(server, tmp_path), server, rng.randint(1, 400))
    requests = server.requests
    check_rows(*finished(started(server, tmp_path)))

    *_, last = check_ledger(server, tmp_path, kills=9)
    assert last.tries == server.requests - requests
    requests = server.requests
    check_rows(*finished(started(server, tmp_path)))
    assert server.requests == requests


def test_the_survivor_of_two_takes_over_what_the_killed_one_held(server, tmp_path):
    """Two work on the same rows at once; one dies, and the other neither waits for it for ever nor asks twice."""
    server.faulty = True
    survivor, victim = (started(server, tmp_path, "hard") for _ in range(2))
    killed_after(victim, server, 800)
    check_rows(*finished(survivor))

    check_ledger(server, tmp_path, kills=1)
