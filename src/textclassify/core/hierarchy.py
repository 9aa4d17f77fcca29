"""Labels under broader ones: which labels stand at a level of the hierarchy, and the scores of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from textclassify.core.labels import Gold, Label
from textclassify.core.number_checks import is_whole
from textclassify.core.scales import Scale
from textclassify.core.scores import Scores
from textclassify.errors import ConfigError, LabelError

NO_GROUP = -1


@dataclass(frozen=True, eq=False)
class LabelLevel:
    """The labels at one level of a hierarchy, each with the labels that it stands for.

    Args:
        labels: the G labels of the level, in the order in which their first label stands in the schema.
        groups: (K,) which of them each label of the schema belongs to.
        parents: of these labels, where they have any.

    >>> level = LabelLevel.of(("tea", "coffee", "bread"), {"tea": "drinks", "coffee": "drinks"}, 0)
    >>> level.labels, level.groups.tolist()
    (('drinks', 'bread'), [0, 0, 1])

    """

    labels: tuple[Label, ...]
    groups: NDArray[np.int64]
    parents: Mapping[Label, Label]

    @classmethod
    def of(cls, labels: tuple[Label, ...], parents: Mapping[Label, Label], level: int) -> Self:
        """Return a level, 0 = the broadest labels; a label that is not as deep stays itself.

        Raises:
            LabelError: no label has a parent.
            ConfigError: there is no such level.

        """
        if not parents:
            raise LabelError(
                "no label has a parent, so there is nothing to roll up to; give each narrow label its `parent` in the "
                "label schema"
            )
        paths = [_path(label, parents) for label in labels]
        deepest = max(map(len, paths)) - 1
        if not is_whole(level) or not 0 <= level <= deepest:
            raise ConfigError(
                f"level={level!r} is no level of these labels; pass 0 for the broadest labels, up to {deepest}"
            )
        at_level = [path[min(level, len(path) - 1)] for path in paths]
        found = tuple(dict.fromkeys(at_level))
        place = {label: number for number, label in enumerate(found)}
        above = {child: parent for path in paths for parent, child in pairwise(path[: level + 1])}
        groups = np.array([place[label] for label in at_level], dtype=np.int64)
        return cls(found, groups, above)

    def gold(self, codes: Gold) -> NDArray[np.int64]:
        """Return answers at the level: codes (n,), -1 = none, or 0/1 (n, G), a row of -1 = none, where a label is set.

        Args:
            codes: the same of the labels of the schema, (n,) or (n, K).

        """
        codes = np.asarray(codes, dtype=np.int64)
        if codes.ndim == 1:
            return np.where(codes < 0, NO_GROUP, self.groups[np.maximum(codes, 0)])
        rolled = np.full((len(codes), len(self.labels)), NO_GROUP, dtype=np.int64)
        for label, group in enumerate(self.groups):
            rolled[:, group] = np.maximum(rolled[:, group], codes[:, label])
        return rolled

    def scores(self, scores: Scores) -> Scores:
        """Return the scores of the labels of the level: sums of probabilities, or, multi-label, the highest one.

        Labels of one text that do not exclude each other have no sum; the highest probability is the least that any of
        them being right can have, whatever they have to do with each other.
        """
        values = np.full((len(scores), len(self.labels)), np.nan, dtype=np.float64)
        given = scores.values.astype(np.float64)
        for group in range(len(self.labels)):
            values[:, group] = _joined(given[:, self.groups == group], scores)
        return replace(scores, labels=self.labels, values=values.astype(np.float32))


def depth(labels: tuple[Label, ...], parents: Mapping[Label, Label]) -> int:
    """Return how many levels labels stand on; 1 = none has a parent."""
    return max(len(_path(label, parents)) for label in labels)


def _path(label: Label, parents: Mapping[Label, Label]) -> tuple[Label, ...]:
    """Return a label with all that are above it, the broadest first."""
    path = [label]
    while path[-1] in parents:
        path.append(parents[path[-1]])
    return tuple(reversed(path))


def _joined(values: NDArray[np.float64], scores: Scores) -> NDArray[Any]:
    """Return one column of scores for several, (n,); NaN where none of them was scored."""
    nothing = np.isnan(values).all(axis=1)
    known = np.where(np.isnan(values), -np.inf, values)
    known[nothing] = 0.0
    if scores.multi_label:
        joined = known.max(axis=1)
    elif scores.scale is Scale.VOTE_SHARE:
        joined = np.minimum(np.where(known == -np.inf, 0.0, known).sum(axis=1), 1.0)
    else:
        joined = logsumexp(known, axis=1)
    return np.where(nothing, np.nan, joined)
