import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.scales import Status
from textclassify.errors import AuthenticationError, ProviderError, QuotaError
from textclassify.llm.chat import ChatFailure
from textclassify.llm.http.server_errors import Retry, Without, error_in_reply, judge

SENT = {
    "model": "m",
    "messages": [],
    "temperature": 0.0,
    "max_tokens": 5,
    "logprobs": True,
    "top_logprobs": 5,
    "response_format": {},
    "Think": 0,
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "param", "details", "retryDelay"]), inner)
    ),
    max_leaves=12,
)


def verdict(status, /, message="", headers=None, **error):
    body = json.dumps({"error": {"message": message, **error}}).encode()
    return judge(status, headers or {}, body, SENT)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"message": "bad key"}, AuthenticationError),
        (400, {"message": "API key not valid. Please pass a valid API key."}, AuthenticationError),
        (403, {"message": "forbidden"}, AuthenticationError),
        (402, {"message": "Insufficient Balance"}, QuotaError),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, QuotaError),
        (404, {"message": "model 'x' not found"}, ProviderError),
        (400, {"message": "Model Not Exist"}, ProviderError),
    ],
)
def test_what_concerns_the_account_or_the_model_stops_the_run(status, error, kind):
    """No further request can fare better, and each costs time."""
    assert type(verdict(status, **error)) is kind


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "This model's maximum context length is 8192 tokens.", Status.TOO_LONG),
        (400, "the request exceeds the available context size", Status.TOO_LONG),
        (413, "payload too large", Status.TOO_LONG),
        (400, "The response was filtered due to the content management policy", Status.FILTERED),
        (403, "Your input was flagged by moderation", Status.FILTERED),
        (400, "invalid unicode in message 0", Status.FAILED),
    ],
)
def test_what_concerns_one_text_is_a_status_of_its_row(status, message, expected):
    """One bad text among thousands must not stop the rest."""
    found = verdict(status, message)
    assert isinstance(found, ChatFailure)
    assert found.status is expected


def test_a_rate_limit_that_speaks_of_quota_is_no_empty_account():
    """Google words its limit per minute so, and it is over in seconds."""
    found = verdict(429, "You exceeded your current quota, please check your plan", status="RESOURCE_EXHAUSTED")
    assert isinstance(found, Retry)
    assert found.rate_limited


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again(status):
    """Rate limits and server failures are the rule at scale."""
    found = verdict(status)
    assert isinstance(found, Retry)
    assert found.rate_limited is (status == 429)


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "3"}, "", 3.0),
        ({"Retry-After": "1", "retry-after-ms": "120"}, "", 0.12),
        ({}, "Please try again in 1.5s.", 1.5),
        ({}, "Please retry in 250ms", 0.25),
        ({}, "Please try again in 6m0.5s. Contact us", 360.5),
        ({}, "retry after 2 minutes", 120.0),
        ({}, "try again after 1h 5 milliseconds", 3600.005),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", None),
        ({"Retry-After": "inf"}, "", None),
        ({"Retry-After": "-1"}, "", None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read(headers, message, seconds):
    """Coming back earlier only prolongs the limit."""
    assert verdict(429, message, headers).wait_seconds == seconds


def test_the_wait_may_be_a_date_or_googles_retry_info():
    """Both are in use, and a minute too early is a wasted request."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    info = [{"@type": "type.googleapis.com/google.rpc.Help"}, {"retryDelay": "34.5s"}]

    assert 55.0 < verdict(429, headers={"Retry-After": date}).wait_seconds <= 60.0
    assert verdict(429, details=info).wait_seconds == 34.5


@pytest.mark.parametrize(
    ("error", "parameter"),
    [
        ({"message": "no", "param": "temperature"}, "temperature"),
        ({"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}, "max_tokens"),
        ({"message": "top_logprobs must be at most 3"}, "logprobs"),
        ({"message": 'Unknown name "think": Cannot find field.'}, "Think"),
        ({"message": "unsupported_parameter"}, "Think"),
        ({"message": "Logprobs is not enabled for models/gemini-2.5-flash", "code": 400}, "logprobs"),
        ({"message": "The specified schema produces too many states for serving"}, "response_format"),
        ({"message": "Invalid schema: at most 500 enum values", "param": "response_format"}, "response_format"),
        ({"message": "failed to parse grammar"}, "response_format"),
        ({"message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}, "Think"),
    ],
)
def test_a_refused_parameter_is_found(error, parameter):
    """Models differ in what they accept; asking once without it is cheaper than a table of all models."""
    found = verdict(400, **error)
    assert isinstance(found, Without)
    assert found.parameter == parameter


def test_an_error_inside_a_good_status_is_seen():
    """Routers pass on their upstream's errors with HTTP 200."""
    assert error_in_reply({"error": {"code": 429, "message": "slow down"}}) == 429
    assert error_in_reply({"error": "boom"}) == 500
    assert error_in_reply({"choices": [], "usage": {}}) is None


@given(
    st.integers(400, 599),
    st.binary(max_size=200) | _JSON.map(lambda error: json.dumps({"error": error}).encode()),
    st.dictionaries(st.sampled_from(["Retry-After", "retry-after-ms"]), st.text(max_size=9)),
)
def test_any_error_body_gets_a_verdict(status, body, headers):
    """HTML pages, empty bodies, broken UTF-8 and wrong types come from proxies in between."""
    found = judge(status, headers, body, SENT)
    assert isinstance(found, Retry | Without | ChatFailure | ProviderError)


@pytest.mark.parametrize(
    "body", [b"[]", b"[3]", b"null", b'"x"', b'{"error": [1]}', b'[{"error": {"message": "m"}}]', b"[" * 9_999]
)
def test_odd_json_gets_a_verdict(body):
    """Every shape that some server was seen to send, and some worse."""
    assert isinstance(judge(500, {}, body, SENT), Retry)
