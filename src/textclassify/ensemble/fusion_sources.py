"""`FusionSources`: the fitted sources of a fusion, asked about texts no more than their answers are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from textclassify.core.contract import TextClassifier
from textclassify.core.scores import Scores
from textclassify.core.storage import replies_kept_in
from textclassify.core.texts import blank_rows
from textclassify.ensemble.combining.rows import EMBEDDINGS, Embeddings, complete
from textclassify.ensemble.deferring.asking import checked_budget, price_of_calls
from textclassify.ensemble.score_fusion import ScoreFusion
from textclassify.ensemble.source_scores import scores_of_some


@dataclass(frozen=True)
class FusionSources:
    """What asks the sources of a fitted fusion.

    Args:
        fusion: which sources make a difference, and which texts are worth a call.
        sources: {name: classifier}, fitted.
        replies: folder in which the answers of language models are kept; None = as each says.

    """

    fusion: ScoreFusion
    sources: Mapping[str, TextClassifier]
    replies: str | PathLike[str] | None = None

    def scores(self, texts: list[str], names: Iterable[str]) -> dict[str, Scores]:
        """Return the scores of the named sources."""
        with keeping_replies(self.replies):
            return {name: self.sources[name].predict_scores(texts) for name in sorted(names)}

    def needed_scores(self, texts: list[str], embeddings: Embeddings | None, llm_budget: Any) -> dict[str, Scores]:
        """Return the scores of the sources that make a difference, and of those that stand in for them.

        Args:
            texts: n texts.
            embeddings: their vectors (n, D) where the combiner uses them; only a budget needs them.
            llm_budget: as in `FusionEnsemble.predict`.

        """
        wanted = sorted({*self.fusion.needs_} - {EMBEDDINGS})
        if llm_budget is not None and self.fusion.patterns_.asks_llm:
            return self._scores_in_budget(texts, wanted, embeddings, llm_budget)
        scores = self.scores(texts, wanted)
        return scores | self._stand_ins(texts, scores)

    @property
    def ever_needed(self) -> list[str]:
        """Names of the sources that make a difference to some text."""
        return sorted({*self.fusion.needs_, *self.fusion.patterns_.free_names} - {EMBEDDINGS})

    def embeddings_for(self, texts: list[str]) -> Embeddings | None:
        """Return the frozen vectors (n, D) of texts where the deployed combiner uses them, else None."""
        return text_vectors(texts) if EMBEDDINGS in self.fusion.needs_ else None

    def _stand_ins(self, texts: list[str], scores: Mapping[str, Scores]) -> dict[str, Scores]:
        """Return the free sources' scores of the texts that a needed source has none for."""
        missing = np.flatnonzero(~np.all([complete(one) for one in scores.values()], axis=0))
        others = [name for name in self.fusion.patterns_.free_names if name not in scores]
        return {name: scores_of_some(self.sources[name], texts, missing) for name in others if len(missing)}

    def _scores_in_budget(
        self, texts: list[str], wanted: Sequence[str], embeddings: Embeddings | None, llm_budget: Any
    ) -> dict[str, Scores]:
        """Return the free sources' scores of all texts, and a language model's of those where it pays."""
        checked_budget(self.fusion.patterns_, llm_budget)
        models = {name: self.sources[name] for name in wanted if name in self.fusion.llm_sources_}
        price = price_of_calls(models, texts, llm_budget)
        free = self.scores(texts, self.fusion.patterns_.free_names)
        written = np.flatnonzero(~blank_rows(texts))  # blank texts are asked about by nobody and take no call
        known = {name: one.take(written) for name, one in free.items()}
        vectors = None if embeddings is None else embeddings[written]
        rows = written[self.fusion.rows_to_ask(known, llm_budget, vectors, cost_per_call=price)]
        with keeping_replies(self.replies):
            return free | {name: scores_of_some(source, texts, rows) for name, source in models.items() if len(rows)}


def keeping_replies(folder: str | PathLike[str] | None) -> AbstractContextManager[None]:
    """Have language models inside the block keep their answers in this folder; None = as it is around the block."""
    return nullcontext() if folder is None else replies_kept_in(Path(folder))


def text_vectors(texts: list[str]) -> Embeddings:
    """Return the vectors (n, D) of texts by the embedded encoder, which nobody trains."""
    from textclassify.models.sources import EMBEDDED_ENCODER, resolve
    from textclassify.models.vectors import sentence_vectors

    return sentence_vectors(texts, resolve(EMBEDDED_ENCODER, "encoder"))
