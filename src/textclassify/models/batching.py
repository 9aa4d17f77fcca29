"""Batches of similar length under a token budget: little padding, bounded memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def token_batches(
    token_counts: Sequence[int] | NDArray[np.integer],
    *,
    max_tokens: int,
    max_rows: int = 256,
    apart: Sequence[int] = (),
) -> list[NDArray[np.intp]]:
    """Positions of the rows of each batch, the longest rows first.

    A batch holds at most `max_tokens` tokens, padding included, and at most `max_rows` rows; a single row that is
    longer than the budget is a batch of its own. The longest come first so that memory runs out at once or not at all,
    and a progress bar errs on the late side. Every position occurs exactly once: with `results[batch] = ...` the
    results stand in the caller's order.

    Args:
        token_counts: (n,) tokens of each row.
        max_tokens: of a batch.
        max_rows: of a batch.
        apart: ascending numbers of tokens; rows shorter than one of them never share a batch with rows that are not.

    """
    counts = np.maximum(np.asarray(token_counts, dtype=np.int64), 1)
    longest_first = np.argsort(-counts, kind="stable")
    group = np.searchsorted(apart, counts[longest_first], side="right")
    batches: list[NDArray[np.intp]] = []
    start = 0
    while start < len(longest_first):
        rows = int(np.clip(max_tokens // counts[longest_first[start]], 1, max_rows))
        rows = int((group[start : start + rows] == group[start]).sum())
        batches.append(longest_first[start : start + rows])
        start += rows
    return batches
