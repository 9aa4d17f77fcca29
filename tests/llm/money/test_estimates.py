"""What a run would cost, before it costs anything."""

import json

import pytest

from textclassify.llm.money.estimates import UNKNOWN_PRICE, Estimate, dollars
from textclassify.llm.money.prices import FREE, Price
from textclassify.llm.money.token_counts import Range, tokens_in

PRICE = Price(prompt=2.0, cached=0.5, completion=8.0)
TEXTS = [f"message number {row}" for row in range(10)]
REPLY = Range(1, 2, 10)


def estimate(texts=TEXTS, **changes):
    given = {
        "provider": "openai",
        "model": "m",
        "method": "hard",
        "price": PRICE,
        "completion": REPLY,
        "shared": "Sort.",
    }
    return Estimate.of(texts, **given | changes)


def test_every_request_repeats_the_instructions():
    """They are most of the prompt, and of the cost, when texts are short."""
    one, ten = estimate(TEXTS[:1]), estimate()

    assert (one.requests, ten.requests) == (1, 10)
    assert one.prompt_tokens.expected >= tokens_in(["Sort.", TEXTS[0]]).expected
    assert ten.prompt_tokens.expected == pytest.approx(10 * one.prompt_tokens.expected, rel=0.05)
    assert ten.completion_tokens == Range(10, 20, 100)


def test_the_cost_is_that_of_its_tokens():
    """Likely and most at the full price; least as if the provider had the instructions in its cache."""
    cost, prompt = estimate().cost, estimate().prompt_tokens

    assert cost.expected == pytest.approx((prompt.expected * 2 + 20 * 8) / 1e6, rel=0.01)
    assert cost.high == pytest.approx((prompt.high * 2 + 100 * 8) / 1e6, rel=0.01)
    assert (prompt.low * 0.5 + 10 * 8) / 1e6 < cost.low < (prompt.low * 2 + 10 * 8) / 1e6


def test_texts_that_share_a_request_share_its_instructions():
    """And samples repeat everything."""
    shared, sampled = estimate(texts_per_request=4), estimate(samples=5)

    assert (shared.requests, sampled.requests) == (3, 50)
    assert shared.prompt_tokens.expected < estimate().prompt_tokens.expected / 1.5
    assert sampled.prompt_tokens.expected == pytest.approx(5 * estimate().prompt_tokens.expected, rel=0.01)


def test_samples_that_are_kept_are_not_asked_for_again():
    """Two texts lack one of three samples, a third one all of them."""
    left = estimate(TEXTS[:3], samples=[1, 1, 3], shared="")
    assert left.requests == 5
    assert left.prompt_tokens.high == estimate([*TEXTS[:3], TEXTS[2], TEXTS[2]], shared="").prompt_tokens.high
    assert estimate(TEXTS[:3], samples=[1, 1, 3], texts_per_request=2).requests == 1 + 3


def test_long_prompts_are_estimated_at_their_own_price():
    """A tier begins above 100 tokens here."""
    tiered = Price(2.0, 2.0, 8.0, longer=((100, Price(20.0, 20.0, 80.0)),))
    long = "word " * 500

    assert estimate([long], price=tiered).cost.expected == pytest.approx(10 * estimate([long]).cost.expected, rel=0.01)
    assert estimate(price=tiered).cost.expected == pytest.approx(estimate().cost.expected, rel=0.01)


def test_an_unknown_price_is_said_and_never_zero(monkeypatch, tmp_path):
    """Also when nothing would be sent, and in a sum with a known one."""
    monkeypatch.setenv("TEXTCLASSIFY_PRICES", str(tmp_path / "prices.yaml"))
    for unknown in (estimate(price=None), estimate([], price=None), estimate(price=None) + estimate()):
        assert unknown.cost is None
        assert UNKNOWN_PRICE in str(unknown)
        assert "prices.yaml" in str(unknown)
        assert '"openai/m"' in str(unknown)
        assert "$" not in str(unknown)
        assert (unknown.to_dict()["cost"], unknown.to_dict()["price"]) == (None, UNKNOWN_PRICE)


def test_answers_that_are_kept_cost_nothing():
    """What would be asked is what is left."""
    kept = estimate([], rows=12, blank=2, distinct=8, cached=10)

    assert kept.cost == Range(0.0, 0.0, 0.0)
    assert "10 rows, which are not asked again" in str(kept)
    assert "12 (2 blank, 8 different texts)" in str(kept)


def test_a_model_on_this_machine_is_free():
    """It is a price that is known."""
    free = Estimate.free(provider="local", model="smollm2", rows=5, blank=1)

    assert (free.rows, free.blank, free.requests, free.cost) == (5, 1, 0, Range(0.0, 0.0, 0.0))
    assert "$0.00" in str(free)
    assert estimate(price=FREE).cost == Range(0.0, 0.0, 0.0)


def test_several_models_add_up():
    """Each of them is asked about every row."""
    both = estimate() + estimate(TEXTS[:4], provider="deepseek", model="d", cached=6, rows=10)

    assert (both.rows, both.cached, both.requests) == (20, 6, 14)
    assert (both.provider, both.model, both.method) == ("openai + deepseek", "m + d", "hard")
    assert both.cost == estimate().cost + estimate(TEXTS[:4]).cost


def test_an_estimate_is_plain_json():
    """Scripts read it before they start a run."""
    plain = json.loads(json.dumps(estimate(rows=30, cached=20).to_dict()))

    assert (plain["rows"], plain["cached_rows"], plain["requests"]) == (30, 20, 10)
    assert plain["cost"]["low"] < plain["cost"]["expected"] < plain["cost"]["high"]
    assert all(isinstance(count, int) for count in plain["prompt_tokens"].values())


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.25, "$0.25"),
        (0.0999, "$0.100"),
        (0.00004567, "$0.000046"),
        (0.999, "$1.00"),
    ],
)
def test_small_amounts_keep_two_digits(amount, written):
    """A request costs less than a cent, and $0.00 would say that it is free."""
    assert dollars(amount) == written
