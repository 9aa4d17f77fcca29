"""Search finds exactly the nearest labels, in blocks, with or without faiss, about as fast as numpy can."""

import logging
import sys
import time

import numpy as np
import pytest

from textclassify.rac.retrieving import search
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.retrieving.search import nearest, with_blank_rows


def unit_vectors(n, d=8, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def many_labels(monkeypatch):
    """Twenty labels are many: search goes to faiss where it is installed."""
    monkeypatch.setattr(search, "MOST_FOR_NUMPY", 10)


def test_blocks_find_what_one_product_finds(monkeypatch):
    texts, labels = unit_vectors(50), unit_vectors(30, seed=1)
    monkeypatch.setattr(search, "_SCORES_PER_BLOCK", 100)

    found = nearest(texts, labels, 4)

    assert found.codes.tolist() == np.argsort(-(texts @ labels.T), axis=1, kind="stable")[:, :4].tolist()


def test_equal_labels_come_in_the_order_of_the_schema():
    labels = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)

    assert nearest(np.eye(3, dtype=np.float32), labels, 3).codes.tolist() == [[0, 1, 2], [2, 3, 0], [4, 5, 0]]


def test_no_texts_give_no_candidates():
    assert nearest(unit_vectors(0), unit_vectors(3), 2).codes.shape == (0, 2)


def test_blank_texts_have_no_candidates():
    found = with_blank_rows(Candidates([[1]], [[0.5]]), np.array([True, False]))

    assert found.codes.tolist() == [[-1], [1]]


@pytest.mark.usefixtures("many_labels")
@pytest.mark.parametrize("approximate", [False, True])
def test_faiss_finds_the_same(approximate):
    """The graph of so few labels is complete enough to be exact."""
    pytest.importorskip("faiss")
    texts, labels = unit_vectors(50), unit_vectors(20, seed=1)

    found = nearest(texts, labels, 3, approximate=approximate)

    assert found.codes.tolist() == np.argsort(-(texts @ labels.T), axis=1, kind="stable")[:, :3].tolist()


@pytest.mark.usefixtures("many_labels")
def test_without_faiss_numpy_searches_and_says_so(monkeypatch, caplog):
    """It is only slower."""
    monkeypatch.setitem(sys.modules, "faiss", None)
    with caplog.at_level(logging.WARNING, logger="textclassify"):
        found = nearest(unit_vectors(5), unit_vectors(20, seed=1), 3)

    assert found.codes.shape == (5, 3)
    assert "textclassify[faiss]" in caplog.text


def quickest(work, times=3):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


@pytest.mark.slow
def test_ten_thousand_labels_take_at_most_1_3_times_a_bare_search():
    """Compared with the better of numpy in one piece and in blocks."""
    texts, labels = unit_vectors(10_000, 384), unit_vectors(10_000, 384, seed=1)

    def bare(size):
        for start in range(0, len(texts), size):
            np.argpartition(texts[start : start + size] @ labels.T, len(labels) - 10, axis=1)

    ours = quickest(lambda: nearest(texts, labels, 10))

    assert ours < 1.3 * min(quickest(lambda: bare(len(texts)), 1), quickest(lambda: bare(256)))
