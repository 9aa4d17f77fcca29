"""What a person should know about a label set before money is spent on it: duplicates, near-duplicates, gaps."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.progress import report
from textclassify.errors import ConfigError, MissingDependencyError, ModelError
from textclassify.models.sources import sentence_encoder
from textclassify.rac.cards.label_pairs import near_bar, near_pairs
from textclassify.rac.cards.label_wordings import DUPLICATES, Finding, in_wordings

LISTED = 50
"""Findings of one kind that are listed; all are counted."""

NEAR = "near-duplicate"
NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """What was found about a label set; as a string it is a table.

    Args:
        n_labels: labels looked at.
        findings: the first `LISTED` of each kind; mistakes first, then near-duplicates, nearest first, then notes.
        counts: how many there are of each kind, in the same order.
        near: the cosine from which two cards are near-duplicates; None where vectors were not to be had.

    """

    n_labels: int
    findings: list[Finding]
    counts: dict[str, int]
    near: float | None = None

    @property
    def has_duplicates(self) -> bool:
        """Whether two labels are one by their names, descriptions or examples."""
        return any(kind in self.counts for kind in DUPLICATES)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain types, for JSON."""
        findings = [
            {"kind": each.kind, "labels": list(each.labels), "message": each.message, "similarity": each.similarity}
            for each in self.findings
        ]
        return {"n_labels": self.n_labels, "near": self.near, "counts": dict(self.counts), "findings": findings}

    def __str__(self) -> str:
        labels = "1 label" if self.n_labels == 1 else f"{self.n_labels:,} labels"
        if not self.findings:
            return f"{labels}: nothing to mend"
        total, width = sum(self.counts.values()), max(map(len, self.counts))
        lines = [f"{labels}, {'1 finding' if total == 1 else f'{total:,} findings'}"]
        for kind, count in self.counts.items():
            messages = [each.message for each in self.findings if each.kind == kind]
            rest = [f"and {count - len(messages):,} more"] if count > len(messages) else []
            lines += [f"{'' if number else kind:<{width}}  {line}" for number, line in enumerate([*messages, *rest])]
        return "\n".join(lines)


def check_labels(
    schema: LabelSchema, *, encoder: str | os.PathLike[str] | None = None, near: float | None = None
) -> LabelCheck:
    """Return what should be known about a label set before texts are labelled with it.

    Near-duplicates are pairs of labels whose cards have a cosine of at least `near`; left open, that bar adapts to the
    label set, see `rac.cards.label_pairs.near_bar`. Without what gives vectors a finding says what to install.

    Args:
        schema: the labels.
        encoder: name or folder of a sentence encoder; None = the embedded one where it is installed.
        near: cosine from which two labels are too close; None = by the label set.

    Raises:
        ConfigError: `near` is no cosine.
        ModelError: the encoder that was named cannot be had.

    """
    if near is not None and not -1 <= near <= 1:
        raise ConfigError(f"near must be a cosine from -1 to 1, got {near}")
    found = list(in_wordings(schema))
    mistakes = [each for each in found if each.kind in DUPLICATES]
    notes = [each for each in found if each.kind not in DUPLICATES]
    if len(schema) == 1:
        return _check(schema, [*mistakes, *notes], {}, None)
    try:
        vectors = _vectors(schema, encoder)
    except (MissingDependencyError, ModelError) as error:
        if encoder is not None and isinstance(error, ModelError):
            raise
        missing = Finding(NOT_COMPARED, (), f"near-duplicates were not looked for: {error}")
        return _check(schema, [*mistakes, missing, *notes], {}, None)
    bar = near_bar(vectors) if near is None else near
    pairs, count = near_pairs(vectors, bar, limit=LISTED)
    close = [_near_finding(schema, *pair) for pair in pairs]
    return _check(schema, [*mistakes, *close, *notes], {NEAR: count}, bar)


def _check(schema: LabelSchema, findings: Iterable[Finding], counted: dict[str, int], bar: float | None) -> LabelCheck:
    """Return the first findings of each kind; `counted` has the counts of kinds that were cut before."""
    counts: dict[str, int] = {}
    listed = []
    for each in findings:
        counts[each.kind] = counts.get(each.kind, 0) + 1
        if counts[each.kind] <= LISTED:
            listed.append(each)
    return LabelCheck(len(schema), listed, {kind: counted.get(kind, count) for kind, count in counts.items()}, bar)


def _near_finding(schema: LabelSchema, one: int, other: int, cosine: float) -> Finding:
    names = schema.names[one], schema.names[other]
    both_told = all(schema.descriptions.get(name) for name in names)
    remedy = "say in their descriptions what tells them apart" if both_told else "describe both"
    return Finding(
        NEAR,
        names,
        f"{names[0]!r} and {names[1]!r} are close (cosine {cosine:.2f}); {remedy}, or make them one",
        round(cosine, 4),
    )


def _vectors(schema: LabelSchema, encoder: str | os.PathLike[str] | None) -> NDArray[np.float32]:
    """Return the unit vectors of the labels' cards, (K, d)."""
    from textclassify.models.vectors import shared_encoder

    return shared_encoder(sentence_encoder(encoder)).encode(
        [schema.card(name) for name in schema.names],
        show_progress=lambda done, total: report("comparing labels", done, total),
    )
