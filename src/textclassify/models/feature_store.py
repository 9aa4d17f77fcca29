"""`FeatureStore`: features of texts on disk, each text's once, read without holding them in memory."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.storage import as_folder
from textclassify.core.texts import as_texts
from textclassify.errors import DataError, StorageError
from textclassify.models.features.checks import checked
from textclassify.models.features.folder import TEMPORARY, OpenFile, entering, open_new, read_spec
from textclassify.models.features.index import KeyIndex, Keys, text_keys
from textclassify.models.features.rows import FeatureRows
from textclassify.models.features.shards import (
    MappedShards,
    Shard,
    map_shard,
    new_name,
    read_shard,
    shard_names,
    write_shard,
)
from textclassify.models.features.spec import FeatureSpec, Values

__all__ = ["FeatureRows", "FeatureSpec", "FeatureStore", "read_spec"]

logger = logging.getLogger(__name__)

SHARD_BYTES = 64 * 2**20
"""Features of a shard: large, so that a store is few files; one shard's are held in memory before they are written."""

BLOCK_BYTES = 4 * 2**20
"""So much of what is added is converted at a time."""

FLUSH_SECONDS = 30.0
"""So much work a process that is killed may lose."""

MOST_SMALL = 16
"""More shards than this below a quarter of the usual size become one when the store is opened by nobody else."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FeatureStore:
    """Features of texts in one folder, by a digest of the text; the texts themselves are not stored.

    What was flushed outlives the process however it ends. Several processes may use one store at once: each writes
    shards of its own, and sees the others' when it misses a text.

    Args:
        folder: of this store alone; it is made when missing.
        spec: what the features are computed with; a folder keeps features of one kind.
        shard_bytes: features of a shard before it is written.
        flush_seconds: how long features may wait for that.
        open_file: opens files to write; for tests of disks.

    Raises:
        StorageError: the folder holds other features or other things, is damaged, or cannot be made.

    Example:
        >>> import tempfile
        >>> spec = FeatureSpec("a model", None, "mean", 256, "float32", shape=(2,))
        >>> with FeatureStore(tempfile.mkdtemp(), spec) as store:
        ...     store.add(["good", "bad"], [[1, 0], [0, 1]])
        ...     store.rows(["bad", "good", "bad"])[[0, 1]]
        array([[0., 1.],
               [1., 0.]], dtype=float32)

    """

    def __init__(
        self,
        folder: str | Path,
        spec: FeatureSpec,
        *,
        shard_bytes: int = SHARD_BYTES,
        flush_seconds: float = FLUSH_SECONDS,
        open_file: OpenFile = open_new,
    ) -> None:
        self.folder = as_folder(folder)
        self.spec = spec
        self.shard_bytes = shard_bytes
        self.flush_seconds = flush_seconds
        self._open_file = open_file
        self._lock = threading.RLock()
        self._index = KeyIndex()
        self._known: set[str] = set()
        self._pending = _Pending()
        with entering(self.folder, spec, open_file) as use:
            self._shards = MappedShards(spec, use)
            if use.is_alone:
                self._tidy()
            self._refresh()

    def __len__(self) -> int:
        """Count the texts whose features are kept or wait to be written."""
        return len(self._index) + len(self._pending.keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.flush()
        except StorageError:
            if error is None:
                raise
            logger.warning("%d texts' features were not kept", len(self._pending.keys))

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Return the different texts whose features are not kept, in their order; other processes' count as well.

        Raises:
            DataError: a text is no string.
            StorageError: what another process wrote is damaged.

        """
        texts = as_texts(texts)
        keys = text_keys(texts)
        with self._lock:
            return [texts[row] for row in self._new_rows(keys, self._find(keys))]

    def add(self, texts: Sequence[str], values: ArrayLike) -> None:
        """Keep the features of n texts, (n, *shape); those of texts that are kept already stay as they are.

        They are written when a shard is full or has waited for `flush_seconds`.

        Raises:
            DataError: a text is no string, or the values have another shape.
            ModelError: a value is no finite number (a StorageError: too large for the store's); none of them is kept.
            StorageError: the disk is full or the folder not writable; what waits is written with the next flush.

        """
        texts = as_texts(texts)
        if not texts:
            return
        features = checked(values, len(texts), self.spec)
        keys = text_keys(texts)
        at_once = max(1, min(BLOCK_BYTES, self.shard_bytes) // self.spec.bytes_per_text)
        with self._lock:
            new = self._new_rows(keys, self._index.find(keys))
            for start in range(0, len(new), at_once):
                rows = new[start : start + at_once]
                self._pending.append(keys[rows], features[rows].astype(self.spec.stored_as))
                is_full = len(self._pending.keys) * self.spec.bytes_per_text >= self.shard_bytes
                if is_full or self._pending.seconds() >= self.flush_seconds:
                    self.flush()

    def flush(self) -> None:
        """Write what waits, so that it outlives the process.

        Raises:
            StorageError: the disk is full or the folder not writable; it goes on waiting.

        """
        with self._lock:
            if not self._pending.keys:
                return
            name = new_name()
            try:
                self._write(name, self._pending.key_blocks, self._pending.blocks)
            except OSError as error:
                raise StorageError(self._not_written(error)) from error
            self._pending = _Pending()
            self._load([name])

    def rows(self, texts: Iterable[str]) -> FeatureRows:
        """Return the features of n texts in their order, to be read when they are needed.

        Raises:
            DataError: a text's features are not kept; the message names its place.
            StorageError: what waits cannot be written.

        """
        texts = as_texts(texts)
        keys = text_keys(texts)
        with self._lock:
            self.flush()
            places = self._find(keys)
        absent = np.flatnonzero(places < 0)
        if len(absent):
            raise DataError(
                f"features of {len(absent):,} of {len(texts):,} texts are not in {str(self.folder)!r}, the first of "
                f"them text {absent[0]} (counted from 0); add those of `missing(texts)` first"
            )
        return FeatureRows(self._shards, places, self.spec.shape)

    def _find(self, keys: Keys) -> NDArray[np.int64]:
        """Return the places (n,) of n keys, -1 where no process has written any."""
        places = self._index.find(keys)
        if (places < 0).any():
            self._refresh()
            places = self._index.find(keys)
        return places

    def _new_rows(self, keys: Keys, places: NDArray[np.int64]) -> list[int]:
        """Return the rows whose keys are neither written nor waiting, the first of equal ones."""
        absent = np.flatnonzero(places < 0).tolist()
        first: dict[bytes, int] = {}
        for row, key in zip(absent, _as_bytes(keys[absent]), strict=True):
            if key not in self._pending.keys:
                first.setdefault(key, row)
        return list(first.values())

    def _refresh(self) -> None:
        """Take up the shards that have come since."""
        self._load([name for name in shard_names(self.folder) if name not in self._known])

    def _load(self, names: Sequence[str]) -> None:
        found = [read_shard(self.folder / name, self.spec) for name in names]
        if found:
            places = [self._shards.append(shard) for shard, _ in found]
            self._index.add(np.concatenate([keys for _, keys in found]), np.concatenate(places))
            self._known.update(names)

    def _write(self, name: str, keys: Sequence[Keys], blocks: Iterable[Values]) -> None:
        write_shard(self.folder / name, keys, blocks, self.spec, self._open_file)

    def _tidy(self) -> None:
        """Remove what killed writers left, and make few shards out of many small ones; nobody else is there."""
        try:
            for path in self.folder.glob(f"{TEMPORARY}*"):
                path.unlink()
            paths = [self.folder / name for name in shard_names(self.folder)]
            small = [path for path in paths if path.stat().st_size < self.shard_bytes / 4]
            if len(small) > MOST_SMALL:
                self._merge([read_shard(path, self.spec) for path in small])
        except OSError as error:
            logger.info("cannot tidy up %s: %s", self.folder, error.strerror)

    def _merge(self, shards: Sequence[tuple[Shard, Keys]]) -> None:
        per_shard = max(1, self.shard_bytes // self.spec.bytes_per_text)
        rows_before = np.cumsum([0, *(shard.rows for shard, _ in shards[:-1])])
        for _, numbered in groupby(zip(rows_before // per_shard, shards, strict=True), key=lambda pair: pair[0]):
            group = [found for _, found in numbered]
            name = new_name(int(group[0][0].path.name.partition("-")[0]))
            self._write(name, [keys for _, keys in group], (map_shard(shard, self.spec) for shard, _ in group))
            for shard, _ in group:
                shard.path.unlink()

    def _not_written(self, error: OSError) -> str:
        waiting, where = len(self._pending.keys), str(self.folder)
        if error.errno in _FULL:
            megabytes = waiting * self.spec.bytes_per_text / 1e6
            return (
                f"no room for the features of {waiting:,} more texts in {where!r} ({error.strerror}); those of "
                f"{len(self._index):,} texts are kept and stay readable: free more than {megabytes:,.1f} MB and run it "
                "again, and it goes on from there"
            )
        return f"cannot write to the feature store {where!r}: {error.strerror}; make it writable or name another folder"


class _Pending:
    """Features that wait to be written."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.key_blocks: list[Keys] = []
        self.blocks: list[Values] = []
        self._since = time.monotonic()

    def append(self, keys: Keys, values: Values) -> None:
        if not self.keys:
            self._since = time.monotonic()
        self.keys.update(_as_bytes(keys))
        self.key_blocks.append(keys)
        self.blocks.append(values)

    def seconds(self) -> float:
        """Return how long the first of them has waited."""
        return time.monotonic() - self._since


def _as_bytes(keys: Keys) -> list[bytes]:
    whole = keys.tobytes()
    return [whole[start : start + 16] for start in range(0, len(whole), 16)]
