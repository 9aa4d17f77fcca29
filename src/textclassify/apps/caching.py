"""What `textclassify cache` does: look into the cache of paid answers, shrink it, export it, check it, empty it."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import orjson

from textclassify.core.storage import replies_folder
from textclassify.errors import ConfigError, StorageError
from textclassify.llm.completions import read_reply
from textclassify.llm.store.cache import CacheStats, Removed, ResponseCache, Verified

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{binary}b": (1024 if binary else 1000) ** power
    for power, letter in enumerate("kmgt", start=1)
    for binary in ("", "i")
}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def cache_stats(cache_dir: Path | None = None) -> CacheStats:
    """Return what the cache holds and what every run did; of a cache that was never used, nothing and none.

    Raises:
        StorageError: the folder cannot be used.

    """
    path = ResponseCache(replies_folder(cache_dir)).path
    with ResponseCache(path.parent, read_only=not path.exists()) as cache:
        return cache.stats()


def prune_cache(
    cache_dir: Path | None = None, *, older_than: str | None = None, max_size: str | None = None
) -> Removed:
    """Return what was removed: answers above an age such as 30d, then the oldest above a size such as 500MB.

    Raises:
        ConfigError: neither limit was given, or one cannot be understood.
        StorageError: there is no cache, or it cannot be used.

    """
    if older_than is None and max_size is None:
        raise ConfigError("say what may go: answers older than an age (30d) or above a size of the cache (500MB)")
    seconds = None if older_than is None else seconds_of(older_than)
    size = None if max_size is None else bytes_of(max_size)
    with _existing(cache_dir) as cache:
        return cache.prune(older_than_seconds=seconds, max_bytes=size)


def export_cache(stream: IO[str], cache_dir: Path | None = None) -> int:
    """Write every answer as a line of JSON with key, received_at and reply, and return how many there were.

    Raises:
        StorageError: there is no cache, or it cannot be used.

    """
    with _existing(cache_dir) as cache:
        return cache.export(stream)


def verify_cache(cache_dir: Path | None = None, *, remove: bool = False) -> Verified:
    """Return which answers cannot be read, and what is wrong with the file.

    Args:
        cache_dir: folder of the cache.
        remove: whether answers that cannot be read are removed, so that their texts are asked about again.

    Raises:
        StorageError: there is no cache, or it cannot be used.

    """
    with _existing(cache_dir) as cache:
        found = cache.verify(is_readable)
        if remove and found.unreadable:
            cache.forget(found.unreadable)
        return found


def purge_cache(cache_dir: Path | None = None, *, text_only: bool) -> Removed:
    """Return what was removed for good: the raw answers, which may quote texts, or everything.

    Raises:
        StorageError: there is no cache, or another process has it open.

    """
    with _existing(cache_dir) as cache:
        return cache.purge_text() if text_only else cache.purge()


def is_readable(body: bytes) -> bool:
    """Return whether a kept body is the reply of a server, or the likelihoods of a model in this process."""
    try:
        read_reply(body)
    except ValueError:
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False
        return isinstance(found, dict) and found.keys() == {"log_likelihoods", "truncated"}
    return True


def plain(found: CacheStats | Removed | Verified) -> dict[str, Any]:
    """Return what was found as plain JSON values; keys are hexadecimal."""
    return {name: _plain(value) for name, value in asdict(found).items()}


def seconds_of(age: str) -> float:
    """Return the seconds of an age such as 90s, 15m, 12h, 30d or 2w.

    Raises:
        ConfigError: it is no such age.

    """
    return _amount(age, _SECONDS, "an age such as 12h, 30d or 2w")


def bytes_of(size: str) -> int:
    """Return the bytes of a size such as 800000, 500MB or 2GiB.

    Raises:
        ConfigError: it is no such size.

    """
    return int(_amount(size, _BYTES, "a size such as 500MB or 2GiB"))


def _existing(cache_dir: Path | None) -> ResponseCache:
    cache = ResponseCache(replies_folder(cache_dir))
    if not cache.path.is_file():
        raise StorageError(
            f"there is no cache in {str(cache.path.parent)!r}: the first answer of a language model makes it; name "
            "another folder if yours lies elsewhere"
        )
    return cache


def _amount(given: str, units: dict[str, int], what: str) -> float:
    found = _AMOUNT.fullmatch(given)
    unit = None if found is None else units.get(found[2].lower())
    if found is None or unit is None:
        raise ConfigError(f"{given!r} is not {what}")
    return float(found[1]) * unit


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
