"""`RetryPolicy`: how patient a run is with a server that fails or limits its rate."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from textclassify.llm.server_errors import Retry, Without

_LONGEST_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a run is.

    Args:
        max_tries: of one request, when the server fails or nobody answers.
        first_wait_seconds: before the second try; doubled for each further one, with jitter.
        patience_seconds: longest that one request waits for a rate limit; a server that asks for more stops the run.

    """

    max_tries: int = 5
    first_wait_seconds: float = 0.5
    patience_seconds: float = 600.0

    def backoff_seconds(self, failures: int) -> float:
        """How long to wait after so many failures: exponential, and with jitter, so that not all come back at once."""
        longest = min(_LONGEST_BACKOFF_SECONDS, self.first_wait_seconds * 2.0 ** min(failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography


@dataclass(slots=True)
class RequestCourse:
    """How one request has fared so far.

    Args:
        policy: how patient to be.
        answers_at_start: how many answers the server had given when this request began.

    """

    policy: RetryPolicy
    answers_at_start: int
    failures: int = 0
    times_rate_limited: int = 0
    refusals: list[Without] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def wait_seconds(self, trouble: Retry) -> float | None:
        """How long to wait before the next try; None = give up."""
        asked = trouble.wait_seconds or 0.0
        if trouble.rate_limited:
            self.times_rate_limited += 1
            wait = asked or self.policy.backoff_seconds(self.times_rate_limited)
            return wait if time.monotonic() - self.started + wait <= self.policy.patience_seconds else None
        self.failures += 1
        if self.failures >= self.policy.max_tries or asked > self.policy.patience_seconds:
            return None
        return max(asked, self.policy.backoff_seconds(self.failures))
