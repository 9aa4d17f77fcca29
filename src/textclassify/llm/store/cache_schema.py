"""The tables of the cache's file, and connections to a file that is made or brought up to date first."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from textclassify.errors import StorageError
from textclassify.llm.store.ledger import RUNS_TABLE

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2
_TABLES = {
    # The raw reply, with the sha256 of its request and the time (seconds since 1970).
    "replies": "(key BLOB PRIMARY KEY, received_at REAL NOT NULL, reply BLOB NOT NULL)",
    # What was read from replies, by which version of the reading, and when.
    "rows": "(key BLOB PRIMARY KEY, version INTEGER NOT NULL, status INTEGER NOT NULL, method INTEGER NOT NULL, "
    "scores BLOB NOT NULL, read_at INTEGER NOT NULL) WITHOUT ROWID",
    "claims": "(key BLOB PRIMARY KEY, asker INTEGER NOT NULL, run INTEGER) WITHOUT ROWID",
    "facts": "(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "runs": RUNS_TABLE,
}
_SETTINGS = (
    "synchronous=NORMAL",  # a commit survives a killed process, if not a power cut
    "secure_delete=OFF",  # claims come and go; what must be gone for good is vacuumed away
    "wal_autocheckpoint=4000",  # pages; a page that is written often goes to the file once
    "journal_size_limit=67108864",
    "cache_size=-16384",  # KiB
)
JOURNALS = ("-wal", "-shm")
"""What SQLite appends to the file's name for the files beside it."""
_BUSY_SECONDS = 30.0
_CANNOT_WRITE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


def opened(path: Path) -> sqlite3.Connection:
    """A connection to the file, made or brought up to date first; readable by its owner alone, its journals too.

    Raises:
        StorageError: a newer version of the library has written it.

    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_private(path)
    connection = _connected(str(path))
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def opened_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing on disk; to nothing at all where there is no file.

    Raises:
        StorageError: a newer version of the library has written it.

    """
    if not path.exists():
        return opened_empty()
    try:
        connection = _readable(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if primary_code(error) not in _CANNOT_WRITE:
            raise
        # The folder takes no journal, so nobody can be writing; SQLite believes it only when told.
        if any(journal.stat().st_size for journal in path.parent.glob(f"{path.name}-wal")):
            logger.warning("the last answers in %s are not seen: make its folder writable once and open it there", path)
        connection = _readable(path, "mode=ro&immutable=1")
    try:
        for name in _TABLES.keys() - _check_version(connection, path):  # an older file has fewer
            connection.execute(f"CREATE TEMP TABLE {name} {_TABLES[name]}")
    except BaseException:
        connection.close()
        raise
    return connection


def opened_empty() -> sqlite3.Connection:
    """A connection to a cache in memory that has nothing in it."""
    connection = _connected(":memory:")
    _make_tables(connection)
    return connection


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's code of an error without the details; 0 where Python raised it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Have everything in the block committed together, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # it has rolled back by itself, or cannot even do that
            connection.execute("ROLLBACK")
        raise


def _connected(address: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(address, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri)


def _readable(path: Path, options: str) -> sqlite3.Connection:
    connection = _connected(f"{path.absolute().as_uri()}?{options}", uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """Make the file where there is none, and take others' permissions away.

    A file that is there is not opened: closing it would free the locks that other connections of this process hold.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    for suffix in ("", *JOURNALS):
        file = path.with_name(path.name + suffix)
        with suppress(FileNotFoundError):
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _use_write_ahead_log(connection)
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    if _check_version(connection, path) >= _TABLES.keys() and _version(connection) == SCHEMA_VERSION:
        return
    with transaction(connection):
        _check_version(connection, path)  # another process may have made it newer meanwhile
        _make_tables(connection)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _make_tables(connection: sqlite3.Connection) -> None:
    for name, columns in _TABLES.items():
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} {columns}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_version(connection: sqlite3.Connection, path: Path) -> set[str]:
    """The names of the tables that the file has.

    Raises:
        StorageError: the file is of a newer version, whose tables nobody here knows.

    """
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"the cache {str(path)!r} was written by a newer textclassify (schema {version}, this one knows "
            f"{SCHEMA_VERSION}): upgrade, or name another cache_dir"
        )
    return {name for (name,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the journal; SQLite does not wait for another process that does the same just now, so this does."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
