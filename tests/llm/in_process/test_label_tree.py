"""Trees of answers: complete, shared where answers begin alike, bounded."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textclassify.llm.in_process.label_tree import label_trees

ANSWERS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=12)


@given(ANSWERS, st.integers(1, 30))
def test_every_answer_can_be_read_back_from_its_steps(answers, max_nodes):
    """A step that is missing or predicted at the wrong place would be a wrong likelihood."""
    trees = label_trees(answers, max_nodes=max_nodes)

    assert sorted(np.concatenate([tree.labels for tree in trees])) == list(range(len(answers)))
    for tree in trees:
        for index, label in enumerate(tree.labels):
            mine = tree.step_label == index
            assert tree.step_token[mine].tolist() == list(answers[label])
            for position, node in enumerate(tree.step_node[mine]):
                seen = tree.tokens[tree.visible[node - 1]].tolist() if node else []
                assert seen == list(answers[label][:position])


@given(ANSWERS, st.integers(1, 30))
def test_a_tree_exceeds_its_bound_only_for_a_single_answer(answers, max_nodes):
    """The bound is what keeps 200 labels within memory."""
    for tree in label_trees(answers, max_nodes=max_nodes):
        assert len(tree.tokens) <= max_nodes or len(tree.labels) == 1


def test_common_beginnings_are_read_once():
    (tree,) = label_trees([[5, 6, 9], [5, 7, 9], [5, 9]], max_nodes=10)

    assert sorted(tree.tokens.tolist()) == [5, 6, 7]
    assert tree.depth.tolist() == [0 if token == 5 else 1 for token in tree.tokens]


def test_no_answers_make_no_tree():
    assert label_trees([], max_nodes=10) == []
