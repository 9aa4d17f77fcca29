"""`CheckBias`: how readily a model says yes to a label that does not fit, learned without a labelled text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from textclassify.core.labels import Label, LabelSchema
from textclassify.core.texts import hash_texts
from textclassify.llm.prompting.prompts import ORDINARY_TEXTS
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.waves import Choose, Waves

N_REFERENCES = 16
"""Labels whose descriptions stand for texts; always the same ones, whichever texts are labelled."""

MISSES_PER_REFERENCE = 2
"""Wrong labels that each of them is asked about, those that retrieval ranks highest."""


@dataclass(frozen=True, slots=True)
class CheckBias:
    """What a model says to yes/no questions about labels that are near and do not fit.

    One number for all labels: on question and emotion data, the loss was lower than with one for each label.

    Attributes:
        log_odds: mean logit P(yes); 0 where there was no answer.
        yes_rate: share of the questions that had a yes: near 1, a yes says nothing. NaN = no answer.
        calls: questions asked.
        cost: US dollars spent.

    """

    log_odds: float
    yes_rate: float
    calls: int
    cost: float

    @classmethod
    def learn(cls, schema: LabelSchema, choose: Choose, misses: Sequence[tuple[str, int]]) -> Self:
        """Return the bias of a model.

        Args:
            schema: the labels.
            choose: answers the questions, in one wave.
            misses: texts, each with the code of a label that does not fit, such as those of `near_misses`.

        """
        questions = Questions(schema)
        waves = Waves([text for text, _ in misses], choose)
        values = waves.ask(np.arange(len(misses)), [questions.yes_no(code) for _, code in misses])
        logits = values[:, 0] - values[:, 1] if len(misses) else np.zeros(0)
        logits = logits[~np.isnan(logits)]
        return cls(
            float(logits.mean()) if len(logits) else 0.0,
            float((logits >= 0).mean()) if len(logits) else math.nan,
            int(waves.calls.sum()),
            float(waves.cost.sum()),
        )


def near_misses(schema: LabelSchema, rank: Callable[[Sequence[str]], Candidates]) -> list[tuple[str, int]]:
    """Return texts about labels, each with a label that retrieval ranks high for it and that does not fit.

    The texts are examples of some labels, else their descriptions, else their names; which labels is drawn by a hash of
    their names. Broader and narrower labels are passed over, as they may fit. A single label gets ordinary sentences.

    Args:
        schema: the labels.
        rank: returns candidates of texts, best first, at least four each where there are as many labels.

    """
    if len(schema) == 1:
        return [(text, 0) for text in ORDINARY_TEXTS]
    references = np.argsort(hash_texts([str(name) for name in schema.names]), kind="stable")[:N_REFERENCES]
    texts = [_text_about(schema, schema.names[code]) for code in references]
    found: list[tuple[str, int]] = []
    for reference, text, ranked in zip(references, texts, rank(texts).codes.tolist(), strict=True):
        kin = _kin(schema, schema.names[reference])
        near = [code for code in ranked if code >= 0 and schema.names[code] not in kin]
        found += [(text, code) for code in near[:MISSES_PER_REFERENCE]]
    return found


def _kin(schema: LabelSchema, name: Label) -> set[Label]:
    """Return a label, the broader ones, and those that it is the broader one of."""
    return _broader(schema, name) | {other for other in schema.parents if name in _broader(schema, other)}


def _broader(schema: LabelSchema, name: Label) -> set[Label]:
    found = {name}
    while name in schema.parents and (name := schema.parents[name]) not in found:
        found.add(name)
    return found


def _text_about(schema: LabelSchema, name: Label) -> str:
    examples: Sequence[str] = schema.examples.get(name, ())
    return examples[0] if examples else schema.descriptions.get(name, "") or str(name).replace("_", " ")
