"""Shards: files of the keys and the features of some texts, mapped into memory where they are read."""

from __future__ import annotations

import io
import os
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from textclassify.errors import StorageError
from textclassify.models.features.folder import OpenFile, write_whole
from textclassify.models.features.halves import widen
from textclassify.models.features.index import KEY_BYTES, Keys
from textclassify.models.features.spec import FeatureSpec, Values

RESIDENT_BYTES = 256 * 2**20
"""What the system keeps of the files in its own cache is more, and no process's."""

MOST_MAPPED = 128
"""Each mapped file holds a file descriptor."""

_NAME = re.compile(r"\d{20}-[0-9a-f]{8}\.npy")
_BYTES_PER_FAULT = 64 * 1024
"""What the system maps at once around a byte that is read."""
_BLOCK_BYTES = 512 * 1024
"""Numbers are widened so many at a time: the processor's cache holds them."""
_NPY_VERSION = (1, 0)


@dataclass(frozen=True, slots=True)
class Shard:
    """A file with the features of some texts: an array of keys (n, 2), and behind it one of features (n, ...).

    Both are in numpy's format, so that two calls of `np.load` on the opened file read them.
    """

    path: Path
    rows: int
    offset: int
    """Bytes before the first number of the features."""


def shard_names(folder: Path) -> list[str]:
    """Return the names of the shards in a folder, the oldest first.

    Raises:
        StorageError: the folder was removed, or cannot be read.

    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))
    except OSError as error:
        raise StorageError(
            f"cannot read the feature store {str(folder)!r} ({error.strerror}); open it again, or name another folder"
        ) from error


def new_name(time_ns: int | None = None) -> str:
    """Return a name that no other writer takes; names sort by time."""
    return f"{time.time_ns() if time_ns is None else time_ns:020d}-{secrets.token_hex(4)}.npy"


def write_shard(
    path: Path, keys: Sequence[Keys], blocks: Iterable[Values], spec: FeatureSpec, open_file: OpenFile
) -> None:
    """Write the keys [(m, 2), ...] and the features [(m, ...), ...] of some texts, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.

    """
    rows = sum(map(len, keys))
    write_whole(path, _parts(rows, keys, blocks, spec), open_file)


def _parts(
    rows: int, keys: Sequence[Keys], blocks: Iterable[Values], spec: FeatureSpec
) -> Iterator[bytes | memoryview]:
    yield _header(np.dtype("<u8"), (rows, 2))
    for block in keys:
        yield np.ascontiguousarray(block, dtype="<u8").data
    yield _header(spec.stored_as, (rows, *spec.shape))
    for values in blocks:
        yield np.ascontiguousarray(values, dtype=spec.stored_as).data


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    fields = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(stream, fields)
    return stream.getvalue()


def read_shard(path: Path, spec: FeatureSpec) -> tuple[Shard, Keys]:
    """Return a shard and its keys (n, 2).

    Raises:
        StorageError: it was cut short, or is no shard of this store.

    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            rows = _read_header(stream, np.dtype("<u8"), (2,))
            if not 0 <= rows * KEY_BYTES <= size:
                raise ValueError(f"it has {size:,} bytes and claims {rows:,} rows")  # noqa: TRY301 - damaged like others
            keys = np.frombuffer(stream.read(rows * KEY_BYTES), dtype="<u8").reshape(rows, 2)
            if _read_header(stream, spec.stored_as, spec.shape) != rows:
                raise ValueError("keys and features do not go together")  # noqa: TRY301 - damaged like others
            shard = Shard(path, rows, stream.tell())
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r} ({error.strerror}); copy the store's folder again") from error
    except ValueError as error:
        raise StorageError(_unreadable(path, str(error))) from error
    expected = shard.offset + rows * spec.bytes_per_text
    if size != expected:
        raise StorageError(_unreadable(path, f"it has {size:,} bytes, {expected:,} were written"))
    return shard, keys.astype(np.uint64, copy=False)


def _read_header(stream: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return the rows of the array that begins here."""
    if npy.read_magic(stream) != _NPY_VERSION:
        raise ValueError("another version of numpy's format")
    (rows, *rest), is_fortran, found = npy.read_array_header_1_0(stream)
    if is_fortran or tuple(rest) != shape or found != dtype:
        raise ValueError(f"{found} of shape {tuple(rest)} where {dtype} of shape {shape} belongs")
    return int(rows)


def _unreadable(path: Path, why: str) -> str:
    return (
        f"{path.name!r} in {str(path.parent)!r} is damaged: {why}; copy the store's folder again, or remove this file, "
        "and the features in it are computed anew"
    )


def map_shard(shard: Shard, spec: FeatureSpec) -> NDArray[Any]:
    """Return the features (n, ...) in a shard, of which only what is read comes into memory.

    Raises:
        StorageError: the file was removed or cut short.

    """
    try:
        mapped = np.memmap(shard.path, spec.stored_as, "r", shard.offset, (shard.rows, *spec.shape))
    except OSError as error:
        raise StorageError(
            f"cannot read {str(shard.path)!r} ({error.strerror}); open the feature store again"
        ) from error
    except ValueError as error:
        raise StorageError(_unreadable(shard.path, str(error))) from error
    return mapped.view(np.ndarray)  # indexing a memmap costs several times as much


class MappedShards:
    """All shards of a store, each text's features at a place: number of the shard in the upper half, row in the lower.

    Args:
        spec: of the features.
        use: kept for as long as this object is: whoever reads is seen by others.
        resident_bytes: of the files, so much stays mapped into memory about.
        most_mapped: files that are mapped at once.

    """

    def __init__(
        self,
        spec: FeatureSpec,
        use: object,
        *,
        resident_bytes: int = RESIDENT_BYTES,
        most_mapped: int = MOST_MAPPED,
    ) -> None:
        self._spec = spec
        self._use = use
        self._resident_bytes = resident_bytes
        self._most_mapped = most_mapped
        self._shards: list[Shard] = []
        self._maps: dict[int, NDArray[Any]] = {}
        self._resident: dict[int, int] = {}
        self._lock = threading.Lock()

    def append(self, shard: Shard) -> NDArray[np.int64]:
        """Take up a shard; return the places (n,) of its rows."""
        self._shards.append(shard)
        return (len(self._shards) - 1 << 32) + np.arange(shard.rows, dtype=np.int64)

    def gather(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features (n, ...) at n places.

        Raises:
            StorageError: a file was removed or cut short since.

        """
        values = np.empty((len(places), *self._spec.shape), dtype=np.float32)
        at_once = max(1, _BLOCK_BYTES // self._spec.bytes_per_text)
        for start in range(0, len(places), at_once):
            block = values[start : start + at_once]
            stored = self._stored(places[start : start + at_once])
            if stored.dtype.itemsize == 2:
                widen(stored, block)
            else:
                block[:] = stored
        return values

    def _stored(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return the features (n, ...) at n places as they are on disk, read shard by shard."""
        values = np.empty((len(places), *self._spec.shape), dtype=self._spec.stored_as)
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        numbers, rows = ordered >> 32, ordered & (2**32 - 1)
        starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(places)], strict=True):
            mapped = self._mapped(int(numbers[start]), end - start)
            values[order[start:end]] = mapped[rows[start:end]]
        return values

    def _mapped(self, number: int, rows: int) -> NDArray[Any]:
        """Return the features of one shard, of which so many rows are about to be read."""
        with self._lock:
            is_crowded = number not in self._maps and len(self._maps) >= self._most_mapped
            if is_crowded or sum(self._resident.values()) > self._resident_bytes:
                self._maps.clear()
                self._resident.clear()
            if number not in self._maps:
                self._maps[number] = map_shard(self._shards[number], self._spec)
            mapped = self._maps[number]
            touched = self._resident.get(number, 0) + rows * (self._spec.bytes_per_text + _BYTES_PER_FAULT)
            self._resident[number] = min(touched, mapped.nbytes)
            return mapped
