"""`Keywords`: BM25 of a text's words in what is said about each label; knows rare words that vectors blur."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from textclassify.rac.retrieving.label_texts import Floats, LabelTexts, Vectors

_WORD = re.compile(r"\w+")
_STEM_LENGTH = 5
_BEGINNING = "^"


class Keywords:
    """BM25 scores of each label's document: its card and all its examples, as one.

    Terms are the words cut to five letters (which joins most inflections, in any language), and pairs of neighbours,
    the first word's with the beginning among them: how a question starts says much. On question and emotion data
    documents per label, cut words and pairs each lowered the log loss of the fusion with vectors.

    Args:
        said: the labels' cards and examples.

    """

    def __init__(self, said: LabelTexts) -> None:
        import bm25s

        documents: list[list[str]] = [terms(card) for card in said.cards]
        for code, text in zip(said.codes.tolist(), said.texts, strict=True):
            documents[code] += terms(text)
        self._index = bm25s.BM25()
        self._index.index(documents, create_empty_token=False, show_progress=False)
        self._n_labels = len(documents)

    def logits(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """Return (n, K) BM25 scores; 0 throughout where a text shares no term with any label."""
        del vectors
        scores = np.zeros((len(texts), self._n_labels))
        for row, text in enumerate(texts):
            known = self._index.get_tokens_ids(list(dict.fromkeys(terms(text))))
            if known:
                scores[row] = self._index.get_scores_from_ids(known)
        return scores


def terms(text: str) -> list[str]:
    """Return the terms of a text, with repeats; one at least.

    >>> terms("Late parcels")
    ['late', 'parce', '^ late', 'late parce']

    """
    words = [word[:_STEM_LENGTH] for word in _WORD.findall(text.casefold())]
    pairs = [f"{left} {right}" for left, right in zip([_BEGINNING, *words], words, strict=False)]
    return [*words, *pairs] or [text]
