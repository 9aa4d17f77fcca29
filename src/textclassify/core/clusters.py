"""Rows that belong together: equal in any of several ways, directly or through other rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def linked(*keys: ArrayLike) -> NDArray[np.int64]:
    """Return the cluster number of each of n rows; rows that share a value of any key are in one cluster.

    Args:
        *keys: arrays (n,) of texts' hashes, group names, ...

    >>> linked([1, 2, 3, 4], ["a", "b", "b", "c"])
    array([0, 1, 1, 2])

    """
    numbered = [np.unique(np.asarray(key), return_inverse=True)[1].ravel() for key in keys]
    if len(numbered) == 1:
        return np.asarray(numbered[0], dtype=np.int64)
    n = len(numbered[0])
    starts = np.cumsum([n, *[int(key.max(initial=-1)) + 1 for key in numbered]])
    ends = np.concatenate([key + start for key, start in zip(numbered, starts, strict=False)])
    rows: NDArray[Any] = np.tile(np.arange(n), len(numbered))
    graph = coo_array((np.ones(len(rows)), (rows, ends)), shape=(int(starts[-1]),) * 2)
    _, component = connected_components(graph, directed=False)
    return np.asarray(np.unique(component[:n], return_inverse=True)[1], dtype=np.int64)
