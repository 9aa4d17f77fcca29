from textclassify.llm.retries import RequestCourse, RetryPolicy
from textclassify.llm.server_errors import Retry

POLICY = RetryPolicy(max_tries=3, first_wait_seconds=1.0, patience_seconds=60.0)


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
    assert [course.wait_seconds(Retry("500")) is None for _ in range(3)] == [False, False, True]


def test_rate_limits_do_not_use_up_the_tries_but_patience_ends():
    """Hundreds of rows wait for one limit: that is no failure. A limit of a day is none to wait for."""
    course = RequestCourse(POLICY, 0)

    assert all(course.wait_seconds(Retry("429", 0.25, rate_limited=True)) == 0.25 for _ in range(20))
    assert course.wait_seconds(Retry("429", 86_400.0, rate_limited=True)) is None
    assert RequestCourse(POLICY, 0).wait_seconds(Retry("503", 86_400.0)) is None
