"""Texts as they come from users: checked once, hashed once, and names that were almost right."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.errors import DataError

SHOWN_ROWS = 5
"""How many offending rows a message lists."""
_PACKAGE = __name__.partition(".")[0]


def as_texts(texts: Iterable[Any]) -> list[str]:
    """Return the texts as a list of plain strings.

    Takes lists, tuples, numpy arrays, pandas and polars Series, Arrow arrays and iterators, in their order. Empty
    texts pass: whether they are usable depends on the use.

    Raises:
        DataError: `texts` is one string or a mapping, or a row is missing or not a string (the message names it).

    """
    if isinstance(texts, str | bytes):
        raise DataError(
            f"expected several texts, got one {type(texts).__name__}: {texts[:40]!r}; wrap it in a list: [text]"
        )
    if hasattr(texts, "to_pylist"):
        texts = texts.to_pylist()
    if isinstance(texts, dict) or not isinstance(texts, Iterable):
        raise DataError(f"expected a sequence of texts, got {type(texts).__name__}; pass a list of strings")
    if isinstance(texts, np.ndarray) and texts.ndim == 2 and texts.shape[1] == 1:
        texts = texts[:, 0]
    rows = list(texts)
    for number, text in enumerate(rows):
        if type(text) is not str:
            rows[number] = plain_string(text, number)
    return rows


def plain_list(values: Iterable[Any]) -> list[Any]:
    """Return a sequence of any library as a list of plain Python values."""
    for name in ("to_pylist", "to_list", "tolist"):  # Arrow, polars and pandas, numpy
        if hasattr(values, name):
            plain: list[Any] = getattr(values, name)()
            return plain
    return list(values)


def plain_string(text: Any, number: int) -> str:
    """Return the text of a row as a plain string.

    Raises:
        DataError: it is missing or no string; the message names the row.

    """
    if isinstance(text, str):
        return str(text)
    if is_missing(text):
        raise DataError(f"the text in row {number} is missing ({text!r}); drop the row or fill it before calling")
    raise DataError(
        f"the text in row {number} is {text!r:.60} ({type(text).__name__}), not a string; "
        "convert the column to text first, e.g. frame['text'].astype(str)"
    )


def is_missing(value: Any) -> bool:
    """Return whether `value` stands for nothing: None, NaN, NaT or pandas' NA."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


def blank_rows(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return where a text holds nothing but white space or control characters; shape (n,)."""
    return np.fromiter(map(is_blank, texts), bool, len(texts))


def is_blank(text: str) -> bool:
    """Return whether a text holds nothing but white space or control characters."""
    return not text[:1].isalnum() and not any(c.isprintable() and not c.isspace() for c in text)


def hash_texts(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return one 64-bit hash per text, equal on every machine; shape (n,)."""
    digests = b"".join(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def hash_wordings(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return one 64-bit hash per text that is equal for texts which differ in case or white space only; shape (n,)."""
    return hash_texts([wording(text) for text in texts])


def wording(text: str) -> str:
    """Return a text as it compares with others: without case, and with single spaces."""
    return " ".join(text.split()).casefold()


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return '; did you mean X?' for the nearest known name, or an empty string."""
    by_lower = {str(candidate).lower(): candidate for candidate in known}
    nearest = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[nearest[0]]!r}?" if nearest else ""


def listed(values: Iterable[object], limit: int = SHOWN_ROWS) -> str:
    """Return the first values, comma-separated, and how many more there are."""
    shown = [str(value) for value in values]
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest > 0 else "")


def each_once(names: Iterable[Any], what: str) -> Any:
    """Return names in their order, each once, with a warning where one repeats; the same object where none does.

    The warning points at the caller's line, however many of our own functions are between.

    Args:
        names: hashable names.
        what: the option that holds them.

    """
    rows = list(names)
    unique = list(dict.fromkeys(rows))
    if len(unique) == len(rows):
        return names
    repeated = [name for name in unique if rows.count(name) > 1]
    warnings.warn(
        f"{what} repeats {listed(map(repr, repeated))}; each counts once", UserWarning, stacklevel=_levels_to_caller()
    )
    return unique


def _levels_to_caller() -> int:
    """Return the `stacklevel` at which a warning of the function that asks points at the first line outside of ours."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    return level
