"""Label trees: answer with the broad label where the narrow one is not sure enough."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify import LabelSchema
from textclassify.errors import ConfigError
from textclassify.rac.retrieving.hierarchy import LabelTree

NAMES = ("animal", "cat", "dog", "plant", "siamese")
PARENTS = {"cat": "animal", "dog": "animal", "siamese": "cat"}
ANIMAL, CAT, DOG, PLANT, SIAMESE = range(5)
TREE = LabelTree(LabelSchema(NAMES, parents=PARENTS))


def test_a_broad_label_has_the_probability_of_all_below_it():
    below = TREE.below(np.array([[0.1, 0.2, 0.3, 0.15, 0.25]]))

    assert below[0].round(10).tolist() == [0.85, 0.45, 0.3, 0.15, 0.25]


@pytest.mark.parametrize(("needed", "answer"), [(0.0, SIAMESE), (0.4, SIAMESE), (0.5, CAT), (0.8, ANIMAL), (0.95, -1)])
def test_the_more_certainty_is_needed_the_broader_the_answer(needed, answer):
    assert TREE.backed_off(np.array([[0.1, 0.2, 0.2, 0.1, 0.4]]), needed).tolist() == [answer]


def test_the_branch_counts_not_its_single_best_label():
    """Two narrow labels that share their certainty are together better than the one that leads them."""
    assert TREE.backed_off(np.array([[0.0, 0.3, 0.3, 0.4, 0.0]]), 0.5).tolist() == [ANIMAL]


def test_a_broad_label_that_leads_by_itself_is_the_answer():
    assert TREE.backed_off(np.array([[0.6, 0.1, 0.2, 0.1, 0.0]]), 0.1).tolist() == [ANIMAL]


def test_texts_without_scores_get_no_label():
    assert TREE.backed_off(np.full((1, 5), np.nan), 0.0).tolist() == [-1]


@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), st.floats(0, 1))
def test_no_answer_is_less_sure_than_asked_for(weights, needed):
    probabilities = np.array([weights]) / sum(weights)
    answer = TREE.backed_off(probabilities, needed)[0]

    assert answer == -1 or TREE.below(probabilities)[0, answer] >= needed


def test_a_deep_chain_is_followed_to_its_end():
    """As deep as it is: without recursion there is no limit."""
    names = tuple(f"label {k}" for k in range(3000))
    tree = LabelTree(LabelSchema(names, parents=dict(zip(names[1:], names, strict=False))))
    probabilities = np.zeros((1, 3000))
    probabilities[0, -1] = 1.0

    assert tree.backed_off(probabilities, 0.9).tolist() == [2999]


def test_a_tree_without_parents_is_empty():
    assert not LabelTree(LabelSchema(NAMES))
    assert TREE


def test_a_probability_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"1\.5 is no probability"):
        TREE.backed_off(np.zeros((1, 5)), 1.5)


def test_probabilities_from_the_top_downwards_add_up():
    vectors = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    labels = np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32)

    logs = TREE.descended(vectors, labels / np.linalg.norm(labels, axis=1, keepdims=True), 0.5)

    assert np.exp(logs).sum(axis=1) == pytest.approx(1.0)


def test_from_the_top_downwards_the_branch_is_chosen_before_the_label():
    """The nearest label loses where the rest of its branch is far."""
    tree = LabelTree(LabelSchema(("a", "a1", "b"), parents={"a1": "a"}))
    labels = np.array([[-1, 0], [1, 0], [0.6, 0.8]], dtype=np.float32) + np.float32([[0, -0.5], [0, 0], [0, 0]])
    text = np.array([[1.0, 0.1]], dtype=np.float32)

    assert (text @ labels.T).argmax() == 1
    assert tree.descended(text, labels, 0.06).argmax() == 2
