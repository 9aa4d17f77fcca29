"""`RemoteModel`: a language model behind a `Chat`, ready to score texts, one call or a stream of them at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.progress import report
from textclassify.core.scales import Status
from textclassify.llm.access import Access
from textclassify.llm.chat import Chat
from textclassify.llm.engine import BLOCK, READING_VERSION, RowRun
from textclassify.llm.in_process.likelihoods import Answers
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.question_estimates import estimate_of, requests_left
from textclassify.llm.prompting.prompts import shown
from textclassify.llm.prompting.templates import Template
from textclassify.llm.question_making import Examples, QuestionMaker, RemoteSettings
from textclassify.llm.rows import ScoredRows
from textclassify.llm.workers import PIECE

logger = logging.getLogger(__name__)

_ROWS_AHEAD = 20_000
"""So many rows may be scored and not yet taken from a stream."""
_NONE = Examples()


class RemoteModel:
    """A remote model with its cache, prompts and budget.

    Args:
        access: the model, its cache and its limits.
        schema: the labels.
        settings: how it is asked.
        examples: what its prompts show beside the text.
        template: of the prompt; None = the library's.

    """

    def __init__(
        self,
        access: Access,
        schema: LabelSchema,
        settings: RemoteSettings,
        *,
        examples: Examples = _NONE,
        template: Template | None = None,
    ) -> None:
        self.access = access
        self.schema = schema
        self.question = QuestionMaker(
            access.chat, access.key, schema, settings, examples, template, access.cache
        ).question()

    async def score(self, texts: Sequence[str]) -> Answers:
        """Return the answers to texts, in their order.

        Raises:
            BudgetError: the money is spent; answers so far are kept.
            ProviderError: the model cannot be used.

        """
        n, width = len(texts), len(self.schema)
        values = np.full((n, width), np.nan)
        status = np.full(n, Status.NOT_CALLED, dtype=np.uint8)
        method = np.full(n, self.question.method, dtype=np.uint8)
        cost = np.zeros(n)
        done, began = 0, monotonic()

        def take(scored: ScoredRows) -> None:
            nonlocal done
            values[scored.rows], status[scored.rows] = scored.values, scored.status
            method[scored.rows], cost[scored.rows] = scored.method, scored.cost
            done += len(scored.rows)
            report("texts", done, n, run.exchange.told(monotonic() - began))

        async with self.access.opened() as chat:
            run = self._run(chat, take)
            await run.score(texts)
        self.question = run.question
        if self.access.cache_only:
            _name_missing(status)
        return Answers(values, status, run.question.reader.scale, method, np.zeros(n, dtype=np.bool_), cost)

    async def stream(self, texts: Iterable[str]) -> AsyncIterator[ScoredRows]:
        """Yield rows as soon as their answers are committed, in the order in which they are."""
        gate, arrived = asyncio.Event(), asyncio.Event()
        gate.set()
        ready: list[ScoredRows] = []
        ahead = 0

        def take(scored: ScoredRows) -> None:
            nonlocal ahead
            ready.append(scored)
            ahead += len(scored.rows)
            arrived.set()
            if ahead >= _ROWS_AHEAD:
                gate.clear()

        async with self.access.opened() as chat:
            run = self._run(chat, take, gate)
            scoring = asyncio.create_task(run.score(texts))
            scoring.add_done_callback(lambda _: arrived.set())
            try:
                while not scoring.done() or ready:
                    await arrived.wait()
                    arrived.clear()
                    while ready:
                        scored = ready.pop(0)
                        ahead -= len(scored.rows)
                        yield scored
                    gate.set()
                await scoring
            finally:
                gate.set()
                scoring.cancel()
                await asyncio.gather(scoring, return_exceptions=True)
                self.question = run.question

    def estimate(self, texts: Sequence[str], *, n_rows: int) -> Estimate:
        """Return what scoring texts would ask and cost.

        Args:
            texts: those that are not blank.
            n_rows: all rows, blank ones among them.

        """
        question, access = self.question, self.access
        asked = list(map(question.shown, texts))
        distinct = list(dict.fromkeys(asked))
        left: dict[str, int] = {}
        for start in range(0, len(distinct), BLOCK):
            block = distinct[start : start + BLOCK]
            keys = [question.row_key(text) for text in block]
            known = access.cache.rows(keys, READING_VERSION)
            unscored = [text for text, key in zip(block, keys, strict=True) if key not in known]
            for piece in range(0, len(unscored), PIECE):  # as in a run, which packs texts piece by piece
                left |= requests_left(
                    question, unscored[piece : piece + PIECE], self.access.key, self.access.cache.get_many
                )
        return estimate_of(
            question,
            asked,
            distinct,
            left,
            price=self.access.price,
            provider=self.access.chat.name,
            blank=n_rows - len(texts),
        )

    def preview(self, text: str) -> str:
        """Return the conversation in which a text is asked about, as a person reads it."""
        (prompt,) = self.question.prompts.of([text])
        return shown(prompt, self.question.shown(text))

    def _run(self, chat: Chat, take: Callable[[ScoredRows], None], gate: asyncio.Event | None = None) -> RowRun:
        exchange = self.access.exchange(chat, keeps_rows_at_once=self.question.texts_per_request > 1)
        return RowRun(exchange, self.access.cache, self.question, take, gate)


def _name_missing(status: NDArray[np.uint8]) -> None:
    missing = int((status == Status.NOT_CALLED).sum())
    if missing:
        logger.warning("%d of %d texts have no answer in the cache; their status is NOT_CALLED", missing, len(status))
