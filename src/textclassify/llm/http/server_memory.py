"""`ServerMemory`: what the requests of a chat have learned together about their server."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from textclassify.core.scales import Status
from textclassify.errors import ProviderError, QuotaError, UnreachableError
from textclassify.llm.chat import ChatFailure, ChatRequest
from textclassify.llm.http.pacing import RateMemory
from textclassify.llm.http.protocols import written_parameters
from textclassify.llm.http.providers import Provider
from textclassify.llm.http.retries import RequestCourse
from textclassify.llm.http.server_errors import Retry, Without

logger = logging.getLogger(__name__)

_TRIES_TO_FIND_ANYBODY = 3
"""So many times in vain to connect to a server that has never answered, and nobody is there."""
_ROWS_LOST_BEFORE_GIVING_UP = 8
"""So many requests in a row, each after all its tries, without any answer between, and the server counts as dead."""
_ROWS_REFUSED_BEFORE_GIVING_UP = 32
"""So many requests refused before any was answered, and it is not the texts that are at fault."""


@dataclass(slots=True)
class _ModelMemory:
    """What goes along with every request to a model, and what it refuses."""

    defaults: dict[str, Any]
    left_out: set[str]


class ServerMemory:
    """What is known about a server: what its models refuse, how fast it may be asked, and whether it lives.

    Args:
        provider: whose server it is.
        address: for messages.

    """

    def __init__(self, provider: Provider, address: str) -> None:
        self.rate = RateMemory()
        self.answers = 0
        self._provider = provider
        self._address = address
        self._models: dict[str, _ModelMemory] = {}
        self._lost_in_a_row = 0
        self._refused = 0

    def defaults(self, model: str) -> Mapping[str, Any]:
        """Parameters that go along with every request to a model."""
        return self._known(model).defaults

    def parameters(self, request: ChatRequest, without: Iterable[str] = ()) -> dict[str, Any]:
        """What is asked, in OpenAI's words, less `without` and what the model is known to refuse."""
        known = self._known(request.model)
        left_out = known.left_out.union(without) if without else known.left_out
        return written_parameters(request, self._provider.max_tokens_parameter, known.defaults, left_out)

    def learn(self, model: str, refusals: Iterable[Without]) -> None:
        """Remember that a model refuses parameters: it answered as soon as they were left out."""
        left_out = self._known(model).left_out
        for refusal in refusals:
            if refusal.parameter not in left_out:
                left_out.add(refusal.parameter)
                logger.warning("%s refuses %r and is asked without it: %s", model, refusal.parameter, refusal.reason)

    def answered(self) -> None:
        """Note that the server lives."""
        self.answers += 1
        self._lost_in_a_row = 0

    def nobody_is_there(self, course: RequestCourse, trouble: Retry) -> bool:
        """Whether it is no use to look any longer for a server that has never answered."""
        return not trouble.connected and not self.answers and course.failures >= _TRIES_TO_FIND_ANYBODY

    def lost(self, course: RequestCourse, trouble: Retry) -> ChatFailure | ProviderError:
        """The failure of a row after all its tries, or of the run when the server seems dead."""
        if trouble.rate_limited:
            return QuotaError(f"the rate limit allows nothing for too long ({trouble.reason}): run again later")
        self._lost_in_a_row += 1
        nobody_since = not trouble.connected and self.answers == course.answers
        if nobody_since or self._lost_in_a_row >= _ROWS_LOST_BEFORE_GIVING_UP:
            return UnreachableError(
                f"no usable answer from {self._address} after {course.failures} tries ({trouble.reason}): "
                "check base_url and that the server runs; answers so far are kept"
            )
        return ChatFailure(Status.FAILED, trouble.reason, may_be_billed=trouble.may_be_billed)

    def refused(self, outcome: ChatFailure | ProviderError) -> ChatFailure | ProviderError:
        """The failure of a row, or of the run when the server has refused every request so far."""
        if isinstance(outcome, ChatFailure) and outcome.status is Status.FAILED and not self.answers:
            self._refused += 1
            if self._refused >= _ROWS_REFUSED_BEFORE_GIVING_UP:
                return ProviderError(
                    f"{self._address} refuses every request ({outcome.reason}): check model and parameters"
                )
        return outcome

    def _known(self, model: str) -> _ModelMemory:
        known = self._models.get(model)
        if known is None:
            defaults, refused = self._provider.defaults(model), self._provider.family(model).refuses
            known = self._models[model] = _ModelMemory(defaults, set(refused))
        return known
