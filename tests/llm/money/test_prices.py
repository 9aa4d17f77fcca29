"""What tokens cost: the packaged list, the user's file over it, and never nothing for what is unknown."""

import math
import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import types

import textclassify
from textclassify.errors import ConfigError
from textclassify.llm.chat import Usage
from textclassify.llm.money.price_list import _current, _dearest, price_of
from textclassify.llm.money.prices import FREE, Price, how_to_add, price_file, read_price_file


@pytest.fixture(autouse=True)
def no_user_prices(tmp_path, monkeypatch):
    """Return where the price file of these tests is; the user's own must not decide them."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.delenv("TEXTCLASSIFY_PRICES", raising=False)


@pytest.fixture
def prices_yaml(tmp_path, monkeypatch):
    """Return a function that writes the user's price file."""

    def write(content):
        path = tmp_path / "prices.yaml"
        path.write_text(content, encoding="utf-8")
        monkeypatch.setenv("TEXTCLASSIFY_PRICES", str(path))
        return path

    return write


def test_the_packaged_list_knows_the_price_of_a_common_model():
    """Nobody should have to look up what everybody asks."""
    price = price_of("openai", "gpt-4o-mini")

    assert 0 < price.cached < price.prompt < price.completion
    assert price.cost(Usage(1000, 100)) == pytest.approx((1000 * price.prompt + 100 * price.completion) / 1e6)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("gemini", "gemini-2.5-flash"), ("deepseek", "deepseek-chat"), ("openrouter", "openai/gpt-4o")],
)
def test_providers_are_found_under_our_names(provider, model):
    """The list calls some of them otherwise."""
    assert price_of(provider, model).completion > 0


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "no-such-model"), ("nobody", "gpt-4o"), ("openai", "text-embedding-3-small"), ("vllm", "gpt-4o")],
)
def test_an_unknown_price_is_none_and_not_nothing(provider, model):
    """A model, a provider, or the price of an answer may be missing."""
    assert price_of(provider, model) is None


def test_a_fee_for_each_request_is_no_price_by_tokens():
    """Counting tokens alone would promise too little."""
    assert price_of("perplexity", "sonar") is None


def test_servers_of_the_users_own_cost_nothing():
    """Whatever the model is called there."""
    assert price_of("vllm", "gpt-4o", free=True) is FREE
    assert FREE.cost(Usage(10**6, 10**6)) == 0


def test_cached_tokens_are_a_part_of_the_prompt():
    """They are not charged twice, nor more of them than there are."""
    price = Price(prompt=1.0, cached=0.1, completion=4.0)

    assert price.cost(Usage(1000, 10, 400)) == pytest.approx((600 + 40 + 40) / 1e6)
    assert price.cost(Usage(1000, 0, 5000)) == pytest.approx(100 / 1e6)


def test_a_reply_without_counts_has_an_unknown_cost():
    """A server that counts nothing has not answered for nothing."""
    assert math.isnan(Price(1.0, 1.0, 1.0).cost(Usage()))


def test_tokens_that_go_into_the_providers_cache_are_charged_at_its_price():
    """Which they are is not said, but short prompts are never kept."""
    price = Price(prompt=1.0, cached=0.1, completion=4.0, written=1.25)

    assert price.cost(Usage(1000)) == pytest.approx(1000 / 1e6)
    assert price.cost(Usage(2000, 0, 1000)) == pytest.approx((1000 * 1.25 + 1000 * 0.1) / 1e6)


def test_long_prompts_have_their_own_price():
    """From the limit of a tier on, all tokens cost more."""
    price = Price(1.0, 1.0, 2.0, longer=((1000, Price(5.0, 5.0, 9.0)),))

    assert price.cost(Usage(1000, 1)) == pytest.approx(1002 / 1e6)
    assert price.cost(Usage(1001, 1)) == pytest.approx((5005 + 9) / 1e6)
    assert (price.up_to(1000).prompt, price.up_to(1001).prompt) == (1.0, 5.0)


def test_tiers_of_the_packaged_list_are_kept():
    """As of a model whose long prompts cost twice as much."""
    price = price_of("gemini", "gemini-2.5-pro")

    (above, longer), *_ = price.longer
    assert above == 200_000
    assert longer.prompt > price.prompt


def model_price(rate, **rates):
    return types.ModelPrice(input_mtok=Decimal(rate), output_mtok=Decimal(2 * rate), **rates)


def test_of_prices_by_time_of_day_the_dearest_counts():
    """A run may last until the expensive hours; a cap must hold then, too."""
    now = datetime.now(UTC)
    later = types.TimeOfDateConstraint(time((now.hour + 2) % 24), time((now.hour + 3) % 24))
    listed = [
        types.ConditionalPrice(prices=model_price(9)),  # superseded by the next
        types.ConditionalPrice(types.StartDateConstraint(now.date()), prices=model_price(1)),
        types.ConditionalPrice(later, prices=model_price(3)),
        types.ConditionalPrice(types.StartDateConstraint(now.date() + timedelta(days=9)), prices=model_price(7)),
    ]

    assert _dearest(_current(listed)) == Price(3.0, 3.0, 6.0)


def test_prices_of_the_providers_cache_are_kept():
    """Reading it is cheaper than the prompt, writing it may be dearer."""
    price = _dearest([model_price(4, cache_read_mtok=Decimal(1), cache_write_mtok=Decimal(5))])

    assert (price.prompt, price.cached, price.written) == (4.0, 1.0, 5.0)


def test_the_users_file_comes_first(prices_yaml):
    """A contract may have other prices, and new models are not in any list."""
    prices_yaml("openai/gpt-4o-mini: {input: 7, output: 8}\nvllm/*: {input: 1, cached_input: 0.5, output: 2}\n")

    assert price_of("openai", "gpt-4o-mini") == Price(7.0, 7.0, 8.0)
    assert price_of("vllm", "org/model", free=True) == Price(1.0, 0.5, 2.0)


def test_the_most_exact_name_wins():
    """In whatever order and case they are written."""
    prices = {
        name: {"input": number, "output": 1} for number, name in enumerate(["*/*", "OpenAI/gpt-*", "openai/gpt-4"])
    }

    found = [price_of("openai", model, overrides=prices).prompt for model in ("o1", "gpt-5", "GPT-4")]
    assert found == [0.0, 1.0, 2.0]


def test_without_a_file_there_are_no_prices_of_ones_own():
    """It lies in the user's settings, unless it is named."""
    assert price_file().name == "prices.yaml"
    assert read_price_file() == {}


def test_a_file_that_is_named_and_missing_is_an_error(monkeypatch, tmp_path):
    """Its prices would silently not hold."""
    monkeypatch.setenv("TEXTCLASSIFY_PRICES", str(tmp_path / "gone.yaml"))
    with pytest.raises(ConfigError, match=r"gone\.yaml.*provider/model"):
        price_of("openai", "gpt-4o")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("openai/x: {input: 1, output: 2\n", "line 2"),
        ("- 1\n", "holds no entries"),
        ("gpt: {input: 1, output: 2}\n", r"'gpt': it names no provider"),
        ("openai/x: 3\n", r"'openai/x': 3 is no price"),
        ("openai/x: {input: 1, ouput: 2}\n", r"'ouput'; did you mean 'output'"),
        ("openai/x: {input: -1, output: 2}\n", "input is -1"),
        ("openai/x: {input: .nan, output: 2}\n", "input is nan"),
        ("openai/x: {input: '1', output: 2}\n", "input is '1'"),
        ("openai/x: {input: true, output: 2}\n", "input is True"),
        ("openai/x: {input: 1}\n", "output is missing"),
    ],
)
def test_a_bad_file_is_named_with_its_line_or_key(prices_yaml, content, said):
    """A wrong price is found before it is used."""
    path = prices_yaml(content)
    with pytest.raises(ConfigError, match=said) as caught:
        price_of("openai", "gpt-4o")
    assert str(path) in str(caught.value)


def test_the_remedy_for_an_unknown_price_can_be_pasted(prices_yaml):
    """It names the file and the entry."""
    path = prices_yaml("")

    assert str(path) in how_to_add("openai", "new")
    assert '"openai/new": {input: ..., cached_input: ..., output: ...}' in how_to_add("openai", "new")


def test_the_price_list_is_loaded_with_language_models_only():
    """It takes some 0.1 s and brings an HTTP client along, which the limits of a run do not need."""
    code = "import sys, textclassify.llm.money.prices, textclassify.llm.money.limits; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(textclassify.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert "textclassify.llm.money.prices" in ran.stdout.split()
    assert "genai_prices" not in ran.stdout.split()
