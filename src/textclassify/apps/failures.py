"""What a user reads when a command cannot go on: one line that names the value and the remedy, never a traceback."""

from __future__ import annotations

import os
import sys

FAILED = 1
INTERRUPTED = 130
PIPE_CLOSED = 141


class InterruptedRunError(Exception):
    """Ctrl-C in a run; the message says what was kept."""


def explained(error: BaseException) -> tuple[list[str], int]:
    """Return the lines to show for an error, and the exit code."""
    from textclassify.errors import TextClassifyError

    if isinstance(error, InterruptedRunError):
        return [f"interrupted: {error}"], INTERRUPTED
    if isinstance(error, KeyboardInterrupt):
        return ["interrupted: nothing was changed"], INTERRUPTED
    if isinstance(error, TextClassifyError):
        return [f"error: {line}" for line in str(error).splitlines() if line.strip()], FAILED
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename!r}: " if error.filename else ""
        return [f"error: {where}{error.strerror}; check the path, its permissions and the free space"], FAILED
    message = " ".join(str(error).split()) or "no message"
    return [
        f"error: {type(error).__name__}: {message}",
        "This was not foreseen. Run the same command as `textclassify --debug ...` and report the traceback.",
    ], FAILED


def quiet_pipe() -> None:
    """Point standard output at nothing, so that closing it after a broken pipe raises no second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
