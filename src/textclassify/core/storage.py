"""Model folders: JSON and safetensors with checksums, written whole or not at all. Nothing in them is ever executed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from textclassify.errors import StorageError

FORMAT_VERSION = 1
MANIFEST = "textclassify.json"
"""The file that makes a folder a saved classifier: format, kind, state and the checksum of every other file."""
CACHE_VARIABLE = "TEXTCLASSIFY_CACHE_DIR"
_LOCK = ".lock"
_kept_in: ContextVar[str | Path | None] = ContextVar("kept_in", default=None)
_OWN_SUM = "manifest_sha256"


class FromFile(str):
    """A setting that a configuration file holds, told apart from one that the caller gave.

    It is marked where it is read and stays marked through copies and clones; any text computed from it is plain.
    """

    __slots__ = ()


class FromFolder(FromFile):
    """A setting that a saved classifier's folder holds; the folder may be a stranger's."""

    __slots__ = ()


@contextlib.contextmanager
def new_folder(target: str | Path) -> Iterator[Path]:
    """Give a temporary folder to write into, which becomes `target` when the block ends well.

    A saved classifier at `target` is replaced; any other non-empty folder is left alone.

    Raises:
        StorageError: `target` cannot be written, holds something else, or is being written by another process.

    """
    target = as_folder(target)
    if target.exists() and not target.is_dir():
        raise StorageError(f"cannot save to {str(target)!r}: it is a file; name a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise StorageError(f"folder {str(target)!r} holds other files; name a new or empty folder")
    with _claimed(target):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _claimed(target: Path) -> Iterator[None]:
    lock = target.parent / f".{target.name}{_LOCK}"
    try:
        _make_folder(target.parent)
        if target.is_dir() and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        handle = lock.open("x")
    except FileExistsError:
        raise StorageError(
            f"folder {str(target)!r} is being written by another process; wait for it, or remove {str(lock)!r} "
            "if none is running"
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(target)!r}: {error.strerror}; name a folder that you may write to"
        ) from error
    try:
        yield
    finally:
        handle.close()
        lock.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(20, f"{str(folder)!r} is a file") from None


def _umask() -> int:
    """Return the permissions that the user withholds from new files; they can only be read by setting them."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _replace(temporary: Path, target: Path) -> None:
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
        target.rename(old / "folder")
        temporary.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(target)


def cache_folder() -> Path:
    """Return the folder of what can be made again: `TEXTCLASSIFY_CACHE_DIR`, else the user's cache folder."""
    import platformdirs

    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("textclassify"))


def replies_folder(chosen: str | Path | None = None) -> Path:
    """Return the folder of the language models' kept answers: the named one, else the one in the cache folder."""
    named = _kept_in.get() or chosen
    return cache_folder() / "replies" if named is None else Path(named)


@contextlib.contextmanager
def replies_kept_in(folder: str | Path | None) -> Iterator[None]:
    """Have all language models inside the block keep their answers in this folder; None = each where it says."""
    token = _kept_in.set(folder)
    try:
        yield
    finally:
        _kept_in.reset(token)


def write_manifest(folder: Path, kind: str, state: Mapping[str, Any]) -> None:
    """Write the manifest of a finished folder: its kind, its state, and a checksum of every file and of itself."""
    from textclassify import __version__

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "format": FORMAT_VERSION,
        "kind": kind,
        "textclassify": __version__,
        "state": dict(state),
        "sha256": {path.relative_to(folder).as_posix(): _sha256(path) for path in files},
    }
    content = json.dumps(sealed(manifest), indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(content + "\n", encoding="utf-8")


def read_manifest(folder: str | Path, *, verify: bool = True) -> tuple[str, dict[str, Any]]:
    """Return the kind and the state of a saved classifier, after its files were checked.

    Args:
        folder: where `save` wrote.
        verify: whether to compare checksums; a part inside a verified folder needs no second look.

    Raises:
        StorageError: no saved classifier, another format, or a file that is missing, changed, added, or outside.

    """
    folder = as_folder(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        _check_format(folder, manifest)
        kind, state, sums = (manifest[key] for key in ("kind", "state", "sha256"))
        if not (isinstance(kind, str) and isinstance(state, dict) and isinstance(sums, dict)):
            raise TypeError("kind, state or sha256 is of another type")  # noqa: TRY301 - damaged like the others
    except FileNotFoundError:
        raise StorageError(
            f"no saved classifier in {str(folder)!r}; name the folder that `save` or `train` wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StorageError(f"{MANIFEST} in {str(folder)!r} is damaged ({error}); save the model again") from error
    if verify and manifest.get(_OWN_SUM) != sealed(manifest)[_OWN_SUM]:
        raise StorageError(f"{MANIFEST} in {str(folder)!r} was changed after it was saved; copy the whole folder again")
    if verify:
        _check_files(folder, sums)
    return kind, state


def _check_format(folder: Path, manifest: Mapping[str, Any]) -> None:
    from textclassify import __version__

    version, writer = manifest["format"], manifest.get("textclassify", "?")
    if not isinstance(version, int):
        raise TypeError(f"format {version!r:.60} is no number")
    if version > FORMAT_VERSION:
        raise StorageError(
            f"{str(folder)!r} has format {version}, written by textclassify {writer}; textclassify {__version__} reads "
            f"format {FORMAT_VERSION}: upgrade it with `pip install --upgrade textclassify`"
        )
    if version < FORMAT_VERSION:
        raise StorageError(
            f"{str(folder)!r} has format {version}, and textclassify {__version__} reads format {FORMAT_VERSION}; use "
            f"textclassify {writer}, which wrote it, or train again"
        )


def _check_files(folder: Path, sums: Mapping[str, str]) -> None:
    """Make sure that a folder holds the files that were saved, as they were, and no others; hidden ones are not read.

    Raises:
        StorageError: it does not; the message names the file.

    """
    inside, copy = folder.resolve(), "copy the whole folder again"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise StorageError(f"{name!r} in {str(folder)!r} is a link to a file outside of it; {copy}")
        if not path.is_dir() and name not in sums and name != MANIFEST:
            raise StorageError(f"{name!r} in {str(folder)!r} was not saved with it; remove it, or {copy}")
    for name, expected in sums.items():
        path = folder / name
        if not path.resolve().is_relative_to(inside):
            raise StorageError(f"{MANIFEST} in {str(folder)!r} lists {name!r:.200}, which is outside of it; {copy}")
        if not path.is_file():
            raise StorageError(f"{name!r} is missing from {str(folder)!r}; {copy}")
        if _sha256(path) != expected:
            raise StorageError(f"{name!r} in {str(folder)!r} was changed or cut short; {copy}")


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with the checksum of its own content, however its JSON will be laid out."""
    content = {key: value for key, value in json.loads(json.dumps(manifest)).items() if key != _OWN_SUM}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return {**content, _OWN_SUM: hashlib.sha256(canonical.encode("ascii")).hexdigest()}


def written_by(folder: Path | str) -> str:
    """Return which textclassify wrote a saved classifier and which one this is, in words."""
    from textclassify import __version__

    manifest = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    return f"written by textclassify {manifest.get('textclassify', '?')}, this is {__version__}"


def as_folder(folder: Any) -> Path:
    """Return a folder's path.

    Raises:
        StorageError: it is none.

    """
    if not isinstance(folder, str | os.PathLike):
        raise StorageError(f"{folder!r:.60} is no folder; pass the path of one")
    return Path(folder)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as safetensors."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the named arrays of a safetensors file.

    Raises:
        StorageError: the file is missing or damaged.

    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{str(path)!r} cannot be read ({error}); copy the whole folder again") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
