"""Which rows are held out together, and which are drawn: balanced over labels, duplicates kept together."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.resampling import row_groups

ALWAYS_TRAIN = -1


def assign_folds(
    gold: ArrayLike, n_folds: int, groups: ArrayLike | None = None, *, random_state: int = 0
) -> NDArray[np.int16]:
    """The fold that holds each row out, (n,), 0 to n_folds - 1; -1 for rows that are in every training part.

    Gold is codes (n,) or a 0/1 array (n, K). Groups stay together, and whenever a fold is held out every label still
    has a row to learn from: a label all of whose groups would share one fold (above all a label with one group only)
    gives its smallest group to every training part. Groups are dealt out by their rarest label first, each to the fold
    with the fewest rows of that label (after Sechidis et al. 2011). With fewer groups than folds some stay empty.
    """
    if not 2 <= n_folds <= np.iinfo(np.int16).max:
        raise ConfigError(f"n_folds={n_folds} is out of range; pass 2 or more")
    inverse, counts = _label_counts_by_group(gold, groups)
    sizes = np.bincount(inverse)
    rarest, keys = _rarest_labels(counts), np.random.default_rng(random_state).random(len(sizes))
    rarity = np.bincount(counts.indices, minlength=counts.shape[1])
    order = np.lexsort((keys, -sizes, rarest, rarity[rarest]))
    folds = _deal(order, counts, rarest, sizes, n_folds)
    _release_confined_labels(folds, counts, sizes)
    return folds[inverse]


def stratified_sample(
    gold: ArrayLike, size: int, groups: ArrayLike | None = None, *, random_state: int = 0
) -> NDArray[np.int64]:
    """Sorted indices of at most `size` rows (all of them when there are fewer), labels in proportion.

    Groups are taken whole or not at all, so the result can be a few rows short. Each label gets one group before any
    gets two. To hold rows out while every label stays trainable, use `assign_folds`.
    """
    if size < 1:
        raise ConfigError(f"size={size} is too small; pass at least 1")
    inverse, counts = _label_counts_by_group(gold, groups)
    if size >= len(inverse):
        return np.arange(len(inverse))
    sizes = np.bincount(inverse)
    rng = np.random.default_rng(random_state)
    place = _places(_rarest_labels(counts), counts.shape[1], rng)
    taken, n_rows = np.zeros(len(sizes), dtype=bool), 0
    for group in np.argsort(place, kind="stable").tolist():
        if n_rows + sizes[group] <= size:
            taken[group] = True
            n_rows += int(sizes[group])
    return np.flatnonzero(taken[inverse])


def _label_counts_by_group(gold: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray[np.int64], sparse.csr_array]:
    """Each row's group (n,), and rows per group and label, sparse (G, K + 1); the last column is "no label"."""
    gold = np.asarray(gold)
    if gold.ndim not in {1, 2} or (gold.size and gold.min() < 0):
        raise DataError(f"gold of shape {gold.shape} must hold label codes from 0 on, (n,), or 0/1 columns, (n, K)")
    inverse, n_groups = row_groups(groups, len(gold))
    if gold.ndim == 1:
        rows, labels, n_labels = np.arange(len(gold)), gold.astype(np.int64), int(gold.max()) + 1
    else:
        n_labels = gold.shape[1]
        unlabelled = ~gold.any(axis=1)
        rows, labels = np.nonzero(np.column_stack([gold > 0, unlabelled]))
    ones = np.ones(len(rows), dtype=np.int64)
    counts = sparse.csr_array((ones, (inverse[rows], labels)), shape=(n_groups, n_labels + 1))
    counts.sum_duplicates()
    return inverse, counts


def _rarest_labels(counts: sparse.csr_array) -> NDArray[np.int64]:
    """Of each group's labels the one that the fewest groups have, (G,)."""
    n_groups = np.bincount(counts.indices, minlength=counts.shape[1])
    # One number that orders by rarity and then by label, so that one pass finds each group's smallest.
    ranked = np.lexsort((np.arange(len(n_groups)), n_groups))
    rank = np.empty_like(ranked)
    rank[ranked] = np.arange(len(ranked))
    return ranked[np.minimum.reduceat(rank[counts.indices], counts.indptr[:-1])]


def _deal(
    order: NDArray[np.int64],
    counts: sparse.csr_array,
    rarest: NDArray[np.int64],
    sizes: NDArray[np.int64],
    n_folds: int,
) -> NDArray[np.int16]:
    # Plain lists: indexing them is ten times faster than indexing arrays one number at a time.
    starts, labels, rows = counts.indptr.tolist(), counts.indices.tolist(), counts.data.tolist()
    per_label = [[0] * n_folds for _ in range(counts.shape[1])]
    totals, fold_numbers = [0] * n_folds, range(n_folds)
    group_sizes, group_labels = sizes.tolist(), rarest.tolist()
    folds = [0] * len(group_sizes)
    for group in order.tolist():
        having = per_label[group_labels[group]]
        fold = min(zip(having, totals, fold_numbers, strict=True))[2]
        folds[group] = fold
        totals[fold] += group_sizes[group]
        for at in range(starts[group], starts[group + 1]):
            per_label[labels[at]][fold] += rows[at]
    return np.asarray(folds, dtype=np.int16)


def _release_confined_labels(folds: NDArray[np.int16], counts: sparse.csr_array, sizes: NDArray[np.int64]) -> None:
    """Give one group of each label that lies within one fold to every training part; changes `folds`."""
    by_label = counts.tocsc()
    for label in range(counts.shape[1] - 1):
        having = by_label.indices[by_label.indptr[label] : by_label.indptr[label + 1]]
        if len(having) and (folds[having] == folds[having[0]]).all() and folds[having[0]] != ALWAYS_TRAIN:
            folds[having[np.argmin(sizes[having])]] = ALWAYS_TRAIN


def _places(strata: NDArray[np.int64], n_strata: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Numbers whose order is stratified in every prefix: each stratum's groups spread evenly over 0 to 1, (G,).

    The first group of each stratum comes below 0, so before all others; those of common strata tend to lead.
    """
    shuffled = rng.permutation(len(strata))
    by_stratum = shuffled[np.argsort(strata[shuffled], kind="stable")]
    n_groups = np.bincount(strata, minlength=n_strata)
    position = np.arange(len(strata)) - np.repeat(np.cumsum(n_groups) - n_groups, n_groups)
    spread = (position + np.repeat(rng.random(n_strata), n_groups)) / np.repeat(n_groups, n_groups)
    place = np.empty(len(strata))
    place[by_stratum] = np.where(position == 0, spread - 1.0, spread)
    return place
