import pytest

from textclassify.errors import ConfigError
from textclassify.llm.http.retries import RequestCourse, RetryPolicy
from textclassify.llm.http.server_errors import Retry

POLICY = RetryPolicy(max_tries=3, first_wait_seconds=1.0, patience_seconds=60.0)
LIMITED = Retry("429", 20.0, rate_limited=True)


def test_the_wait_doubles_with_jitter_and_has_an_end():
    """A struggling server gets air, and requests do not return in step."""
    waits = {failures: [POLICY.backoff_seconds(failures) for _ in range(200)] for failures in (1, 2, 3, 50)}

    assert all(0.5 <= wait <= 1.0 for wait in waits[1])
    assert all(2.0 <= wait <= 4.0 for wait in waits[3])
    assert max(waits[50]) <= 30.0
    assert len(set(waits[1])) > 100


def test_failures_are_retried_a_bounded_number_of_times():
    """A server that stays broken must not hold up a run for ever."""
    course = RequestCourse(POLICY, 0)
    assert [course.wait_seconds(Retry("500"), 0) is None for _ in range(3)] == [False, False, True]


def test_the_default_policy_outlasts_a_restart():
    """A server that is away for fifteen seconds must cost no row, whatever the jitter."""
    policy = RetryPolicy()
    shortest = sum(policy.first_wait_seconds * 2.0**n / 2 for n in range(policy.max_tries - 1))
    assert shortest >= 15.0


def test_what_the_server_asks_for_is_kept_and_spread_a_little():
    """Earlier is a broken promise; all at the same moment would be the next overload."""
    course = RequestCourse(RetryPolicy(max_tries=99), 0)
    waits = [course.wait_seconds(Retry("503", 30.0), 0) for _ in range(50)]

    assert all(30.0 <= wait <= 33.0 for wait in waits)
    assert len(set(waits)) > 25


def test_rate_limits_do_not_use_up_the_tries():
    """Hundreds of rows wait for one limit: that is no failure."""
    course = RequestCourse(POLICY, 0)

    assert all(0.25 <= course.wait_seconds(Retry("429", 0.25, rate_limited=True), 0) <= 0.275 for _ in range(20))
    assert course.wait_seconds(Retry("429", rate_limited=True), 0) <= POLICY.backoff_seconds(21) * 2
    assert course.failures == 0


def test_a_limit_of_a_day_is_none_to_wait_for():
    """Nobody wants a process that sleeps until tomorrow."""
    assert RequestCourse(POLICY, 0).wait_seconds(Retry("429", 86_400.0, rate_limited=True), 0) is None
    assert RequestCourse(POLICY, 0).wait_seconds(Retry("503", 86_400.0), 0) is None


def test_patience_with_a_rate_limit_ends_only_when_nobody_gets_through():
    """At three requests a minute, the last of many rows waits for long, and rightly so."""
    times = iter(range(1000, 2000, 10))  # both ask for the time in each round: 20 seconds
    waiting, stuck = (RequestCourse(POLICY, 0, now=lambda: next(times)) for _ in range(2))
    gave_up = [
        (waiting.wait_seconds(LIMITED, answers) is None, stuck.wait_seconds(LIMITED, 0) is None) for answers in range(9)
    ]

    assert not any(for_good for for_good, _ in gave_up)
    assert [for_good for _, for_good in gave_up[:4]] == [False, False, True, True]


@pytest.mark.parametrize("wrong", [{"max_tries": 0}, {"first_wait_seconds": -1.0}, {"patience_seconds": -1.0}])
def test_a_policy_out_of_range_is_refused(wrong):
    """A negative number of retries would mean no request at all."""
    with pytest.raises(ConfigError, match="at least 0"):
        RetryPolicy(**wrong)
