"""`Price`: what the tokens of a model cost, and the file of the user's own prices."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from textclassify.core.settings_files import expanded, read_settings_file
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError
from textclassify.llm.chat import Usage

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
    return checked_prices(entries or {}, f"price file {str(path)!r}")


def how_to_add(provider: str, model: str) -> str:
    """What to do about an unknown price, as the end of a sentence."""
    return (
        f"add its US dollars per million tokens to {str(price_file())!r}: "
        f'"{provider}/{model}": {{input: ..., cached_input: ..., output: ...}}'
    )


def checked_prices(entries: Mapping[Any, Any], where: str) -> dict[str, Price]:
    """The prices that a mapping in the form of the price file holds, by "provider/model" in lower case."""
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


def matching_price(prices: Mapping[str, Price], provider: str, model: str) -> Price | None:
    """The price of the most exact name that fits: the name itself, else the longest pattern."""
    wanted = f"{provider}/{model}".lower()
    if wanted in prices:
        return prices[wanted]
    fitting = [pattern for pattern in prices if fnmatchcase(wanted, pattern)]
    return prices[max(fitting, key=len)] if fitting else None
