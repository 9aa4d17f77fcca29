"""The label for texts that fit no other one: it has no card, and is no candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from textclassify.core.labels import Label, LabelSchema
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.retrieving.label_texts import CARD_AS_EXAMPLES, LabelTexts, label_vectors

NO_LABEL_SIMILARITY = 0.1
"""The similarity that "no label at all" is given, so that a text far from every card has no label."""
FEWEST_EXAMPLES = 30
"""Examples from which on they say how near texts are to their labels."""
_FALSE_ALARMS = 0.05


def check_other(other: Label, schema: LabelSchema) -> None:
    """Make sure that a label can take what fits no other one.

    Raises:
        ConfigError: it is none of the labels, the only one, or a text may have several or none anyway.

    """
    if schema.multi_label:
        raise ConfigError(
            f"other={other!r} is for texts with one label; multi-label texts may have none anyway: leave it out"
        )
    if other not in schema.names or len(schema) == 1:
        known = "" if other in schema.names else did_you_mean(other, schema.names)
        raise ConfigError(f"other={other!r} is no label beside others{known}; add it to the labels")


def other_similarity(said: LabelTexts) -> float:
    """Return the similarity of a label for what fits no other one: one example in twenty is farther from all labels.

    Each example is compared with its own label's vector as it would be without the example. With few examples,
    `NO_LABEL_SIMILARITY`, which only takes what is far from everything: how near texts come to label cards differs
    between label sets, and the cards alone do not tell.

    Args:
        said: cards and examples of the labels.

    """
    if len(said.codes) < FEWEST_EXAMPLES:
        return NO_LABEL_SIMILARITY
    rows = np.arange(len(said.codes))
    cosines = said.vectors @ label_vectors(said).T
    sums = np.zeros_like(said.card_vectors)
    np.add.at(sums, said.codes, said.vectors)
    own = CARD_AS_EXAMPLES * said.card_vectors[said.codes] + sums[said.codes] - said.vectors
    cosines[rows, said.codes] = (own * said.vectors).sum(axis=1) / np.linalg.norm(own, axis=1)
    return float(np.quantile(cosines.max(axis=1), _FALSE_ALARMS))


def without(schema: LabelSchema, other: Label) -> LabelSchema:
    """Return a schema without one of its labels and what is said about it."""

    def kept(values: Mapping[Label, Any]) -> dict[Label, Any]:
        return {name: value for name, value in values.items() if name != other}

    return replace(
        schema,
        names=tuple(name for name in schema.names if name != other),
        descriptions=kept(schema.descriptions),
        examples=kept(schema.examples),
        parents={name: parent for name, parent in kept(schema.parents).items() if parent != other},
        includes=kept(schema.includes),
        excludes=kept(schema.excludes),
        codes=kept(schema.codes),
    )


def with_code_left_out(candidates: Candidates, code: int) -> Candidates:
    """Return candidates among the labels of a schema `without` one, by their codes in the whole one.

    >>> with_code_left_out(Candidates([[1, 0]], [[2.0, 1.0]]), 1).codes.tolist()
    [[2, 0]]

    """
    return Candidates(np.where(candidates.codes >= code, candidates.codes + 1, candidates.codes), candidates.scores)
