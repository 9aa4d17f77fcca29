"""What tells two models apart: the content of their files, not the place where they lie."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from textclassify.errors import ModelError
from textclassify.models.dependencies import needs_extra
from textclassify.models.sources import ModelSource

with needs_extra("torch"):
    from transformers.utils.hub import cached_file

_HUB = ("hub", "hub cache")
_PATTERNS = ("config.json", "*.safetensors", "tokenizer*", "vocab*", "merges.txt", "*.model")


def fingerprint(source: ModelSource) -> str:
    """Return 32 hexadecimal digits of everything that a model's features depend on: settings, weights and tokenizer.

    A copy of the model in another folder has the same ones. Files are read once per process, unless they change.
    """
    digest = hashlib.sha256()
    for file in _files(source):
        seen = file.stat()
        digest.update(file.name.encode() + _digest(file, seen.st_size, seen.st_mtime_ns))
    return digest.hexdigest()[:32]


def stamp(source: ModelSource) -> tuple[tuple[str, int, int], ...]:
    """Return sizes and times of a model's files, which are other ones when it was saved anew; () of one on a hub."""
    if source.origin in _HUB:
        return ()
    seen = [(file.name, file.stat()) for file in _files(source)]
    return tuple((name, found.st_size, found.st_mtime_ns) for name, found in seen)


def weight_names(source: ModelSource) -> list[str]:
    """Return the names of a model's weights; none of a GGUF file's, which has names of its own.

    Raises:
        ModelError: a file of weights is damaged.

    """
    names: list[str] = []
    for file in _files(source):
        if file.suffix == ".safetensors":
            try:
                with safe_open(file, framework="numpy") as weights:
                    names += weights.keys()
            except SafetensorError as error:
                raise ModelError(f"{str(file)!r} is damaged ({error}); fetch it again") from error
    return names


def _files(source: ModelSource) -> list[Path]:
    place = Path(source.location)
    if source.origin in _HUB:
        place = Path(str(cached_file(source.location, "config.json"))).parent
    if place.is_file():
        return [place]
    return sorted({file for pattern in _PATTERNS for file in place.glob(pattern) if file.is_file()})


@functools.lru_cache(maxsize=64)
def _digest(file: Path, size: int, changed_ns: int) -> bytes:
    """Return the sha256 of a file's content; size and time are only part of what is remembered."""
    del size, changed_ns
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
