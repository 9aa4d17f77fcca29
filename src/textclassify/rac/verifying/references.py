"""`references`: texts about labels, each beside labels that are near and do not fit, out of the label cards alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from textclassify.core.labels import Label, LabelSchema
from textclassify.core.texts import hash_texts
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.wording import Wording
from textclassify.rac.retrieving.candidates import Candidates

NO_LABEL = -1
"""Code of no label."""

N_REFERENCES = 16
"""Labels whose descriptions stand for texts; always the same ones, whichever texts are labelled."""


class Reference(NamedTuple):
    """A text, the code of the label that it is about (-1 = of none), and of labels that are near and do not fit."""

    text: str
    label: int
    near: tuple[int, ...]


def references(
    schema: LabelSchema, rank: Callable[[Sequence[str]], Candidates], wording: Wording = ENGLISH
) -> list[Reference]:
    """Return texts about some labels, each with the other labels that retrieval ranks high for it, nearest first.

    The texts are examples of the labels, else their descriptions, else their names; which labels is drawn by a hash of
    their names. Broader and narrower labels are passed over, as they may fit. A single label gets ordinary sentences.

    Args:
        schema: the labels.
        rank: returns candidates of texts, best first.
        wording: of the ordinary sentences.

    """
    if len(schema) == 1:
        return [Reference(text, NO_LABEL, (0,)) for text in wording.ordinary_texts]
    drawn = np.argsort(hash_texts([str(name) for name in schema.names]), kind="stable")[:N_REFERENCES].tolist()
    texts = [text_about(schema, schema.names[code]) for code in drawn]
    found: list[Reference] = []
    for code, text, ranked in zip(drawn, texts, rank(texts).codes.tolist(), strict=True):
        kin = _kin(schema, schema.names[code])
        found.append(Reference(text, code, tuple(k for k in ranked if k >= 0 and schema.names[k] not in kin)))
    return found


def text_about(schema: LabelSchema, name: Label) -> str:
    """Return a text about a label: an example, else its description, else its name."""
    examples: Sequence[str] = schema.examples.get(name, ())
    return examples[0] if examples else schema.descriptions.get(name, "") or str(name).replace("_", " ")


def _kin(schema: LabelSchema, name: Label) -> set[Label]:
    """Return a label, the broader ones, and those that it is the broader one of."""
    return _broader(schema, name) | {other for other in schema.parents if name in _broader(schema, other)}


def _broader(schema: LabelSchema, name: Label) -> set[Label]:
    found = {name}
    while name in schema.parents and (name := schema.parents[name]) not in found:
        found.add(name)
    return found
