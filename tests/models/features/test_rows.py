"""Rows that are read when needed are indexed as the array of them would be."""

import numpy as np
import pytest

from textclassify.models.feature_store import FeatureRows, FeatureSpec, FeatureStore

TEXTS = [f"text {number}" for number in range(10)]
VALUES = np.arange(60, dtype=np.float32).reshape(10, 3, 2)


@pytest.fixture(params=["in memory", "float16", "float32"])
def rows(request, tmp_path):
    if request.param == "in memory":
        return FeatureRows.of(VALUES)
    spec = FeatureSpec("model", (-1, -2, -3), "mean", 64, "float32", shape=(3, 2), dtype=request.param)
    with FeatureStore(tmp_path / "store", spec, shard_bytes=50) as store:  # two to four texts a shard
        store.add(TEXTS, VALUES)
        return store.rows(TEXTS)


@pytest.mark.parametrize(
    "indices", [3, -1, [9, 0, 9, 4], slice(2, 9, 3), slice(0, 0), [[1, 2], [8, 7]], np.arange(10) % 2 == 0]
)
def test_indexing_gives_what_indexing_the_array_gives(rows, indices):
    """Order, repetitions and shapes: whatever shard each row lies in."""
    found = rows[indices]

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, VALUES[indices])


def test_all_rows_become_an_array_and_some_of_them_rows(rows):
    """Whatever takes arrays takes rows."""
    np.testing.assert_array_equal(np.asarray(rows), VALUES)
    np.testing.assert_array_equal(np.asarray(rows.take([5, 1]).take([1])), VALUES[[1]])
    assert np.asarray(rows, dtype=np.float64).dtype == np.float64
    assert (len(rows), rows.shape, rows.take([]).shape) == (10, (10, 3, 2), (0, 3, 2))
    assert (len(list(rows)), rows[[]].shape) == (10, (0, 3, 2))


def test_a_row_that_is_not_there_is_an_index_error(rows):
    """Not the last row, and not another text's."""
    with pytest.raises(IndexError, match="10"):
        rows[10]
    with pytest.raises(ValueError, match="leave copy out"):
        np.array(rows, copy=False)
