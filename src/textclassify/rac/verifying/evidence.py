"""`Evidence`: what a model said about the candidates of each text, and what that took."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.scales import Status
from textclassify.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What checks say about k candidates of n texts.

    Attributes:
        log_odds: (n, k) natural log-odds for each candidate, beyond what is known without asking: 0 says nothing
            either way; NaN = not asked, or no answer.
        said_yes: (n, k) 1 where the model said yes, 0 where no; NaN = not asked that way, or no answer.
        calls: (n,) questions about the text.
        status: (n,) `Status`: OK, or why a candidate that was asked about has no evidence, the last such reason.
        method: (n,) `Method` of the last answer; GIVEN where there is none.
        cost: (n,) US dollars spent now; 0 = kept replies or free, NaN = unknown price.

    Raises:
        DataError: shapes do not fit together.

    """

    log_odds: NDArray[np.float64]
    said_yes: NDArray[np.float64]
    calls: NDArray[np.int64]
    status: NDArray[np.uint8]
    method: NDArray[np.uint8]
    cost: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("log_odds", "said_yes", "calls", "status", "method", "cost"):
            shape, column = self.log_odds.shape, getattr(self, name)
            expected = shape if name in {"log_odds", "said_yes"} else shape[:1]
            if len(shape) != 2 or column.shape != expected:
                raise DataError(f"evidence has {name} of shape {column.shape} beside log_odds of shape {shape}")

    def __len__(self) -> int:
        return len(self.log_odds)

    @property
    def asked(self) -> NDArray[np.bool_]:
        """(n,) whether anything was asked about the text."""
        return self.calls > 0

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(n, k) whether there is evidence about the candidate."""
        return ~np.isnan(self.log_odds)

    @property
    def all_said_no(self) -> NDArray[np.bool_]:
        """(n,) whether every candidate that was asked about was answered, and by no."""
        nos = (self.said_yes == 0).sum(axis=1)
        return np.asarray((nos > 0) & (nos == self.answered.sum(axis=1)) & (self.status == Status.OK))

    def take(self, rows: ArrayLike) -> Self:
        """Return the evidence of some rows: positions or a mask."""
        chosen = np.asarray(rows)
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))
