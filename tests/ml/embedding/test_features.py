"""Features batch by batch: the same numbers from memory and from files, standardised exactly."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from textclassify.errors import DataError, ModelError  # noqa: E402
from textclassify.ml.embedding.features import Features, one_vector, spreads  # noqa: E402


class Read:
    """Rows that remember which of them were read."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape
        self.indices = []

    def __len__(self):
        return len(self.values)

    def __getitem__(self, indices):
        self.indices.append(indices)
        return self.values[indices]


def random_values(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_features_beyond_the_limit_are_read_row_by_row():
    """A million texts are trained on without holding them."""
    rows = Read(random_values(50, 2, 3))

    held, read = Features([rows], ["a"]), Features([rows], ["a"], bytes_held=0)

    assert len(held) == 50
    torch.testing.assert_close(held.at(np.array([4, 1]))[0], read.at(np.array([4, 1]))[0], rtol=0, atol=0)
    assert [list(indices) for indices in rows.indices[1:]] == [[4, 1]]


def test_batches_hold_every_row_once_with_its_features():
    values = random_values(7, 3)

    found = list(Features([values], ["a"]).batches(np.arange(7)[::-1], 3))

    assert [len(rows) for rows, _ in found] == [3, 3, 1]
    for rows, (features,) in found:
        np.testing.assert_array_equal(features, values[rows])


def test_standardisation_is_that_of_the_given_rows():
    """Held-out rows take no part in it."""
    values = random_values(3000, 2, 3) * 5 + 2
    rows = np.arange(2500)

    (whole,), (over_layers,) = spreads(Features([values], ["a"]), rows)

    np.testing.assert_allclose(whole.mean, values[rows].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(whole.deviation, values[rows].std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(over_layers.deviation, values[rows].mean(axis=1).std(axis=0), rtol=1e-5)


def test_a_large_number_that_hardly_changes_keeps_its_deviation():
    """Language models have some: squared in one sum their differences would drown."""
    values = (1e5 + np.random.default_rng(0).integers(0, 2, size=(400, 1))).astype(np.float32)

    (whole,), _ = spreads(Features([values], ["a"]), np.arange(400))

    np.testing.assert_allclose(whole.deviation, values.std(axis=0, dtype=np.float64), rtol=1e-4)


def test_a_constant_number_is_left_as_it_is():
    (whole,), _ = spreads(Features([np.ones((5, 2), dtype=np.float32)], ["a"]), np.arange(5))

    np.testing.assert_array_equal(whole.deviation, [1, 1])


def test_values_that_are_no_numbers_name_their_source():
    with pytest.raises(ModelError, match="the second gives values that are no numbers"):
        Features([np.zeros((1, 2)), np.full((1, 2), np.inf)], ["the first", "the second"]).at(np.arange(1))


def test_several_layers_become_their_mean():
    values = torch.arange(12.0).reshape(1, 2, 6)

    torch.testing.assert_close(one_vector(values), values.mean(1))
    torch.testing.assert_close(one_vector(values[:, 0]), values[:, 0])


@pytest.mark.parametrize("shape", [(6, 4), (7,), (7, 2, 3, 4)])
def test_a_source_whose_rows_do_not_fit_is_named(shape):
    """Rows of other texts would be learned from without a word."""
    with pytest.raises(DataError, match="own gives features of shape"):
        Features([random_values(7, 3), random_values(*shape)], ["a", "own"])
