"""Batches by tokens: complete, bounded, similar in length."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textclassify.models.batching import token_batches

COUNTS = st.lists(st.integers(0, 500), max_size=60)


@given(COUNTS, st.integers(1, 600), st.integers(1, 10))
def test_every_row_is_in_exactly_one_batch_within_the_budgets(counts, max_tokens, max_rows):
    """A row computed twice costs time, a row left out would be a missing score."""
    batches = token_batches(counts, max_tokens=max_tokens, max_rows=max_rows)

    assert sorted(row for batch in batches for row in batch) == list(range(len(counts)))
    for batch in batches:
        longest = max(max(counts[row], 1) for row in batch)
        assert len(batch) <= max_rows
        assert len(batch) * longest <= max_tokens or len(batch) == 1


@given(COUNTS)
def test_rows_come_longest_first(counts):
    """Sorted rows need the least padding; the longest first shows at once whether memory suffices."""
    order = [counts[row] for batch in token_batches(counts, max_tokens=300) for row in batch]

    assert order == sorted(order, reverse=True) or 0 in order


@given(COUNTS, st.lists(st.integers(1, 400), max_size=3, unique=True))
def test_rows_of_two_kinds_of_length_are_in_different_batches(counts, limits):
    """A kernel that changes at a length would let long neighbours change a short text's last digits."""
    batches = token_batches(counts, max_tokens=600, apart=sorted(limits))

    assert sorted(row for batch in batches for row in batch) == list(range(len(counts)))
    for batch in batches:
        assert len({sum(max(counts[row], 1) >= limit for limit in limits) for row in batch}) == 1


def test_results_put_at_a_batchs_positions_stand_in_the_callers_order():
    counts = np.array([3, 100, 7])
    results = np.zeros(3)

    for batch in token_batches(counts, max_tokens=20):
        results[batch] = counts[batch]

    assert results.tolist() == [3, 100, 7]


def test_no_rows_make_no_batches():
    assert token_batches([], max_tokens=10) == []
