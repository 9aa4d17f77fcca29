"""Questions packed into few forward passes: beginnings that several of them share are read once.

All questions of a page form one forest of tokens, in which a token sees the tokens that it follows and no others. So
five questions about one text read the text once, and their answers are branches behind them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class TokenQuestion:
    """A question as tokens: the prompt, and each answer with its end of turn."""

    prompt: Tokens
    answers: tuple[Tokens, ...]

    @property
    def n_answer_tokens(self) -> int:
        """How many tokens its answers have."""
        return sum(map(len, self.answers))


@dataclass(frozen=True)
class Forest:
    """Tokens to read in one pass, and where the log-probability of each step of each answer is found.

    Attributes:
        questions: (Q,) positions of these questions among all.
        tokens: (M,) the tokens to read behind the beginning that all questions share; no answer's last token.
        depth: (M,) how many tokens of this page come before each.
        visible: (M, M) whether the token of the row reads after the token of the column (itself included).
        step_node: (S,) the token at which a step is predicted.
        step_token: (S,) the token whose log-probability the step adds.
        step_answer: (S,) the answer that a step belongs to, counted through all answers of these questions.
    """

    questions: list[int]
    tokens: NDArray[np.int64]
    depth: NDArray[np.int64]
    visible: NDArray[np.bool_]
    step_node: NDArray[np.int64]
    step_token: NDArray[np.int64]
    step_answer: NDArray[np.int64]


def forest_of(questions: Sequence[TokenQuestion], numbers: list[int], *, shared: int) -> Forest:
    """Return the forest of some questions, less the beginning of so many tokens that all share."""
    nodes: dict[tuple[int, int], int] = {}  # (the token before, token) -> its place
    parents: list[int] = []
    steps: list[tuple[int, int, int]] = []

    def read(token: int, after: int) -> int:
        node = nodes.setdefault((after, token), len(parents))
        if node == len(parents):
            parents.append(after)
        return node

    n_answers = 0
    for number in numbers:
        ending = -1
        for token in questions[number].prompt[shared:]:
            ending = read(token, ending)
        for answer in questions[number].answers:
            node = ending
            for place, token in enumerate(answer):
                steps.append((node, token, n_answers))
                node = read(token, node) if place + 1 < len(answer) else node
            n_answers += 1
    visible, depth = _ancestors(parents)
    step_node, step_token, step_answer = np.array(steps, dtype=np.int64).reshape(-1, 3).T
    tokens = np.fromiter((token for _, token in nodes), np.int64, len(nodes))
    return Forest(numbers, tokens, depth, visible, step_node, step_token, step_answer)


def pages(questions: Sequence[TokenQuestion], *, shared: int, most_tokens: int, most_steps: int) -> Iterator[list[int]]:
    """Yield which questions are read together, each once.

    In sorted order questions that begin alike are neighbours. Neighbours that share more than they have of their own
    are torn apart only where they fill more than a page. A page that begins with a long one has room for as much again.

    Args:
        questions: as tokens.
        shared: tokens that all begin with, which are not read again.
        most_tokens: of a page.
        most_steps: answer tokens of a page, each of which needs logits over the whole vocabulary.

    """
    page: list[int] = []
    room, steps = most_tokens, most_steps
    for family, sizes in _families(questions, shared):
        does_fit = sum(sizes) <= room and sum(questions[number].n_answer_tokens for number in family) <= steps
        for place, (number, size) in enumerate(zip(family, sizes, strict=True)):
            needed = questions[number].n_answer_tokens
            if page and (size > room or needed > steps or (not does_fit and not place)):
                yield page
                page, steps = [], most_steps
            if not page:  # what begins a page is read from its first token on, and may be long
                first = len(questions[number].prompt) - shared + needed
                room = max(most_tokens, 2 * first) - first
            else:
                room -= size
            steps -= needed
            page.append(number)
    if page:
        yield page


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with in common."""
    limit = min(len(one), len(other))
    return next((place for place in range(limit) if one[place] != other[place]), limit)


def _families(questions: Sequence[TokenQuestion], shared: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield neighbours in sorted order that share more than they have of their own, with the tokens each one adds."""
    order = sorted(range(len(questions)), key=lambda number: questions[number].prompt)
    family: list[int] = []
    sizes: list[int] = []
    before: Tokens = ()
    for number in order:
        prompt = questions[number].prompt
        alike = max(0, common_length(before, prompt) - shared)
        own = len(prompt) - shared - alike
        if family and own > alike:
            yield family, sizes
            family, sizes = [], []
        family.append(number)
        sizes.append(own + questions[number].n_answer_tokens)
        before = prompt
    if family:
        yield family, sizes


def _ancestors(parents: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which tokens each one follows, (M, M), and how many they are, (M,); parents come before children."""
    visible = np.eye(len(parents), dtype=np.bool_)
    depth = np.zeros(len(parents), dtype=np.int64)
    for node, parent in enumerate(parents):
        if parent >= 0:
            visible[node] |= visible[parent]
            depth[node] = depth[parent] + 1
    return visible, depth
