"""Files of a run's folder: written whole or not at all, read strictly, and known by their checksums."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from textclassify.errors import StorageError

FORMAT = 1
"""Of `run.json`; raised whenever an older version could not read it any more."""
RUN_FILE = "run.json"
METRICS_FILE = "metrics.json"
COSTS_FILE = "costs.json"
PREDICTIONS_FILE = "predictions.parquet"
_CHUNK = 1 << 20


def new_id(moment: dt.datetime) -> str:
    """Return a name for a run that began at a moment (UTC), with its millisecond and three random digits in the end.

    Names sort by time.
    """
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}{secrets.token_hex(2)[:3]}"


def make_folder(folder: Path) -> None:
    """Make a folder, where there is none.

    Raises:
        StorageError: it cannot be made.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make {str(folder)!r}: {error.strerror}; name a folder that you may write to"
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that nobody sees half-written: under another name first, which then takes its place.

    Raises:
        StorageError: it cannot be written.

    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}; name a folder that you may write to, with free space"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write plain JSON values, whole or not at all.

    Raises:
        StorageError: it cannot be written.

    """
    written = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, written.encode("utf-8", "backslashreplace"))  # a lone surrogate is \\ud800 in JSON, too


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        StorageError: it cannot be opened, is no JSON, or holds no object.

    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise StorageError(
            f"cannot read {str(path)!r}: {error.strerror}; check the path and its permissions"
        ) from error
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{str(path)!r} is damaged ({error}); restore it, or run the experiment again") from error
    if not isinstance(found, dict):
        raise StorageError(f"{str(path)!r} holds no JSON object; restore it, or run the experiment again")
    return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        StorageError: it cannot be read.

    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise StorageError(
            f"cannot read {str(path)!r}: {error.strerror}; check the path and its permissions"
        ) from error
    return digest.hexdigest()
