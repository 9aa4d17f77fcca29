"""`Estimate`: what labelling texts would ask a language model, and what that would cost, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from textclassify.llm.money.prices import FREE, Price, how_to_add
from textclassify.llm.money.token_counts import Range, tokens_in

UNKNOWN_PRICE = "unknown price"
"""What stands where a cost would, when nobody knows it."""
_TEMPLATE_TOKENS = Range(3.0, 4.0, 8.0)
"""What a chat template puts around a message, and once more around the conversation."""
_MILLION = 1_000_000
_NOTHING = Range(0.0, 0.0, 0.0)
_TWO_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """What labelling texts would ask and cost; of several models, after `+`, what they ask and cost together.

    Args:
        provider: who is asked.
        model: which model.
        method: how its scores are obtained.
        rows: all texts (of several models: once for each).
        blank: rows without a text, which are not asked.
        distinct: different texts among the others.
        cached: rows whose answers are kept from earlier runs and not asked again.
        requests: how many would be sent, repairs of unclear answers aside.
        prompt_tokens: of these requests.
        completion_tokens: of their answers.
        cost: in US dollars; None = the price of a model is unknown. The low end supposes that the provider has what
            all prompts share in its own cache, the likely one that it does not.
        unpriced: "provider/model" of those whose price is unknown.

    """

    provider: str
    model: str
    method: str
    rows: int
    blank: int
    distinct: int
    cached: int
    requests: int
    prompt_tokens: Range
    completion_tokens: Range
    cost: Range | None
    unpriced: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        prompts: Sequence[str],
        *,
        provider: str,
        model: str,
        method: str,
        price: Price | None,
        completion: Range,
        shared: str = "",
        messages: int = 2,
        texts_per_request: int = 1,
        samples: int | Sequence[int] = 1,
        rows: int | None = None,
        blank: int = 0,
        distinct: int | None = None,
        cached: int = 0,
    ) -> Self:
        """Return the estimate for texts that have to be asked about.

        Args:
            prompts: what differs from one request to the next: the distinct texts without a kept answer, or whole
                prompts where each is built for its text.
            provider: who is asked.
            model: which model.
            method: how its scores are obtained.
            price: of the model; None = unknown.
            completion: tokens of one answer.
            shared: what every request holds beside its prompts: instructions, examples, schema.
            messages: of one request.
            texts_per_request: how many of `prompts` go into one.
            samples: answers asked for each of them, or for all alike; every one is a request of its own.
            rows: all rows; None = as many as `prompts`.
            blank: rows among them without a text.
            distinct: different texts among them; None = as many as `prompts`.
            cached: rows among them whose answers are kept.

        """
        together = _by_samples(prompts, samples)
        requests = sum(times * math.ceil(len(some) / texts_per_request) for times, some in together.items())
        repeated = (tokens_in([shared]) + _TEMPLATE_TOKENS * (messages + 1)) * requests
        own = sum((tokens_in(some) * times for times, some in together.items()), _NOTHING)
        answers = completion * requests
        return cls(
            provider=provider,
            model=model,
            method=method,
            rows=len(prompts) if rows is None else rows,
            blank=blank,
            distinct=len(prompts) if distinct is None else distinct,
            cached=cached,
            requests=requests,
            prompt_tokens=_whole(repeated + own),
            completion_tokens=_whole(answers),
            cost=None if price is None else _cost(price, requests, repeated, own, answers),
            unpriced=(f"{provider}/{model}",) if price is None else (),
        )

    @classmethod
    def free(cls, *, provider: str, model: str, rows: int, blank: int = 0, method: str = "likelihood") -> Self:
        """Return the estimate of a model that runs in this process: no request, no cost."""
        nothing = cls.of((), provider=provider, model=model, method=method, price=FREE, completion=_NOTHING)
        return replace(nothing, rows=rows, blank=blank, distinct=rows - blank)

    def __add__(self, other: Estimate) -> Estimate:
        counts: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        return Estimate(
            provider=_joined(self.provider, other.provider),
            model=_joined(self.model, other.model),
            method=_joined(self.method, other.method),
            **counts,
            cost=None if self.cost is None or other.cost is None else self.cost + other.cost,
            unpriced=tuple(dict.fromkeys(self.unpriced + other.unpriced)),
        )

    def __str__(self) -> str:
        lines = {
            "rows": f"{self.rows:,} ({self.blank:,} blank, {self.distinct:,} different texts)",
            "answered already": f"{self.cached:,} rows, which are not asked again",
            "requests": f"{self.requests:,}",
            "prompt tokens": str(self.prompt_tokens),
            "completion tokens": str(self.completion_tokens),
            "cost": self.cost_in_words,
        }
        shown = "\n".join(f"  {name:<18} {value}" for name, value in lines.items())
        return f"{self.provider} {self.model}, method {self.method}\n{shown}"

    @property
    def cost_in_words(self) -> str:
        """The cost with its bounds; what to do where the price is unknown."""
        if self.cost is None:
            remedies = [how_to_add(*name.split("/", 1)) for name in self.unpriced]
            return "; ".join([UNKNOWN_PRICE, *remedies])
        low, expected, high = dollars(self.cost.low), dollars(self.cost.expected), dollars(self.cost.high)
        return expected if low == high else f"{expected} ({low} to {high})"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; `cost` is null and `price` says so when the price is unknown."""
        return {
            "provider": self.provider,
            "model": self.model,
            "method": self.method,
            "rows": self.rows,
            "blank_rows": self.blank,
            "distinct_texts": self.distinct,
            "cached_rows": self.cached,
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens.to_dict(),
            "completion_tokens": self.completion_tokens.to_dict(),
            "price": "known" if self.cost is not None else UNKNOWN_PRICE,
            "cost": None if self.cost is None else self.cost.to_dict(),
        }


_COUNTS = tuple(
    each.name for each in fields(Estimate) if each.name not in {"provider", "model", "method", "cost", "unpriced"}
)


def dollars(amount: float) -> str:
    """Return an amount of US dollars with two digits that tell something.

    >>> [dollars(amount) for amount in (1234.5, 0.0, 0.1, 0.000123)]
    ['$1,234.50', '$0.00', '$0.10', '$0.00012']

    """
    leading_zeros = -math.floor(math.log10(amount)) - 1 if 0 < amount < 1 else 0
    return f"${amount:,.{leading_zeros + _TWO_DIGITS}f}"


def _by_samples(prompts: Sequence[str], samples: int | Sequence[int]) -> dict[int, Sequence[str]]:
    """Return the prompts by how often each is asked."""
    if isinstance(samples, int):
        return {samples: prompts}
    together: dict[int, list[str]] = {}
    for prompt, times in zip(prompts, samples, strict=True):
        together.setdefault(times, []).append(prompt)
    return dict(together)


def _cost(price: Price, requests: int, repeated: Range, own: Range, answers: Range) -> Range:
    """Return what requests cost that repeat a part of their prompts."""
    if not requests:
        return _NOTHING
    rates = price.of_prompt((repeated.expected + own.expected) / requests)
    dearest = price.up_to((repeated.high + own.high) / requests)
    kept_by_provider = min(rates.cached, rates.prompt)
    low = repeated.low * kept_by_provider + own.low * rates.prompt + answers.low * rates.completion
    expected = (repeated.expected + own.expected) * rates.prompt + answers.expected * rates.completion
    high = (repeated.high + own.high) * dearest.written + answers.high * dearest.completion
    return Range(low / _MILLION, expected / _MILLION, high / _MILLION)


def _whole(tokens: Range) -> Range:
    return Range(math.floor(tokens.low), round(tokens.expected), math.ceil(tokens.high))


def _joined(one: str, other: str) -> str:
    return " + ".join(dict.fromkeys([*one.split(" + "), *other.split(" + ")]))
