import random

import pytest

from textclassify.llm.pacing import Pace, RateMemory


class Bucket:
    """A server without latency that lets `rate` requests through per second and holds a second's worth."""

    def __init__(self, rate: float) -> None:
        self.rate = self.level = rate
        self.at = 0.0

    def lets_through(self, now: float) -> bool:
        self.level, self.at = min(self.rate, self.level + (now - self.at) * self.rate), now
        self.level -= self.level >= 1.0 and 1.0
        return self.level >= 1.0


def ask(pace, bucket, seconds, begin=0.0):
    """Let requests start as soon as they may; three refusals in a row are a limit. How many were refused."""
    now, in_a_row, refused = begin, 0, 0
    while now < begin + seconds:
        now = max(now, pace.due)
        pace.take(now)
        pace.finished += 1
        if bucket.lets_through(now):
            in_a_row = 0
        else:
            in_a_row, refused = in_a_row + 1, refused + 1
            pace.refuse(now, 0.0, by_limit=in_a_row >= 3, by_accident=False)
    return refused


@pytest.mark.parametrize("rate", [5.0, 30.0, 300.0])
def test_two_droughts_tell_the_rate(rate):
    """Whatever it is, it is known within seconds, and hardly anything is refused from then on."""
    random.seed(0)
    pace, bucket, memory = None, Bucket(rate), RateMemory()
    pace = Pace(memory, 0.0)
    ask(pace, bucket, 10.0)
    measured = memory.rate
    refused = ask(pace, bucket, 60.0, begin=10.0)

    assert measured == pytest.approx(rate, rel=0.25)
    assert memory.rate == pytest.approx(rate, rel=0.1)
    assert refused <= 0.06 * 60.0 * rate


def test_the_first_pace_is_finite_and_grows_until_an_answer_comes():
    """What is under way when a limit is met is refused as a whole."""
    pace = Pace(RateMemory(), 0.0)
    for _ in range(200):
        pace.take(pace.due)
    pace_unanswered = pace.per_second

    answered = Pace(RateMemory(), 0.0)
    answered.finished = 1
    for _ in range(60):
        answered.take(answered.due)

    assert pace_unanswered > 2.0 * answered.per_second == 2.0 * 2000.0


def test_nothing_is_made_up_for_after_a_pause():
    """Requests that were held up would otherwise start all at once."""
    random.seed(0)
    memory = RateMemory(rate=100.0)
    pace = Pace(memory, 0.0)
    pace.pause(10.0, 0.0)

    assert 10.0 <= pace.due <= 11.0
    begin = pace.due
    for _ in range(11):
        pace.take(max(begin, pace.due))
    assert pace.due - begin >= 0.1
    assert Pace(memory, 1.0).due == begin


def test_a_refusal_by_accident_changes_nothing():
    """The pace is a matter of limits."""
    pace = Pace(RateMemory(), 0.0)
    pace.take(0.0)
    before = pace.due, pace.per_second
    pace.refuse(0.1, 0.05, by_limit=False, by_accident=True)

    assert (pace.due, pace.per_second) == before


def test_a_limit_that_is_never_met_again_is_forgotten():
    """What was learned in a bad hour must not hold up a run for good."""
    memory = RateMemory(rate=50.0)
    pace = Pace(memory, 0.0)
    ask(pace, Bucket(100_000.0), 12.0)

    assert memory.rate is None
    assert pace.per_second > 1000.0


def test_a_measurement_at_leisure_is_none():
    """Fewer requests than the server would have let through say nothing about what it lets through."""
    random.seed(0)
    memory = RateMemory()
    pace = Pace(memory, 0.0)
    pace.take(0.0)
    pace.refuse(0.01, 0.0, by_limit=True, by_accident=False)
    for second in range(1, 60):
        pace.take(float(second))
    pace.refuse(60.0, 0.0, by_limit=True, by_accident=False)
    pace.take(pace.due)

    assert memory.rate is None
