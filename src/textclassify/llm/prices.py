"""`price_of`: what the tokens of a model cost, by the packaged price list and the user's own prices over it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclassify.core.settings_files import expanded, read_settings_file
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError
from textclassify.llm.chat import Usage

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelPrice, TieredPrices

PRICES_VARIABLE = "TEXTCLASSIFY_PRICES"
"""Environment variable that names the user's price file."""
_FILE = "prices.yaml"
_MILLION = 1_000_000
_FEWEST_WRITTEN = 1024
"""Tokens of the shortest prompt that providers put into their caches by themselves."""
_ENTRY = "provider/model: {input: ..., output: ...}"
_KEYS = ("input", "cached_input", "output")


@dataclass(frozen=True, slots=True)
class Price:
    """What tokens cost, in US dollars per million.

    Args:
        prompt: of a prompt token.
        cached: of a prompt token that the provider had in its own cache.
        completion: of a token of the answer.
        written: of a prompt token that the provider puts into its cache, at least `prompt`.
        longer: what all tokens of a request cost whose prompt has more tokens than the number says, ascending.

    >>> Price(prompt=0.5, cached=0.05, completion=2.0).cost(Usage(prompt_tokens=1000, completion_tokens=10))
    0.00052

    """

    prompt: float
    cached: float
    completion: float
    written: float = 0.0
    longer: tuple[tuple[int, Price], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "written", max(self.written, self.prompt))

    @property
    def is_free(self) -> bool:
        """Whether no request costs anything."""
        return self.written == self.cached == self.completion == 0 and all(price.is_free for _, price in self.longer)

    def cost(self, usage: Usage) -> float:
        """What a reply cost in US dollars, rather too much than too little; NaN when its tokens were not counted.

        A server does not say which tokens it has put into its cache: where that has a price of its own, all tokens of
        a prompt that is long enough for a cache are charged at it, but for those that were there already.
        """
        prompt_tokens, completion_tokens = usage.prompt_tokens, usage.completion_tokens
        if not prompt_tokens and not completion_tokens:
            return 0.0 if self.is_free else math.nan
        rates = self.of_prompt(prompt_tokens) if self.longer else self
        cached = min(usage.cached_tokens, prompt_tokens)
        fresh = rates.written if prompt_tokens >= _FEWEST_WRITTEN else rates.prompt
        spent = (prompt_tokens - cached) * fresh + cached * rates.cached + completion_tokens * rates.completion
        return spent / _MILLION

    def of_prompt(self, tokens: float) -> Price:
        """The price of a request whose prompt has so many tokens."""
        return next((price for above, price in reversed(self.longer) if tokens > above), self)

    def up_to(self, tokens: float) -> Price:
        """The most that the tokens of a request can cost whose prompt has at most so many tokens."""
        reachable = [self, *(price for above, price in self.longer if tokens > above)]
        if len(reachable) == 1:
            return self
        return Price(*(max(getattr(price, rate) for price in reachable) for rate in _RATES))


_RATES = ("prompt", "cached", "completion", "written")
FREE = Price(0.0, 0.0, 0.0)
"""The price of a model on a server of the user's own."""


def price_of(
    provider: str, model: str, *, free: bool = False, overrides: Mapping[str, Any] | None = None
) -> Price | None:
    """What a model's tokens cost; None = unknown, which is never the same as nothing.

    The user's own prices come first, then nothing for `free` providers, then the price list of the installed package
    `genai-prices`; no network is asked. Where the list has prices by time of day, the dearest is taken.

    Args:
        provider: its name in `PROVIDERS`.
        model: as the provider calls it.
        free: whether the provider is a server of the user's own.
        overrides: the user's prices as in the price file, `{"provider/model": {"input": 0.1, "output": 0.4}}`, with
            wildcards such as "openai/*"; None = those in the price file.

    Raises:
        ConfigError: a price of the user's own cannot be read; the message names file and key.

    """
    own = _matching(read_price_file() if overrides is None else _checked(overrides, "overrides"), provider, model)
    if own is not None:
        return own
    return FREE if free else _packaged(provider, model)


def price_file() -> Path:
    """Where the user's own prices are: the file that `TEXTCLASSIFY_PRICES` names, else one in the user's settings."""
    import platformdirs

    named = os.environ.get(PRICES_VARIABLE, "").strip()
    return expanded(named) if named else Path(platformdirs.user_config_dir("textclassify")) / _FILE


def read_price_file(path: Path | None = None) -> dict[str, Price]:
    """The user's own prices by "provider/model"; none where no file was named and none lies in the usual place.

    Args:
        path: the file; None = `price_file()`.

    Raises:
        ConfigError: the file cannot be read, or one of its entries is no price; the message names file and key.

    """
    named = path is not None or bool(os.environ.get(PRICES_VARIABLE, "").strip())
    path = price_file() if path is None else path
    try:
        entries = read_settings_file(path)
    except FileNotFoundError:
        if not named:
            return {}
        raise ConfigError(f"no price file {str(path)!r}; write one with lines such as {_ENTRY}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"price file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(entries, dict | None):
        raise ConfigError(f"price file {str(path)!r} holds no entries such as {_ENTRY}")
    return _checked(entries or {}, f"price file {str(path)!r}")


def how_to_add(provider: str, model: str) -> str:
    """What to do about an unknown price, as the end of a sentence."""
    return (
        f"add its US dollars per million tokens to {str(price_file())!r}: "
        f'"{provider}/{model}": {{input: ..., cached_input: ..., output: ...}}'
    )


def _checked(entries: Mapping[Any, Any], where: str) -> dict[str, Price]:
    return {str(name).lower(): _entry(str(name), entry, where) for name, entry in entries.items()}


def _entry(name: str, entry: Any, where: str) -> Price:
    """The price that one entry of the file states."""
    if isinstance(entry, Price):
        return entry
    if "/" not in name:
        raise ConfigError(f"{where}, key {name!r}: it names no provider; write it as provider/model, or provider/*")
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}, key {name!r}: {entry!r:.60} is no price; write {_ENTRY}")
    for key, value in entry.items():
        if key not in _KEYS:
            raise ConfigError(
                f"{where}, key {name!r}: unknown key {key!r}{did_you_mean(key, _KEYS)}; known keys: {', '.join(_KEYS)}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ConfigError(
                f"{where}, key {name!r}: {key} is {value!r:.60}; write US dollars per million tokens as a number "
                "from 0 on, such as 0.15"
            )
    missing = [key for key in ("input", "output") if key not in entry]
    if missing:
        raise ConfigError(f"{where}, key {name!r}: {missing[0]} is missing; write {_ENTRY}")
    prompt, completion = float(entry["input"]), float(entry["output"])
    return Price(prompt, float(entry.get("cached_input", prompt)), completion)


def _matching(prices: Mapping[str, Price], provider: str, model: str) -> Price | None:
    """The price of the most exact name that fits: the name itself, else the longest pattern."""
    wanted = f"{provider}/{model}".lower()
    if wanted in prices:
        return prices[wanted]
    fitting = [pattern for pattern in prices if fnmatchcase(wanted, pattern)]
    return prices[max(fitting, key=len)] if fitting else None


def _packaged(provider: str, model: str) -> Price | None:
    """The price in the installed list; None = not there, or not told by tokens alone."""
    import genai_prices

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
    from genai_prices.types import ModelPrice, TimeOfDateConstraint

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
    from genai_prices.types import TieredPrices

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
