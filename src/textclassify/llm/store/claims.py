"""Claims: who asks which question, so that two who want the same answer do not both pay for it."""

from __future__ import annotations

import os
import sqlite3
import sys
import weakref
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from textclassify.llm.store.cache_file import in_chunks
from textclassify.llm.store.ledger import count_lost

if sys.platform != "win32":
    import fcntl

CAN_CLAIM = sys.platform != "win32"
"""Whether a dead asker can be told from a living one; where not (Windows), everybody gets every claim."""


class Asker:
    """One who asks, alive for the others as long as it holds the lock of its file.

    The kernel takes the lock away when the process ends, however it ends.

    Args:
        database: the cache's file, beside which the lock file lies.

    """

    def __init__(self, database: Path) -> None:
        self.number = int.from_bytes(os.urandom(8), "big") >> 1  # SQLite counts to 2**63
        self.database = database
        self._path = _lock_file(database, self.number)
        self.close = weakref.finalize(self, _let_go, _locked(self._path), self._path)
        """Give up the lock; done as well when the asker is forgotten."""

    def has_file(self) -> bool:
        """Whether others can see that this one is alive."""
        return self._path.exists()

    def leave_to_parent(self) -> None:
        """Close the file in a forked process without giving up the lock, which is the parent's."""
        kept = self.close.detach()
        if kept is not None:
            os.close(kept[2][0])


def claim(db: sqlite3.Connection, keys: Collection[bytes], asker: Asker, run: int | None) -> set[bytes]:
    """The keys that nobody else alive holds, the asker's from now on; to be called inside a transaction."""
    me = asker.number
    wanted = [(key, me, run) for key in keys]
    if db.executemany("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", wanted).rowcount == len(wanted):
        return set(keys)
    holders: dict[bytes, int] = {}
    for query, some in in_chunks("SELECT key, asker FROM claims WHERE key IN ({})", keys):
        holders.update(db.execute(query, some).fetchall())
    ours = {me, *_bury_dead(db, asker.database, set(holders.values()) - {me})}
    free = {key for key, holder in holders.items() if holder in ours}
    db.executemany("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", [(key, me, run) for key in free])
    return free


def release(db: sqlite3.Connection, keys: Iterable[bytes], asker: Asker) -> None:
    """Give claims back."""
    number = asker.number
    db.executemany("DELETE FROM claims WHERE key = ? AND asker = ?", [(key, number) for key in keys])


def release_all(db: sqlite3.Connection, asker: Asker) -> None:
    """Give back what the asker still holds."""
    db.execute("DELETE FROM claims WHERE asker = ?", (asker.number,))


def settle(db: sqlite3.Connection, database: Path, asker: Asker | None, run: int | None) -> None:
    """Have the asker's claims belong to a run, and count what every dead asker held as lost."""
    if not CAN_CLAIM:
        return
    number = None if asker is None else asker.number
    db.execute("UPDATE claims SET run = ? WHERE asker = ? AND run IS NULL", (run, number))
    _bury_dead(db, database, {holder for (holder,) in db.execute("SELECT DISTINCT asker FROM claims")} - {number})
    for path in database.parent.glob(f"{database.name}-asker-*"):  # some have died without a claim
        if not _is_locked(path):
            path.unlink(missing_ok=True)


def _bury_dead(db: sqlite3.Connection, database: Path, numbers: Iterable[int]) -> set[int]:
    """Those of some askers that are dead; their claims are deleted, and counted as lost in their runs."""
    dead = {number for number in numbers if not _is_locked(_lock_file(database, number))}
    for number in dead:
        held = db.execute("SELECT run, count(*) FROM claims WHERE asker = ? GROUP BY run", (number,)).fetchall()
        for run, lost in held:
            count_lost(db, run, lost)
        db.execute("DELETE FROM claims WHERE asker = ?", (number,))
    return dead


def _lock_file(database: Path, number: int) -> Path:
    return database.with_name(f"{database.name}-asker-{number:016x}")


def _locked(path: Path) -> int:
    """The descriptor of a new file with a lock on it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():  # else somebody took it for a dead one's between these two lines
            return descriptor
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _let_go(descriptor: int, path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
    os.close(descriptor)
