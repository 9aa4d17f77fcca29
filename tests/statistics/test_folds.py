import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from textclassify.errors import ConfigError, DataError
from textclassify.statistics import folds as module
from textclassify.statistics.folds import assign_folds, stratified_sample


@st.composite
def labelled_rows(draw):
    """Gold of either kind with rare and common labels, and groups or None."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, n_labels = draw(st.integers(1, 60)), draw(st.integers(1, 8))
    rates = rng.random(n_labels) ** 3
    many = draw(st.booleans())
    gold = (rng.random((n, n_labels)) < rates) * 1 if many else rng.choice(n_labels, n, p=rates / rates.sum())
    return gold, rng.integers(0, draw(st.integers(1, 60)), n) if draw(st.booleans()) else None


def indicator(gold):
    return gold > 0 if gold.ndim == 2 else gold[:, None] == np.arange(gold.max() + 1)


@settings(deadline=None, max_examples=200)
@given(labelled_rows(), st.integers(2, 6), st.integers(0, 99))
def test_folds_cover_rows_keep_groups_and_leave_every_label_to_learn_from(rows, n_folds, seed):
    """The three promises that honest out-of-fold scores rest on."""
    gold, groups = rows
    folds = assign_folds(gold, n_folds, groups, random_state=seed)

    assert folds.dtype == np.int16
    assert folds.shape == (len(gold),)
    assert ((folds >= -1) & (folds < n_folds)).all()
    for group in np.unique(groups) if groups is not None else []:
        assert len(set(folds[groups == group])) == 1
    for held_out in range(n_folds):
        seen = indicator(gold)[folds != held_out].any(axis=0)
        assert (seen == indicator(gold).any(axis=0)).all()


def test_labels_are_balanced_over_folds():
    gold = np.repeat([0, 1, 2], [50, 23, 7])
    folds = assign_folds(gold, 5)

    per_fold = np.array([np.bincount(gold[folds == fold], minlength=3) for fold in range(5)])
    assert (np.ptp(per_fold, axis=0) <= 1).all()
    assert np.ptp(per_fold.sum(axis=1)) <= 1


def test_large_groups_are_dealt_first():
    """Dealt last, a group of six would tip a fold that the single rows had already balanced."""
    groups = np.array([*range(6), *[6] * 6])

    for seed in range(10):
        assert np.bincount(assign_folds(np.zeros(12, dtype=int), 2, groups, random_state=seed)).tolist() == [6, 6]


def test_a_label_within_one_fold_gives_up_its_smallest_group():
    """As many rows as possible keep an honest score."""
    folds = np.array([0, 0, 1], dtype=np.int16)
    counts = sparse.csr_array(np.array([[5, 1, 0], [2, 0, 0], [0, 1, 0]]))

    module._release_confined_labels(folds, counts, np.array([5, 2, 1]))

    assert folds.tolist() == [0, -1, 1]


def test_multi_label_folds_are_balanced_too():
    gold = (np.random.default_rng(0).random((2000, 30)) < 0.05) * 1
    folds = assign_folds(gold, 5)

    per_fold = np.array([gold[folds == fold].sum(axis=0) for fold in range(5)])
    np.testing.assert_allclose(per_fold, per_fold.mean(axis=0) * np.ones((5, 1)), rtol=0.25)


def test_a_label_with_one_group_is_never_held_out():
    gold = np.array([0] * 10 + [1, 1] + [2])
    groups = np.array([*range(10), 10, 10, 11])

    assert (assign_folds(gold, 3, groups)[10:] == -1).all()
    assert (assign_folds(gold, 3, groups)[:10] >= 0).all()
    assert (assign_folds(np.array([0, 1, 2]), 3) == -1).all()


def test_a_row_without_any_label_may_be_held_out():
    """That a text has no label is an answer, but not a label that training could miss."""
    folds = assign_folds(np.array([[1], [1], [1], [0]]), 2)

    assert folds[3] >= 0


def test_folds_depend_on_the_seed_alone():
    gold = np.arange(60) % 3

    assert (assign_folds(gold, 5, random_state=1) == assign_folds(gold, 5, random_state=1)).all()
    assert (assign_folds(gold, 5, random_state=1) != assign_folds(gold, 5, random_state=2)).any()


@settings(deadline=None, max_examples=200)
@given(labelled_rows(), st.integers(1, 70), st.integers(0, 99))
def test_samples_are_sorted_whole_groups_within_size(rows, size, seed):
    gold, groups = rows
    sample = stratified_sample(gold, size, groups, random_state=seed)

    assert len(sample) <= size
    assert (np.diff(sample) > 0).all()
    if groups is None:
        assert len(sample) == min(size, len(gold))
    else:
        assert not set(groups[sample]) & set(np.delete(groups, sample))


def test_samples_keep_the_proportions_and_every_label():
    gold = np.repeat([0, 1, 2, 3], [600, 300, 98, 2])
    counts = np.bincount(gold[stratified_sample(gold, 100)], minlength=4)

    assert counts[3] >= 1
    np.testing.assert_allclose(counts[:3], [60, 30, 10], atol=2)


def test_multi_label_samples_hold_every_label():
    gold = np.zeros((500, 20), dtype=int)
    gold[np.arange(500), np.minimum(np.random.default_rng(0).geometric(0.2, 500), 19)] = 1

    sampled = gold[stratified_sample(gold, 60)].any(axis=0)
    assert (sampled == gold.any(axis=0)).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: assign_folds([0, 1], 1), ConfigError, "n_folds=1"),
        (lambda: assign_folds([0, -1], 2), DataError, "label codes from 0"),
        (lambda: assign_folds([], 2), DataError, "no rows"),
        (lambda: assign_folds([0, 1], 2, ["a"]), DataError, "one group per row"),
        (lambda: stratified_sample([0, 1], 0), ConfigError, "size=0"),
    ],
)
def test_impossible_requests_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
