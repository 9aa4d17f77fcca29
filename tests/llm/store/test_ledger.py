import math
import time

import pytest

from textclassify.llm.store.cache import ResponseCache


@pytest.fixture
def cache(tmp_path):
    with ResponseCache(tmp_path) as opened:
        yield opened


def test_a_run_adds_up_what_was_counted(cache, tmp_path):
    """Also over several commits, and for others to read."""
    run = cache.begin_run("openai", "gpt-4o-mini")
    cache.add_to_run(run, rows=3, asked=2, tries=3, answers=2, cached=1, failed=0)
    cache.add_to_run(run, prompt_tokens=70, cached_tokens=10, completion_tokens=4, cost=0.25)
    cache.flush()
    cache.add_to_run(run, asked=1, tries=1, failed=1, cost=0.5)
    cache.flush()

    with ResponseCache(tmp_path) as other:
        (found,) = other.runs()
    assert (found.run, found.provider, found.model) == (run, "openai", "gpt-4o-mini")
    assert (found.rows, found.asked, found.tries, found.answers, found.cached, found.failed) == (3, 3, 4, 2, 1, 1)
    assert (found.prompt_tokens, found.cached_tokens, found.completion_tokens) == (70, 10, 4)
    assert (found.cost, found.lost) == (0.75, 0)


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_one_unknown_price_makes_the_cost_of_the_run_unknown(cache, unknown):
    """A sum that leaves something out would look like the bill."""
    run = cache.begin_run("openai", "new-model")
    cache.add_to_run(run, cost=0.25)
    cache.add_to_run(run, cost=unknown)
    cache.flush()
    cache.add_to_run(run, cost=0.25)

    assert cache.runs()[0].cost is None


def test_a_run_knows_when_it_began_and_was_last_heard_of(cache):
    """In seconds since 1970."""
    before = time.time()
    run = cache.begin_run("openai", "m")
    time.sleep(0.01)
    cache.add_to_run(run, asked=1)
    (found,) = cache.runs()

    assert before - 0.001 <= found.started_at < found.ended_at <= time.time()


def test_runs_are_told_apart_and_listed_as_they_began(cache, tmp_path):
    """Two that begin in the same microsecond are still two."""
    with ResponseCache(tmp_path) as other:
        numbers = [each.begin_run("openai", name) for name in "abc" for each in (cache, other)]
    cache.add_to_run(numbers[4], answers=7)

    assert len(set(numbers)) == 6
    assert [run.run for run in cache.runs()] == sorted(numbers)
    assert {run.run: run.answers for run in cache.runs()}[numbers[4]] == 7


def test_a_word_that_no_ledger_knows_is_refused(cache):
    """A count under a wrong name would be a count that is missing."""
    run = cache.begin_run("openai", "m")
    with pytest.raises(KeyError):
        cache.add_to_run(run, answer=1)


def test_a_sum_that_no_file_can_hold_does_not_end_the_run(cache):
    """A server may claim any number of tokens, and do so again and again."""
    run = cache.begin_run("openai", "m")
    for _ in range(3000):
        cache.add_to_run(run, prompt_tokens=2**53)
    cache.flush()
    cache.add_to_run(run, prompt_tokens=2**53)
    assert cache.runs()[0].prompt_tokens >= 2**63 - 1
