"""What a cache has collected and not yet committed, and how it is committed."""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple

from textclassify.llm.store.claims import Asker, release
from textclassify.llm.store.ledger import Sums, write_sums

_INSERT_REPLY = "INSERT OR IGNORE INTO replies (key, received_at, reply) VALUES (?, ?, ?)"
_INSERT_ROW = "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?)"


class StoredRow(NamedTuple):
    """A scored row: codes of `Status` and `Method`, and float32 little-endian values, b"" where there are none."""

    status: int
    method: int
    values: bytes


class Waiting:
    """Replies, rows with their versions, claims to give back, and sums of runs."""

    __slots__ = ("released", "replies", "rows", "sums")

    def __init__(self) -> None:
        self.replies: dict[bytes, bytes] = {}
        self.rows: dict[bytes, tuple[int, StoredRow]] = {}
        self.released: set[bytes] = set()
        self.sums: dict[int, Sums] = {}

    def __bool__(self) -> bool:
        return bool(self.replies or self.rows or self.released or self.sums)

    def add(self, later: Waiting) -> None:
        """Take in what came later: the first reply stays, and the last row."""
        self.replies = later.replies | self.replies
        self.rows |= later.rows
        self.released |= later.released
        for run, sums in later.sums.items():
            self.sums.setdefault(run, Sums(sums.provider, sums.model)).merge(sums)

    def write(self, db: sqlite3.Connection, asker: Asker | None) -> None:
        """Put everything into the tables; to be called inside a transaction."""
        now = time.time()
        if self.replies:
            db.executemany(_INSERT_REPLY, [(key, now, body) for key, body in self.replies.items()])
        if self.rows:
            ordered = sorted(self.rows.items())  # neighbours lie on one page of the file
            db.executemany(_INSERT_ROW, [(key, version, *row, int(now)) for key, (version, row) in ordered])
        if asker is not None:
            release(db, self.released, asker)
        for run, sums in self.sums.items():
            write_sums(db, run, sums)
