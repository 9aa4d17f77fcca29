"""`Budget`: a cap on what a run costs; money is reserved before a request and reconciled after it."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import deque
from dataclasses import dataclass, field

from textclassify.errors import BudgetError, ConfigError
from textclassify.llm.money.prices import Price, how_to_add, price_file

logger = logging.getLogger(__name__)

TOKENS_PER_MESSAGE = 8
"""Tokens that a chat template puts around a message, at most: its role and its marks (3 to 5 are usual)."""
TOKENS_PER_REQUEST = 32
"""Tokens that it puts around a conversation, at most."""
_MILLION = 1_000_000
_UNITS = 10**12
"""Units of a US dollar: whole numbers, so that a million amounts add up exactly."""


def most_expensive(request_bytes: int, max_tokens: int | None, price: Price | None, *, messages: int = 2) -> float:
    """The most that one try of a request can cost, in US dollars; NaN where nothing bounds it.

    A token stands for at least one byte, so that a prompt has no more tokens than its UTF-8 text has bytes, but for
    those of the chat template.

    Args:
        request_bytes: of all its messages and its schema, or of the whole body that is sent.
        max_tokens: longest answer (of n samples in one reply: n times that); None = no limit.
        price: of the model; None = unknown.
        messages: how many it has.

    """
    if price is None or max_tokens is None:
        return 0.0 if price is not None and price.is_free else math.nan
    tokens = request_bytes + TOKENS_PER_MESSAGE * messages + TOKENS_PER_REQUEST
    dearest = price.up_to(tokens) if price.longer else price
    return (tokens * max(dearest.written, dearest.cached) + max_tokens * dearest.completion) / _MILLION


@dataclass(slots=True)
class _Account:
    """What one cap allows and what is gone, in units."""

    cap: float
    spent: int = 0
    reserved: int = 0


@dataclass(slots=True, eq=False)
class _Waiter:
    """A reservation that has to wait for others to be reconciled."""

    accounts: tuple[_Account, ...]
    units: int
    woken: asyncio.Future[None]


@dataclass(slots=True)
class _Queue:
    """What budgets that share their money have in common."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiters: deque[_Waiter] = field(default_factory=deque)


class Budget:
    """What a run may cost, shared by all its language models, threads and event loops.

    The cap is never exceeded while no request costs more than what was reserved for it. A try whose reply was lost may
    have been charged: reconcile it with NaN.

    Args:
        max_cost: US dollars; None = no cap, but what is spent is counted.
        within: a larger budget that the money comes from as well.

    >>> budget = Budget(1.0)
    >>> budget.reserve(0.75), budget.reserve(0.5)
    (True, False)
    >>> budget.reconcile(0.75, 0.25)
    >>> budget.reserve(0.5), budget.spent, budget.reserved
    (True, 0.25, 0.5)

    Raises:
        ConfigError: `max_cost` is no amount from 0 on.

    """

    def __init__(self, max_cost: float | None = None, *, within: Budget | None = None) -> None:
        if max_cost is not None and (isinstance(max_cost, bool) or not 0 <= max_cost < math.inf):
            raise ConfigError(f"max_cost is {max_cost!r}; pass US dollars from 0 on, or None for no cap")
        self.max_cost = max_cost
        self._own = _Account(math.inf if max_cost is None else math.floor(max_cost * _UNITS))
        around, queue = ((), _Queue()) if within is None else (within._accounts, within._queue)  # noqa: SLF001 - its own kind
        self._accounts: tuple[_Account, ...] = (self._own, *around)
        self._queue: _Queue = queue

    def __repr__(self) -> str:
        return f"Budget({self.max_cost!r}, spent={self.spent:.6f}, reserved={self.reserved:.6f})"

    @property
    def spent(self) -> float:
        """US dollars that were reconciled."""
        return self._own.spent / _UNITS

    @property
    def reserved(self) -> float:
        """US dollars that requests on their way may cost."""
        return self._own.reserved / _UNITS

    def require_price(self, price: Price | None, provider: str, model: str) -> None:
        """Make sure that a model's cost can be bounded, before it is asked anything.

        Raises:
            ConfigError: there is a cap, and the price is unknown; the message says where to add it.

        """
        if price is None and self._is_capped:
            raise ConfigError(
                f"max_cost cannot be kept, because the price of {provider}/{model} is unknown; "
                f"{how_to_add(provider, model)}"
            )

    def reserve(self, amount: float) -> bool:
        """Whether so many US dollars could be reserved; False when they might exceed the cap.

        Raises:
            ConfigError: the amount is NaN, and there is a cap.

        """
        units = self._units(amount)
        with self._queue.lock:
            return _taken(self._accounts, units)

    async def reserve_or_wait(self, amount: float) -> bool:
        """Reserve so many US dollars, where needed once requests on their way have cost less than was reserved.

        Whoever waits here must hold no reservation itself. False = the amount does not fit into what is left, whatever
        the requests on their way will cost.

        Raises:
            ConfigError: the amount is NaN, and there is a cap.

        """
        if self.reserve(amount):
            return True
        units = self._units(amount)
        waiter: _Waiter | None = None
        try:
            while True:
                with self._queue.lock:
                    if waiter is not None:
                        self._queue.waiters.remove(waiter)
                    waiter = None
                    if _taken(self._accounts, units):
                        return True
                    if _hopeless(self._accounts, units):
                        return False
                    waiter = _Waiter(self._accounts, units, asyncio.get_running_loop().create_future())
                    self._queue.waiters.append(waiter)
                await waiter.woken
        finally:
            self._leave(waiter)

    def reconcile(self, reserved: float, actual: float) -> None:
        """Replace what was reserved for a request by what it cost, in US dollars; NaN = unknown: all that was reserved.

        An actual cost above what was reserved is counted in full, and said.
        """
        held = self._units(reserved)
        cost = held if math.isnan(actual) else math.ceil(actual * _UNITS)
        if cost > held and self._is_capped:
            logger.warning("a request cost $%.6f, more than the $%.6f reserved for it", actual, reserved)
        with self._queue.lock:
            for account in self._accounts:
                account.reserved -= held
                account.spent += cost
            self._wake_first()

    def exhausted(self, amount: float) -> BudgetError:
        """The error that stops a run when so many US dollars could not be reserved."""
        tightest = min(self._accounts, key=lambda account: account.cap - account.spent)
        least = "a" if amount * _UNITS > tightest.cap else "the same or a"
        return BudgetError(
            f"{_dollars(tightest.spent / _UNITS)} of max_cost ${tightest.cap / _UNITS:g} are spent, and the next "
            f"request could cost up to {_dollars(amount)}: the run stops here. Every answer is kept; run it again, "
            f"with {least} larger max_cost, to go on: each run may spend that much anew"
        )

    @property
    def _is_capped(self) -> bool:
        return any(account.cap < math.inf for account in self._accounts)

    def _units(self, amount: float) -> int:
        """Return an amount in units; one without a bound is not counted where there is no cap."""
        if not math.isnan(amount):
            return math.ceil(amount * _UNITS)
        if self._is_capped:
            raise ConfigError(
                "max_cost cannot be kept, because nothing bounds what a request costs: its price is unknown, or no "
                f"longest answer is set; add the price to {str(price_file())!r}, set max_completion_tokens, or leave "
                "max_cost out"
            )
        return 0

    def _leave(self, waiter: _Waiter | None) -> None:
        """Have the next one in the queue look whether there is money for it, too."""
        with self._queue.lock:
            if waiter is not None and waiter in self._queue.waiters:
                self._queue.waiters.remove(waiter)
            self._wake_first()

    def _wake_first(self) -> None:
        waiters = self._queue.waiters
        while waiters:
            first = waiters[0]
            if not _fits(first.accounts, first.units) and not _hopeless(first.accounts, first.units):
                return
            try:
                first.woken.get_loop().call_soon_threadsafe(_wake, first.woken)
            except RuntimeError:  # its event loop has ended, and so has whoever waited there
                waiters.popleft()
            else:
                return


def _dollars(amount: float) -> str:
    """Return an amount with the digits that tell it from zero."""
    digits = 1 - math.floor(math.log10(amount)) if 0.0 < amount < 0.001 else 4
    return f"${amount:.{digits}f}"


def _fits(accounts: tuple[_Account, ...], units: int) -> bool:
    return all(account.spent + account.reserved + units <= account.cap for account in accounts)


def _hopeless(accounts: tuple[_Account, ...], units: int) -> bool:
    """Return whether an amount does not fit even if nothing on its way costs anything."""
    return any(account.spent + units > account.cap for account in accounts)


def _taken(accounts: tuple[_Account, ...], units: int) -> bool:
    if not _fits(accounts, units):
        return False
    for account in accounts:
        account.reserved += units
    return True


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
