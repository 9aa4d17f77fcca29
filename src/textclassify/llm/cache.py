"""`ResponseCache`: answers of language models on disk, so that none is paid for twice."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from textclassify.errors import StorageError

logger = logging.getLogger(__name__)

_FILE = "replies.sqlite"
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY,      -- sha256 of the request
    reply TEXT NOT NULL,       -- the raw reply, JSON
    received_at REAL NOT NULL  -- seconds since 1970
)
"""
_KEYS_PER_QUERY = 500
_BUSY_SECONDS = 30.0
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

Result = TypeVar("Result")


class ResponseCache:
    """Raw replies by request key, in one SQLite file that only its owner can read.

    Args:
        folder: where the file lies; made when missing.

    `put` collects, `flush` commits: from then on an answer survives a killed process. Threads and processes may share
    a folder; of two answers to one request, the first stays. The file is opened when it is first needed and again after
    `close`; a pickle holds the folder alone.

    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.path = Path(folder) / _FILE
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._waiting: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"ResponseCache({str(self.path.parent)!r})"

    def __reduce__(self) -> tuple[type[ResponseCache], tuple[Path]]:
        return ResponseCache, (self.path.parent,)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of answers on disk."""
        with self._lock:
            return self._guarded(lambda db: int(db.execute("SELECT count(*) FROM replies").fetchone()[0]))

    def get_many(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Raw replies of those keys that have one.

        Raises:
            StorageError: the folder cannot be used.

        """
        with self._lock:
            self.flush()
            rows = self._guarded(lambda db: list(_select(db, keys)))
        return {key: json.loads(reply) for key, reply in rows}

    def put(self, key: str, raw: Mapping[str, Any]) -> None:
        """Take an answer; `flush` commits it."""
        reply = json.dumps(raw)
        with self._lock:
            self._waiting[key] = reply

    def flush(self) -> None:
        """Commit what `put` has taken, in one transaction.

        Raises:
            StorageError: the folder cannot be used.

        """
        with self._lock:
            if self._waiting:
                rows = [(bytes.fromhex(key), reply, time.time()) for key, reply in self._waiting.items()]
                self._guarded(lambda db: _insert(db, rows))
                self._waiting.clear()

    def close(self) -> None:
        """Commit and let go of the file."""
        with self._lock:
            try:
                self.flush()
            finally:
                self._disconnect()

    def _guarded(self, use: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `use` returns; a corrupt file is set aside and a new one used, so that it costs answers but no run."""
        for is_last in (False, True):
            try:
                if self._connection is None:
                    self._connection = _opened(self.path)
                return use(self._connection)
            except sqlite3.DatabaseError as error:
                self._disconnect()
                if is_last or not _is_corrupt(error):
                    raise StorageError(
                        f"cannot use the cache {str(self.path)!r} ({error}): free space or name another cache_dir"
                    ) from error
                _set_aside(self.path)
            except OSError as error:
                raise StorageError(
                    f"cannot use the cache {str(self.path)!r} ({error.strerror}): name another cache_dir"
                ) from error
        raise AssertionError  # the second round returns or raises

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):  # a corrupt file may refuse even that
                self._connection.close()
            self._connection = None


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to the file, made or checked first; readable by its owner alone, its journals too."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous=NORMAL")  # a commit survives a killed process, if not a power cut
    with _transaction(connection):
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > _SCHEMA_VERSION:
            raise StorageError(
                f"the cache {str(path)!r} was written by a newer textclassify (schema {version}, this one knows "
                f"{_SCHEMA_VERSION}): upgrade, or name another cache_dir"
            )
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the journal; SQLite does not wait for another process that does the same just now, so this does."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _select(connection: sqlite3.Connection, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        some = [bytes.fromhex(key) for key in keys[start : start + _KEYS_PER_QUERY]]
        marks = ",".join("?" * len(some))
        query = f"SELECT key, reply FROM replies WHERE key IN ({marks})"  # noqa: S608 - nothing but question marks
        for key, reply in connection.execute(query, some):
            yield key.hex(), reply


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[bytes, str, float]]) -> None:
    with _transaction(connection):
        connection.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", rows)


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT


def _set_aside(path: Path) -> None:
    """Rename a file that SQLite cannot read, journals included, and say so."""
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):  # another process was faster
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    warnings.warn(
        f"the cache {str(path)!r} is corrupt; it was set aside as {aside.name!r} and a new one begun", stacklevel=2
    )
