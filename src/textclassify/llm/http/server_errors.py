"""What to do about an answer that is no chat completion: `judge` maps what servers say to the library's errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from textclassify.core.scales import Status
from textclassify.errors import AuthenticationError, ProviderError, QuotaError
from textclassify.llm.chat import ChatFailure
from textclassify.llm.completions import parsed

_TOO_LONG = re.compile(
    r"context.?length|maximum context|context.?(window|size)|exceed_context|prompt is too long|too many (input )?tokens"
    r"|input token count|reduce the length",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content.?(filter|policy|management)|content exists risk|moderation|was flagged|responsible.?ai", re.IGNORECASE
)
_NO_CREDIT = re.compile(r"insufficient.?(quota|balance|credit|funds)|billing_(not_active|hard_limit)", re.IGNORECASE)
_DURATION = r"(\d+(?:\.\d+)?) ?(ms|milli|h|m|s)[a-z]*"
_COME_BACK = re.compile(rf"(?:retry|try again) (?:in|after) ((?:{_DURATION} ?)+)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BAD_KEY = re.compile(r"api.?key.{0,20}(not valid|invalid|expired)|(invalid|incorrect).{0,10}api.?key", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model.{0,80}(not exist|not found|not a valid|not available|unknown)|model_not_found", re.IGNORECASE
)
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|not permitted|extra|invalid argument", re.IGNORECASE
)

_OPTIONAL = ("response_format", "logprobs", "seed", "temperature", "max_completion_tokens", "max_tokens")
"""Parameters that a request can do without, those that servers most often refuse first."""
_ALIASES = {
    "top_logprobs": "logprobs",
    "responselogprobs": "logprobs",
    "response_logprobs": "logprobs",
    "schema": "response_format",
    "json_schema": "response_format",
    "response_schema": "response_format",
    "response_json_schema": "response_format",
    "responsejsonschema": "response_format",
    "grammar": "response_format",
    "thinking": "reasoning_effort",
    "thinking_level": "reasoning_effort",
    "thinking_budget": "reasoning_effort",
}
"""What servers call a parameter in their errors -> its name, where it has another."""
_PASSING = frozenset({408, 409, 425, 429})
_LONGEST_SHOWN = 300
_LONGEST_SEARCHED = 10_000


@dataclass(frozen=True, slots=True)
class Retry:
    """The same request may succeed later.

    Args:
        reason: what went wrong.
        wait_seconds: how long the server asks to wait; None = it does not say.
        rate_limited: whether the server works but wants fewer requests.
        connected: whether anybody answered at all.
        may_be_billed: whether the server may have worked for it all the same.

    """

    reason: str
    wait_seconds: float | None = None
    rate_limited: bool = False
    connected: bool = True
    may_be_billed: bool = False


@dataclass(frozen=True, slots=True)
class Without:
    """The same request may succeed without one of its parameters."""

    parameter: str
    reason: str


Verdict = Retry | Without | ChatFailure | ProviderError
"""Retry, leave out a parameter, give up this row, or stop the run."""


def judge(  # noqa: PLR0911 - one return per verdict
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    sent: Mapping[str, Any],
    conceal: Callable[[str], str] = str,
) -> Verdict:
    """What to do after a server answered `status` and `body` to the parameters `sent`.

    Its words are shown as `conceal` returns them, which hides the key that they may repeat.
    """
    error = _error_of(body)
    message = _shown(error.get("message"), body, conceal)
    said = f"HTTP {status}: {message}"
    everything = f"{error.get('code')} {error.get('type')} {error.get('status')} {message}"
    if status == 402 or (status in {403, 429} and _NO_CREDIT.search(everything)):
        return QuotaError(
            f"the account has no credit left ({said}): top it up, then run again; answers so far are kept"
        )
    if status in _PASSING or status >= 500:
        return Retry(said, _wait_asked(headers, error, message), rate_limited=status == 429)
    if status in {400, 403, 422} and _FILTERED.search(everything):
        return ChatFailure(Status.FILTERED, said)
    if status in {401, 403} or (status == 400 and _BAD_KEY.search(everything)):
        return AuthenticationError(f"the provider refuses the key ({said}): check it, and that it may use this model")
    if status == 413 or (status in {400, 422} and _TOO_LONG.search(everything)):
        return ChatFailure(Status.TOO_LONG, said)
    if status in {404, 405} or (status == 400 and _names_model(error, everything)):
        return ProviderError(f"no such model or address ({said}): check model {sent.get('model')!r} and base_url")
    parameter = _refused_parameter(error, everything, sent) if status in {400, 422} else None
    return Without(parameter, said) if parameter else ChatFailure(Status.FAILED, said)


def error_in_reply(raw: Any) -> int | None:
    """The HTTP status of an error that a server sent with status 200, as routers do; None = no error."""
    error = raw.get("error") if isinstance(raw, dict) else None
    if not error or (isinstance(raw, dict) and raw.get("choices")):
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _error_of(body: bytes) -> dict[str, Any]:
    """The error object of a reply, whichever of the known shapes it has."""
    try:
        raw = parsed(body)
    except ValueError:
        return {}
    raw = raw[0] if isinstance(raw, list) and raw else raw
    if not isinstance(raw, dict):
        return {}
    error = raw.get("error", raw)
    return error if isinstance(error, dict) else {"message": error}


def _shown(message: Any, body: bytes, conceal: Callable[[str], str]) -> str:
    """What the server says, without the key, on one line and short enough for a log."""
    text = message if isinstance(message, str) else body.decode("utf-8", "replace")
    return conceal(" ".join(text.split())[:_LONGEST_SEARCHED])[:_LONGEST_SHOWN]


def _wait_asked(headers: Mapping[str, str], error: Mapping[str, Any], message: str) -> float | None:
    """Seconds that the server asks to wait, from the most precise of the places that say so; None = none does."""
    hints = (
        _number(headers.get("retry-after-ms", ""), 0.001),
        _number(headers.get("Retry-After", "")),
        _until(headers.get("Retry-After", "")),
        _retry_delay(error.get("details")),
        _in_words(message),
    )
    return next((seconds for seconds in hints if seconds is not None), None)


def _number(text: str, unit: float = 1.0) -> float | None:
    try:
        seconds = float(text) * unit
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _until(date: str) -> float | None:
    """Seconds until an HTTP date that is still to come."""
    try:
        seconds = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or one without a time zone
        return None
    return seconds if seconds > 0 else None


def _retry_delay(details: Any) -> float | None:
    """Seconds of Google's RetryInfo, written as '34.5s'."""
    hints = details if isinstance(details, list) else []
    delays = [hint.get("retryDelay") for hint in hints if isinstance(hint, dict)]
    return next((_number(delay.removesuffix("s")) for delay in delays if isinstance(delay, str)), None)


def _in_words(message: str) -> float | None:
    """Seconds of a message such as 'try again in 6m0.5s'."""
    said = _COME_BACK.search(message)
    if said is None:
        return None
    parts = re.findall(_DURATION, said[1], re.IGNORECASE)
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)


def _names_model(error: Mapping[str, Any], everything: str) -> bool:
    param = error.get("param")
    return param == "model" or (not param and bool(_NO_MODEL.search(everything)))


def _refused_parameter(error: Mapping[str, Any], everything: str, sent: Mapping[str, Any]) -> str | None:
    """The sent parameter that the server complains about; when it names none, the one most often refused."""
    droppable = [name for name in (*_extras(sent), *_OPTIONAL) if name in sent]
    spelled = {alias: name for alias, name in _ALIASES.items() if name in droppable}
    spelled |= {name.lower(): name for name in droppable}
    named = str(error.get("param") or "").split(".")[0].split("[")[0]
    for word in (named.lower(), *re.findall(r"\w+", everything.lower())):
        if word in spelled:
            return spelled[word]
    return droppable[0] if droppable and _UNSUPPORTED.search(everything) else None


def _extras(sent: Mapping[str, Any]) -> list[str]:
    known = {"model", "messages", "top_logprobs", *_OPTIONAL}
    return [name for name in sent if name not in known]
