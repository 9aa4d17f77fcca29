"""`ResponseCache`: answers of language models on disk, so that none is paid for twice."""

from __future__ import annotations

import functools
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Collection
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar, Unpack

from textclassify.llm.store import cache_upkeep, claims
from textclassify.llm.store.cache_file import FILE, CacheFile, in_chunks
from textclassify.llm.store.cache_upkeep import CacheStats, Removed, Verified
from textclassify.llm.store.cache_waiting import StoredRow, Waiting
from textclassify.llm.store.ledger import Counters, RunTotals, Sums, begin_run, read_runs, unwritten_run

__all__ = ["CacheStats", "Removed", "ResponseCache", "RunTotals", "StoredRow", "Verified"]

_ROWS_AT_ONCE = 4096
"""Scored rows that are written together: one batch after the other, they would cost more than the replies."""

_SELECT_REPLIES = "SELECT key, CAST(reply AS BLOB) FROM replies WHERE key IN ({})"  # version 1 of the file kept text
_SELECT_ROWS = "SELECT key, status, method, scores FROM rows WHERE key IN ({}) AND version = ?"

Result = TypeVar("Result")


class ResponseCache:
    """Raw replies, scored rows, claims, facts and the ledger of runs, in one SQLite file that only its owner can read.

    Keys are digests of 32 bytes. `put`, `put_row`, `release` and `add_to_run` only collect; `flush` commits: from then
    on an answer survives a killed process. Scored rows may wait longer, until many are written together or the cache is
    closed, as a lost one is read again from its raw reply. Of two answers to one request, the first stays.

    Threads and processes may share a folder, through one object or several. The file is opened when it is first needed
    and again after `close`. A damaged file is set aside with a warning and a new one begun, also in the middle of a
    run. A pickle holds the folder alone; a forked process begins with nothing of its parent's.

    Every method that reads or commits raises `StorageError` when the folder cannot be used; what was collected stays.

    Args:
        folder: where the file lies; made when missing.
        read_only: whether nothing on disk may change: what is put is forgotten, nothing can be claimed, and a missing
            file is an empty one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, ResponseCache(folder) as cache:
    ...     cache.put(bytes(32), b"an answer")
    ...     cache.get_many([bytes(32), bytes(range(32))]) == {bytes(32): b"an answer"}
    True

    """

    def __init__(self, folder: str | PathLike[str], *, read_only: bool = False) -> None:
        self.path = Path(folder) / FILE
        self.read_only = read_only
        self._begin()
        _watch_forks()
        _EVERY.add(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # held by who uses the file
        self._taking = threading.Lock()  # held, for less than a microsecond, by who adds to what waits
        self._file = CacheFile(self.path, read_only=self.read_only)
        self._waiting = Waiting()
        self._asker: claims.Asker | None = None
        self._run: int | None = None
        self._names: dict[int, tuple[str, str]] = {}

    def begin_in_child(self) -> None:
        """Leave everything to the parent of this process, which was forked from it."""
        self._file.leave_to_parent()
        if self._asker is not None:
            self._asker.leave_to_parent()
        self._begin()

    def __repr__(self) -> str:
        return f"ResponseCache({str(self.path.parent)!r}{', read_only=True' if self.read_only else ''})"

    def __reduce__(self) -> tuple[Callable[[Path], ResponseCache], tuple[Path]]:
        return functools.partial(ResponseCache, read_only=self.read_only), (self.path.parent,)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of answers on disk."""
        return self._read(lambda db: int(db.execute("SELECT count(*) FROM replies").fetchone()[0]))

    @property
    def waiting(self) -> int:
        """Number of answers that were put and are not yet committed."""
        return len(self._waiting.replies)

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Raw replies of those keys that have one."""
        with self._lock:
            found = self._file.use(lambda db: _select_replies(db, keys))
            waiting = self._waiting.replies
            if waiting:
                found = {key: waiting[key] for key in keys if key in waiting} | found
        return found

    def put(self, key: bytes, body: bytes) -> None:
        """Take an answer, which settles our claim on it."""
        if not self.read_only:
            with self._taking:
                self._waiting.replies.setdefault(key, body)
                self._waiting.released.add(key)

    def forget(self, keys: Collection[bytes]) -> None:
        """Remove answers at once, so that others can take their places: those that cannot be read."""
        self._write(lambda db: db.executemany("DELETE FROM replies WHERE key = ?", [(key,) for key in keys]))

    def rows(self, keys: Collection[bytes], version: int) -> dict[bytes, StoredRow]:
        """Rows of those keys that were scored by this version of the reading."""
        with self._lock:
            found = self._file.use(lambda db: _select_rows(db, keys, version))
            waiting = self._waiting.rows
            if waiting:
                found |= {key: waiting[key][1] for key in keys if key in waiting and waiting[key][0] == version}
        return found

    def put_row(self, key: bytes, version: int, row: StoredRow) -> None:
        """Take a scored row; it replaces that of another version."""
        if not self.read_only:
            with self._taking:
                self._waiting.rows[key] = (version, row)

    def claim(self, keys: Collection[bytes]) -> set[bytes]:
        """Those keys that nobody else alive holds: ours from now on, until `put`, `release` or `close`.

        Somebody else is another object, in this process or another one. What a dead process has held is free, and is
        counted once in its run's `lost`. Where the dead cannot be told from the living (Windows), all keys are given.
        """
        if self.read_only:
            return set()
        if not claims.CAN_CLAIM:
            return set(keys)
        with self._lock:
            free = self._file.write(lambda db: claims.claim(db, keys, self._living_asker(), self._run))
            with self._taking:
                self._waiting.released -= free
        return free

    def release(self, key: bytes) -> None:
        """Take a claim that is given back at the next `flush`."""
        if not self.read_only:
            with self._taking:
                self._waiting.released.add(key)

    def fact(self, name: str) -> str | None:
        """What is known by this name; None = nothing."""
        found = self._read(lambda db: db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone())
        return None if found is None else str(found[0])

    def set_fact(self, name: str, value: str) -> None:
        """Keep a fact, at once."""
        self._write(lambda db: db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value)))

    def begin_run(self, provider: str, model: str) -> int:
        """The number of a new run in the ledger; claims that are held belong to it."""

        def begin(db: sqlite3.Connection) -> int:
            number = begin_run(db, provider, model)
            claims.settle(db, self.path, self._asker, number)
            return number

        with self._lock:
            run = self._run = unwritten_run() if self.read_only else self._file.write(begin)
            self._names[run] = (provider, model)
        return run

    def add_to_run(self, run: int, **counters: Unpack[Counters]) -> None:
        """Count what a run of this object did since the last call; `flush` commits the sums."""
        if not self.read_only:
            with self._taking:
                sums = self._waiting.sums.get(run)
                if sums is None:
                    sums = self._waiting.sums[run] = Sums(*self._names.get(run, ("", "")))
                sums.add(counters)

    def runs(self) -> list[RunTotals]:
        """The ledger: every run, the oldest first."""
        with self._lock:
            self.flush()
            return self._file.use(read_runs)

    def flush(self, *, rows: bool = False) -> None:
        """Commit what was collected, in one transaction.

        Args:
            rows: whether scored rows are committed as well, also when there are few of them: those that cannot be read
                again from their raw replies.

        """
        self._flush(rows_from=1 if rows else _ROWS_AT_ONCE)

    def close(self) -> None:
        """Commit everything, give back what is claimed, and let go of the file."""
        with self._lock:
            asker = self._asker
            try:
                self._flush(rows_from=1)
                if asker is not None:
                    self._file.write(lambda db: claims.release_all(db, asker))
            finally:
                if asker is not None:
                    asker.close()
                self._asker = None
                self._file.close()

    def stats(self) -> CacheStats:
        """What the cache holds, and what every run did."""
        self._write(lambda db: claims.settle(db, self.path, self._asker, self._run))
        return self._whole(lambda db: cache_upkeep.stats(db, self.path))

    def prune(self, *, older_than_seconds: float | None = None, max_bytes: int | None = None) -> Removed:
        """Remove answers and rows: those above an age, then the oldest until the file is small enough."""
        return self._whole(lambda db: cache_upkeep.prune(db, self.path, older_than_seconds, max_bytes))

    def export(self, stream: IO[str]) -> int:
        """Write every answer as a line of JSON with key (hexadecimal), received_at and reply; returns their number."""
        n_lines, last = 0, 0
        while page := self._whole(functools.partial(cache_upkeep.page_of_replies, after=last)):
            stream.writelines(map(cache_upkeep.as_line, page))
            n_lines, last = n_lines + len(page), page[-1].number
        return n_lines

    def verify(self, is_readable: Callable[[bytes], bool]) -> Verified:
        """Which answers are not readable, and what is wrong with the file."""
        return self._whole(lambda db: cache_upkeep.verify(db, is_readable))

    def purge_text(self) -> Removed:
        """Remove the raw replies, which may quote texts, for good; scored rows and the ledger stay.

        Raises:
            StorageError: another process reads the file, whose journal may still hold what was removed.

        """
        return self._whole(lambda db: cache_upkeep.purge(db, self.path, ("replies",)))

    def purge(self) -> Removed:
        """Remove everything for good; raises as `purge_text` does."""
        return self._whole(lambda db: cache_upkeep.purge(db, self.path, cache_upkeep.EVERYTHING))

    def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._lock:
            return self._file.use(work)

    def _write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        if not self.read_only:
            with self._lock:
                self._file.write(change)

    def _whole(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `work` returns about a file that lacks nothing which was collected."""
        with self._lock:
            self._flush(rows_from=1)
            return self._file.use(work)

    def _flush(self, *, rows_from: int) -> None:
        """Commit what waits, the scored rows among it if there are at least so many."""
        with self._lock:
            with self._taking:
                taken, self._waiting = self._waiting, Waiting()
                if len(taken.rows) < rows_from:
                    self._waiting.rows, taken.rows = taken.rows, {}
            if taken:
                try:
                    self._file.write(lambda db: taken.write(db, self._asker))
                except BaseException:
                    with self._taking:
                        taken.add(self._waiting)
                        self._waiting = taken
                    raise

    def _living_asker(self) -> claims.Asker:
        """Who asks in this object's name; somebody new after the folder was emptied."""
        if self._asker is None or not self._asker.has_file():
            self._asker = claims.Asker(self.path)
        return self._asker


_EVERY: weakref.WeakSet[ResponseCache] = weakref.WeakSet()


@functools.cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_in_child)


def _begin_in_child() -> None:
    for cache in _EVERY:
        cache.begin_in_child()


def _select_replies(db: sqlite3.Connection, keys: Collection[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for query, some in in_chunks(_SELECT_REPLIES, keys):
        found.update(db.execute(query, some).fetchall())
    return found


def _select_rows(db: sqlite3.Connection, keys: Collection[bytes], version: int) -> dict[bytes, StoredRow]:
    found: dict[bytes, StoredRow] = {}
    for query, some in in_chunks(_SELECT_ROWS, keys):
        rows = db.execute(query, (*some, version)).fetchall()
        found |= {key: StoredRow(status, method, values) for key, status, method, values in rows}
    return found
