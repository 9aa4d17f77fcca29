"""`LocalQuestions`: a model of this process that chooses between answers by their exact likelihoods, or writes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from time import monotonic
from typing import TYPE_CHECKING

import orjson
from numpy import isfinite
from scipy.special import log_softmax

from textclassify.core.progress import report
from textclassify.core.scales import Method, Status
from textclassify.core.texts import is_blank
from textclassify.llm.chat import Message
from textclassify.llm.choices import Choice, Chosen, Written
from textclassify.llm.in_process.kept_likelihoods import KeptLikelihoods, Scored, likelihood_key
from textclassify.llm.store.cache import ResponseCache
from textclassify.llm.store.spending import listeners

if TYPE_CHECKING:
    from textclassify.llm.in_process.local import LocalScorer

logger = logging.getLogger(__name__)

_KEPT_EVERY_SECONDS = 1.0


class LocalQuestions:
    """A model of this process that is asked questions without a label schema.

    Args:
        scorer: the model.
        cache: where its answers are kept.

    """

    def __init__(self, scorer: LocalScorer, cache: ResponseCache) -> None:
        self._scorer = scorer
        self._cache = cache
        self._kept = KeptLikelihoods(cache)

    @classmethod
    def of_model(cls, model: str | PathLike[str] | None, cache: ResponseCache) -> LocalQuestions:
        """Return a model by its name or folder; None = the embedded one."""
        from textclassify.llm.in_process.local import LocalScorer

        return cls(LocalScorer(model), cache)

    def choose(self, choices: Sequence[Choice], task: str) -> Chosen:
        """Return the likelihood of each answer among those of its question; blank texts are not asked about."""
        chosen = Chosen.nothing_yet(choices, Method.LIKELIHOOD)
        asked: dict[Choice, list[int]] = {}
        for row, choice in enumerate(choices):
            if is_blank(choice.text):
                chosen.status[row] = Status.INVALID
            else:
                asked.setdefault(choice, []).append(row)
        found = self._scored(list(asked), task)
        for choice, rows in asked.items():
            one = found[choice]
            is_whole = bool(isfinite(one.log_likelihoods).all())
            chosen.status[rows], chosen.truncated[rows] = Status.OK if is_whole else Status.FAILED, one.truncated
            if is_whole:
                chosen.values[rows, : len(choice.answers)] = log_softmax(one.log_likelihoods)
        n_cut = int(chosen.truncated.sum())
        if n_cut:
            logger.warning("%d of %d texts did not fit into the prompt and were cut", n_cut, len(chosen))
        return chosen

    def write(self, conversations: Sequence[tuple[Message, ...]], max_tokens: int) -> Written:
        """Return what the model writes in each conversation; TOO_LONG where one does not fit, INVALID where nothing."""
        written = Written.nothing_yet(len(conversations))
        found = self._written(list(dict.fromkeys(map(tuple, conversations))), max_tokens)
        for row, messages in enumerate(conversations):
            text = found[tuple(messages)]
            written.texts[row] = text or None
            written.status[row] = Status.TOO_LONG if text is None else Status.OK if text else Status.INVALID
        return written

    def _scored(self, questions: Sequence[Choice], task: str) -> dict[Choice, Scored]:
        """Return what is known about distinct questions; what is new is kept every second and in the end."""
        identity = self._scorer.identity
        keys = {question: _key(identity, question) for question in questions}
        found = self._kept.of(keys, {question: len(question.answers) for question in questions})
        missing = [question for question in questions if question not in found]
        fresh: list[tuple[bytes, Scored]] = []
        began = kept_at = monotonic()
        try:
            for done, (place, scores, truncated) in enumerate(self._scorer.choices_scored(missing), start=1):
                question = missing[place]
                found[question] = Scored(scores.tolist(), truncated)
                # A key of now, as the scorer's precision changes where half precision does not suffice.
                fresh.append((_key(self._scorer.identity, question), found[question]))
                report(task, done, len(missing))
                if monotonic() - kept_at > _KEPT_EVERY_SECONDS:
                    self._kept.keep(fresh)
                    fresh, kept_at = [], monotonic()
        finally:
            self._kept.keep(fresh)
        self._count(len(missing), len(questions) - len(missing), monotonic() - began)
        return found

    def _count(self, calls: int, cached: int, seconds: float) -> None:
        """Tell whoever counts what was read; prompts that share a beginning have no number of tokens of their own."""
        for spending in listeners():
            took = seconds if calls else 0.0
            spending.add_local(self._scorer.source.name, calls=calls, cached=cached, seconds=took)

    def _written(
        self, conversations: Sequence[tuple[Message, ...]], max_tokens: int
    ) -> dict[tuple[Message, ...], str | None]:
        keys = {messages: self._writing_key(messages, max_tokens) for messages in conversations}
        found: dict[tuple[Message, ...], str | None] = dict(self._written_before(keys))
        missing = [messages for messages in conversations if messages not in found]
        began = monotonic()
        for done, (place, text) in enumerate(self._scorer.written(missing, max_tokens=max_tokens), start=1):
            found[missing[place]] = text
            if text is not None:
                self._cache.put(keys[missing[place]], orjson.dumps({"written": text}))
                self._cache.flush()
            report("texts written", done, len(missing))
        self._count(len(missing), len(conversations) - len(missing), monotonic() - began)
        return found

    def _written_before(self, keys: Mapping[tuple[Message, ...], bytes]) -> dict[tuple[Message, ...], str]:
        """Return what is kept; an entry that cannot be read makes room for a new one."""
        known = self._cache.get_many(list(keys.values()))
        found = {messages: _written_text(known[key]) for messages, key in keys.items() if key in known}
        damaged = [keys[messages] for messages, text in found.items() if text is None]
        if damaged:
            logger.warning("%d kept texts cannot be read and are written again", len(damaged))
            self._cache.forget(damaged)
        return {messages: text for messages, text in found.items() if text is not None}

    def _writing_key(self, messages: Sequence[Message], max_tokens: int) -> bytes:
        turns = [(message.role, message.content) for message in messages]
        whole = ["written", self._scorer.identity, turns, max_tokens]
        return hashlib.sha256(json.dumps(whole).encode()).digest()


def _key(identity: str, question: Choice) -> bytes:
    return likelihood_key(identity, question.messages, question.answers, question.text)


def _written_text(body: bytes) -> str | None:
    """Return the text that a kept entry holds; None where it is damaged."""
    try:
        text = orjson.loads(body)["written"]
    except (ValueError, TypeError, KeyError):
        return None
    return text if isinstance(text, str) else None
