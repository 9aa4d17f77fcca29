"""What a configuration, or a model that was made from one, allows a whole command to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textclassify.errors import BudgetError, ConfigError
from textclassify.llm.money.limits import current, limited

_WHERE = "`max_cost:` of the configuration"


@contextmanager
def configured_limits(source: Any) -> Iterator[None]:
    """Have `max_cost` and `offline` of a configuration hold for a whole block, as one budget for all that it asks.

    What holds around the block, such as the flags of a command, holds as well: the stricter one wins.

    Args:
        source: a `Config`, or a classifier; one that was made without a configuration is not limited.

    Raises:
        BudgetError: the money is spent; the message says whether a flag or the configuration set the cap.

    """
    settings = getattr(source, "config_", source)
    cap, by_flag = getattr(settings, "max_cost", None), current().max_cost
    with limited(max_cost=cap, offline=getattr(settings, "offline", False)):
        try:
            yield
        except (BudgetError, ConfigError) as error:
            if cap is None or (by_flag is not None and by_flag <= cap) or not _is_about_money(str(error)):
                raise
            raise type(error)(str(error).replace("max_cost", _WHERE)) from error


def _is_about_money(message: str) -> bool:
    return "max_cost" in message and _WHERE not in message and "configuration key" not in message
