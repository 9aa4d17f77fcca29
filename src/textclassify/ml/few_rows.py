"""Few rows per label: whether pairs of texts, fine-tuning, or the head alone are what the encoder learns from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import doing
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError
from textclassify.models.dependencies import needs_extra
from textclassify.statistics.folds import assign_folds

with needs_extra("torch"):
    from textclassify.ml.training import Lesson, Recipe

logger = logging.getLogger(__name__)

HEAD = "head"
"""The encoder stays as it is; the linear layer alone is learned."""
FINE_TUNING = "fine-tuning"
"""Encoder and linear layer are trained together, by cross-entropy."""
PAIRS = "pairs"
"""The encoder is trained on pairs of texts (`ml.contrastive`), then the linear layer is fitted."""

FEWEST_ROWS, MOST_ROWS = 8, 64
"""Mean rows per label that occurs between which pairs come into question."""
ROWS_FOR_A_TRIAL = 200
"""From here on the ways are tried on a part of the rows; fewer would leave the choice to chance."""
_PARTS = 4
_BATCH_SIZE = 32
_STEPS = 60
"""Batches that pairs are learned from; 120 measured no better with 8 rows of each of six labels."""

Trial = Callable[[str, NDArray[np.bool_]], NDArray[np.float64]]
"""A function of a way and of the rows held back, to the log losses of these rows after learning from the others."""


def can_pair(gold: NDArray[Any]) -> bool:
    """Return whether label codes (n,) hold two labels with two rows each; indicators (n, K) are not paired."""
    return gold.ndim == 1 and int((np.bincount(gold) >= 2).sum()) >= 2


def has_few_rows(gold: NDArray[Any]) -> bool:
    """Return whether label codes (n,) hold so few rows per label that pairs come into question."""
    return can_pair(gold) and FEWEST_ROWS <= len(gold) / len(np.unique(gold)) <= MOST_ROWS


def learn_pairs(network: Any, lesson: Lesson, recipe: Recipe, pad_token_id: int) -> None:
    """Train the encoder of a network on pairs (see `ml.contrastive`), with the rates and seed of a recipe.

    Raises:
        ConfigError: no two labels have two texts each, or texts have several labels.

    """
    if not can_pair(lesson.targets):
        raise ConfigError("contrastive=True needs one label per text, and two labels with two texts each; leave it out")
    with needs_extra("torch"):  # loaded where pairs are learned only: it takes seconds
        from textclassify.ml.contrastive import learn_from_pairs

    learn_from_pairs(network, lesson, replace(recipe, batch_size=_BATCH_SIZE), pad_token_id, steps=_STEPS)


def best_way(data: TrainingData, n: int, seed: int, trial: Trial) -> str:
    """Return which way suits few rows per label.

    Below `ROWS_FOR_A_TRIAL` rows that is pairs, which measured best with 8 and 32 rows per label of four and six
    labels. From there on a quarter of the rows is held back once, and the way with the lowest log loss on it is taken:
    with many labels, which of them is best depends on how much the encoder knows of the matter already.

    Args:
        data: n rows, and after them those that the schema provides, which are never held back.
        n: the rows.
        seed: of the part that is held back.
        trial: learns in a way from some rows and says what it is worth on the others.

    """
    if n < ROWS_FOR_A_TRIAL:
        return PAIRS
    held = np.zeros(len(data), dtype=bool)
    held[:n] = assign_folds(data.gold[:n], _PARTS, data.clusters[:n], random_state=seed) == 0
    losses = {}
    for way in (HEAD, FINE_TUNING, PAIRS):
        with doing(f"trying {way}: "):
            losses[way] = float(trial(way, held).mean())
    logger.info("log loss on %d rows held back: %s", held.sum(), losses)
    return min(losses, key=lambda way: losses[way])
