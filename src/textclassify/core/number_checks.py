"""What of the values that users give as options is a number: Python's and numpy's count, booleans do not."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number of at least 1."""
    return is_whole(value) and bool(value >= 1)


def is_number(value: Any) -> bool:
    """Return whether a value is a number, whole or not."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
