"""The rows of a run as a page holds them: columns of JSON, compressed, with texts cut until all of it fits."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.runs.run_view import Codes, Floats, RunView

MOST_ROWS = 50_000
FEWEST_CHARACTERS = 40
"""Texts are not cut shorter than this; rather, fewer rows are shown."""
INTERESTING = 3
"""How many times longer the texts of rows are kept that are worth reading, where these are few."""
_FEW = 0.35
"""Share of the rows up to which they are."""
_LONGEST = 20_000
_SAMPLE = 2_000
_KNOWN, _CORRECT, _DIFFER, _SUSPECT, _ASKED = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class EmbeddedRows:
    """The rows in a page.

    Args:
        columns: all but the texts, compressed and as base64.
        texts: the texts, the same way.
        shown: how many rows there are.
        total: how many the run has.
        limit: characters that texts are cut to; None = none is.
        longer: whether rows that are worth reading have `INTERESTING` times as many.

    """

    columns: str
    texts: str
    shown: int
    total: int
    limit: int | None
    longer: bool = False

    @property
    def words(self) -> str:
        """What was left out to keep the page small; empty where nothing was."""
        parts = []
        if self.shown < self.total:
            parts.append(
                f"{self.shown:,} of {self.total:,} rows are in this page: those whose answer is wrong or whose gold "
                "answer is suspect first, and others at even distances. The figures above are of all rows."
            )
        if self.limit is not None:
            longer = f" ({INTERESTING * self.limit:,} where the answer is wrong or the gold answer suspect)"
            cut = f"{self.limit:,} characters{longer if self.longer else ''}"
            parts.append(
                f"Texts are cut after {cut}, to keep the page small; search looks at what is shown. The whole texts "
                "are in predictions.parquet."
            )
        return " ".join(parts)


def embedded_rows(view: RunView, room: int) -> EmbeddedRows:
    """Return the rows of a run in so many bytes at most; rows are left out before texts are too short to be read."""
    interesting = view.suspect | (view.known & ~view.correct)
    n_shown = min(len(view), MOST_ROWS)
    longer = bool(interesting.any()) and float(interesting.mean()) < _FEW
    while True:
        rows = _chosen(interesting, n_shown)
        columns = _packed(_columns(view, rows))
        factors = np.where(interesting[rows] & longer, INTERESTING, 1)
        texts = _fitting([view.texts[row] for row in rows.tolist()], factors, room - len(columns))
        if texts is not None:
            return EmbeddedRows(columns, texts[0], len(rows), len(view), texts[1], longer)
        n_shown = int(0.8 * n_shown)


def _chosen(interesting: NDArray[np.bool_], n: int) -> NDArray[np.intp]:
    """Return n rows in order: the interesting ones, as far as they fit, and others at even distances."""
    if n >= len(interesting):
        return np.arange(len(interesting))
    first, others = np.flatnonzero(interesting), np.flatnonzero(~interesting)
    parts: list[NDArray[np.intp]] = []
    for some in (first, others):
        size = min(len(some), n - sum(len(part) for part in parts))
        parts.append(some[np.linspace(0, len(some) - 1, size).astype(np.intp)] if size else some[:0])
    return np.sort(np.concatenate(parts))


def _columns(view: RunView, rows: NDArray[np.intp]) -> dict[str, Any]:
    several = [view.gold, *(one.codes for one in view.systems)]
    suggested = np.where(view.suspect.reshape(-1, *[1] * (view.gold.ndim - 1)), _suggested(view), view.gold)
    answers, numbered = _answer_table([codes[rows] for codes in (*several, suggested)])
    words = sorted(set(view.status))
    flags = (
        _KNOWN * view.known
        + _CORRECT * view.correct
        + _DIFFER * view.disagreed
        + _SUSPECT * view.suspect
        + _ASKED * view.asked
    )
    place = {word: number for number, word in enumerate(words)}
    everything = len(rows) == len(view)
    return {
        "labels": [str(name) for name in view.schema.names],
        "multi_label": view.schema.multi_label,
        "systems": [one.name for one in view.systems],
        "n_sources": len(view.sources),
        "statuses": words,
        "answers": answers,
        "row": None if everything else rows.tolist(),
        "gold": numbered[0],
        "said": numbered[1:-1],
        "suggested": {place: numbered[-1][place] for place in np.flatnonzero(view.suspect[rows]).tolist()},
        "sure": [_thousandths(one.confidence[rows]) for one in view.systems],
        "status": [place[view.status[row]] for row in rows.tolist()],
        "flags": flags[rows].tolist(),
    }


def _suggested(view: RunView) -> Codes:
    found = view.gold.copy()
    if view.label_errors is not None:
        found[view.known] = view.label_errors.suggested
    return found


def _answer_table(several: Sequence[Codes]) -> tuple[list[list[int]], list[list[int]]]:
    """Return the different answers as lists of labels, and for each column the number of each row's; -1 = none."""
    if several[0].ndim == 1:
        highest = max((int(codes.max(initial=-1)) for codes in several), default=-1)
        return [[code] for code in range(highest + 1)], [codes.tolist() for codes in several]
    stacked = np.concatenate(several)
    packed = np.packbits(np.column_stack([stacked[:, 0] < 0, stacked > 0]), axis=1)
    as_one = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, numbers = np.unique(as_one, return_index=True, return_inverse=True)
    kinds = stacked[first]
    missing = kinds[:, 0] < 0
    place = np.where(missing, -1, np.cumsum(~missing) - 1)
    answers = [np.flatnonzero(kind).tolist() for kind in kinds[~missing]]
    return answers, place[numbers.reshape(len(several), -1)].tolist()


def _thousandths(confidence: Floats) -> list[int]:
    rounded = np.where(np.isnan(confidence), -1, np.round(1000 * np.nan_to_num(confidence)))
    return [int(one) for one in rounded.tolist()]


def _fitting(texts: Sequence[str | None], factors: NDArray[np.int64], room: int) -> tuple[str, int | None] | None:
    """Return the texts packed into so many bytes, and what they were cut to; None where that would be too short."""
    lengths = np.array([len(text or "") for text in texts], dtype=np.int64)
    per_character = len(_packed(_cut(texts[:_SAMPLE], factors, 400))) / max(
        1, int(np.minimum(lengths[:_SAMPLE], 400 * factors[:_SAMPLE]).sum())
    )
    limit, aim = _LONGEST, 0.98 * room
    for _ in range(6):
        limit = min(limit, _longest(lengths, factors, aim / per_character))
        if limit < FEWEST_CHARACTERS and int(lengths.max(initial=0)) > limit:
            return None
        packed = _packed(_cut(texts, factors, limit))
        if len(packed) <= room:
            is_cut = bool((lengths > limit * factors).any())
            return packed, limit if is_cut else None
        aim *= 0.97 * room / len(packed)
    return None


def _longest(lengths: NDArray[np.int64], factors: NDArray[np.int64], characters: float) -> int:
    """Return the limit under which texts have so many characters together."""
    low, high = 0, _LONGEST
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(lengths, middle * factors).sum() <= characters else (low, middle - 1)
    return low


def _cut(texts: Sequence[str | None], factors: NDArray[np.int64], limit: int) -> list[str | None]:
    limits = (limit * factors[: len(texts)]).tolist()
    return [
        text if text is None or len(text) <= most else f"{text[:most].rstrip()}…"
        for text, most in zip(texts, limits, strict=True)
    ]


def _packed(content: Any) -> str:
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(written, 7, mtime=0)).decode("ascii")
