"""How many texts a language model may be asked about: a share, a number of calls, or money.

What a budget may be written as:

- a share of the texts: a float from 0.0 to 1.0, or "20%";
- a number of calls: a whole number of type int, or "200 calls";
- money: "$1.50", "1.50 USD", or `Dollars(1.5)`.

The type decides, as in scikit-learn: 1 is one call and 1.0 is every text. Text without a unit is read as Python reads
the number: "0.2" is a share, "200" are calls.
"""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.ensemble.combining.readings import Floats
from textclassify.errors import ConfigError, ScoresError

_WRITTEN = re.compile(
    r"(?P<dollar>\$?)\s*(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(?P<unit>%|calls?|usd|dollars?)?", re.IGNORECASE
)
_WAYS = "pass a share such as 0.2 or '20%', a number of calls such as 200 or '200 calls', or money such as '$1.50'"


@dataclass(frozen=True)
class ShareOfTexts:
    """The share of texts that a language model is asked about on average, from 0 to 1.

    A threshold fixed when the deferral was fitted, so that a text's answer never depends on its neighbours; the share
    of one call's texts can be another one.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(
                f"a share of {self.share!r} is not between 0 and 1; pass 0.2 or '20%' for a fifth of the texts, and an "
                "int such as 200 or '200 calls' for a number of calls"
            )

    def __str__(self) -> str:
        return f"{100 * self.share:g}% of the texts"


@dataclass(frozen=True)
class Calls:
    """How many different texts a language model is asked about in one call of `predict`."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ConfigError(f"{self.number} calls cannot be made; pass 0 or more")

    def __str__(self) -> str:
        return "1 call" if self.number == 1 else f"{self.number} calls"

    @property
    def limit(self) -> float:
        """What the prices of the texts may add up to."""
        return float(self.number)

    def prices(self, cost_per_call: ArrayLike | None, n_rows: int) -> Floats:  # noqa: ARG002 - each call counts as one
        """Return what each row takes of the budget; shape (n,)."""
        return np.ones(n_rows)


@dataclass(frozen=True)
class Dollars:
    """How many US dollars the calls of one `predict` may be expected to cost."""

    amount: float

    def __post_init__(self) -> None:
        if not 0 <= self.amount < math.inf:
            raise ConfigError(f"{self.amount!r} is no amount of money; pass US dollars from 0 on, such as '$1.50'")

    def __str__(self) -> str:
        return f"${self.amount:g}"

    @property
    def limit(self) -> float:
        """What the prices of the texts may add up to."""
        return self.amount

    def prices(self, cost_per_call: ArrayLike | None, n_rows: int) -> Floats:
        """Return what asking about each row is expected to cost, in US dollars; shape (n,).

        Raises:
            ConfigError: the price of a row is not known.
            ScoresError: there is not one price per row.

        """
        if cost_per_call is None:
            raise ConfigError(
                f"the budget {self} needs a price: pass the expected cost_per_call in US dollars, or a budget as a "
                "share or a number of calls"
            )
        cost = np.asarray(cost_per_call, dtype=np.float64)
        if cost.shape not in {(), (n_rows,)}:
            raise ScoresError(f"cost_per_call has shape {cost.shape}; pass one number, or one per text, ({n_rows},)")
        cost = np.broadcast_to(cost, (n_rows,))
        unknown = ~(np.isfinite(cost) & (cost >= 0))
        if unknown.any():
            row = int(np.flatnonzero(unknown)[0])
            raise ConfigError(
                f"the budget {self} cannot be kept: the price of a call for row {row} is {cost[row]}; set the model's "
                "price, or pass a budget as a share or a number of calls"
            )
        return np.asarray(cost)


Budget: TypeAlias = ShareOfTexts | Calls | Dollars
BudgetLike: TypeAlias = Budget | float | int | str


def read_budget(budget: Any) -> Budget:
    """Return what a budget means; see the top of this module for how it may be written.

    >>> [str(read_budget(one)) for one in (1.0, 1, "20%", "200 calls", "$1.50")]
    ['100% of the texts', '1 call', '20% of the texts', '200 calls', '$1.5']

    Raises:
        ConfigError: it is none of these.

    """
    if isinstance(budget, ShareOfTexts | Calls | Dollars):
        return budget
    if isinstance(budget, str):
        return _written(budget)
    if isinstance(budget, bool | np.bool_):
        raise ConfigError(f"{budget} is no budget; {_WAYS} (1.0 = every text, 0 = none)")
    if isinstance(budget, numbers.Integral):
        return Calls(int(budget))
    if isinstance(budget, numbers.Real):
        return ShareOfTexts(float(budget))
    raise ConfigError(f"{budget!r} is no budget; {_WAYS}")


def best_first(
    value: Floats, prices: Floats, limit: float, row_ids: NDArray[np.uint64] | None = None
) -> NDArray[np.bool_]:
    """Return the rows to ask about, (n,): those worth most for their price, as long as the prices stay in the limit.

    Worth is value by price where the value is above 0. Of equals the earlier row comes first, and the first text that
    does not fit ends the list, so that a larger limit never leaves out what a smaller one took. Rows of one id are one
    text and one call.

    Args:
        value: (n,) expected gain of asking; infinite = to be asked before all others.
        prices: (n,) what asking takes of the limit.
        limit: what the prices may add up to.
        row_ids: (n,) what text each row is; None = all different.

    """
    if row_ids is None:
        first = text = np.arange(len(value))
    else:
        _, first, text = np.unique(row_ids, return_index=True, return_inverse=True)
    value, prices = value[first], prices[first]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what costs nothing is worth infinitely much
        worth = np.where(value > 0, value / prices, value * prices)
    order = np.lexsort((first, -worth, ~np.isposinf(value)))
    spent = np.cumsum(prices[order])
    taken = np.zeros(len(value), dtype=bool)
    taken[order] = spent <= limit * (1 + 1e-9)  # a hundred times one cent is one dollar, whatever binary fractions say
    return np.asarray(taken[text])


def _written(budget: str) -> Budget:
    found = _WRITTEN.fullmatch(budget.strip())
    unit = (found["unit"] or "").lower() if found else ""
    if found is None or (found["dollar"] and unit not in {"", "usd"}):
        raise ConfigError(f"{budget!r} is no budget; {_WAYS}")
    number = float(found["number"])
    if found["dollar"] or unit.startswith(("usd", "dollar")):
        return Dollars(number)
    if unit == "%":
        return ShareOfTexts(number / 100)
    if "." not in found["number"]:
        return Calls(int(found["number"]))
    if unit:
        raise ConfigError(f"{budget!r} is no number of calls; pass a whole one, such as '200 calls'")
    return ShareOfTexts(number)
