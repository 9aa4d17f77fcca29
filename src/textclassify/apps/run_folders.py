"""The folder of a training run: held by one run at a time, and replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textclassify.apps.models import MODEL_FOLDER, is_model
from textclassify.errors import StorageError
from textclassify.runs.recording.run_files import COSTS_FILE, METRICS_FILE, PREDICTIONS_FILE, RUN_FILE
from textclassify.runs.recording.run_folder import RUNNING
from textclassify.runs.recording.run_record import Run
from textclassify.runs.report import EVALUATION_FILE, REPORT_FILE

CONFIG_FILE = "config.yaml"
_OURS = (
    MODEL_FOLDER,
    CONFIG_FILE,
    REPORT_FILE,
    EVALUATION_FILE,
    RUN_FILE,
    METRICS_FILE,
    COSTS_FILE,
    PREDICTIONS_FILE,
    "report.html",
    "plots",
)
"""What a run's folder may hold, with what is made of it later."""
_LOCK = ".textclassify.lock"
_NEW = ".textclassify-new-"


@contextlib.contextmanager
def claimed(folder: Path, *, overwrite: bool, config_file: Path | None = None) -> Iterator[None]:
    """Hold a folder for one run: made when missing, refused when it cannot be written, is in use or holds something.

    Args:
        folder: of the run.
        overwrite: whether an earlier run in it may be replaced.
        config_file: a file that is not replaced even then.

    Raises:
        StorageError: with the reason and the remedy.

    """
    existed = folder.exists()
    lock = folder / _LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.touch(exist_ok=False)
    except FileExistsError:
        if not folder.is_dir():
            raise StorageError(f"cannot write to {str(folder)!r}: it is a file; name a folder with --output") from None
        raise StorageError(
            f"folder {str(folder)!r} is in use by another run; wait for it, name another --output, or remove "
            f"{str(lock)!r} if none is running"
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(folder)!r}: {error.strerror}; name a folder that you may write to with --output"
        ) from error
    try:
        _refuse_foreign(folder, overwrite=overwrite)
        _refuse_unwritable(folder, config_file)
        yield
    finally:
        lock.unlink(missing_ok=True)
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


def _refuse_foreign(folder: Path, *, overwrite: bool) -> None:
    inside = _inside(folder)
    if is_model(folder):
        raise StorageError(f"folder {str(folder)!r} is a saved model; name another folder with --output")
    if inside == [RUN_FILE] and Run.open(folder).status == RUNNING:  # a run that was killed left no more
        return
    if inside and not is_model(folder / MODEL_FOLDER):
        raise StorageError(f"folder {str(folder)!r} holds other files; name a new or empty folder with --output")
    if inside and not overwrite:
        raise StorageError(f"folder {str(folder)!r} holds an earlier run; pass --overwrite, or name another --output")


def _refuse_unwritable(folder: Path, config_file: Path | None) -> None:
    for path in (folder, folder / MODEL_FOLDER):
        if path.exists() and not os.access(path, os.W_OK | os.X_OK):
            raise StorageError(f"cannot write to {str(path)!r}: permission denied; name another folder with --output")
    written = folder / CONFIG_FILE
    if config_file is not None and config_file.exists() and written.exists() and written.samefile(config_file):
        raise StorageError(
            f"the run would replace its own --config {str(config_file)!r}; copy that file out of the folder, or name "
            "another --output"
        )


@contextlib.contextmanager
def announced(folder: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """Have a record say that a run is going on in a folder that is new; an earlier run's is left as it is.

    The record goes when the block fails, so that nothing is left; when the process is killed it stays, and says
    "running" for good.

    Args:
        folder: of the run, held by it.
        about: what `Run.begin` is told.

    """
    is_new = not any(_inside(folder)) or _inside(folder) == [RUN_FILE]
    if is_new:
        Run.begin(folder, **about, counts=False)
    try:
        yield
    except BaseException:
        if is_new:
            (folder / RUN_FILE).unlink(missing_ok=True)
        raise


def _inside(folder: Path) -> list[str]:
    """Return the names of what is in a folder, but for our own marks."""
    return [path.name for path in folder.iterdir() if path.name != _LOCK and not path.name.startswith(_NEW)]


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write a run into; when the block ends well, it takes the earlier run's place at once.

    Raises:
        StorageError: the folder cannot be written; what was there is back in its place.

    """
    try:
        temporary = Path(tempfile.mkdtemp(prefix=_NEW, dir=folder))
    except OSError as error:
        raise StorageError(f"cannot write to {str(folder)!r}: {error.strerror}; name another --output") from error
    try:
        new, old = temporary / "new", temporary / "old"
        new.mkdir()
        old.mkdir()
        yield new
        with _undisturbed():
            _swap(folder, new, old)
            shutil.rmtree(temporary, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(folder: Path, new: Path, old: Path) -> None:
    """Move our files of the folder to `old` and those in `new` to the folder; undo all of it where one cannot go."""
    moves = [(folder / name, old / name) for name in _OURS if (folder / name).exists()]
    moves += [(path, folder / path.name) for path in new.iterdir()]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except OSError as error:
        for source, target in reversed(done):
            target.rename(source)
        raise StorageError(f"cannot write to {str(folder)!r}: {error.strerror}; name another --output") from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off a request to end until the short block is done; Ctrl-C comes too late then, for the run is complete."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        if signal.SIGTERM in came:
            signal.raise_signal(signal.SIGTERM)
