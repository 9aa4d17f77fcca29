import random

import pytest

from textclassify.llm.http.share_alarm import ShareAlarm


def false_alarms(share, outcomes=2000):
    """How many alarms so many outcomes raise of which a share is bad by accident."""
    dice, alarm, alarms = random.Random(1), ShareAlarm(), 0
    for _ in range(outcomes):
        if dice.random() < share:
            alarms += alarm.bad()
        else:
            alarm.good()
    return alarms


def bad_ones_until_alarm(alarm):
    return next(count for count in range(1, 100) if alarm.bad())


def test_a_few_in_a_row_are_an_alarm():
    """Each one that it takes to notice is a request for nothing."""
    assert bad_ones_until_alarm(ShareAlarm()) == 3


@pytest.mark.parametrize("share", [0.005, 0.02, 0.05])
def test_accidents_are_hardly_ever_an_alarm(share):
    """One false alarm in some thousands is the price of noticing a real one at once."""
    assert sum(false_alarms(share) for _ in range(3)) <= 3


def test_more_are_needed_where_accidents_are_usual():
    """What is usual is learned, and forgotten."""
    dice, alarm = random.Random(2), ShareAlarm()
    for _ in range(2000):
        if dice.random() < 0.1:
            alarm.bad()
        else:
            alarm.good()
    for _ in range(20):
        alarm.good()

    assert alarm.expects_accidents
    assert 4 <= bad_ones_until_alarm(alarm) <= 8
    for _ in range(20_000):
        alarm.good()
    assert not alarm.expects_accidents


def test_half_of_them_is_an_alarm_too():
    """At twice the rate that a server allows, every other request passes."""
    alarm, bad_ones = ShareAlarm(), 1
    while not alarm.bad():
        alarm.good()
        bad_ones += 1

    assert bad_ones < 6


def test_what_raised_an_alarm_is_not_usual():
    """A limit met again and again must not pass for bad luck."""
    alarm = ShareAlarm()
    for _ in range(20):
        while not alarm.bad():
            pass
        for _ in range(100):
            alarm.good()

    assert not alarm.expects_accidents
    assert bad_ones_until_alarm(alarm) == 3


def test_good_times_long_ago_do_not_count_for_ever():
    """After a day without an accident, a bad hour is understood within some hundred requests."""
    dice, alarm = random.Random(3), ShareAlarm()
    for _ in range(100_000):
        alarm.good()
    for _ in range(1000):
        if dice.random() < 0.1:
            alarm.bad()
        else:
            alarm.good()

    assert alarm.expects_accidents
