"""Members that do not favour labels with many examples over labels with few or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from textclassify.rac.retrieving.label_texts import Floats, LabelTexts, Vectors
from textclassify.rac.retrieving.members import MEMBERS, Member

_SCORES_LOOKED_AT = 2_000_000
_FEWEST_TEXTS = 100


class Levelled:
    """A member whose labels have lost what the number of their examples alone lifts them by.

    Examples bring a label nearer to all texts, also to those of other labels: beside labels with ten examples each, one
    that has only its card was found in 3% of its texts where all cards alone found 20%. A label's lead is how much more
    the member gives to examples of other labels than the same member does that knows only the cards; its
    lift is what labels with as many examples lead by on average, never less than with fewer (isotonic regression).

    Args:
        member: what is levelled.
        lifts: (K,), taken off its logits.

    """

    def __init__(self, member: Member, lifts: Floats) -> None:
        self.member = member
        self.lifts = lifts

    def logits(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """Return (n, K) logits."""
        return self.member.logits(texts, vectors) - self.lifts


def fitted_member(name: str, said: LabelTexts, temperature: float) -> Member:
    """Return a member fitted on cards and examples; levelled, where labels differ in their number of examples."""
    member = MEMBERS[name](said, temperature)
    if said.counts.min() == said.counts.max():
        return member
    cards_only = MEMBERS[name](said.with_examples(np.zeros(len(said.codes), dtype=bool)), temperature)
    return Levelled(member, _lifts(member, cards_only, said))


def _lifts(member: Member, cards_only: Member, said: LabelTexts) -> Floats:
    """Return what is taken off each label, (K,); 0 where no label has fewer examples."""
    texts, codes, vectors = _background(said)
    leads = member.logits(texts, vectors) - cards_only.logits(texts, vectors)
    others = codes[:, None] != np.arange(len(said.cards))
    means = (leads * others).sum(axis=0) / np.maximum(others.sum(axis=0), 1)
    _, place, n_labels = np.unique(said.counts, return_inverse=True, return_counts=True)
    by_count = isotonic_regression(np.bincount(place, weights=means) / n_labels, weights=n_labels).x
    return np.asarray((by_count - by_count[0])[place], dtype=np.float64)


def _background(said: LabelTexts) -> tuple[list[str], NDArray[np.int64], Vectors]:
    """Return texts, the label of each, and their vectors: examples, or cards where one label alone has examples.

    They are as many as can be looked at quickly. Cards would do for all, but are less like texts: with them beside the
    examples, half of the lift remained.
    """
    n_labels = len(said.cards)
    texts, codes, vectors = said.texts, said.codes, said.vectors
    if np.count_nonzero(said.counts) == 1:
        texts, codes, vectors = said.cards, np.arange(n_labels), said.card_vectors
    most = max(_FEWEST_TEXTS, _SCORES_LOOKED_AT // n_labels)
    rows = np.unique(np.linspace(0, len(texts) - 1, min(most, len(texts))).astype(np.int64))
    return [texts[row] for row in rows.tolist()], codes[rows], vectors[rows]
