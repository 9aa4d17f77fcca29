"""`CacheFile`: the SQLite file under a cache, which is opened when needed and replaced when it is damaged."""

from __future__ import annotations

import functools
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from textclassify.errors import StorageError
from textclassify.llm.store.cache_schema import (
    JOURNALS,
    opened,
    opened_empty,
    opened_to_read,
    primary_code,
    transaction,
)

FILE = "replies.sqlite"
_KEYS_PER_QUERY = 4096
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free space",
    sqlite3.SQLITE_BUSY: "wait for the other process that uses it",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
}
_LEFT_TO_PARENTS: list[sqlite3.Connection] = []
"""Connections that a fork has copied: closing them here would pull the file from under the parent."""

Result = TypeVar("Result")


class CacheFile:
    """One file and the connection to it; for one thread at a time.

    Args:
        path: of the file; its folder is made when missing.
        read_only: whether nothing on disk may change.

    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def use(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `work` returns; a corrupt file is set aside and a new one used, so that it costs answers but no run.

        Raises:
            StorageError: the folder cannot be used, or the disk is full.

        """
        for is_last in (False, True):
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                self.close()
                if is_last or not is_corrupt(error):
                    remedy = _REMEDIES.get(primary_code(error), "check the folder")
                    raise StorageError(
                        f"cannot use the cache {str(self.path)!r} ({error}): {remedy}, or name another cache_dir"
                    ) from error
                self._replace()
            except OSError as error:
                raise StorageError(
                    f"cannot use the cache {str(self.path)!r} ({error.strerror}): name another cache_dir"
                ) from error
        raise AssertionError  # the second round returns or raises

    def write(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `change` returns, with all that it changed committed together; raises as `use` does."""

        def committed(db: sqlite3.Connection) -> Result:
            with transaction(db):
                return change(db)

        return self.use(committed)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):  # a corrupt file may refuse even that
                self._connection.close()
            self._connection = None

    def leave_to_parent(self) -> None:
        """Forget, in a forked process, the connection that is the parent's."""
        if self._connection is not None:
            _LEFT_TO_PARENTS.append(self._connection)
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        """The connection; a new one when the file was moved, removed or replaced meanwhile."""
        if self._connection is not None and _identity(self.path) == self._identity:
            return self._connection
        self.close()
        self._identity = _identity(self.path)
        self._connection = opened_to_read(self.path) if self.read_only else opened(self.path)
        self._identity = _identity(self.path)
        return self._connection

    def _replace(self) -> None:
        """Put the corrupt file out of the way, unless somebody else has done that already."""
        if self.read_only:
            warnings.warn(f"the cache {str(self.path)!r} is corrupt; it is read as an empty one", stacklevel=2)
            self._connection = opened_empty()
        elif self._identity == _identity(self.path):
            _set_aside(self.path)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is damaged."""
    return primary_code(error) in _CORRUPT


def in_chunks(query: str, keys: Collection[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Queries for all keys, each with its keys: sorted, as neighbours lie on one page of the file.

    The last key is repeated up to a power of two, so that there are a few different queries to prepare and no more.
    """
    ordered = sorted(keys)
    for start in range(0, len(ordered), _KEYS_PER_QUERY):
        some = ordered[start : start + _KEYS_PER_QUERY]
        width = 1 << (len(some) - 1).bit_length()
        yield _query(query, width), some + some[-1:] * (width - len(some))


def files_set_aside(path: Path) -> list[Path]:
    """Damaged files that were set aside, with their journals."""
    return sorted(path.parent.glob(f"{path.name}.corrupt-*"))


def bytes_on_disk(path: Path) -> int:
    """Size of the file with its journals."""
    size = 0
    for suffix in ("", *JOURNALS):
        with suppress(FileNotFoundError):
            size += path.with_name(path.name + suffix).stat().st_size
    return size


@functools.lru_cache(maxsize=128)
def _query(query: str, width: int) -> str:
    return query.format(",".join("?" * width))


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path stands for just now: its device and inode; None = none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - done for every commit, and Path.stat takes twice the time
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _set_aside(path: Path) -> None:
    """Rename a file that SQLite cannot read, journals included, and say so."""
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
    for suffix in ("", *JOURNALS):
        with suppress(FileNotFoundError):  # another process was faster
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    warnings.warn(
        f"the cache {str(path)!r} is corrupt; it was set aside as {aside.name!r} and a new one begun", stacklevel=2
    )
