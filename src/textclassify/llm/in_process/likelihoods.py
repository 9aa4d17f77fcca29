"""`Likelihoods`: scores of an in-process language model, from how likely it is to answer with each label."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.progress import report
from textclassify.core.scales import Method, Scale, Status
from textclassify.core.texts import wording
from textclassify.llm.in_process.kept_likelihoods import KeptLikelihoods, Scored, likelihood_key
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.prompts import Prompt, shown, statement_prompt, yes_no_prompt
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.store.cache import ResponseCache
from textclassify.llm.store.spending import listeners

if TYPE_CHECKING:
    from textclassify.llm.in_process.local import LocalScorer

logger = logging.getLogger(__name__)

LISTS_LABELS_FROM = 1_000_000_000
"""Weights from which a local model is shown the list of labels; measured were 0.135 and 1.5 thousand million."""


@dataclass(frozen=True)
class Answers:
    """What a model said about n texts: values (n, K), NaN rows where `status` is not OK.

    `truncated` (n,) tells which texts it was shown without their end; `cost` (n,) is in US dollars.
    """

    values: NDArray[np.float64]
    status: NDArray[np.uint8]
    scale: Scale
    method: NDArray[np.uint8]
    truncated: NDArray[np.bool_]
    cost: NDArray[np.float64]


@dataclass(frozen=True)
class Likelihoods:
    """Exact log P(answer, end of turn | prompt) of an in-process model; multi-label: log-odds of yes against no.

    Args:
        scorer: the model.
        cache: where likelihoods are kept; None = nowhere.
        list_labels: whether the prompt shows the labels with their descriptions; None = to models that have at least
            `LISTS_LABELS_FROM` weights, as smaller ones are confused by it.
        wording: what prompts say.

    """

    scorer: LocalScorer
    cache: ResponseCache | None = None
    list_labels: bool | None = None
    wording: Wording = ENGLISH

    def ask(self, texts: Sequence[str], schema: LabelSchema, demonstrations: Sequence[Demonstration]) -> Answers:
        """Return the log-likelihood of every label for every text; a text is never shown beside itself."""
        if not schema.multi_label:
            values, truncated = self._likelihoods(self._statement(schema), texts, demonstrations, "texts")
            return self._answers(values, Scale.LOG_LIKELIHOOD, truncated)
        odds = np.empty((len(texts), len(schema)))
        truncated = np.zeros(len(texts), dtype=np.bool_)
        for k, name in enumerate(schema.names):
            asked = functools.partial(yes_no_prompt, schema, name, wording=self.wording)
            both, cut = self._likelihoods(asked, texts, demonstrations, f"texts, label {k + 1} of {len(schema)}")
            odds[:, k] = both[:, 0] - both[:, 1]
            truncated |= cut
        return self._answers(odds, Scale.LOG_ODDS, truncated)

    def preview(self, text: str, schema: LabelSchema, demonstrations: Sequence[Demonstration]) -> str:
        """Return the conversation in which a text is scored, as a person reads it; multi-label, of the first label."""
        yes_no = functools.partial(yes_no_prompt, schema, schema.names[0], wording=self.wording)
        asked = yes_no if schema.multi_label else self._statement(schema)
        beside, _ = list(_by_shown([text], demonstrations))[-1]
        return shown(asked(beside), text)

    def _statement(self, schema: LabelSchema) -> Callable[[Sequence[Demonstration]], Prompt]:
        listed = self.scorer.weights >= LISTS_LABELS_FROM if self.list_labels is None else self.list_labels
        return functools.partial(statement_prompt, schema, list_labels=listed, wording=self.wording)

    def _answers(self, values: NDArray[np.float64], scale: Scale, truncated: NDArray[np.bool_]) -> Answers:
        broken = ~np.isfinite(values).all(axis=1)
        values[broken] = np.nan
        status = np.where(broken, Status.FAILED, Status.OK).astype(np.uint8)
        method = np.full(len(values), Method.LIKELIHOOD, dtype=np.uint8)
        return Answers(values, status, scale, method, truncated, np.zeros(len(values)))

    def _likelihoods(
        self,
        asked: Callable[[Sequence[Demonstration]], Prompt],
        texts: Sequence[str],
        demonstrations: Sequence[Demonstration],
        task: str,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the log-likelihood of each answer for each text, (n, answers), and which texts were cut, (n,)."""
        found: dict[str, Scored] = {}
        # Prompts that begin alike are read together, so the few texts that are themselves examples come apart.
        for beside, together in _by_shown(texts, demonstrations):
            found |= self._of_one_prompt(asked(beside), together, task)
        width = len(asked(demonstrations).answers)
        values = np.array([found[text].log_likelihoods for text in texts]).reshape(len(texts), width)
        return values, np.array([found[text].truncated for text in texts], dtype=np.bool_)

    def _of_one_prompt(self, prompt: Prompt, texts: Sequence[str], task: str) -> dict[str, Scored]:
        identity, memory = self.scorer.identity, KeptLikelihoods(self.cache)
        keys = _keys(identity, prompt, texts)
        found = memory.of(keys, dict.fromkeys(keys, len(prompt.answers)))
        missing = [text for text in keys if text not in found]
        for spending in listeners():
            spending.add_local(self.scorer.source.name, cached=len(found))
        if missing:
            began = monotonic()
            scored = self.scorer.log_likelihoods(
                prompt.messages,
                missing,
                prompt.answers,
                show_progress=lambda done, total: report(task, done, total),
            )
            for spending in listeners():
                tokens, seconds = int(scored.prompt_tokens.sum()), monotonic() - began
                spending.add_local(self.scorer.source.name, calls=len(missing), prompt_tokens=tokens, seconds=seconds)
            values = scored.values.astype(np.float64).tolist()
            new = dict(zip(missing, map(Scored, values, scored.truncated.tolist()), strict=True))
            keys = _keys(self.scorer.identity, prompt, texts)
            memory.keep((keys[text], one) for text, one in new.items())
            if found and self.scorer.identity != identity:  # what was known is of a precision that was given up
                return self._of_one_prompt(prompt, texts, task)
            found |= new
        n_cut = sum(one.truncated for one in found.values())
        if n_cut:
            logger.warning("%d of %d texts did not fit into the prompt and were cut", n_cut, len(found))
        return found


def _keys(identity: str, prompt: Prompt, texts: Sequence[str]) -> dict[str, bytes]:
    return {text: likelihood_key(identity, prompt.messages, prompt.answers, text) for text in texts}


def _by_shown(
    texts: Sequence[str], demonstrations: Sequence[Demonstration]
) -> Iterator[tuple[list[Demonstration], list[str]]]:
    """Yield distinct texts with the examples that they may be shown beside: all of them but themselves."""
    examples = {wording(example.text) for example in demonstrations}
    distinct = list(dict.fromkeys(texts))
    yield list(demonstrations), [text for text in distinct if wording(text) not in examples]
    for text in distinct:
        if wording(text) in examples:
            yield [example for example in demonstrations if wording(example.text) != wording(text)], [text]
