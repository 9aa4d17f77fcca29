"""Yes/no questions about one candidate each: all at once, or best candidate first until the first yes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textclassify.rac.verifying.bias import CheckBias
from textclassify.rac.verifying.evidence import Evidence
from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.waves import Waves


def asked_of_all(
    waves: Waves, questions: Questions, codes: NDArray[np.int32], *, min_yes: float, bias: CheckBias | None
) -> Evidence:
    """Return the evidence of a question about every candidate of every text, in one wave."""
    asked = codes >= 0
    logits = np.full(codes.shape, np.nan)
    rows, places = np.nonzero(asked)
    logits[rows, places] = _logits(waves, questions, rows, codes[rows, places])
    return _evidence(waves, logits, asked, min_yes=min_yes, bias=bias)


def asked_until_yes(
    waves: Waves, questions: Questions, codes: NDArray[np.int32], *, min_yes: float, bias: CheckBias | None
) -> Evidence:
    """Return the evidence of questions about one candidate after the other, until the first yes; k waves at most.

    A candidate whose question has no answer is passed over.
    """
    asked = np.zeros(codes.shape, dtype=np.bool_)
    logits = np.full(codes.shape, np.nan)
    still_open = np.ones(len(codes), dtype=np.bool_)
    for place in range(codes.shape[1]):
        rows = np.flatnonzero(still_open & (codes[:, place] >= 0))
        logits[rows, place] = _logits(waves, questions, rows, codes[rows, place])
        asked[rows, place] = True
        still_open[rows] = ~(expit(logits[rows, place]) >= min_yes)
    return _evidence(waves, logits, asked, min_yes=min_yes, bias=bias)


def _logits(
    waves: Waves, questions: Questions, rows: NDArray[np.intp], codes: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return logit P(yes) of the label `codes[i]` for the text `rows[i]`, (m,); NaN without an answer."""
    if not len(rows):
        return np.zeros(0)
    values = waves.ask(rows, [questions.yes_no(code) for code in codes.tolist()])
    return np.asarray(values[:, 0] - values[:, 1])


def _evidence(
    waves: Waves,
    logits: NDArray[np.float64],
    asked: NDArray[np.bool_],
    *,
    min_yes: float,
    bias: CheckBias | None,
) -> Evidence:
    said_yes = np.where(np.isnan(logits), np.nan, expit(logits) >= min_yes)
    log_odds = logits if bias is None else logits - bias.log_odds
    return waves.evidence(log_odds, said_yes, asked)
