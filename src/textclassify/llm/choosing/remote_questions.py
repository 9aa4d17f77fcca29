"""`RemoteQuestions`: a remote model that chooses between answers, or writes; equal questions are asked once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from textclassify.core.scales import Method, Status
from textclassify.core.texts import is_blank
from textclassify.llm.access import Access
from textclassify.llm.chat import ChatRequest, Message
from textclassify.llm.choices import Choice, Chosen, Written
from textclassify.llm.choosing.asking import AskedChoice, AskingOptions, ChoiceAsking, WritingAsking
from textclassify.llm.choosing.question_run import Asking, Outcome, QuestionRun
from textclassify.llm.model_traits import ModelTraits
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.token_counts import Range
from textclassify.llm.prompting.texts_as_data import as_data, redacted

logger = logging.getLogger(__name__)

_LOOKED_UP_AT_ONCE = 4096

Asked = TypeVar("Asked", bound=Hashable)
Reading = TypeVar("Reading")


class RemoteQuestions:
    """A remote model that is asked questions without a label schema.

    Args:
        access: the model, its cache and its limits.
        options: how it is asked.

    """

    def __init__(self, access: Access, options: AskingOptions) -> None:
        self._access = access
        self._options = options
        self._traits = ModelTraits(access.chat, access.key, access.cache)

    async def choose(self, choices: Sequence[Choice], task: str) -> Chosen:
        """Return what the model says to each question; blank texts are not asked about.

        Raises:
            BudgetError: the money is spent; replies so far are kept in the cache.
            ProviderError: the model cannot be used.

        """
        chosen = Chosen.nothing_yet(choices, Method.HARD)
        asked, blank = self._asked(choices)
        chosen.status[blank] = Status.INVALID
        outcomes = await self._outcomes(ChoiceAsking(self._traits, self._options), list(asked), task)
        for rows, outcome in zip(asked.values(), outcomes, strict=True):
            chosen.status[rows], chosen.cost[rows[0]] = outcome.status, outcome.cost
            if outcome.reading is not None:
                values, method = outcome.reading
                chosen.values[rows, : len(values)], chosen.method[rows] = values, method
        self._name_missing(chosen.status)
        return chosen

    async def write(self, conversations: Sequence[tuple[Message, ...]], max_tokens: int) -> Written:
        """Return what the model writes in each conversation; raises as `choose` does."""
        written = Written.nothing_yet(len(conversations))
        shown = [self._redacted(messages) for messages in conversations]
        asked = _rows_of(shown)
        asking = WritingAsking(self._traits, self._options, max_tokens)
        outcomes = await self._outcomes(asking, list(asked), "texts written")
        for rows, outcome in zip(asked.values(), outcomes, strict=True):
            written.status[rows], written.cost[rows[0]] = outcome.status, outcome.cost
            for row in rows:
                written.texts[row] = outcome.reading
        self._name_missing(written.status)
        return written

    def estimate(self, choices: Sequence[Choice]) -> Estimate:
        """Return what questions would ask and cost; those whose replies are kept are free."""
        asked, blank = self._asked(choices)
        asking = ChoiceAsking(self._traits, self._options)
        requests = {question: asking.requests(question)[0] for question in asked}
        left = self._not_kept(requests)
        method = Method.LOGPROBS if asking.way else Method.HARD
        longest = max((request.max_tokens or 0 for request in left.values()), default=0)
        return Estimate.of(
            ["".join(message.content for message in request.messages) for request in left.values()],
            provider=self._access.chat.name,
            model=self._access.chat.model,
            method=method.name.lower(),
            price=self._access.price,
            completion=Range(1.0, 2.0, max(2.0, float(longest))),
            messages=max((len(request.messages) for request in left.values()), default=2),
            rows=len(choices),
            blank=len(blank),
            distinct=len(asked),
            cached=sum(len(rows) for question, rows in asked.items() if question not in left),
        )

    def preview(self, choice: Choice) -> str:
        """Return the conversation of a question as a person reads it, with its text as it leaves the process."""
        return AskedChoice(choice.messages, self._shown(choice.text), choice.answers, choice.language).shown()

    async def _outcomes(
        self, asking: Asking[Asked, Reading], questions: Sequence[Asked], task: str
    ) -> list[Outcome[Reading]]:
        if not questions:
            return []
        async with self._access.opened() as chat:
            return await QuestionRun(self._access.exchange(chat), asking, questions, task).ask()

    def _asked(self, choices: Sequence[Choice]) -> tuple[dict[AskedChoice, list[int]], list[int]]:
        """Return the distinct questions as they leave the process, each with its rows; and the rows without a text."""
        shown = functools.cache(self._shown)
        asked: dict[AskedChoice, list[int]] = {}
        blank: list[int] = []
        for row, choice in enumerate(choices):
            text = shown(choice.text)
            if is_blank(text):
                blank.append(row)
            else:
                asked.setdefault(AskedChoice(choice.messages, text, choice.answers, choice.language), []).append(row)
        return asked, blank

    def _shown(self, text: str) -> str:
        """Return a text as it leaves the process."""
        redact = self._access.redact
        return as_data(text if redact is None else redacted(redact, text))

    def _redacted(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        redact = self._access.redact
        if redact is None:
            return tuple(messages)
        return tuple(replace(message, content=redacted(redact, message.content)) for message in messages)

    def _not_kept(self, requests: Mapping[AskedChoice, ChatRequest]) -> dict[AskedChoice, ChatRequest]:
        """Return the questions whose replies are not in the cache, with their requests."""
        left: dict[AskedChoice, ChatRequest] = {}
        questions = list(requests)
        for start in range(0, len(questions), _LOOKED_UP_AT_ONCE):
            some = questions[start : start + _LOOKED_UP_AT_ONCE]
            keys = {self._access.key(requests[question]): question for question in some}
            kept = self._access.cache.get_many(list(keys))
            left |= {question: requests[question] for key, question in keys.items() if key not in kept}
        return left

    def _name_missing(self, status: NDArray[np.uint8]) -> None:
        missing = int((status == Status.NOT_CALLED).sum())
        if missing and self._access.cache_only:
            logger.warning(
                "%d of %d questions have no answer in the cache; their status is NOT_CALLED", missing, len(status)
            )


def _rows_of(questions: Sequence[Asked]) -> dict[Asked, list[int]]:
    """Return the distinct questions, each with its rows."""
    asked: dict[Asked, list[int]] = {}
    for row, question in enumerate(questions):
        asked.setdefault(question, []).append(row)
    return asked
