"""What a user reads when a command cannot go on: one line that names the value and the remedy, never a traceback."""

from __future__ import annotations

import os
import re
import sys

FAILED = 1
OVER_BUDGET = 3
INTERRUPTED = 130
PIPE_CLOSED = 141


_FLAGS = {
    r"multi_label=True\b": "--multi-label",
    r"multi_label=False\b": "--single-label",
    r"label_columns=\['?([^'\]]*)'?\]": r"--label-column '\1'",
    r"--label-column '\.\.\.'": "--label-column NAME",
    r"text_column=\.\.\.": "--text-column NAME",
    r"text_column=": "--text-column ",
    r"; pass encoding='([\w-]+)', or save the file as UTF-8": r"; save the file as UTF-8, e.g. iconv -f \1 -t utf-8",
    r"another test_size\b": "another test_size in --config",
    r"(?<!['`])\bmax_cost\b": "--max-cost",
    r"\boffline=True\b": "--offline",
    r"\bcache_only=True\b": "--cache-only",
    r"\bprovider='local'": "--llm-provider local (llm_provider: local in a configuration)",
    r", or pass (api_key|base_url as an argument)\b": "",
    r"; pass api_key instead": "; set the provider's variable for a key instead",
}
"""What Python's arguments in a message are on the command line."""
_ROW = re.compile(r"\brow \d")


class InterruptedRunError(Exception):
    """Ctrl-C in a run; the message says what was kept."""


def explained(error: BaseException) -> tuple[list[str], int]:
    """Return the lines to show for an error, and the exit code."""
    from textclassify.errors import BudgetError, TextClassifyError

    if isinstance(error, InterruptedRunError):
        return [f"interrupted: {error}"], INTERRUPTED
    if isinstance(error, KeyboardInterrupt):
        return ["interrupted: nothing was changed"], INTERRUPTED
    if isinstance(error, TextClassifyError):
        code = OVER_BUDGET if isinstance(error, BudgetError) else FAILED
        return [f"error: {as_typed(line)}" for line in str(error).splitlines() if line.strip()], code
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename!r}: " if error.filename else ""
        return [f"error: {where}{error.strerror}; check the path, its permissions and the free space"], FAILED
    message = " ".join(str(error).split()) or "no message"
    return [
        f"error: {type(error).__name__}: {message}",
        "This was not foreseen. Run the same command as `textclassify --debug ...` and report the traceback.",
    ], FAILED


def as_typed(message: str) -> str:
    """Return a message of the library in the words of the command line; its rows count from 0, which is said."""
    for pattern, flag in _FLAGS.items():
        message = re.sub(pattern, flag, message)
    return f"{message} (rows count from 0, the header aside)" if _ROW.search(message) else message


def quiet_pipe() -> None:
    """Point standard output at nothing, so that closing it after a broken pipe raises no second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
