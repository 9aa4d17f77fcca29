"""`CheckBias`: how readily a model says yes to a label that does not fit, learned without a labelled text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.waves import Choose, Waves


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
    def learn(cls, questions: Questions, choose: Choose, misses: Sequence[tuple[str, int]]) -> Self:
        """Return the bias of a model.

        Args:
            questions: about the labels.
            choose: answers the questions, in one wave.
            misses: texts, each with the code of a label that does not fit.

        """
        waves = Waves([text for text, _ in misses], choose)
        values = waves.ask(np.arange(len(misses)), [questions.yes_no(wrong) for _, wrong in misses])
        logits = values[:, 0] - values[:, 1] if len(misses) else np.zeros(0)
        logits = logits[~np.isnan(logits)]
        return cls(
            float(logits.mean()) if len(logits) else 0.0,
            float((logits >= 0).mean()) if len(logits) else math.nan,
            int(waves.calls.sum()),
            float(waves.cost.sum()),
        )
