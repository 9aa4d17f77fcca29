"""What the cases of `llm_client.py` are made of: the server's process, client processes, and outcomes."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_client_texts import LABELS

Figures = dict[str, Any]

KEPT = (
    *("requests", "good", "paid", "lost_paid", "rate_limited", "early_retries", "faults", "client_hangups"),
    *("unique_keys", "unique_prompts", "keys_never_good", "key_paid_repeats", "prompt_tokens"),
    *("in_flight", "peak_in_flight", "mean_in_flight", "connections_opened", "span_s", "server_cpu_s", "up_s"),
)
"""Counters of the server that are looked at, and kept with the figures."""

_CLIENT = Path(__file__).with_name("llm_client_run.py")
_STARTING_SECONDS = 20.0
_LONGEST_SECONDS = 3600.0


@dataclass(frozen=True)
class Outcome:
    """One line of the table: a figure beside its goal, and beside what is possible at best."""

    what: str
    goal: str
    measured: str
    floor: str
    passed: bool


class Server:
    """A loopback server that is running; its counters are what goals are asserted from.

    Args:
        script: the server's file.
        folder: where it may write.

    """

    def __init__(self, script: Path, folder: Path) -> None:
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        options = {"port": 0, "port-file": port_file, "max-seconds": _LONGEST_SECONDS, "die-with-parent": 1}
        options |= {"labels": ",".join(LABELS), "codes": 1, "log-size": 100_000}
        options |= {"token-chars": 1}  # of its own accord it answers nothing at all when an empty answer has no token
        command = [sys.executable, str(script)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - the user named it
        deadline = time.monotonic() + _STARTING_SECONDS
        while not port_file.is_file():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server {str(script)!r} did not start")
            time.sleep(0.02)
        self._root = f"http://127.0.0.1:{port_file.read_text(encoding='utf-8')}"
        self.base_url = f"{self._root}/v1"

    def behave(self, **knobs: Any) -> None:
        """Change its behaviour (the names of its options) and zero its counters."""
        self._call("/config", knobs)
        self._call("/reset", {})

    def stats(self) -> Figures:
        """Return those of its counters that `KEPT` names."""
        found: Figures = self._call("/stats")
        return {name: found[name] for name in KEPT}

    def log(self) -> list[Figures]:
        """Return its requests in the order in which they ended."""
        found: list[Figures] = self._call("/log?n=100000")
        return found

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(_STARTING_SECONDS)

    def _call(self, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data=content)  # noqa: S310 - our own loopback server
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own loopback server
            return json.load(answer)


class Client:
    """A client process that has been started and waits for its word.

    Args:
        job: what it does, see `llm_client_run.py`.

    """

    def __init__(self, job: Figures) -> None:
        command = [sys.executable, str(_CLIENT), json.dumps(job)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own script
        self._watch = threading.Timer(_LONGEST_SECONDS, self._process.kill)
        self._watch.daemon = True
        self._watch.start()
        self._line("ready")

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> Figures:
        """Wait for its figures and its end."""
        found: Figures = json.loads(self._line())
        self._process.communicate()
        self._watch.cancel()
        return found

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._process.kill()
        self._process.communicate()
        self._watch.cancel()

    def _line(self, expected: str = "") -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line or (expected and line != expected):
            self.kill()
            raise SystemExit(f"a client process failed (it said {line!r}); its own words stand above")
        return line


class Bench:
    """What every case gets.

    Args:
        server_script: the loopback server.
        folder: for caches and recordings.
        quick: smaller sizes and fewer repeats.
        say: called with a line about the progress.

    """

    def __init__(self, server_script: Path, folder: Path, *, quick: bool, say: Callable[[str], None]) -> None:
        self.server_script = server_script
        self.folder = folder
        self.quick = quick
        self.say = say

    def size(self, full: int, quick: int) -> int:
        """Return how many rows."""
        return quick if self.quick else full

    @contextmanager
    def server(self) -> Iterator[Server]:
        """A server process of its own."""
        running = Server(self.server_script, self.folder)
        try:
            yield running
        finally:
            running.stop()

    @contextmanager
    def fresh_cache(self) -> Iterator[str]:
        """An empty folder for a cache."""
        path = tempfile.mkdtemp(prefix="cache-", dir=self.folder)
        try:
            yield path
        finally:
            shutil.rmtree(path)

    def run(self, server: Server, job: Figures, **knobs: Any) -> Figures:
        """Return what one client process measured, and the server's counters from the word "go" on."""
        client = Client({"base_url": server.base_url, **job})
        server.behave(**knobs)
        client.go()
        return {"client": client.result(), "server": server.stats()}

    def predict(self, server: Server, job: Figures, **knobs: Any) -> Figures:
        """Return the same for this package with an empty cache."""
        with self.fresh_cache() as cache:
            return self.run(server, {"kind": "predict", "cache_dir": cache, **job}, **knobs)

    def recorded(self, server: Server, rows: int, concurrency: int) -> Figures:
        """Return the job of the bare loop: the requests that this package sends about so many texts."""
        bodies = str(self.folder / "bodies")
        job = {"kind": "record", "rows": rows, "concurrency": concurrency, "bodies": bodies}
        self.run(server, job)
        return {"kind": "bare", "bodies": bodies, "concurrency": concurrency}


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return median, lowest and highest."""
    middle = statistics.median(values)
    return f"{middle:,.{digits}f} [{min(values):,.{digits}f}, {max(values):,.{digits}f}]"
