"""Exact scores of the answers to many different questions, in as few forward passes as their tokens need."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.llm.in_process.answer_scores import score_answers
from textclassify.llm.in_process.prompt_forest import Forest, TokenQuestion, common_length, forest_of, pages
from textclassify.llm.in_process.tree_checks import reads_trees
from textclassify.llm.in_process.tree_reading import additive, first_tokens
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from transformers import DynamicCache

# More tokens at once only spill out of the processor's cache, and attention to them grows with their square.
_TOKENS_PER_PAGE = {"cpu": 384, "cuda": 4096}
# One page's room for logits over the whole vocabulary (numbers).
_LOGITS = 1 << 25
# A page of a prompt of this length and as much behind it; its mask is quadratic, so what is longer is read by itself.
_LONGEST_PROMPT = 4096


def question_scores(model: Any, questions: Sequence[TokenQuestion]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield each question's position and the sum of log P(token | prompt, tokens before) of each answer, (A,).

    Questions come page by page, so that what is done can be kept.
    """
    if not questions:
        return
    longest = max(len(question.prompt) + max(map(len, question.answers)) for question in questions)
    if not reads_trees(model, longest):
        for number, question in enumerate(questions):
            yield number, _alone(model, question)
        return
    reader = _PageReader(model, questions)
    most_tokens = _TOKENS_PER_PAGE["cuda" if model.device.type == "cuda" else "cpu"]
    most_steps = _LOGITS // int(model.config.get_text_config().vocab_size)
    for page in pages(questions, shared=reader.shared, most_tokens=most_tokens, most_steps=most_steps):
        if len(questions[page[0]].prompt) - reader.shared > _LONGEST_PROMPT:
            for number in page:
                yield number, _alone(model, questions[number])
        else:
            yield from reader.scores(forest_of(questions, page, shared=reader.shared))


class _PageReader:
    """The beginning that all questions share, read once, ready to read page after page behind it."""

    def __init__(self, model: Any, questions: Sequence[TokenQuestion]) -> None:
        self.model = model
        self.questions = questions
        prompts = [question.prompt for question in questions]
        first = min(prompts)
        # Each prompt keeps a token of its own, at which its answers begin.
        self.shared = min(common_length(first, max(prompts)), min(map(len, prompts)) - 1)
        self._cache = DynamicCache()
        if self.shared:
            with torch.inference_mode():
                beginning = torch.tensor([first[: self.shared]], device=model.device)
                model(input_ids=beginning, past_key_values=self._cache, use_cache=True, logits_to_keep=1)

    def scores(self, forest: Forest) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield the positions and scores (A,) of the questions of a forest."""
        nodes, at = np.unique(forest.step_node, return_inverse=True)
        with torch.inference_mode():
            logits = self._logits(forest, nodes)
            steps = (logits[at, forest.step_token] - logits.logsumexp(-1)[at]).double().cpu().numpy()
        sums: NDArray[np.float64] = np.zeros(int(forest.step_answer[-1]) + 1)
        np.add.at(sums, forest.step_answer, steps)
        start = 0
        for number in forest.questions:
            end = start + len(self.questions[number].answers)
            yield number, sums[start:end]
            start = end

    def _logits(self, forest: Forest, nodes: NDArray[np.int64]) -> torch.Tensor:
        """Return the logits (N, V) at some tokens of a forest."""
        device = self.model.device
        visible = torch.from_numpy(np.pad(forest.visible, ((0, 0), (self.shared, 0)), constant_values=True))
        read = self.model(
            input_ids=torch.from_numpy(forest.tokens).unsqueeze(0).to(device),
            attention_mask=additive(visible[None, None].to(device), self.model.dtype),
            position_ids=torch.from_numpy(self.shared + forest.depth).unsqueeze(0).to(device),
            past_key_values=first_tokens(self._cache, self.shared, rows=1),
            use_cache=True,
            logits_to_keep=torch.from_numpy(nodes).to(device),
        )
        logits: torch.Tensor = read.logits[0].float()
        return logits


def _alone(model: Any, question: TokenQuestion) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = score_answers(model, [question.prompt], question.answers)[0].astype(np.float64)
    return scores
