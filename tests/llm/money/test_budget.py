"""A cap that holds: whatever requests cost up to what was reserved, from however many threads and event loops."""

import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.errors import BudgetError, ConfigError
from textclassify.llm.chat import Usage
from textclassify.llm.money.budget import Budget, most_expensive
from textclassify.llm.money.prices import FREE, Price

PRICE = Price(prompt=2.0, cached=0.5, completion=8.0, written=2.5, longer=((5000, Price(4.0, 1.0, 12.0)),))


def test_what_does_not_fit_is_refused():
    """Reserved money counts like spent money until it is known what the request cost."""
    budget = Budget(1.0)

    assert [budget.reserve(0.6), budget.reserve(0.6), budget.reserve(0.4), budget.reserve(1e-9)] == [1, 0, 1, 0]
    budget.reconcile(0.6, 0.1)
    assert (budget.spent, budget.reserved) == (0.1, 0.4)
    assert budget.reserve(0.5)


def test_many_small_amounts_add_up_exactly():
    """0.1 + 0.1 + 0.1 is not 0.3 for a computer, but it is for a bill."""
    budget = Budget(0.3)
    for _ in range(3):
        assert budget.reserve(0.1)
        budget.reconcile(0.1, 0.1)

    assert budget.spent == 0.3
    assert not budget.reserve(1e-12)


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, True])
def test_a_cap_that_is_no_amount_is_refused(amount):
    """It would silently cap nothing, or everything."""
    with pytest.raises(ConfigError, match=r"max_cost is .*US dollars"):
        Budget(amount)


def test_without_a_cap_the_money_is_counted():
    """A ledger is wanted all the same; what is unknown is left out."""
    budget = Budget()

    assert budget.reserve(1e9)
    budget.reconcile(1e9, 2.5)
    assert budget.reserve(math.nan)
    budget.reconcile(math.nan, math.nan)
    assert (budget.spent, budget.reserved) == (2.5, 0.0)


def test_a_lost_reply_counts_in_full():
    """The server may have charged for it."""
    budget = Budget(1.0)
    budget.reserve(0.7)
    budget.reconcile(0.7, math.nan)

    assert (budget.spent, budget.reserved) == (0.7, 0.0)


def test_a_cost_above_what_was_reserved_is_counted_and_said(caplog):
    """A server that breaks its own limits must not be paid from money that is not there."""
    budget = Budget(1.0)
    budget.reserve(0.1)
    budget.reconcile(0.1, 0.3)

    assert budget.spent == 0.3
    assert "more than the $0.100000 reserved" in caplog.text


def test_an_unknown_price_cannot_be_capped(monkeypatch, tmp_path):
    """The message says where the price is to be added."""
    monkeypatch.setenv("TEXTCLASSIFY_PRICES", str(tmp_path / "prices.yaml"))
    with pytest.raises(ConfigError, match=r"price of vllm/big is unknown; .*prices\.yaml.*\"vllm/big\": \{input"):
        Budget(1.0).require_price(None, "vllm", "big")
    with pytest.raises(ConfigError, match="nothing bounds what a request costs"):
        Budget(within=Budget(1.0)).reserve(most_expensive(100, 16, None))

    Budget().require_price(None, "vllm", "big")
    Budget(1.0).require_price(FREE, "vllm", "small")


def test_what_nothing_bounds_is_no_number():
    """An unlimited answer costs nothing only where nothing costs anything."""
    assert math.isnan(most_expensive(100, None, PRICE))
    assert math.isnan(most_expensive(100, 16, None))
    assert most_expensive(100, None, FREE) == 0.0


@given(
    text=st.text(max_size=6000),
    tokens_per_byte=st.floats(0, 1),
    template_tokens=st.integers(0, 16),
    cached=st.integers(0, 9000),
    completion=st.integers(0, 150),
)
def test_no_usage_costs_more_than_the_bound(text, tokens_per_byte, template_tokens, cached, completion):
    """Every token stands for at least one byte, whatever the tokenizer."""
    n_bytes = len(text.encode())
    usage = Usage(int(tokens_per_byte * n_bytes) + template_tokens, completion, cached)

    cost = PRICE.cost(usage)
    assert math.isnan(cost) or cost <= most_expensive(n_bytes, 150, PRICE)


@pytest.mark.parametrize("tokens", [2000, 6000])
def test_the_bound_knows_tiers_and_the_price_of_caching(tokens):
    """A prompt of one-byte tokens, all of them new to the provider's cache, is the most expensive there is."""
    assert PRICE.cost(Usage(tokens, 150)) <= most_expensive(tokens, 150, PRICE)


@given(
    cap=st.floats(0.001, 0.05),
    requests=st.lists(st.tuples(st.integers(1, 9000), st.floats(0, 1)), min_size=1, max_size=200),
    n_threads=st.integers(1, 8),
)
def test_the_cap_holds_from_several_threads(cap, requests, n_threads):
    """Whatever share of its bound each request costs in the end."""
    budget = Budget(cap)
    paid = []

    def ask(request):
        n_bytes, share = request
        bound = most_expensive(n_bytes, 16, PRICE)
        if budget.reserve(bound):
            paid.append(bound * share)
            budget.reconcile(bound, bound * share)

    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(ask, requests))
    assert math.fsum(paid) <= cap
    assert budget.spent == pytest.approx(math.fsum(paid), abs=1e-9)
    assert budget.reserved == 0


async def _ask_all(budget, shares, bound, paid):
    async def ask(share):
        if not await budget.reserve_or_wait(bound):
            return False
        await asyncio.sleep(0)
        paid.append(bound * share)
        budget.reconcile(bound, bound * share)
        return True

    return await asyncio.gather(*map(ask, shares))


def test_a_refused_request_waits_for_those_on_their_way():
    """Bounds are far above true costs: refusing at once would leave most of the money unspent."""
    budget, paid = Budget(1.0), []
    asked = asyncio.run(_ask_all(budget, [0.1] * 50, 0.25, paid))

    assert sum(asked) == 31  # 30 * 0.025 are spent, and 0.25 fit once more
    assert 0.75 < budget.spent <= 1.0


def test_what_can_never_fit_is_refused_at_once():
    """Nothing that is on its way could free enough for it."""
    budget = Budget(1.0)
    assert budget.reserve(0.5)
    budget.reconcile(0.5, 0.5)
    assert budget.reserve(0.4)

    assert asyncio.run(budget.reserve_or_wait(0.6)) is False
    error = budget.exhausted(0.6)
    assert isinstance(error, BudgetError)
    assert all(part in str(error) for part in ("$0.5000 of max_cost $1", "$0.6000", "the same or a larger max_cost"))


def test_a_small_budget_is_told_with_digits_that_say_something():
    """$0.0000 of $0.0001 tells nobody how far a cap is off; one request above all of it needs a larger cap."""
    budget = Budget(0.0001)
    budget.reserve(0.00004)
    budget.reconcile(0.00004, 0.0000312)

    said = str(budget.exhausted(0.00015))

    assert "$0.000031 of max_cost $0.0001" in said
    assert "up to $0.00015:" in said
    assert "with a larger max_cost" in said
    assert "each run may spend that much anew" in said


def test_event_loops_in_several_threads_share_a_budget():
    """Sources of a fusion may run side by side; each wakes the others."""
    budget, paid = Budget(0.2), []
    rng = np.random.default_rng(0)
    shares = [rng.random(100).tolist() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        asked = list(threads.map(lambda part: asyncio.run(_ask_all(budget, part, 0.01, paid)), shares))

    assert math.fsum(paid) <= 0.2
    assert budget.spent > 0.19
    assert 0 < sum(map(sum, asked)) < 400


def test_a_cancelled_wait_takes_nothing_and_lets_the_next_one_through():
    """Ctrl-C in one model's run must not leave another waiting for ever."""

    async def run():
        budget = Budget(1.0)
        budget.reserve(0.9)
        first, second = (asyncio.create_task(budget.reserve_or_wait(0.5)) for _ in range(2))
        await asyncio.sleep(0)
        budget.reconcile(0.9, 0.1)  # wakes the first ...
        first.cancel()  # ... which is gone before it can look
        assert await asyncio.wait_for(second, 5)
        return budget.reserved

    assert asyncio.run(run()) == 0.5


def test_a_waiter_whose_event_loop_has_ended_does_not_block_the_next():
    """A notebook's loop may be closed with tasks in it."""
    budget = Budget(1.0)
    budget.reserve(1.0)
    loop = asyncio.new_event_loop()
    waiting = budget.reserve_or_wait(0.5)
    task = loop.create_task(waiting)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    woken = []
    thread = threading.Thread(target=lambda: woken.append(asyncio.run(budget.reserve_or_wait(0.5))))
    thread.start()
    while len(budget._queue.waiters) < 2:
        threading.Event().wait(0.001)

    budget.reconcile(1.0, 0.5)
    thread.join(5)
    assert woken == [True]
    task._log_destroy_pending = False
    waiting.close()


def test_a_budget_within_another_counts_in_both():
    """The smaller cap stops its own part of a run, the larger one everything."""
    whole = Budget(1.0)
    part = Budget(0.3, within=whole)

    assert not part.reserve(0.4)
    assert part.reserve(0.2)
    part.reconcile(0.2, 0.2)
    assert (part.spent, whole.spent) == (0.2, 0.2)
    assert whole.reserve(0.8)
    assert not part.reserve(0.1)
