"""Which texts are left unlabelled, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import NO_LABEL
from textclassify.core.scales import Status
from textclassify.rac.deciding.label_sets import likeliest_sets
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.verifying.evidence import Evidence

NOTHING_RETRIEVED = "nothing retrieved"
ALL_NO = "all answered no"
CHECK_FAILED = "a check failed"
TOO_CLOSE = "too close"
FITS_NONE = "fits no other label"
NOT_SURE = "not sure enough"
UNSURE = (TOO_CLOSE, NOT_SURE)
"""Reasons for which a broader label may be sure enough."""


@dataclass(frozen=True)
class Bounds:
    """What an answer has to reach; a text whose best candidate does not is left unlabelled.

    Args:
        min_probability: least probability of the answer.
        margin: least lead over the second label, in probability.
        min_yes: least P(yes) of a candidate that was asked about by itself; None = none is asked for.

    """

    min_probability: float = 0.0
    margin: float = 0.0
    min_yes: float | None = None


def single_answers(
    probabilities: NDArray[np.float64],
    candidates: Candidates,
    evidence: Evidence | None,
    bounds: Bounds,
    *,
    first_yes: bool,
    other: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return one label code per text, -1 = none, and the reasons why there is none, (n,) each.

    The answer is the most probable candidate, unless the model denied all of them and a label that was not tried is
    more probable; with `first_yes`, the first one that the model said yes to.

    Args:
        probabilities: (n, K).
        candidates: of n texts; only they can be answers.
        evidence: what was said about them; None = nobody was asked.
        bounds: what an answer has to reach.
        first_yes: whether the first yes decides.
        other: code of the label for texts that fit no other one, which is no candidate; None = there is none.

    """
    n = len(candidates.codes)
    eligible = candidates.found
    retrieved = eligible.any(axis=1)
    if evidence is not None and (first_yes or bounds.min_yes is not None):
        eligible = eligible & (evidence.said_yes == 1)
    shares = np.where(eligible, np.take_along_axis(probabilities, np.maximum(candidates.codes, 0), axis=1), -1.0)
    places = eligible.argmax(axis=1) if first_yes else shares.argmax(axis=1)
    rows = np.arange(n)
    chosen = shares[rows, places] if shares.shape[1] else np.full(n, -1.0)
    codes = np.where(chosen >= 0, candidates.codes[rows, places] if shares.shape[1] else NO_LABEL, NO_LABEL)
    others = probabilities.copy()
    others[rows[codes >= 0], codes[codes >= 0]] = -1.0
    lead = chosen - others.max(axis=1, initial=0.0)
    all_no = np.zeros(n, dtype=bool) if evidence is None else evidence.all_said_no
    reasons = np.full(n, None, dtype=object)
    for rule, words in (
        (lead < (bounds.margin or -np.inf), TOO_CLOSE),
        (np.zeros(n, dtype=bool) if other is None or first_yes else probabilities[:, other] > chosen, FITS_NONE),
        (all_no & (lead < 0), ALL_NO),
        (chosen < bounds.min_probability, NOT_SURE),
        (codes < 0, CHECK_FAILED),
        (all_no & (codes < 0), ALL_NO),
        (~retrieved, NOTHING_RETRIEVED),
    ):
        reasons[rule] = words
    abstains = np.array([reason is not None for reason in reasons], dtype=bool)
    return np.where(abstains, NO_LABEL, codes).astype(np.int64), reasons


def multi_answers(
    probabilities: NDArray[np.float64],
    candidates: Candidates,
    evidence: Evidence | None,
    bounds: Bounds,
    *,
    first_yes: bool,
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return 0/1 answers (n, K), and reasons why a text has none at all, (n,).

    A label is an answer from `min_probability` on; without such a bound, if it is in the set with the best expected F1
    (`label_sets`). With `first_yes`, every candidate is that the model said yes to.

    Args:
        probabilities: (n, K), each label judged by itself.
        candidates: of n texts.
        evidence: what was said about them; None = nobody was asked.
        bounds: what an answer has to reach.
        first_yes: whether a yes decides.

    """
    n, width = probabilities.shape
    if bounds.min_probability:
        codes = np.nan_to_num(probabilities, nan=-1.0) >= bounds.min_probability
    else:
        codes = likeliest_sets(probabilities) == 1
    failed = np.zeros(n, dtype=bool)
    if evidence is not None and (first_yes or bounds.min_yes is not None):
        failed = evidence.status != Status.OK
        yes = np.zeros((n, width + 1), dtype=bool)  # the last column takes in what is no label
        np.put_along_axis(yes, candidates.codes.astype(np.int64), evidence.said_yes == 1, axis=1)
        codes = yes[:, :-1] if first_yes and not bounds.min_probability else codes & yes[:, :-1]
    reasons = np.full(n, None, dtype=object)
    empty = ~codes.any(axis=1)
    reasons[empty] = NOT_SURE
    reasons[empty & failed] = CHECK_FAILED
    if evidence is not None:
        reasons[empty & evidence.all_said_no] = ALL_NO
    reasons[~candidates.found.any(axis=1)] = NOTHING_RETRIEVED
    return codes.astype(np.uint8), reasons
