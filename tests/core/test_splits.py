"""Training and test parts share no text and no group, and have their labels in like shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclassify.core.dataset import training_data
from textclassify.core.splits import split
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError


def many_rows(n=400, seed=0):
    """Rows with duplicates, in groups of a few texts each."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, n * 3 // 4, n)
    labels = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    return training_data([f"text {number}" for number in numbers], labels, groups=numbers // 3)


@settings(max_examples=25)
@given(st.integers(0, 99), st.sampled_from([0.1, 0.2, 0.5]))
def test_a_split_keeps_clusters_together_and_label_shares_alike(seed, share):
    """A duplicate on both sides would make the test too easy; shares may be off by what a cluster weighs."""
    data = many_rows(seed=seed)

    train, test = split(data, share, random_state=seed)

    assert len(train) + len(test) == len(data)
    assert not set(train.texts) & set(test.texts)
    assert not set(train.groups) & set(test.groups)
    assert len(test) == pytest.approx(share * len(data), abs=10)
    np.testing.assert_allclose(np.bincount(test.gold, minlength=3) / len(test), np.bincount(data.gold) / 400, atol=0.12)


def test_a_split_of_single_rows_is_exact():
    """Without duplicates every label gives its share, and one seed gives one split."""
    data = training_data([str(number) for number in range(100)], ["a"] * 80 + ["b"] * 20)

    train, test = split(data, 0.25, random_state=3)

    assert np.bincount(test.gold).tolist() == [20, 5]
    assert split(data, 0.25, random_state=3)[1].texts == test.texts
    assert split(data, 0.25, random_state=4)[1].texts != test.texts
    assert len(train) == 75


def test_a_label_with_one_row_stays_in_training():
    """It could not be learned otherwise."""
    data = training_data([str(number) for number in range(40)], ["a"] * 20 + ["b"] * 19 + ["rare"])

    for seed in range(10):
        assert "rare" in split(data, 0.4, random_state=seed)[0].labels


def test_several_labels_are_split_by_the_rarest():
    """Each label keeps rows on both sides."""
    gold = np.zeros((100, 3), dtype=int)
    gold[:, 0] = 1
    gold[:10, 1] = 1
    gold[40:60, 2] = 1

    _, test = split(training_data([str(number) for number in range(100)], gold), 0.2)

    assert test.gold.sum(axis=0).tolist() == [20, 2, 4]


@pytest.mark.parametrize("share", [0, 1, 20, -0.1])
def test_a_share_out_of_range_is_refused(share):
    """20 for 20% is the usual mistake."""
    with pytest.raises(DataError, match="out of range; pass a share between 0 and 1"):
        split(many_rows(), share)


@pytest.mark.parametrize("seed", [-5, 2**32, 1.5])
def test_a_split_with_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ConfigError, match=r"random_state is .*from 0 to 4294967295"):
        split(TrainingData(list("abcd"), list("xyxy")), 0.5, random_state=seed)


def test_too_few_rows_to_split_are_refused():
    """Two rows of one text are one cluster."""
    with pytest.raises(DataError, match="2 rows in 2 clusters are too few to hold out 20% of them"):
        split(training_data(["a", "b"], ["x", "y"]))
