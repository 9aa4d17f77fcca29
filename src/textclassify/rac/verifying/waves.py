"""`Waves`: rounds of questions about many texts, each answered as a whole, and what they took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from textclassify.core.scales import SMALLEST_PROBABILITY, Method, Status
from textclassify.llm.choices import Choice, Chosen
from textclassify.rac.verifying.evidence import Evidence
from textclassify.rac.verifying.questions import Question

Choose: TypeAlias = Callable[[Sequence[Choice]], Chosen]
"""Answers all questions of a wave at once; equal ones are asked once."""

LEAST = float(np.log(SMALLEST_PROBABILITY))
"""The smallest log-probability that an answer counts with, so that no answer outweighs everything else."""


class Waves:
    """Asks about n texts, a wave at a time, and counts calls, costs and what went wrong.

    Args:
        texts: the texts.
        choose: answers the questions of a wave.

    Attributes:
        calls: (n,) questions about each text so far.
        cost: (n,) US dollars spent on them.

    """

    def __init__(self, texts: Sequence[str], choose: Choose) -> None:
        n = len(texts)
        self._texts, self._choose = texts, choose
        self.calls = np.zeros(n, dtype=np.int64)
        self._failure = np.full(n, Status.OK, dtype=np.uint8)
        self._method = np.full(n, Method.GIVEN, dtype=np.uint8)
        self.cost = np.zeros(n)

    def ask(self, rows: NDArray[np.intp], questions: Sequence[Question]) -> NDArray[np.float64]:
        """Return natural log-probabilities of the answers, (m, most answers), finite or NaN; NaN rows have no answer.

        Args:
            rows: (m,) the text that each question is about.
            questions: (m,) the questions.

        """
        if not len(rows):
            return np.zeros((0, 0))
        chosen = self._choose([question.about(self._texts[row]) for row, question in zip(rows, questions, strict=True)])
        ok = chosen.status == Status.OK
        self._failure[rows[~ok]] = chosen.status[~ok]
        self._method[rows[ok]] = chosen.method[ok]
        np.add.at(self.calls, rows, 1)
        np.add.at(self.cost, rows, chosen.cost)
        return np.where(ok[:, None], np.maximum(chosen.values, LEAST), np.nan)

    def evidence(
        self, log_odds: NDArray[np.float64], said_yes: NDArray[np.float64], asked: NDArray[np.bool_]
    ) -> Evidence:
        """Return what was found, with what it took.

        Args:
            log_odds: (n, k) evidence; NaN where there is none.
            said_yes: (n, k) 1 for yes, 0 for no, NaN where there is neither.
            asked: (n, k) which candidates were asked about.

        """
        missing = (asked & np.isnan(log_odds)).any(axis=1)
        status = np.where(missing, self._failure, np.uint8(Status.OK)).astype(np.uint8)
        return Evidence(log_odds, said_yes, self.calls, status, self._method, self.cost)
