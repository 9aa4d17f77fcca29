"""The answers of all labels as one tree of tokens: common beginnings are read once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelTree:
    """Tokens to read after a prompt, and where the log-probability of each step of each answer is found.

    Attributes:
        labels: (K,) the positions of these answers among all.
        tokens: (M,) the tokens to read: every token of every answer but its last, common beginnings once.
        depth: (M,) how many tokens of the answer come before each.
        visible: (M, M) whether the token of the row reads after the token of the column (itself included).
        step_label: (S,) the answer, as its index in `labels`, that a step belongs to.
        step_node: (S,) where the step is predicted: 0 = at the prompt's end, 1 + m = at token m.
        step_token: (S,) the token whose log-probability the step adds.
    """

    labels: NDArray[np.intp]
    tokens: NDArray[np.int64]
    depth: NDArray[np.int64]
    visible: NDArray[np.bool_]
    step_label: NDArray[np.int64]
    step_node: NDArray[np.int64]
    step_token: NDArray[np.int64]


def label_trees(answers: Sequence[Sequence[int]], *, max_nodes: int) -> list[LabelTree]:
    """Trees that together hold all answers, each with at most `max_nodes` tokens to read (or a single answer).

    Answers that begin alike are neighbours in sorted order and so share a tree.
    """
    trees: list[LabelTree] = []
    group: list[int] = []
    beginnings: set[tuple[int, ...]] = set()
    for label in sorted(range(len(answers)), key=lambda label: tuple(answers[label])):
        mine = {tuple(answers[label][:end]) for end in range(1, len(answers[label]))}
        if group and len(beginnings | mine) > max_nodes:
            trees.append(_tree(answers, group))
            group, beginnings = [], set()
        group.append(label)
        beginnings |= mine
    return [*trees, _tree(answers, group)] if group else trees


def _tree(answers: Sequence[Sequence[int]], group: list[int]) -> LabelTree:
    nodes: dict[tuple[int, ...], int] = {}
    steps: list[tuple[int, int, int]] = []
    for index, label in enumerate(group):
        answer = tuple(answers[label])
        for position, token in enumerate(answer):
            read = nodes.setdefault(answer[:position], len(nodes)) if position else -1
            steps.append((index, read + 1, token))
    visible = np.zeros((len(nodes), len(nodes)), dtype=np.bool_)
    for beginning, node in nodes.items():
        for end in range(1, len(beginning) + 1):
            visible[node, nodes[beginning[:end]]] = True
    step_label, step_node, step_token = np.array(steps, dtype=np.int64).reshape(-1, 3).T
    return LabelTree(
        labels=np.array(group, dtype=np.intp),
        tokens=np.array([beginning[-1] for beginning in nodes], dtype=np.int64),
        depth=np.array([len(beginning) - 1 for beginning in nodes], dtype=np.int64),
        visible=visible,
        step_label=step_label,
        step_node=step_node,
        step_token=step_token,
    )
