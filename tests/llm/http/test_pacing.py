import random

import pytest

from textclassify.llm.http.pacing import FIRST_RATE, Pace, RateMemory


class Bucket:
    """A server without latency that lets `rate` requests through per second and holds a second's worth."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.size = self.level = max(1.0, rate)
        self.at = 0.0

    def lets_through(self, now: float) -> bool:
        self.level, self.at = min(self.size, self.level + (now - self.at) * self.rate), now
        lets_through = self.level >= 1.0
        self.level -= lets_through
        return lets_through


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
            pace.refuse(now, 0.0, by_limit=in_a_row % 3 == 0, by_accident=False)
    return refused


@pytest.mark.parametrize(("rate", "error"), [(5.0, 0.2), (30.0, 0.1), (300.0, 0.05)])
def test_two_droughts_tell_the_rate(rate, error):
    """Known within seconds, hardly anything is refused from then on; a bucket of five overflows, which goes unseen."""
    random.seed(0)
    bucket, memory = Bucket(rate), RateMemory()
    pace = Pace(memory, 0.0)
    ask(pace, bucket, 10.0)
    measured = memory.rate
    refused = ask(pace, bucket, 60.0, begin=10.0)

    assert measured == pytest.approx(rate, rel=0.25)
    assert memory.rate == pytest.approx(rate, rel=error)
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

    assert pace_unanswered > 2.0 * answered.per_second == 2.0 * FIRST_RATE


def test_nothing_is_made_up_for_after_a_pause():
    """Requests that were held up would otherwise start all at once, and those of other processes with them."""
    random.seed(0)
    memory = RateMemory(rate=1000.0)
    pace, other = Pace(memory, 0.0), Pace(RateMemory(), 0.0)
    pace.pause(10.0, 0.0)
    other.pause(10.0, 0.0)
    begin = pace.due
    pace.take(begin)
    spacing = pace.due - begin

    assert 10.0 <= begin <= 11.0
    assert begin != other.due
    assert spacing == pytest.approx(1.0 / (0.97 * 1000.0))
    assert Pace(memory, 1.0).due == begin


def drought(pace, now):
    """Three refusals in a row; how long all wait after them."""
    for _ in range(3):
        pace.take(now)
        pace.finished += 1
    for _ in range(3):
        pace.refuse(now, 0.0, by_limit=True, by_accident=False)
    return pace.due - now


def test_pauses_grow_until_there_is_something_to_measure():
    """A server that lets one request through every four seconds need not be asked twenty times a second."""
    random.seed(0)
    pace, now, pauses = Pace(RateMemory(), 0.0), 0.0, []
    for _ in range(8):
        pauses.append(drought(pace, now))
        now = pace.due

    assert pauses[0] < 0.06
    assert 1.0 <= pauses[-1] <= 1.2


def test_accidents_in_the_middle_of_a_drought_do_not_prolong_it():
    """Where they are usual, one comes every few milliseconds."""
    pace = Pace(RateMemory(), 0.0)
    drought(pace, 0.0)
    due = pace.due
    pace.refuse(due - 0.001, 0.0, by_limit=False, by_accident=True)
    assert pace.due == due

    pace.refuse(due - 0.001, 0.0, by_limit=False, by_accident=False)
    assert pace.due > due


def test_a_queue_in_front_of_the_server_slows_down_again():
    """A pace that answers do not keep up with gains nothing, and meets a limit with all that waits."""
    pace = Pace(RateMemory(), 0.0)
    pace.finished = 1
    for started in range(4000):
        pace.take(pace.due)
        pace.finished = started
    grown = pace.per_second
    for started in range(8000):
        pace.take(pace.due)
        pace.finished += started % 2

    assert grown > 1.2 * FIRST_RATE
    assert pace.per_second < 1.05 * FIRST_RATE


def held_seconds(pace, now):
    """How long the pace stays what it is while all is let through."""
    begin, held = now, pace.per_second
    while pace.per_second == held:
        now = max(now, pace.due)
        pace.take(now)
        pace.finished += 1
    return now - begin


def test_one_measurement_is_not_trusted_for_long():
    """The first may come from a bucket that was not empty; a second that agrees is worth a longer calm."""
    random.seed(0)
    pace = Pace(RateMemory(), 0.0)
    drought(pace, 0.0)
    for request in range(1200):
        pace.take(1.0 + request / 400)
    drought(pace, 4.0)
    pace.take(pace.due)
    first = held_seconds(pace, pace.due)
    drought(pace, pace.due)
    pace.take(pace.due)

    assert 5.0 <= first <= 6.0
    assert held_seconds(pace, pace.due) >= 19.0


def test_a_limit_met_before_the_first_answer_is_heeded():
    """A server of many seconds refuses long before it answers; the rush to fill the window must end there."""
    pace = Pace(RateMemory(), 0.0)
    for _ in range(50):
        pace.take(pace.due)
    for _ in range(3):
        pace.refuse(pace.due, 0.0, by_limit=True, by_accident=False)
    pace.take(pace.due)

    assert pace.per_second <= FIRST_RATE


def test_a_dozen_may_start_in_one_instant_however_fast_the_pace():
    """A burst is refused as a whole."""
    pace = Pace(RateMemory(rate=20_000.0), 1.0)
    at_once = 0
    while pace.due <= 1.0:
        pace.take(1.0)
        at_once += 1

    assert 8 <= at_once <= 16


def test_bursts_are_not_for_ever():
    """The rush that fills a window would otherwise come back with every wave of answers."""
    pace = Pace(RateMemory(), 0.0)
    for _ in range(200):
        pace.take(pace.due)
    pace.finished = 1
    begin, rush = pace.due, pace.per_second
    for request in range(300):
        pace.take(begin + request / 300)

    assert rush > 1.5 * FIRST_RATE
    assert pace.per_second == FIRST_RATE


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


def test_a_measurement_at_leisure_is_not_taken_at_its_word():
    """Fewer requests than the server would have let through say little about what it lets through."""
    random.seed(0)
    memory = RateMemory()
    pace = Pace(memory, 0.0)
    pace.take(0.0)
    pace.refuse(0.01, 0.0, by_limit=True, by_accident=False)
    for second in range(1, 60):
        pace.take(float(second))
    ask(pace, Bucket(400.0), 2.0, begin=60.0)

    assert memory.rate is not None
    assert memory.rate > 100.0
