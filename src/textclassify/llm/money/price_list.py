"""`price_of`: the price of a model, by the user's own prices and the packaged price list under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import genai_prices.data  # a part of each price: read with this module, not in the middle of the first run
from genai_prices.types import ConditionalPrice, ModelPrice, TieredPrices, TimeOfDateConstraint

from textclassify.llm.money.prices import FREE, Price, checked_prices, matching_price, read_price_file


def price_of(
    provider: str, model: str, *, free: bool = False, overrides: Mapping[str, Any] | None = None
) -> Price | None:
    """What a model's tokens cost; None = unknown, which is never the same as nothing.

    The user's own prices come first, then nothing where the server is `free`, then the price list of the installed
    package `genai-prices`; no network is asked. Where the list has prices by time of day, the dearest is taken.

    Args:
        provider: its name in `PROVIDERS`.
        model: as the provider calls it.
        free: whether the server is the user's own: `Endpoint.free`.
        overrides: the user's prices as in the price file, `{"provider/model": {"input": 0.1, "output": 0.4}}`, with
            wildcards such as "openai/*"; None = those in the price file.

    Raises:
        ConfigError: a price of the user's own cannot be read; the message names file and key.

    """
    own = matching_price(
        read_price_file() if overrides is None else checked_prices(overrides, "overrides"), provider, model
    )
    if own is not None:
        return own
    return FREE if free else _packaged(provider, model)


def _packaged(provider: str, model: str) -> Price | None:
    """The price in the installed list; None = not there, or not told by tokens alone."""
    try:
        found = genai_prices.calc_price(genai_prices.Usage(), model, provider_id=provider)
    except LookupError:
        return None
    listed = _current(found.model.prices)
    by_tokens = all(
        each.input_mtok is not None and each.output_mtok is not None and each.requests_kcount is None for each in listed
    )
    return _dearest(listed) if by_tokens else None


def _current(listed: ModelPrice | Sequence[ConditionalPrice]) -> list[ModelPrice]:
    """What holds today at any hour. Of conditional prices the last one that holds counts."""
    if isinstance(listed, ModelPrice):
        return [listed]
    found = []
    for each in reversed(listed):
        if isinstance(each.constraint, TimeOfDateConstraint):
            found.append(each.prices)
        elif each.constraint is None or each.constraint.active(datetime.now(UTC)):
            return [*found, each.prices]
    return [*found, listed[0].prices]


def _dearest(listed: Sequence[ModelPrice]) -> Price:
    """The highest of some prices, for prompts of every length."""

    def at(tokens: int) -> Price:
        def rate(name: str, *, otherwise: str) -> float:
            stated = [getattr(each, name) for each in listed]
            instead = [getattr(each, otherwise) for each in listed]
            both = zip(stated, instead, strict=True)
            return max(_rate(other if one is None else one, tokens) for one, other in both)

        return Price(
            rate("input_mtok", otherwise="input_mtok"),
            rate("cache_read_mtok", otherwise="input_mtok"),
            rate("output_mtok", otherwise="output_mtok"),
            rate("cache_write_mtok", otherwise="input_mtok"),
        )

    values = [value for each in listed for value in vars(each).values()]
    starts = {tier.start for value in values if isinstance(value, TieredPrices) for tier in value.tiers}
    return replace(at(0), longer=tuple((start, at(start + 1)) for start in sorted(starts)))


def _rate(stated: Decimal | TieredPrices, prompt_tokens: int) -> float:
    """The rate of a prompt's length; from a tier's start on, it holds for all tokens."""
    if isinstance(stated, Decimal):
        return float(stated)
    return float(next((tier.price for tier in reversed(stated.tiers) if prompt_tokens > tier.start), stated.base))
