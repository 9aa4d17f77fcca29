"""The one rule for seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from textclassify.errors import ConfigError

LARGEST_SEED = 2**32 - 1
"""What numpy, scikit-learn and torch all take."""


def checked_seed(seed: Any, name: str = "random_state") -> int:
    """Return a seed as an int.

    Raises:
        ConfigError: it is no whole number from 0 to 2**32 - 1.

    """
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"{name} is {seed!r}; pass a whole number from 0 to {LARGEST_SEED} (2**32 - 1)")
    return int(seed)
