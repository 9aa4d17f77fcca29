"""Two ways of getting scores out of a language model: likelihoods of its own, or the label that it names."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.progress import report
from textclassify.core.scales import Method, Scale, Status
from textclassify.llm.cache import ResponseCache
from textclassify.llm.chat import Chat, ChatFailure, ChatReply, ChatRequest
from textclassify.llm.elicitation import parse_label, parse_labels
from textclassify.llm.prompts import Demonstration, Prompt, choice_prompt, statement_prompt, yes_no_prompt
from textclassify.llm.runner import Outcome, Progress, ask_all

if TYPE_CHECKING:
    from textclassify.llm.local import LocalScorer

logger = logging.getLogger(__name__)

LISTS_LABELS_FROM = 1_000_000_000
"""Weights from which a local model is shown the list of labels; measured were 0.135 and 1.5 thousand million."""


@dataclass(frozen=True)
class Answers:
    """What a model said about n texts: values (n, K), NaN rows where `status` is not OK.

    `truncated` (n,) tells which texts it was shown without their end.
    """

    values: NDArray[np.float64]
    status: NDArray[np.uint8]
    scale: Scale
    method: Method
    truncated: NDArray[np.bool_]


class Elicitation(Protocol):
    """A way of asking one language model about texts."""

    def ask(self, texts: Sequence[str], schema: LabelSchema, demonstrations: Sequence[Demonstration]) -> Answers:
        """Return the answers for texts, in their order."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """What is known, and cached, about one text: a log-likelihood per answer, and whether its end was left out."""

    log_likelihoods: list[float]
    truncated: bool


@dataclass(frozen=True)
class Likelihoods:
    """Exact log P(answer, end of turn | prompt) of an in-process model; multi-label: log-odds of yes against no.

    Args:
        scorer: the model.
        cache: where likelihoods are kept; None = nowhere.
        list_labels: whether the prompt shows the labels with their descriptions; None = to models that have at least
            `LISTS_LABELS_FROM` weights, as smaller ones are confused by it.

    """

    scorer: LocalScorer
    cache: ResponseCache | None = None
    list_labels: bool | None = None

    def ask(self, texts: Sequence[str], schema: LabelSchema, demonstrations: Sequence[Demonstration]) -> Answers:
        """Return the log-likelihood of every label for every text; a text is never shown beside itself."""
        if not schema.multi_label:
            listed = self.scorer.weights >= LISTS_LABELS_FROM if self.list_labels is None else self.list_labels
            asked = functools.partial(statement_prompt, schema, list_labels=listed)
            values, truncated = self._likelihoods(asked, texts, demonstrations, "texts")
            return self._answers(values, Scale.LOG_LIKELIHOOD, truncated)
        odds = np.empty((len(texts), len(schema)))
        truncated = np.zeros(len(texts), dtype=np.bool_)
        for k, name in enumerate(schema.names):
            asked = functools.partial(yes_no_prompt, schema, name)
            both, cut = self._likelihoods(asked, texts, demonstrations, f"texts, label {k + 1} of {len(schema)}")
            odds[:, k] = both[:, 0] - both[:, 1]
            truncated |= cut
        return self._answers(odds, Scale.LOG_ODDS, truncated)

    def _answers(self, values: NDArray[np.float64], scale: Scale, truncated: NDArray[np.bool_]) -> Answers:
        broken = ~np.isfinite(values).all(axis=1)
        values[broken] = np.nan
        status = np.where(broken, Status.FAILED, Status.OK).astype(np.uint8)
        return Answers(values, status, scale, Method.LIKELIHOOD, truncated)

    def _likelihoods(
        self,
        asked: Callable[[Sequence[Demonstration]], Prompt],
        texts: Sequence[str],
        demonstrations: Sequence[Demonstration],
        task: str,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the log-likelihood of each answer for each text, (n, answers), and which texts were cut, (n,)."""
        found: dict[str, _Scored] = {}
        # Prompts that begin alike are read together, so the few texts that are themselves examples come apart.
        for shown, together in _by_shown(texts, demonstrations):
            found |= self._of_one_prompt(asked(shown), together, task)
        width = len(asked(demonstrations).answers)
        values = np.array([found[text].log_likelihoods for text in texts]).reshape(len(texts), width)
        return values, np.array([found[text].truncated for text in texts], dtype=np.bool_)

    def _of_one_prompt(self, prompt: Prompt, texts: Sequence[str], task: str) -> dict[str, _Scored]:
        keys = {text: self._key(prompt, text) for text in texts}
        known = {} if self.cache is None else self.cache.get_many(list(keys.values()))
        found = {text: _Scored(**known[key]) for text, key in keys.items() if key in known}
        missing = [text for text in keys if text not in found]
        if missing:
            scored = self.scorer.log_likelihoods(
                prompt.messages,
                missing,
                prompt.answers,
                show_progress=lambda done, total: report(task, done, total),
            )
            values = scored.values.astype(np.float64).tolist()
            new = dict(zip(missing, map(_Scored, values, scored.truncated.tolist()), strict=True))
            self._keep({keys[text]: one for text, one in new.items()})
            found |= new
        n_cut = sum(one.truncated for one in found.values())
        if n_cut:
            logger.warning("%d of %d texts did not fit into the prompt and were cut", n_cut, len(found))
        return found

    def _keep(self, found: dict[str, _Scored]) -> None:
        if self.cache is not None:
            for key, one in found.items():
                self.cache.put(key, asdict(one))
            self.cache.flush()

    def _key(self, prompt: Prompt, text: str) -> str:
        turns = [(message.role, message.content) for message in prompt.messages]
        whole = [self.scorer.identity, turns, prompt.answers, text]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


@dataclass(frozen=True)
class HardLabels:
    """The label (multi-label: the labels) that a model names in its reply; a reply that names none is INVALID.

    Args:
        chat: the model.
        cache: where replies are kept; None = nowhere.
        concurrency: most requests in flight.
        temperature: of the sampling.
        max_tokens: longest reply.

    """

    chat: Chat
    cache: ResponseCache | None = None
    concurrency: int = 64
    temperature: float = 0.0
    max_tokens: int = 150

    def ask(self, texts: Sequence[str], schema: LabelSchema, demonstrations: Sequence[Demonstration]) -> Answers:
        """Return one vote per text."""
        prompts: dict[str, Prompt] = {}
        for shown, together in _by_shown(texts, demonstrations):
            prompts |= dict.fromkeys(together, choice_prompt(schema, shown))
        requests = [
            ChatRequest(
                self.chat.model, prompts[text].about(text), temperature=self.temperature, max_tokens=self.max_tokens
            )
            for text in texts
        ]
        outcomes = ask_all(
            self.chat, requests, concurrency=self.concurrency, cache=self.cache, on_progress=_show_progress
        )
        values, status = np.full((len(texts), len(schema)), np.nan), np.empty(len(texts), dtype=np.uint8)
        for row, outcome in enumerate(outcomes):
            status[row], labels = _read(outcome, prompts[texts[row]], multi_label=schema.multi_label)
            if labels is not None:
                values[row] = 0.0
                values[row, list(labels)] = 1.0
        whole = np.zeros(len(texts), dtype=np.bool_)  # a server that cannot read a whole text refuses it: TOO_LONG
        return Answers(values, status, Scale.VOTE_SHARE, Method.HARD, whole)


def _by_shown(
    texts: Sequence[str], demonstrations: Sequence[Demonstration]
) -> Iterator[tuple[list[Demonstration], list[str]]]:
    """Yield distinct texts with the examples that they may be shown beside: all of them but themselves."""
    examples = {example.text.strip() for example in demonstrations}
    distinct = list(dict.fromkeys(texts))
    yield list(demonstrations), [text for text in distinct if text.strip() not in examples]
    for text in distinct:
        if text.strip() in examples:
            yield [example for example in demonstrations if example.text.strip() != text.strip()], [text]


def _show_progress(progress: Progress) -> None:
    report("texts", progress.done, progress.total)


def _read(outcome: Outcome, prompt: Prompt, *, multi_label: bool) -> tuple[Status, tuple[int, ...] | None]:
    """Return a row's status and the positions of the labels that were named; None where there are none."""
    if isinstance(outcome, ChatFailure):
        return outcome.status, None
    reply: ChatReply = outcome
    if reply.status is not Status.OK:
        return reply.status, None
    if multi_label:
        several = None if reply.cut_off else parse_labels(reply.content, prompt.codes, prompt.names)
        return (Status.INVALID, None) if several is None else (Status.OK, several)
    label = parse_label(reply.content, prompt.codes, prompt.names, cut_off=reply.cut_off)
    return (Status.INVALID, None) if label is None else (Status.OK, (label,))
