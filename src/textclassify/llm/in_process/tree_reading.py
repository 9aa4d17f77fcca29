"""Prompts read behind their common beginning, with all answers as a tree of tokens behind each."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.llm.in_process.label_tree import LabelTree, label_trees
from textclassify.models.batching import token_batches
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from transformers import DynamicCache

Tokens = tuple[int, ...]

# One batch's room for keys and values (bytes) and for logits over the whole vocabulary (numbers).
_CACHE_BYTES = 1 << 30
_LOGITS = 1 << 25
# More tokens at once only spill out of the processor's cache.
_TOKENS_PER_BATCH = {"cpu": 768, "cuda": 16384}


class TreeReader:
    """Prompts with their common beginning read, ready to read the rest of each and all answers behind it."""

    def __init__(self, model: Any, prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> None:
        self.model = model
        self.answers = answers
        self.vocabulary = int(model.config.get_text_config().vocab_size)
        self.shared = common_beginning(prompts)
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
        ids, past = self._ends_of_prompts([self.rests[row] for row in batch])
        cache = first_tokens(self.cache, self.shared, rows=len(batch))
        scores = torch.empty((len(batch), len(self.answers)), dtype=torch.float32)
        ending: torch.Tensor | None = None
        for tree in label_trees(self.answers, max_nodes=_LOGITS // (len(batch) * self.vocabulary)):
            if ending is None:  # the first tree is read in one pass with the prompts
                logits = self._logits(tree, ids, past, cache)
                ending = logits[:, :1]
            else:
                behind = first_tokens(cache, past.shape[1], rows=len(batch))
                logits = torch.cat([ending, self._logits(tree, ids[:, :0], past, behind)], dim=1)
            steps = _steps(tree, logits.float())
            sums = steps.new_zeros((len(batch), len(tree.labels)))
            sums.index_add_(1, torch.from_numpy(tree.step_label).to(steps.device), steps)
            scores[:, torch.from_numpy(tree.labels)] = sums.cpu()
        return scores.numpy()

    def _ends_of_prompts(self, rests: list[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (rows, width), and which of all that come before an answer are no padding, (rows, shared + width)."""
        width = max(map(len, rests))
        ids = torch.zeros((len(rests), width), dtype=torch.long)
        past = torch.ones((len(rests), self.shared + width), dtype=torch.bool)
        for row, rest in enumerate(rests):
            # Padding stands between the shared beginning and the rest, so that all prompts end in the last column.
            ids[row, width - len(rest) :] = torch.tensor(rest)
            past[row, self.shared : self.shared + width - len(rest)] = False
        return ids.to(self.model.device), past.to(self.model.device)

    def _logits(self, tree: LabelTree, ids: torch.Tensor, past: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        """Logits (rows, [1 where there are `ids`] + M, V) at the last of `ids`, if any, and at each token of a tree."""
        (rows, width), nodes, device = ids.shape, len(tree.tokens), ids.device
        kept = nodes + min(width, 1)
        if not kept:  # all answers of this tree are single tokens
            return torch.empty((rows, 0, self.vocabulary), dtype=self.model.dtype, device=device)
        before = past.shape[1] - width
        visible = torch.zeros((width + nodes, width + nodes), dtype=torch.bool)
        visible[:, :width] = torch.ones((width + nodes, width), dtype=torch.bool).tril()
        visible[width:, width:] = torch.from_numpy(tree.visible)
        read_now = torch.nn.functional.pad(past[:, before:], (0, nodes), value=True)
        read_before = past[:, None, :before].expand(-1, width + nodes, -1)
        places = past.long().cumsum(1)
        behind = places[:, -1:] + torch.from_numpy(tree.depth).to(device)
        read = self.model(
            input_ids=torch.cat([ids, torch.from_numpy(tree.tokens).to(device).expand(rows, -1)], dim=1),
            attention_mask=additive(
                torch.cat([read_before, visible.to(device) & read_now[:, None]], dim=-1)[:, None], self.model.dtype
            ),
            position_ids=torch.cat([(places[:, before:] - 1).clamp(min=0), behind], dim=1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=kept,
        )
        logits: torch.Tensor = read.logits[:, -kept:]
        return logits


def first_tokens(cache: DynamicCache, tokens: int, *, rows: int) -> DynamicCache:
    """A cache that begins with so many tokens of another, for so many rows; nothing is copied, reading on copies."""
    part = copy.copy(cache)
    layers: list[Any] = [copy.copy(layer) for layer in cache.layers]
    part.layers = layers
    for layer in layers:
        layer.keys = layer.keys[..., :tokens, :].expand(rows, -1, -1, -1)
        layer.values = layer.values[..., :tokens, :].expand(rows, -1, -1, -1)
    return part


def additive(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The mask that is added to attention scores where some pairs of tokens are allowed."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill_(~allowed, torch.finfo(dtype).min)


def _steps(tree: LabelTree, logits: torch.Tensor) -> torch.Tensor:
    """Log-probability of each step of each answer, (rows, S), from the logits at the prompts' ends and at the tree."""
    nodes, tokens = (torch.from_numpy(part).to(logits.device) for part in (tree.step_node, tree.step_token))
    return logits[:, nodes, tokens] - logits.logsumexp(-1)[:, nodes]


def common_beginning(prompts: Sequence[Tokens]) -> int:
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
