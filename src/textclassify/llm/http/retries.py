"""`RetryPolicy`: how patient a run is with a server that fails or limits its rate."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from textclassify.errors import ConfigError
from textclassify.llm.http.server_errors import Retry, Without

_LONGEST_BACKOFF_SECONDS = 30.0
_TRIES_WITHOUT_A_REASON = 3
_JITTER = 0.1
"""Share by which a wait that the server asks for is prolonged at most, so that not all come back at once."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a run is; the defaults outlast a server that is away for 15 seconds.

    Args:
        max_tries: of one request, when the server fails or nobody answers; a rate limit does not count.
        first_wait_seconds: before the second try; doubled for each further one, with jitter.
        patience_seconds: so long a rate limit may let nothing at all pass; a server that asks for more stops the run.

    Raises:
        ConfigError: a value is out of range.

    """

    max_tries: int = 7
    first_wait_seconds: float = 0.5
    patience_seconds: float = 600.0

    def __post_init__(self) -> None:
        if self.max_tries < 1:
            raise ConfigError(f"max_retries {self.max_tries - 1} must be at least 0")
        if self.first_wait_seconds < 0 or self.patience_seconds < 0:
            raise ConfigError("first_wait_seconds and patience_seconds must be at least 0")

    def backoff_seconds(self, failures: int) -> float:
        """How long to wait after so many failures: exponential, and with jitter, so that not all come back at once."""
        longest = min(_LONGEST_BACKOFF_SECONDS, self.first_wait_seconds * 2.0 ** min(failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography


@dataclass(slots=True)
class RequestCourse:
    """How one request has fared so far.

    Args:
        policy: how patient to be.
        answers: how many answers the server had given to anybody when this request began.
        now: a clock, in seconds.

    """

    policy: RetryPolicy
    answers: int
    now: Callable[[], float] = time.monotonic
    failures: int = 0
    times_limited: int = 0
    times_unexplained: int = 0
    refusals: list[Without] = field(default_factory=list)
    _limited_since: float | None = None
    _answers_then: int = 0

    def wait_seconds(self, trouble: Retry, answers: int) -> float | None:
        """How long to wait before the next try, never less than the server asks for; None = give up.

        Args:
            trouble: what has happened.
            answers: how many answers the server has given to anybody by now.

        """
        asked = (trouble.wait_seconds or 0.0) * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311 - as above
        patience = self.policy.patience_seconds
        if trouble.rate_limited:
            self.times_limited += 1
            wait = asked or self.policy.backoff_seconds(self.times_limited)
            return wait if self._limited_seconds(answers) + wait <= patience else None
        self.failures += 1
        if self.failures >= self.policy.max_tries or asked > patience:
            return None
        return max(asked, self.policy.backoff_seconds(self.failures))

    def is_worth_another_try(self) -> bool:
        """Whether to ask once more after an error without a reason: servers stumble, and do not always say 500."""
        self.times_unexplained += 1
        return self.times_unexplained < min(_TRIES_WITHOUT_A_REASON, self.policy.max_tries)

    def _limited_seconds(self, answers: int) -> float:
        """How long the rate limit has let nobody's request pass."""
        now = self.now()
        if self._limited_since is None or answers != self._answers_then:
            self._limited_since, self._answers_then = now, answers
        return now - self._limited_since
