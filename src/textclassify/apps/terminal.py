"""The two streams of a command: what it answers, and what it says on the way."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from typing import TextIO

WIDTH_OF_FILES = 120
"""Columns of tables that go into a file or a pipe."""
_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}

Say = Callable[[str], None]


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error; files and pipes get wide tables without colour."""
    found = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH_OF_FILES)


@contextmanager
def session(*, debug: bool = False, bars: bool = True) -> Iterator[Say]:
    """Show progress, the library's warnings and what the command says, all on standard error.

    Gives a function that says a sentence. Warnings of other libraries are shown with `debug` only, and no progress
    without `bars`: on a terminal they would mix with answers.
    """
    from textclassify.apps.progress_bars import ProgressBars

    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    errors = console(stderr=True)

    def say(sentence: str) -> None:
        errors.print(
            sentence, markup=False, style="dim" if errors.is_terminal else None, soft_wrap=not errors.is_terminal
        )

    with _heard(say, debug=debug), ProgressBars(errors) if bars else nullcontext():
        yield say


@contextmanager
def _heard(say: Say, *, debug: bool) -> Iterator[None]:
    """Have warnings said as notes while the block runs."""
    logger, handler = logging.getLogger("textclassify"), _Notes(say)
    before, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logger.propagate = False
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
            warnings.filterwarnings("default", category=UserWarning, module="textclassify")
        warnings.showwarning = _shown_by(say)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)
            logger.propagate = propagates


def _shown_by(say: Say) -> Callable[..., None]:
    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del category, filename, lineno, file, line  # where it comes from says nothing to a user
        say(f"note: {message}")

    return show


class _Notes(logging.Handler):
    """Says each record as a note, each text once."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record unless it was said before."""
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            self._say(f"note: {message}")
