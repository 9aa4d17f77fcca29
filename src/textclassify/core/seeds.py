"""The one rule for seeds."""

from __future__ import annotations

from typing import Any

from textclassify.core.number_checks import is_whole
from textclassify.errors import ConfigError

LARGEST_SEED = 2**32 - 1
"""What numpy, scikit-learn and torch all take."""


SEED_RULE = f"a seed is a whole number from 0 to {LARGEST_SEED} (2**32 - 1)"


def is_seed(value: Any) -> bool:
    """Return whether a value can seed everything random."""
    whole = is_whole(value)
    return whole and bool(0 <= value <= LARGEST_SEED)


def check_seed(seed: Any) -> None:
    """Make sure that a value can seed everything random.

    Raises:
        ConfigError: it cannot; the message names the range.

    """
    if not is_seed(seed):
        raise ConfigError(f"random_state is {seed!r}; {SEED_RULE}")
