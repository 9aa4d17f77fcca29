"""The forward passes behind exact answer scores: prompts read once, answers as a tree of tokens behind them."""

import copy
import inspect
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.llm.in_process.label_tree import LabelTree, label_trees
from textclassify.models.batching import token_batches
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from transformers import DynamicCache

logger = logging.getLogger(__name__)

ShowProgress = Callable[[int, int], None]
Tokens = tuple[int, ...]

# One batch's room for keys and values (bytes) and for logits over the whole vocabulary (numbers).
_CACHE_BYTES = 1 << 30
_LOGITS = 1 << 25
# More tokens at once only spill out of the processor's cache.
_TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 16384}


def score_answers(
    model: Any,
    prompts: Sequence[Tokens],
    answers: Sequence[Tokens],
    *,
    show_progress: ShowProgress | None = None,
) -> NDArray[np.float32]:
    """Sum of log P(token | prompt, tokens before) over each answer's tokens, (n prompts, K answers)."""
    scores = np.empty((len(prompts), len(answers)), dtype=np.float32)
    if not prompts:
        return scores
    longest = max(map(len, prompts)) + max(map(len, answers))
    with torch.inference_mode():
        if not reads_trees(model, longest):
            logger.info("%s is scored answer by answer, which is slow", type(model).__name__)
            for row, prompt in enumerate(prompts):
                scores[row] = [_plain_score(model, prompt, answer) for answer in answers]
                _report(show_progress, row + 1, len(prompts))
            return scores
        reader = _TreeReader(model, prompts, answers)
        done = 0
        for batch in reader.batches():
            scores[batch] = reader.scores(batch)
            done += len(batch)
            _report(show_progress, done, len(prompts))
    return scores


class _TreeReader:
    """Prompts with their common beginning read, ready to read the rest of each and all answers behind it."""

    def __init__(self, model: Any, prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> None:
        self.model = model
        self.answers = answers
        self.shared = _common_length(prompts)
        self.rests = [prompt[self.shared :] for prompt in prompts]
        self.cache = DynamicCache()
        if self.shared:
            beginning = torch.tensor([prompts[0][: self.shared]], device=model.device)
            model(input_ids=beginning, past_key_values=self.cache, use_cache=True, logits_to_keep=1)

    def batches(self) -> list[NDArray[np.intp]]:
        """Rows that are read together, within the budgets for tokens and for cached keys and values."""
        tokens = _TOKENS_PER_BATCH["cuda" if self.model.device.type == "cuda" else "cpu"]
        cached = _CACHE_BYTES / _cache_bytes_per_token(self.model)
        answer_tokens = sum(map(len, self.answers))
        read = np.array([len(rest) + min(answer_tokens, tokens // 4) for rest in self.rests])
        share = np.maximum(read / tokens, (read + self.shared) / cached)
        scale = 1_000_000
        return token_batches(np.ceil(share * scale).astype(np.int64), max_tokens=scale)

    def scores(self, batch: NDArray[np.intp]) -> NDArray[np.float32]:
        """Scores (rows, K) of the rows of the batch."""
        cache, mask, lengths, ending = self._read_prompts([self.rests[row] for row in batch])
        scores = torch.empty((len(batch), len(self.answers)), dtype=torch.float32)
        trees = label_trees(self.answers, max_nodes=_LOGITS // (len(batch) * ending.shape[-1]))
        for tree in trees:
            # Reading a tree appends to the cache, so all but the last tree read a copy.
            behind = cache if tree is trees[-1] else copy.deepcopy(cache)
            steps = self._read_tree(tree, behind, mask, lengths, ending)
            sums = steps.new_zeros((len(batch), len(tree.labels)))
            sums.index_add_(1, torch.from_numpy(tree.step_label).to(steps.device), steps)
            scores[:, torch.from_numpy(tree.labels)] = sums.cpu()
        return scores.numpy()

    def _read_prompts(self, rests: list[Tokens]) -> tuple[DynamicCache, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The cache behind the prompts, its mask (rows, cached), prompt lengths (rows,), last logits (rows, V)."""
        device = self.model.device
        width = max(map(len, rests))
        ids = torch.zeros((len(rests), width), dtype=torch.long)
        mask = torch.ones((len(rests), self.shared + width), dtype=torch.long)
        for row, rest in enumerate(rests):
            # Padding stands between the shared beginning and the rest, so that all prompts end in the last column.
            ids[row, width - len(rest) :] = torch.tensor(rest)
            mask[row, self.shared : self.shared + width - len(rest)] = 0
        mask = mask.to(device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, self.shared :]
        cache = copy.deepcopy(self.cache)
        if self.shared:
            cache.batch_repeat_interleave(len(rests))
        read = self.model(
            input_ids=ids.to(device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return cache, mask, mask.sum(1), read.logits[:, -1].float()

    def _read_tree(
        self, tree: LabelTree, cache: DynamicCache, mask: torch.Tensor, lengths: torch.Tensor, ending: torch.Tensor
    ) -> torch.Tensor:
        """Log-probability of each step of each answer, (rows, S)."""
        logits = ending.unsqueeze(1)
        if len(tree.tokens):
            device, rows = mask.device, len(mask)
            visible = torch.from_numpy(tree.visible).to(device).expand(rows, -1, -1)
            past = mask.bool().unsqueeze(1).expand(-1, len(tree.tokens), -1)
            allowed = torch.cat([past, visible], dim=-1).unsqueeze(1)
            dtype = self.model.dtype
            read = self.model(
                input_ids=torch.from_numpy(tree.tokens).to(device).expand(rows, -1),
                attention_mask=torch.zeros(allowed.shape, dtype=dtype, device=device).masked_fill_(
                    ~allowed, torch.finfo(dtype).min
                ),
                position_ids=lengths.unsqueeze(1) + torch.from_numpy(tree.depth).to(device),
                past_key_values=cache,
                use_cache=True,
            )
            logits = torch.cat([logits, read.logits.float()], dim=1)
        nodes, tokens = (torch.from_numpy(part).to(logits.device) for part in (tree.step_node, tree.step_token))
        return logits[:, nodes, tokens] - logits.logsumexp(-1)[:, nodes]


def _plain_score(model: Any, prompt: Tokens, answer: Tokens) -> float:
    """The score by one forward pass over the prompt and the answer, which every model allows."""
    ids = torch.tensor([[*prompt, *answer[:-1]]], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :].float()
    steps = logits.log_softmax(-1)[torch.arange(len(answer)), torch.tensor(answer)]
    return float(steps.sum())


def reads_trees(model: Any, longest: int) -> bool:
    """Whether the model takes masks of our own: plain attention to all tokens before, or a window that holds all."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    if (
        kinds - {"full_attention", "sliding_attention"}
        or "position_ids" not in inspect.signature(model.forward).parameters
    ):
        return False
    window = getattr(config, "sliding_window", None)
    slides = "sliding_attention" in kinds or (not kinds and getattr(config, "use_sliding_window", True))
    return not (window and slides) or longest <= window


def _common_length(prompts: Sequence[Tokens]) -> int:
    """How many tokens all prompts begin with in common, leaving each at least one of its own."""
    first, last = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    same = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return min(next(same, limit), limit)


def _cache_bytes_per_token(model: Any) -> int:
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or math.ceil(config.hidden_size / config.num_attention_heads)
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


def _report(show_progress: ShowProgress | None, done: int, total: int) -> None:
    if show_progress is not None:
        show_progress(done, total)
