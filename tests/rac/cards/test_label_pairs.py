"""How near is too near: by the label set itself."""

import time

import numpy as np
import pytest

from textclassify.rac.cards.label_pairs import LEAST, SURE, near_bar, near_pairs


def vectors(n, d=64, common=0.0, seed=0):
    """Random unit vectors (n, d) whose cosines are about `common`."""
    drawn = np.random.default_rng(seed).normal(size=(n, d)) / np.sqrt(d)
    drawn = np.sqrt(1 - common) * drawn + np.sqrt(common) * np.eye(1, d)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_pairs_are_found_across_blocks_nearest_first():
    """Every pair once, and all of them counted."""
    found = vectors(2500)
    found[2400] = found[3]
    found[1030] = found[1020] + 0.05 * found[7]
    found[1030] /= np.linalg.norm(found[1030])

    pairs, count = near_pairs(found, 0.95, limit=1)

    assert [pair[:2] for pair in pairs] == [(3, 2400)]
    assert pairs[0][2] == pytest.approx(1, abs=1e-5)
    assert count == 2


def test_the_bar_adapts_to_how_near_all_labels_are():
    """Emotions are nearer to each other than topics; only what stands out among them is too near."""
    wide, narrow = near_bar(vectors(60)), near_bar(vectors(60, common=0.6))

    assert wide == LEAST
    assert LEAST + 0.05 < narrow < 1


def test_an_encoder_that_finds_all_texts_alike_finds_no_duplicates():
    """Encoders that never learned to compare sentences give cosines of 0.95 throughout."""
    alike = vectors(60, common=0.95)

    assert near_pairs(alike, near_bar(alike), limit=9)[1] <= 6


def test_many_labels_do_not_make_many_near_pairs():
    """Of 200 million pairs, some stand out by chance."""
    many = vectors(5000, d=32, common=0.5)

    assert near_pairs(many, near_bar(many), limit=9)[1] < 5000 / 5


@pytest.mark.parametrize("n", [1, 2, 3])
def test_of_two_or_three_labels_only_equal_ones_are_near(n):
    """There is nothing to stand out from."""
    assert near_bar(vectors(n, common=0.8)) == SURE


def test_labels_that_are_all_equal_are_all_near():
    same = np.ones((5, 4), dtype=np.float32) / 2

    assert near_pairs(same, near_bar(same), limit=99)[1] == 10


@pytest.mark.slow
def test_twenty_thousand_labels_are_compared_in_seconds():
    """Apart from the encoder's own time."""
    many = vectors(20_000, d=384)
    start = time.perf_counter()
    near_pairs(many, near_bar(many), limit=50)

    assert time.perf_counter() - start < 30
