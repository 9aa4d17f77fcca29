import pytest

from textclassify.llm.http.allowances import Allowance, Allowances
from textclassify.llm.http.rate_headers import ToldLimit


def test_what_is_taken_comes_back_steadily():
    """Waiting for exactly as long as needed is neither early nor late."""
    allowance = Allowance(per_second=2.0, size=10.0, level=10.0, at=0.0)
    allowance.take(10.0, 0.0)

    assert allowance.ready_at(3.0, 0.0) == 1.5
    assert allowance.ready_at(3.0, 1.5) == 1.5


def test_no_more_than_its_size_is_saved_up():
    """An hour of silence does not entitle to an hour's worth at once."""
    allowance = Allowance(per_second=2.0, size=10.0, level=0.0, at=0.0)
    allowance.take(1.0, 3600.0)

    assert allowance.level == 9.0


def test_more_than_fits_is_taken_when_full_and_made_up_for():
    """Otherwise a request larger than a burst would wait for ever."""
    allowance = Allowance(per_second=1.0, size=10.0, level=10.0, at=0.0)

    assert allowance.ready_at(30.0, 0.0) == 0.0
    allowance.take(30.0, 0.0)
    assert allowance.ready_at(1.0, 0.0) == 21.0


def test_the_strictest_limit_decides_and_none_is_no_limit():
    """Requests may be plenty where tokens are not."""
    kept = {}
    allowances = Allowances(requests_per_minute=6000, tokens_per_minute=600, kept=kept, now=0.0)
    allowances.take(20, 0.0)

    assert allowances.ready_at(10, 0.0) == pytest.approx(1.0, rel=0.1)
    assert not Allowances(requests_per_minute=None, tokens_per_minute=None, kept=kept, now=0.0)
    assert kept == {}


def test_requests_in_flight_may_not_be_counted_yet():
    """A server that says seven when five are under way may have only two left."""
    allowances = Allowances(requests_per_minute=None, tokens_per_minute=None, kept={}, now=0.0)
    allowances.tell({"requests": ToldLimit(60.0, 7.0, 1.0)}, {"requests": 5.0, "tokens": 0.0}, 0.0)
    allowances.take(1, 0.0)
    allowances.take(1, 0.0)

    assert allowances.ready_at(1, 0.0) == 1.0
