"""Vectors of an encoder before training, remembered: the folds of one data set share nearly all their texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_PIECES = 20_000
_remembered: dict[bytes, NDArray[np.float32]] = {}


def frozen_vectors(
    pieces: Sequence[Sequence[int]],
    network: Any,
    settings: str,
    compute: Callable[[list[Sequence[int]]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return the vectors of the pieces, (pieces, d); only those that are new are computed.

    Args:
        pieces: token ids of each piece of text.
        network: the untrained network; its encoder is part of what a vector is remembered by.
        settings: whatever else the vectors depend on, such as the precision.
        compute: returns vectors (m, d) of m pieces.

    """
    start = _fingerprint(network.encoder, settings)
    keys = [start + _digest(np.asarray(ids, dtype=np.int32).tobytes()) for ids in pieces]
    new = {key: piece for key, piece in zip(keys, pieces, strict=True) if key not in _remembered}
    known = {key: _remembered[key] for key in keys if key in _remembered}
    if new:
        known.update(zip(new, compute(list(new.values())), strict=True))
    if len(_remembered) + len(new) > _MOST_PIECES:
        _remembered.clear()
    if len(new) <= _MOST_PIECES:
        _remembered.update((key, known[key]) for key in new)
    return np.stack([known[key] for key in keys])


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _fingerprint(encoder: Any, settings: str) -> bytes:
    """Return what tells encoders apart: their biases and norms, which any training changes."""
    digest = hashlib.blake2b(settings.encode(), digest_size=16)
    for name, weight in encoder.named_parameters():
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        if weight.ndim <= 1:
            digest.update(weight.detach().cpu().float().numpy().tobytes())
    return digest.digest()
