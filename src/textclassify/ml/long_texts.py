"""Texts as token ids that a model can read at once: the start, start and end, or windows over everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    from textclassify.models.loading import encodable

LONG_TEXTS = ("head", "head+tail", "sliding")
"""What is read of a text that is longer than the model reads: its start, both ends, or all of it in windows."""

_HEAD_SHARE = 0.25
"""Share of `head+tail` that is the start: 128 of 510 tokens (Sun et al. 2019, "How to Fine-Tune BERT")."""
_WINDOW_STEP = 0.75
"""Windows overlap by a quarter, so that no sentence is only ever seen cut."""


@dataclass(frozen=True)
class Encoded:
    """Texts as pieces that the model can read.

    Attributes:
        pieces: token ids of each piece, special tokens included; at least one piece per text.
        row_of_piece: (pieces,) the text that a piece belongs to, ascending.
        was_cut: (n,) whether some tokens of the text are in no piece.
        was_long: (n,) whether the text is longer than the model reads at once.

    """

    pieces: list[list[int]]
    row_of_piece: NDArray[np.intp]
    was_cut: NDArray[np.bool_]
    was_long: NDArray[np.bool_]

    @property
    def pieces_per_row(self) -> NDArray[np.intp]:
        """How many pieces each text has; shape (n,)."""
        return np.bincount(self.row_of_piece, minlength=len(self.was_cut))


def encode_texts(
    texts: Sequence[str],
    tokenizer: Any,
    *,
    max_length: int,
    long_texts: str,
    known: dict[str, list[int]] | None = None,
) -> Encoded:
    """Return the texts as pieces of at most `max_length` tokens, special ones included.

    Args:
        texts: n texts.
        tokenizer: of the model.
        max_length: tokens that the model reads at once.
        long_texts: one of `LONG_TEXTS`.
        known: token ids of texts that this tokenizer has read before, whole; those that are new are added.

    Raises:
        ConfigError: `long_texts` is unknown, or `max_length` leaves no room for text.

    """
    if long_texts not in LONG_TEXTS:
        raise ConfigError(
            f"unknown long_texts {long_texts!r}{did_you_mean(long_texts, LONG_TEXTS)}; known: {', '.join(LONG_TEXTS)}"
        )
    prefix, suffix = _special_tokens(tokenizer)
    room = max_length - len(prefix) - len(suffix)
    if room < 4:
        raise ConfigError(f"max_length={max_length} leaves room for {max(room, 0)} tokens of text; take at least 16")
    nothing = tokenizer.pad_token_id or 0
    pieces: list[list[int]] = []
    rows: list[int] = []
    long = np.zeros(len(texts), dtype=bool)
    for row, ids in enumerate(_token_ids(texts, tokenizer, {} if known is None else known)):
        long[row] = len(ids) > room
        parts = _parts(ids, room, long_texts) if long[row] else [ids]
        pieces += [[*prefix, *part, *suffix] or [nothing] for part in parts]
        rows += [row] * len(parts)
    cut = long & (long_texts != "sliding")
    return Encoded(pieces, np.array(rows, dtype=np.intp), cut, long)


def means_of_pieces(values: NDArray[Any], row_of_piece: NDArray[np.intp], n: int) -> NDArray[Any]:
    """Return the mean over the pieces of each of n texts, (n, columns), of values (pieces, columns)."""
    if len(values) == n:
        return values
    sums = np.zeros((n, values.shape[1]), dtype=values.dtype)
    np.add.at(sums, row_of_piece, values)
    return np.asarray(sums / np.bincount(row_of_piece, minlength=n)[:, None], dtype=values.dtype)


def _token_ids(texts: Sequence[str], tokenizer: Any, known: dict[str, list[int]]) -> list[list[int]]:
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        clean = [encodable(text) for text in new]
        found = tokenizer(clean, add_special_tokens=False, return_attention_mask=False, verbose=False)
        known.update(zip(new, found["input_ids"], strict=True))
    return [known[text] for text in texts]


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the token ids that the tokenizer puts before and after a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    return [], []


def _parts(ids: list[int], room: int, long_texts: str) -> list[list[int]]:
    if long_texts == "head":
        return [ids[:room]]
    if long_texts == "head+tail":
        head = max(1, round(room * _HEAD_SHARE))
        return [ids[:head] + ids[-(room - head) :]]
    step = max(1, round(room * _WINDOW_STEP))
    last = len(ids) - room
    starts = [*range(0, last, step), last]
    return [ids[start : start + room] for start in starts]
