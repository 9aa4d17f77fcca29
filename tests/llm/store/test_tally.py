import pytest

from textclassify.llm.store.cache import ResponseCache
from textclassify.llm.store.tally import LedgerEntry, Tally


@pytest.fixture
def cache(tmp_path):
    with ResponseCache(tmp_path) as opened:
        yield opened


def test_the_ledger_is_told_what_is_new(cache):
    """It is brought up to date with every commit, and each row and try must count once."""
    entry, tally = LedgerEntry(cache, "openai", "m"), Tally(rows=3, known=2, asked=1, answers=1, cost=0.5)
    entry.bring_up_to(tally, 2)
    tally.rows, tally.asked, tally.answers = 5, 2, 2
    entry.bring_up_to(tally, 3)

    (run,) = cache.runs()
    assert (run.rows, run.asked, run.answers, run.tries, run.cost) == (5, 2, 2, 3, 0.5)


def test_a_run_that_asks_nothing_has_no_entry(cache):
    """A replay is no run that anybody pays for."""
    LedgerEntry(cache, "openai", "m").bring_up_to(Tally(rows=3, known=3), 0)
    assert cache.runs() == []


def test_who_waits_is_told_what_matters():
    """Nothing of what did not happen."""
    tally = Tally(rows=30, known=2, cached=3, asked=4, cost=0.125)
    assert tally.told(6, 0.1) == "300 texts/s, $0.12, 5 kept, 2 retries"
    assert Tally(asked=4, cost=float("nan")).told(4, 0.0) == ""
