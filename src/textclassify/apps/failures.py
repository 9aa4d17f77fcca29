"""What a user reads when a command cannot go on: one line that names the value and the remedy, never a traceback."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from re import Match

from textclassify.errors import DataError, LabelError

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
_OPTIONS = "decision|margin|max_calls|min_precision|min_probability|model|provider|top_k"
_LABELLING_FLAGS: dict[str, str | Callable[[Match[str]], str]] = {
    r"pass base_url as an argument": "pass --base-url",
    r" \(llm=None\)": "",
    r"\bback_off(=True)?\b": "--back-off",
    r"\bllm=None": "no --provider",
    r"; name it 'label', or pass label_columns=\[\.\.\.\]": "; name it 'label'",
    rf"(?<![\w-])({_OPTIONS})=\.\.\.": lambda found: f"{_flag(found[1])} NAME",
    rf"(?<![\w-])({_OPTIONS})='?(\w+(?:\.\d+)?)'?": lambda found: f"{_flag(found[1])} {found[2]}",
    r"(?<![\w-])(base_url|max_calls|min_precision|min_probability|top_k)\b": lambda found: _flag(found[1]),
}
"""The same for commands that take the options of a classifier by description one by one."""
_LABELLING = ("label", "labels")
_FEATURE_FLAGS: dict[str, str | Callable[[Match[str]], str]] = {
    r"(?<![\w-])(device|key|layers|max_length|pooling|precision|store_dtype)=['\"]?([\w./:-]+)['\"]?": lambda found: (
        f"{_flag(found[1])} {found[2]}"
    ),
    r"(?<![\w-])layers=\(([-\d, ]+?),?\)": lambda found: f"--layers={found[1].replace(' ', '')}",
    r"(?<![\w-])(layers|max_length)\b(?= out|;| must)": lambda found: _flag(found[1]),
}
"""The same for commands that take the options of a `FrozenEncoder`."""
_TRAINING_FLAGS: dict[str, str | Callable[[Match[str]], str]] = {
    r'keep them with store_dtype="float32", in another folder': "put them into a folder with `textclassify features "
    "extract DATA --layers spread --store-dtype float32 --store FOLDER --model MODEL`, and train with --ml-model "
    "embedding:features:FOLDER",
}
"""The same for a training, which keeps the features of its frozen models where it likes."""
_FLAGS_OF = dict.fromkeys(_LABELLING, _LABELLING_FLAGS) | {"features": _FEATURE_FLAGS, "train": _TRAINING_FLAGS}
_ROW = re.compile(r"\brow \d")


class InterruptedRunError(Exception):
    """Ctrl-C in a run; the message says what was kept."""


def explained(error: BaseException, command: str | None = None) -> tuple[list[str], int]:
    """Return the lines to show for an error of a command, and the exit code."""
    from textclassify.errors import BudgetError, TextClassifyError

    if isinstance(error, InterruptedRunError):
        return [f"interrupted: {error}"], INTERRUPTED
    if isinstance(error, KeyboardInterrupt):
        return ["interrupted: nothing was changed"], INTERRUPTED
    if isinstance(error, TextClassifyError):
        code = OVER_BUDGET if isinstance(error, BudgetError) else FAILED
        return [f"error: {as_typed(line, command)}" for line in str(error).splitlines() if line.strip()], code
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename!r}: " if error.filename else ""
        return [f"error: {where}{error.strerror}; check the path, its permissions and the free space"], FAILED
    message = " ".join(str(error).split()) or "no message"
    return [
        f"error: {type(error).__name__}: {message}",
        "This was not foreseen. Run the same command as `textclassify --debug ...` and report the traceback.",
    ], FAILED


def as_typed(message: str, command: str | None = None) -> str:
    """Return a message of the library in the words of a command; its rows count from 0, which is said."""
    for pattern, said in _FLAGS_OF.get(command or "", {}).items():
        message = re.sub(pattern, said, message)
    for pattern, flag in _FLAGS.items():
        message = re.sub(pattern, flag, message)
    return f"{message} (rows count from 0, the header aside)" if _ROW.search(message) else message


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


@contextmanager
def said_of(where: str) -> Iterator[None]:
    """Have messages about unusable rows or labels begin with the option, and the file, that they come from."""
    try:
        yield
    except (DataError, LabelError) as error:
        raise type(error)(f"{where}: {error}") from error


def quiet_pipe() -> None:
    """Point standard output at nothing, so that closing it after a broken pipe raises no second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
