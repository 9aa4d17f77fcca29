"""Vectors of an encoder before training: the folds of one data set share nearly all their texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.shared_work import shared

_MOST_PIECES = 20_000
"""Vectors that are remembered: 30 MB of a small encoder's."""


def frozen_vectors(
    pieces: Sequence[Sequence[int]],
    network: Any,
    settings: str,
    compute: Callable[[list[Sequence[int]]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return the vectors of the pieces, (pieces, d); inside `sharing()` only those that are new are computed.

    Args:
        pieces: token ids of each piece of text.
        network: the untrained network; its encoder is part of what a vector is remembered by.
        settings: whatever else the vectors depend on, such as the precision.
        compute: returns vectors (m, d) of m pieces.

    """
    of_digest: dict[bytes, NDArray[np.float32]] = shared(
        ("frozen vectors", settings, _fingerprint(network.encoder)), dict
    )
    digests = [_digest(np.asarray(ids, dtype=np.int32).tobytes()) for ids in pieces]
    new = {digest: piece for digest, piece in zip(digests, pieces, strict=True) if digest not in of_digest}
    computed = dict(zip(new, compute(list(new.values())), strict=True)) if new else {}
    if len(of_digest) + len(computed) <= _MOST_PIECES:
        of_digest.update(computed)
    return np.stack([of_digest[digest] if digest not in computed else computed[digest] for digest in digests])


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _fingerprint(encoder: Any) -> bytes:
    """Return what tells encoders apart: their biases and norms, which any training changes."""
    digest = hashlib.blake2b(digest_size=16)
    for name, weight in encoder.named_parameters():
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        if weight.ndim <= 1:
            digest.update(weight.detach().cpu().float().numpy().tobytes())
    return digest.digest()
