"""Exact scores of answers: prompts read once, answers as a tree of tokens behind them, where the model allows it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.llm.in_process.tree_checks import plain_score, reads_trees
from textclassify.llm.in_process.tree_reading import Tokens, TreeReader
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

logger = logging.getLogger(__name__)

ShowProgress = Callable[[int, int], None]


def score_answers(
    model: Any,
    prompts: Sequence[Tokens],
    answers: Sequence[Tokens],
    *,
    show_progress: ShowProgress | None = None,
) -> NDArray[np.float32]:
    """Sum of log P(token | prompt, tokens before) over each answer's tokens, (n prompts, K answers).

    In half precision it stops at the first score that is no number, and leaves NaN in all rows that are not read yet:
    the model is to be asked again in float32.
    """
    scores = np.full((len(prompts), len(answers)), np.nan, dtype=np.float32)
    if not prompts:
        return scores
    longest = max(map(len, prompts)) + max(map(len, answers))
    done = 0
    with torch.inference_mode():
        for batch, values in _scored_batches(model, prompts, answers, longest):
            scores[batch] = values
            if model.dtype is not torch.float32 and not np.isfinite(values).all():
                break
            done += len(batch)
            if show_progress is not None:
                show_progress(done, len(prompts))
    return scores


def _scored_batches(
    model: Any, prompts: Sequence[Tokens], answers: Sequence[Tokens], longest: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield rows and their scores, (rows, K)."""
    if reads_trees(model, longest):
        reader = TreeReader(model, prompts, answers)
        for batch in reader.batches():
            yield batch, reader.scores(batch)
        return
    logger.info("%s is scored answer by answer, which is slow", type(model).__name__)
    for row, prompt in enumerate(prompts):
        scores = [plain_score(model, prompt, answer) for answer in answers]
        yield np.array([row]), np.array([scores], dtype=np.float32)
