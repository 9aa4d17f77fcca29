"""Where each text's features are: 128-bit digests of texts in sorted arrays, 24 bytes per text in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
"""(n, 2), the halves of n digests."""

KEY_BYTES = 16


def text_keys(texts: Sequence[str]) -> Keys:
    """Return one 128-bit digest per text, equal on every machine; shape (n, 2)."""
    digests = bytearray()
    for text in texts:
        digests += hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64, copy=False).reshape(-1, 2)


class _Run(NamedTuple):
    """Keys in order, by their first half and then by their second, and what belongs to each."""

    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    places: NDArray[np.int64]


class KeyIndex:
    """From keys to places; of several places of one key the first that was added stays.

    Keys are held in a few sorted runs, each at least twice as long as the next, so that adding many small lots stays
    cheap.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(len(run.places) for run in self._runs)

    def add(self, keys: Keys, places: NDArray[np.int64]) -> None:
        """Add n keys (n, 2) and their places (n,)."""
        new = self.find(keys) < 0
        run = _sorted_run(keys[new, 0], keys[new, 1], places[new])
        while self._runs and len(self._runs[-1].places) < 2 * len(run.places):
            run = _sorted_run(*(np.concatenate(pair) for pair in zip(self._runs.pop(), run, strict=True)))
        self._runs.append(run)

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Return the places (n,) of n keys (n, 2), -1 where there is none."""
        places = np.full(len(keys), -1, dtype=np.int64)
        for run in self._runs:
            asked = np.flatnonzero(places < 0)
            at = np.searchsorted(run.first, keys[asked, 0])
            while len(asked):
                likely = at < len(run.first)
                likely[likely] = run.first[at[likely]] == keys[asked[likely], 0]
                asked, at = asked[likely], at[likely]
                found = run.second[at] == keys[asked, 1]
                places[asked[found]] = run.places[at[found]]
                asked, at = asked[~found], at[~found] + 1  # two digests may share their first half
        return places


def _sorted_run(first: NDArray[np.uint64], second: NDArray[np.uint64], places: NDArray[np.int64]) -> _Run:
    order = np.lexsort((second, first))
    first, second, places = first[order], second[order], places[order]
    kept = np.ones(len(order), dtype=bool)
    kept[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return _Run(first[kept], second[kept], places[kept])
