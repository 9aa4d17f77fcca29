"""Budgets: what they may be written as, what is refused, and which rows a limit buys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.ensemble.deferring.llm_budget import Calls, Dollars, ShareOfTexts, best_first, read_budget
from textclassify.errors import ConfigError, ScoresError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0.2, ShareOfTexts(0.2)),
        (np.float32(0.5), ShareOfTexts(0.5)),
        ("20%", ShareOfTexts(0.2)),
        ("0.2", ShareOfTexts(0.2)),
        (200, Calls(200)),
        (np.int64(3), Calls(3)),
        ("200 calls", Calls(200)),
        ("1 call", Calls(1)),
        ("200", Calls(200)),
        ("$1.50", Dollars(1.5)),
        ("2 USD", Dollars(2.0)),
        (Dollars(0.1), Dollars(0.1)),
    ],
)
def test_a_budget_is_a_share_a_number_of_calls_or_money(written, meant):
    """The three ways in which people think of what a run may cost."""
    assert read_budget(written) == meant


def test_one_is_a_call_and_one_point_nought_is_every_text():
    """The type decides, as in scikit-learn; a guess would be wrong for one of the two."""
    assert read_budget(1) == Calls(1)
    assert read_budget(1.0) == ShareOfTexts(1.0)
    assert read_budget("1") == Calls(1)


@pytest.mark.parametrize(
    "wrong",
    [
        1.5,
        -0.1,
        -1,
        float("nan"),
        float("inf"),
        True,
        np.True_,
        None,
        "",
        "much",
        "120%",
        "1.5 calls",
        "$-1",
        "1,5",
        "$2%",
    ],
)
def test_what_is_no_budget_is_refused_with_the_ways_to_write_one(wrong):
    """A budget that was misread costs money."""
    with pytest.raises(ConfigError, match="pass"):
        read_budget(wrong)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_money_is_an_amount_from_nought_on(amount):
    with pytest.raises(ConfigError, match="no amount of money"):
        Dollars(amount)


def test_a_share_out_of_range_says_how_calls_are_written():
    """The usual slip: 200 as a float."""
    with pytest.raises(ConfigError, match="'200 calls'"):
        read_budget(200.0)


def test_money_needs_a_known_price_for_every_row():
    """An unknown price is never taken for nothing."""
    budget = Dollars(1.0)
    assert budget.prices(0.25, 3).tolist() == [0.25] * 3
    for unknown in (None, float("nan"), [0.1, float("nan"), 0.1], -0.1):
        with pytest.raises(ConfigError, match="price"):
            budget.prices(unknown, 3)
    with pytest.raises(ScoresError, match="one per text"):
        budget.prices([0.1, 0.2], 3)


def test_the_rows_worth_most_are_bought_until_the_limit():
    taken = best_first(np.array([0.1, 0.4, 0.3, 0.2]), np.ones(4), 2.0)
    assert taken.tolist() == [False, True, True, False]


def test_of_equal_rows_the_earlier_is_bought():
    assert best_first(np.zeros(4), np.ones(4), 2.0).tolist() == [True, True, False, False]


def test_rows_of_one_text_are_one_call():
    ids = np.array([7, 5, 7, 6], dtype=np.uint64)
    assert best_first(np.array([0.3, 0.2, 0.3, 0.1]), np.ones(4), 2.0, ids).tolist() == [True, True, True, False]


def test_money_goes_where_it_buys_most():
    """Half the gain at a tenth of the price is the better buy."""
    taken = best_first(np.array([0.4, 0.2]), np.array([1.0, 0.1]), 1.0)
    assert taken.tolist() == [False, True]


def test_a_hundred_cents_are_a_dollar():
    """Sums of binary fractions must not lose the last call."""
    assert best_first(np.ones(200), np.full(200, 0.01), 1.0).sum() == 100


def test_texts_that_must_be_asked_come_before_all_others():
    value = np.array([0.9, np.inf, 0.1])
    assert best_first(value, np.array([0.0, 1.0, 1.0]), 1.0).tolist() == [True, True, False]
    assert best_first(value, np.ones(3), 1.0).tolist() == [False, True, False]


rows = st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 2), st.integers(0, 5)), min_size=1, max_size=12)


@given(rows, st.floats(0, 10), st.floats(0, 10))
def test_a_larger_limit_takes_all_that_a_smaller_one_took_and_none_is_exceeded(drawn, one, other):
    """More money never costs a text its call."""
    value, prices, ids = (np.array(column) for column in zip(*drawn, strict=True))
    _, first, text = np.unique(ids, return_index=True, return_inverse=True)
    value, prices = value[first][text], prices[first][text]  # a text has one value and one price
    less, more = (best_first(value, prices, limit, ids.astype(np.uint64)) for limit in sorted((one, other)))
    assert not (less & ~more).any()
    assert prices[first][more[first]].sum() <= max(one, other) * (1 + 1e-6)
