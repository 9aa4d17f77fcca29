"""Scores of several sources for the same texts, checked to fit together, with their gold answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.clusters import linked
from textclassify.core.labels import Gold, Label, LabelSchema
from textclassify.core.scales import IN_SAMPLE, LLM_METHODS, Scale
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.texts import listed
from textclassify.errors import ScoresError

EMBEDDINGS = "embeddings"
"""What the texts' vectors are called wherever sources are named."""

Embeddings: TypeAlias = NDArray[np.float32]
Learned = TypeVar("Learned")


@dataclass(frozen=True, eq=False)
class FusionRows:
    """n texts scored by several sources, with gold codes (n,) or a 0/1 indicator (n, K).

    Args:
        sources: scores by source name, sorted by name, so that their order never matters.
        gold: encoded by the sources' labels.
        clusters: (n,) rows of one number (equal text, or one group) stay together in every split.
        weight: (n,) weights.
        embeddings: (n, D) vectors of the texts by a model that was not trained on them; None = not given.
        place: (n,) where each row stood in the rows that these were taken from; None = where it stands.

    """

    sources: Mapping[str, Scores]
    gold: Gold
    clusters: NDArray[np.int64]
    weight: NDArray[np.float64] = field(repr=False)
    embeddings: Embeddings | None = field(default=None, repr=False)
    place: NDArray[np.int64] | None = field(default=None, repr=False)
    _learned: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The sources' names, sorted."""
        return tuple(self.sources)

    @property
    def available(self) -> tuple[str, ...]:
        """The sources' names, and "embeddings" where there are any."""
        return self.names if self.embeddings is None else (*self.names, EMBEDDINGS)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The K labels."""
        return next(iter(self.sources.values())).labels

    @property
    def multi_label(self) -> bool:
        """Whether labels are judged independently of each other."""
        return next(iter(self.sources.values())).multi_label

    def __len__(self) -> int:
        return len(self.gold)

    def take(self, rows: ArrayLike) -> Self:
        """Return the rows that an index array or mask selects."""
        sources = {name: scores.take(rows) for name, scores in self.sources.items()}
        chosen = np.arange(len(self))[rows]  # type: ignore[index]
        vectors = None if self.embeddings is None else self.embeddings[chosen]
        columns = (self.gold[chosen], self.clusters[chosen], self.weight[chosen])
        return type(self)(sources, *columns, vectors, self.places[chosen])

    @property
    def places(self) -> NDArray[np.int64]:
        """Where each row stood at first; shape (n,)."""
        return np.arange(len(self)) if self.place is None else self.place

    def scored_by(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Return the rows that all the named sources scored."""
        return np.flatnonzero(np.all([complete(self.sources[name]) for name in names if name != EMBEDDINGS], axis=0))

    def splits(self, folds: NDArray[np.int16]) -> list[tuple[NDArray[np.intp], Self, Self]]:
        """Return per fold: which rows it holds out, the rows to learn from, and the held-out ones.

        The same parts in every call, so that what one rung learned of them (`learned`) serves the others.
        """

        def parts() -> list[tuple[NDArray[np.intp], Self, Self]]:
            held_out = [np.flatnonzero(folds == fold) for fold in np.unique(folds[folds >= 0])]
            return [(rows, self.take(np.setdiff1d(np.arange(len(self)), rows)), self.take(rows)) for rows in held_out]

        return self.learned(("splits", folds.tobytes()), parts)

    def learned(self, key: Hashable, learn: Callable[[], Learned]) -> Learned:
        """Return what `learn` makes of these rows; it is called once for a key."""
        if key not in self._learned:
            self._learned[key] = learn()
        return self._learned[key]  # type: ignore[no-any-return] # one key, one kind

    def joined(self, other: Self) -> Self:
        """Return these rows and others of the same sources, in the order in which all of them stood at first."""
        sources = {name: Scores.concat([scores, other.sources[name]]) for name, scores in self.sources.items()}
        gold: Gold = np.concatenate([self.gold, other.gold])
        clusters = np.concatenate([self.clusters, other.clusters])
        vectors = None
        if self.embeddings is not None and other.embeddings is not None:
            vectors = np.concatenate([self.embeddings, other.embeddings])
        place = np.concatenate([self.places, other.places])
        together = type(self)(sources, gold, clusters, np.concatenate([self.weight, other.weight]), vectors, place)
        return together.take(np.argsort(place, kind="stable"))

    def only(self, names: Iterable[str]) -> Self:
        """Return the rows that all the named sources scored, with these sources (and "embeddings") alone."""
        names = set(names)
        kept = replace(
            self,
            sources={name: self.sources[name] for name in sorted(names - {EMBEDDINGS})},
            embeddings=self.embeddings if EMBEDDINGS in names else None,
        )
        return kept.take(self.scored_by(names))


def fusion_rows(
    sources: Mapping[str, Scores],
    gold: Any,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
) -> FusionRows:
    """Return checked rows to learn a fusion from; sources that scored no text at all are left out.

    Raises:
        ScoresError: no source, other labels, another number of rows, other texts, or scores that a source gave for
            texts it was trained on.
        LabelError: a gold label is missing or unknown.

    """
    if EMBEDDINGS in sources:
        raise ScoresError(f"no source can be called {EMBEDDINGS!r}; vectors go to the argument of that name")
    checked = aligned(sources)
    for name, scores in checked.items():
        seen = scores.answered & (scores.fold == IN_SAMPLE) if scores.fold is not None else np.zeros(0, dtype=bool)
        if seen.any():
            raise ScoresError(
                f"source {name!r} was trained on row {int(np.flatnonzero(seen)[0])}: a fusion learned from such scores "
                "trusts the source too much; pass out-of-fold scores (FoldAverage.out_of_fold_scores_)"
            )
    first = next(iter(checked.values()))
    if first.multi_label and len(gold) and all(isinstance(answer, str | int) for answer in gold):
        raise ScoresError(
            "the sources are multi-label and gold has one label per text; pass lists of labels, or, if labels exclude "
            "each other, scores made with multi_label=False"
        )
    encoded = LabelSchema(first.labels, multi_label=first.multi_label).encode(gold)
    if len(encoded) != len(first):
        raise ScoresError(f"{len(first)} scored texts but {len(encoded)} gold labels; pass one per text")
    useful = {name: scores for name, scores in checked.items() if complete(scores).any()}
    if not useful:
        raise ScoresError(f"no source scored any text ({listed(checked)}); see scores.status for the reasons")
    clusters, weight = _clusters(useful, groups, len(first)), _weights(sample_weight, len(first))
    return FusionRows(useful, encoded, clusters, weight, checked_embeddings(embeddings, len(first)))


def aligned(sources: Mapping[str, Scores]) -> dict[str, Scores]:
    """Return the sources sorted by name, once their labels, kind, length and texts are known to agree.

    Raises:
        ScoresError: they do not.

    """
    if not sources or not isinstance(sources, Mapping):
        raise ScoresError("no source given; pass scores by name: {'encoder': scores, ...}")
    names = sorted(sources)
    first = sources[names[0]]
    for name in names:
        scores = sources[name]
        if not isinstance(scores, Scores):
            raise ScoresError(
                f"source {name!r} is a {type(scores).__name__}, not Scores; use Scores.from_probabilities"
            )
        check_same_labels(first.labels, scores.labels, name)
        if scores.multi_label != first.multi_label:
            raise ScoresError(
                f"source {name!r} is {'multi' if scores.multi_label else 'single'}-label, {names[0]!r} is not"
            )
        if len(scores) != len(first):
            raise ScoresError(
                f"source {name!r} has {len(scores)} rows, {names[0]!r} has {len(first)}; score the same texts"
            )
        if scores.row_ids is not None and first.row_ids is not None and (scores.row_ids != first.row_ids).any():
            row = int(np.flatnonzero(scores.row_ids != first.row_ids)[0])
            raise ScoresError(f"row {row} of {name!r} and of {names[0]!r} are different texts; score them in one order")
    return {name: sources[name] for name in names}


def checked_embeddings(embeddings: ArrayLike | None, n: int) -> Embeddings | None:
    """Return the vectors of n texts as (n, D) float32; None stays None.

    Raises:
        ScoresError: another shape, or a number that is not finite.

    """
    if embeddings is None:
        return None
    vectors = np.asarray(embeddings, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != n or not np.isfinite(vectors).all():
        raise ScoresError(
            f"embeddings have shape {vectors.shape}; pass one vector of finite numbers per text, ({n}, D)"
        )
    return vectors


def complete(scores: Scores) -> NDArray[np.bool_]:
    """Return where a text was scored on every label; shape (n,)."""
    return scores.answered & scores.mask.all(axis=1)


def asks_llm(name: str, scores: Scores) -> bool:
    """Return whether a source asks a language model: by how its scores were made, else by its name."""
    made = np.unique(scores.method[scores.answered])
    if scores.scale in {Scale.VOTE_SHARE, Scale.LOG_LIKELIHOOD} or np.isin(made, LLM_METHODS).any():
        return True
    return name.lower().startswith("llm")


def _clusters(sources: Mapping[str, Scores], groups: ArrayLike | None, n: int) -> NDArray[np.int64]:
    keys = [scores.row_ids for scores in sources.values() if scores.row_ids is not None][:1]
    if groups is not None:
        names = np.asarray(groups)
        if names.shape != (n,):
            raise ScoresError(f"groups have shape {names.shape}; pass one group per text, ({n},)")
        return linked(names, *keys)
    return linked(*keys) if keys else np.arange(n)


def _weights(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64]:
    """Return weights with mean 1: what is shrunk by so many rows must not depend on their unit."""
    if sample_weight is None:
        return np.ones(n)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n,) or not (np.isfinite(weight) & (weight >= 0)).all() or not weight.any():
        raise ScoresError(f"sample_weight must be {n} finite numbers >= 0, not all 0; got shape {weight.shape}")
    return np.asarray(weight / weight.mean())
