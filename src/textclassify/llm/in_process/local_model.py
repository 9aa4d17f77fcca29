"""`LocalModel`: an in-process language model that scores texts, with its preference for some labels taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.core.labels import LabelSchema
from textclassify.core.scales import Scale
from textclassify.llm.in_process.likelihoods import Answers, Likelihoods
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.prompts import prior_texts
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.store.cache import ResponseCache

PRIOR_ROWS = 200
"""Unlabelled texts from which a model's prior is learned in `fit` (batch calibration, Zhou et al. 2024)."""


@dataclass(frozen=True)
class LocalModel:
    """A language model of this process.

    Args:
        model: its name or folder; None = the embedded one.
        schema: the labels.
        demonstrations: examples in every prompt.
        cache_dir: where likelihoods are kept.
        wording: what prompts say.

    """

    model: str | None
    schema: LabelSchema
    demonstrations: Sequence[Demonstration]
    cache_dir: str | Path
    wording: Wording = ENGLISH

    def score(self, texts: Sequence[str], prior: NDArray[np.float64]) -> Answers:
        """Return the answers to texts without the prior (K,): log-probabilities, multi-label log-odds."""
        answers = self._ask(texts)
        values = self._comparable(answers.values) - prior
        if answers.scale is not Scale.LOG_LIKELIHOOD:
            return replace(answers, values=values)
        if len(values):
            values = np.asarray(log_softmax(values, axis=1))
        return replace(answers, values=values, scale=Scale.LOG_PROBABILITY)

    def learned_prior(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the mean log-score of each label over unlabelled texts, (K,); made-up ones where these are few."""
        enough = len(texts) >= 2 * len(self.schema)
        answers = self._ask(texts[:PRIOR_ROWS] if enough else prior_texts(self.schema, self.wording))
        return np.asarray(np.nanmean(self._comparable(answers.values), axis=0))

    def preview(self, text: str) -> str:
        """Return the conversation in which a text is scored, as a person reads it."""
        return self._likelihoods(None).preview(text, self.schema, self.demonstrations)

    def _ask(self, texts: Sequence[str]) -> Answers:
        with ResponseCache(self.cache_dir) as cache:
            return self._likelihoods(cache).ask(texts, self.schema, self.demonstrations)

    def _likelihoods(self, cache: ResponseCache | None) -> Likelihoods:
        from textclassify.llm.in_process.local import LocalScorer

        return Likelihoods(LocalScorer(self.model), cache, wording=self.wording)

    def _comparable(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores whose mean over texts is a prior: log-probabilities among the labels; log-odds as they are."""
        return values if self.schema.multi_label or not len(values) else np.asarray(log_softmax(values, axis=1))
