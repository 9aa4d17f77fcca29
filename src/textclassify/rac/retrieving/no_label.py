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
