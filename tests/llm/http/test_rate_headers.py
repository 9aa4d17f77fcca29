import pytest
from multidict import CIMultiDict

from textclassify.llm.http.rate_headers import ToldLimit, seconds_until, told_limits


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1d", 86_400.0),
        ("500µs", 0.0005),
        ("0.25", 0.25),
        ("30", 30.0),
        ("1700000060", 60.0),
        ("1700000060000", 60.0),
        ("1600000000", 0.0),
        ("2023-11-14T22:14:20Z", 60.0),
        ("2023-11-14T22:14:20+00:00", 60.0),
    ],
)
def test_every_way_to_say_when_is_understood(reset, seconds):
    """Durations, seconds, milliseconds since 1970 and dates are all in use."""
    assert seconds_until(reset, wall_seconds=1_700_000_000.0) == pytest.approx(seconds)


@pytest.mark.parametrize("reset", ["", "soon", "1x", "s", "-3", "nan", "inf", "1.2.3s", "99999-01-01T00:00:00Z", "5 s"])
def test_what_is_not_understood_is_no_time(reset):
    """A strange header must not stop a run."""
    assert seconds_until(reset) is None


def test_openais_headers_tell_how_fast_requests_and_tokens_come_back():
    """Its reset is the time until everything used is back."""
    headers = CIMultiDict(
        {
            "X-RateLimit-Limit-Requests": "5000",
            "X-RateLimit-Remaining-Requests": "4999",
            "X-RateLimit-Reset-Requests": "12ms",
            "X-RateLimit-Limit-Tokens": "160000",
            "X-RateLimit-Remaining-Tokens": "80000",
            "X-RateLimit-Reset-Tokens": "30s",
        }
    )
    told = told_limits(headers)

    assert told["requests"].per_second == pytest.approx(5000 / 60)
    assert told["tokens"] == ToldLimit(160_000.0, 80_000.0, pytest.approx(160_000 / 60))


@pytest.mark.parametrize(
    "prefixes",
    [
        ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining"),
        ("x-ratelimit-limit", "x-ratelimit-remaining"),
        ("ratelimit-limit", "ratelimit-remaining"),
    ],
)
def test_other_spellings_are_known(prefixes):
    """Without a time of return, a limit is taken to be one per minute."""
    limit, remaining = prefixes
    assert told_limits({limit: "60", remaining: "7"}) == {"requests": ToldLimit(60.0, 7.0, 1.0)}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "7"},
        {"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "7"},
        {"x-ratelimit-limit-requests": "-1", "x-ratelimit-remaining-requests": "-1"},
    ],
)
def test_half_a_limit_is_none(headers):
    """Without knowing how much comes back, nothing can be paced."""
    assert told_limits(headers) == {}


def test_more_left_than_the_limit_is_possible():
    """Some servers let a burst be saved up."""
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "90",
        "x-ratelimit-reset-requests": "1s",
    }
    assert told_limits(headers) == {"requests": ToldLimit(90.0, 90.0, 1.0)}
