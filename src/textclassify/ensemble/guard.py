"""The guard: rows that nothing is learned from, kept for guarantees that are only as good as their rows are unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.errors import ConfigError

GUARD_SHARE = 0.2
MIN_GUARD = 200
"""Rows below which no guarantee is offered."""
MAX_GUARD = 1000
"""Rows beyond which more would hardly tighten a bound, and a language model has to be asked about each."""


def guard_rows(
    clusters: NDArray[np.int64],
    share: Any = GUARD_SHARE,
    *,
    eligible: NDArray[np.bool_] | None = None,
    random_state: int = 0,
) -> NDArray[np.bool_]:
    """Return which rows to keep as guard, (n,); none where the share comes to fewer than 200 rows.

    Args:
        clusters: (n,) rows of one number are drawn together.
        share: of the eligible rows; at most 1,000 rows are drawn.
        eligible: (n,) rows that may be drawn; a cluster with any other row is not.
        random_state: seeds the draw.

    Raises:
        ConfigError: the share is not in [0, 1).

    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise ConfigError(f"guard={share!r} is no share of the rows; pass a number from 0 (no guard) to below 1")
    eligible = np.ones(len(clusters), dtype=bool) if eligible is None else eligible
    wanted = min(int(share * eligible.sum()), MAX_GUARD)
    drawn = np.zeros(len(clusters), dtype=bool)
    if wanted < MIN_GUARD:
        return drawn
    _, which, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    whole = np.bincount(which, weights=~eligible, minlength=len(sizes)) == 0
    taken, left = [], wanted
    for cluster in np.random.default_rng(random_state).permutation(np.flatnonzero(whole)).tolist():
        if sizes[cluster] <= left:  # one that does not fit is passed over
            taken.append(cluster)
            left -= int(sizes[cluster])
    drawn = np.isin(which, taken)
    return drawn if drawn.sum() >= MIN_GUARD else np.zeros(len(clusters), dtype=bool)
