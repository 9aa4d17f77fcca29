"""Which models read trees of answers: by what they say of their attention, and by a trial."""

import inspect
import logging
import weakref
from typing import Any

import numpy as np

from textclassify.llm.in_process.tree_reading import Tokens, TreeReader
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch

logger = logging.getLogger(__name__)

# A trial: prompts with a common beginning and ends of different lengths, answers that begin alike; as places in the
# vocabulary, from its third part on, where any model has ordinary tokens.
_PROMPTS = ((5, 9, 3, 8, 6, 2, 7, 4), (5, 9, 3, 8, 4, 4, 7, 2, 9, 6, 3))
_ANSWERS = ((6, 3, 8), (6, 4, 5, 2), (7, 9, 3))
_STEP = 7
# Mean difference of an answer's score. In SmolLM2, rounding to bf16 was 0.06; tokens that see a neighbour's or stand in
# the wrong place 0.6 and more.
_ROUNDING = {torch.float32: 0.01, torch.float16: 0.1, torch.bfloat16: 0.3}

# What models raise that take no such masks, positions or cache.
_REFUSALS = (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)

_tried: "weakref.WeakKeyDictionary[Any, bool]" = weakref.WeakKeyDictionary()


def plain_score(model: Any, prompt: Tokens, answer: Tokens) -> float:
    """The score by one forward pass over the prompt and the answer, which every model allows."""
    ids = torch.tensor([[*prompt, *answer[:-1]]], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :].float()
    steps = logits.log_softmax(-1)[torch.arange(len(answer)), torch.tensor(answer)]
    return float(steps.sum())


def reads_trees(model: Any, longest: int) -> bool:
    """Whether the model takes masks of our own over so many tokens: with them it computes what it does without."""
    return _says_so(model, longest) and _passes_trial(model)


def _says_so(model: Any, longest: int) -> bool:
    """Whether its configuration knows plain attention to all tokens before, or a window that holds all."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    if (
        kinds - {"full_attention", "sliding_attention"}
        or "local" in (getattr(config, "attention_layers", None) or ())
        or "position_ids" not in inspect.signature(model.forward).parameters
    ):
        return False
    window = getattr(config, "sliding_window", None)
    slides = "sliding_attention" in kinds or (not kinds and getattr(config, "use_sliding_window", True))
    return not (window and slides) or longest <= window


def _passes_trial(model: Any) -> bool:
    """Whether scores in a tree are those of plain forward passes, tried once for each loaded model.

    A model that takes no such masks, no positions or no cache from outside fails here, whatever it is called.
    """
    if model not in _tried:
        _tried[model] = _is_exact(model)
        if not _tried[model]:
            logger.info("%s does not take masks of our own", type(model).__name__)
    return _tried[model]


def _is_exact(model: Any) -> bool:
    vocabulary = int(model.config.get_text_config().vocab_size)
    prompts, answers = (
        [tuple((vocabulary // 3 + _STEP * place) % vocabulary for place in tokens) for tokens in several]
        for several in (_PROMPTS, _ANSWERS)
    )
    with torch.inference_mode():
        plain = np.array([[plain_score(model, prompt, answer) for answer in answers] for prompt in prompts])
        try:
            found = TreeReader(model, prompts, answers).scores(np.arange(len(prompts)))
        except _REFUSALS as error:
            logger.info("%s: %s", type(model).__name__, error)
            return False
    # What is no number here is found out, and answered by float32, where real texts are scored.
    difference = np.abs(found - plain)
    return bool(np.nanmean(difference) <= _ROUNDING.get(model.dtype, 0.01)) if np.isfinite(difference).any() else True
