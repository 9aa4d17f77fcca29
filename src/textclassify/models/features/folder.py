"""A store's folder: made or recognised, shared between processes, its files written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from textclassify.core.storage import sealed
from textclassify.errors import ConfigError, StorageError
from textclassify.models.features.spec import FeatureSpec

if sys.platform != "win32":
    import fcntl

SPEC_FILE = "features.json"
"""The file that makes a folder a feature store: its format and what the features were computed with."""
FORMAT_VERSION = 1
LOCK = ".lock"
TEMPORARY = ".new-"
"""Beginning of the names of files that are not finished; one that its writer has left behind is never read."""

OpenFile = Callable[[Path], BinaryIO]
"""Opens a new file to write bytes into."""


class FolderUse:
    """A lock that says that somebody uses a folder, held until this object is forgotten or the process ends.

    Args:
        folder: of the store.

    """

    def __init__(self, folder: Path) -> None:
        descriptor = _lock_descriptor(folder)
        self._descriptor = descriptor
        self.is_alone = descriptor is not None and _is_first(descriptor)
        """Whether nobody else uses the folder, and nobody can begin to before `share` or `release` is called."""
        if descriptor is not None:
            self._closing = weakref.finalize(self, os.close, descriptor)

    def share(self) -> None:
        """Let others in, after `is_alone` was made use of."""
        if self.is_alone and self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self.is_alone = False

    def release(self) -> None:
        """Give the lock up."""
        if self._descriptor is not None:
            self._closing()


def _lock_descriptor(folder: Path) -> int | None:
    if sys.platform == "win32":
        return None
    try:
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:  # a folder that one may only read
        return None


def _is_first(descriptor: int) -> bool:
    """Return whether nobody else holds the lock; waits while one who is alone is at work."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return False
    except OSError:  # a file system without locks
        return False
    return True


@contextmanager
def entering(folder: Path, spec: FeatureSpec, open_file: OpenFile) -> Iterator[FolderUse]:
    """Give the use of a folder that is, or becomes, the store of these features; it is shared when the block ends well.

    Raises:
        StorageError: the folder is a file, holds other things or other features, is damaged, or cannot be made.

    """
    try:
        _make(folder)
        use = FolderUse(folder)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        _know(folder, spec, open_file)
        yield use
        use.share()
    except BaseException:
        use.release()
        raise


def _know(folder: Path, spec: FeatureSpec, open_file: OpenFile) -> None:
    """Write down what the features are, or make sure that those which are there are the same."""
    if not (folder / SPEC_FILE).exists():
        try:
            write_whole(folder / SPEC_FILE, [_spec_content(spec)], open_file)
        except OSError as error:
            raise _unusable(folder, error) from error
    differences = read_spec(folder).differences(spec)
    if differences:
        raise StorageError(
            f"{str(folder)!r} keeps other features ({'; '.join(differences)}); name another folder for these"
        )


def _unusable(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot make a feature store in {str(folder)!r}: {error.strerror}; name a folder that you may write to"
    )


def _make(folder: Path) -> None:
    """Make the folder, readable by its owner only: texts can be guessed from their features."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{str(folder)!r} is a file; name a folder for the feature store")
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True, mode=0o700)
    if (folder / SPEC_FILE).exists():
        return
    others = sorted(path.name for path in folder.iterdir() if path.name != LOCK and not path.name.startswith(TEMPORARY))
    if others and not (folder / SPEC_FILE).exists():  # it may have come meanwhile
        raise StorageError(
            f"{str(folder)!r} holds other files, such as {others[0]!r}, and no {SPEC_FILE}; "
            "name a new or empty folder for the feature store"
        )


def read_spec(folder: Path) -> FeatureSpec:
    """Return what the features in a store's folder were computed with.

    Raises:
        StorageError: there is no store, it is damaged, or a newer version wrote it.

    """
    try:
        content = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
        version, whole = content["format"], content == sealed(content)
        spec = FeatureSpec.from_dict(content["features"]) if version == FORMAT_VERSION and whole else None
    except (FileNotFoundError, NotADirectoryError):
        raise StorageError(
            f"no feature store in {str(folder)!r}; name the folder that features were put into"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError) as error:
        raise StorageError(_damaged(folder, str(error))) from error
    if version != FORMAT_VERSION:
        raise StorageError(
            f"the feature store {str(folder)!r} has format {version}, this version reads {FORMAT_VERSION}; "
            "use the version of textclassify that wrote it, or name another folder"
        )
    if spec is None:
        raise StorageError(_damaged(folder, "it was changed after it was written"))
    return spec


def _damaged(folder: Path, why: str) -> str:
    return f"{SPEC_FILE} in {str(folder)!r} is damaged ({why}); copy the folder again, or name another one"


def _spec_content(spec: FeatureSpec) -> bytes:
    content = sealed({"format": FORMAT_VERSION, "features": spec.to_dict()})
    return (json.dumps(content, indent=1) + "\n").encode("ascii")


def open_new(path: Path) -> BinaryIO:
    """Return a new file, opened to write bytes into."""
    return path.open("xb")


def write_whole(target: Path, parts: Iterable[bytes | memoryview], open_file: OpenFile) -> None:
    """Write a file that appears under its name when all of it is on the disk, and not at all if that fails.

    Raises:
        OSError: it cannot be written; nothing is left of it.

    """
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        with open_file(temporary) as stream:
            for part in parts:
                stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    with suppress(OSError):  # where folders cannot be opened the name may reach the disk later
        _sync(target.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
