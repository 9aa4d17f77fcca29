"""What is done to a cache as a whole: counted, pruned, exported, checked, purged."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from textclassify.errors import StorageError
from textclassify.llm.store.cache_file import bytes_on_disk, files_set_aside, is_corrupt
from textclassify.llm.store.cache_schema import transaction
from textclassify.llm.store.ledger import RunTotals, read_runs

EVERYTHING = ("replies", "rows", "facts", "runs")
"""The tables that hold something about the past; claims are of the living."""
_PAGE_OF_REPLIES = 500
_FILE_SIZES = ("page_count", "freelist_count", "page_size")


class KeptReply(NamedTuple):
    """An answer as it lies in the file; `number` counts the answers as they came."""

    number: int
    key: bytes
    received_at: float
    body: bytes


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache holds: raw answers, scored rows, bytes on disk, and what every run did.

    `oldest` and `newest` are when the first and the last answer came, in seconds since 1970; None = there is none.
    """

    answers: int
    rows: int
    size_bytes: int
    oldest: float | None
    newest: float | None
    runs: tuple[RunTotals, ...]
    files_set_aside: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed from a cache, and how many bytes the disk got back."""

    answers: int
    rows: int
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found wrong with a cache: keys of answers that cannot be read, and what SQLite says of the file."""

    answers: int
    unreadable: tuple[bytes, ...]
    damage: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.unreadable and not self.damage


def stats(db: sqlite3.Connection, path: Path) -> CacheStats:
    """What the cache holds."""
    ends = [
        db.execute(f"SELECT received_at FROM replies ORDER BY rowid {order} LIMIT 1").fetchone()  # noqa: S608 - two words
        for order in ("ASC", "DESC")
    ]
    oldest, newest = (None if end is None else float(end[0]) for end in ends)
    return CacheStats(
        answers=_count(db, "replies"),
        rows=_count(db, "rows"),
        size_bytes=bytes_on_disk(path),
        oldest=oldest,
        newest=newest,
        runs=tuple(read_runs(db)),
        files_set_aside=tuple(files_set_aside(path)),
    )


def prune(db: sqlite3.Connection, path: Path, older_than_seconds: float | None, max_bytes: int | None) -> Removed:
    """Remove what is too old, then the oldest until the rest takes at most `max_bytes`."""
    before = bytes_on_disk(path)
    answers = rows = 0
    for limit in _limits(db, older_than_seconds, max_bytes):
        with transaction(db):
            answers += db.execute("DELETE FROM replies WHERE received_at <= ?", (limit,)).rowcount
            rows += db.execute("DELETE FROM rows WHERE read_at <= ?", (limit,)).rowcount
    if answers or rows:
        _shrink(db)
    return Removed(answers, rows, max(0, before - bytes_on_disk(path)))


def page_of_replies(db: sqlite3.Connection, after: int) -> list[KeptReply]:
    """The next answers in the order in which they came."""
    query = "SELECT rowid, key, received_at, CAST(reply AS BLOB) FROM replies WHERE rowid > ? ORDER BY rowid LIMIT ?"
    return [KeptReply(*row) for row in db.execute(query, (after, _PAGE_OF_REPLIES)).fetchall()]


def as_line(kept: KeptReply) -> str:
    """An answer as a line of JSON."""
    line = {"key": kept.key.hex(), "received_at": kept.received_at, "reply": _as_json(kept.body)}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode()


def verify(db: sqlite3.Connection, is_readable: Callable[[bytes], bool]) -> Verified:
    """Read every answer, and have SQLite check the file."""
    answers, unreadable, damage = 0, [], []
    try:
        for key, body in db.execute("SELECT key, CAST(reply AS BLOB) FROM replies"):
            answers += 1
            if not is_readable(body):
                unreadable.append(key)
        damage = [str(message) for (message,) in db.execute("PRAGMA integrity_check") if message != "ok"]
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
        damage.append(str(error))
    return Verified(answers, tuple(unreadable), tuple(damage))


def purge(db: sqlite3.Connection, path: Path, tables: Sequence[str]) -> Removed:
    """Remove what some tables hold, and damaged files that were set aside, so that no copy is left in this folder.

    Raises:
        StorageError: another process reads the file, whose journal may still hold what was removed.

    """
    aside = files_set_aside(path)
    before = bytes_on_disk(path) + sum(file.stat().st_size for file in aside)
    removed = {name: _count(db, name) for name in ("replies", "rows")}
    with transaction(db):
        for name in tables:
            db.execute(f"DELETE FROM {name}")  # noqa: S608 - names of tables
    for file in aside:
        file.unlink(missing_ok=True)
    if not _shrink(db):
        raise StorageError(
            f"the answers are removed from {str(path)!r}, but another process has it open, and its journal may hold "
            "them still: end that process and purge again"
        )
    gone = [removed[name] if name in tables else 0 for name in ("replies", "rows")]
    return Removed(gone[0], gone[1], max(0, before - bytes_on_disk(path)))


def _limits(db: sqlite3.Connection, older_than_seconds: float | None, max_bytes: int | None) -> Iterator[float]:
    """Yield the times up to which answers and rows go; each is reckoned after the one before is carried out."""
    if older_than_seconds is not None:
        yield time.time() - older_than_seconds
    while max_bytes is not None and (used := _used_bytes(db)) > max_bytes:
        held = _count(db, "replies") + _count(db, "rows")
        n_oldest = math.ceil(held * (1 - max_bytes / used))
        times = "SELECT received_at AS at FROM replies UNION ALL SELECT read_at FROM rows ORDER BY at LIMIT 1 OFFSET ?"
        found = db.execute(times, (max(0, n_oldest - 1),)).fetchone()
        if found is None:
            return
        yield float(found[0])


def _shrink(db: sqlite3.Connection) -> bool:
    """Give free pages back and empty the journal; whether nobody else kept it from being emptied."""
    db.execute("VACUUM")
    is_busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_busy


def _used_bytes(db: sqlite3.Connection) -> int:
    pages, free, size = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in _FILE_SIZES)
    return (pages - free) * size


def _count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a name of a table


def _as_json(body: bytes) -> Any:
    """The JSON value of a body; its text where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
