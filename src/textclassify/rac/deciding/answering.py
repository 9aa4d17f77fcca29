"""The answers that follow from what was found about texts, each with what was tried for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.result import NO_LABEL, ClassificationResult, decide
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.rac.deciding.abstention import (
    CHECK_FAILED,
    NOTHING_RETRIEVED,
    UNSURE,
    Bounds,
    multi_answers,
    single_answers,
)
from textclassify.rac.labelling import Found
from textclassify.rac.retrieving.hierarchy import LabelTree

BLANK = "blank text"


def decided(
    scores: Scores,
    found: Found,
    place: NDArray[np.intp],
    bounds: Bounds,
    *,
    first_yes: bool,
    tree: LabelTree | None = None,
) -> ClassificationResult:
    """Return one answer per row, or none with the reason; a multi-label text may be answered by no label at all.

    Args:
        scores: of all n rows.
        found: what is known about the m rows that are not blank.
        place: (m,) which rows those are.
        bounds: what an answer has to reach.
        first_yes: whether the first yes decides.
        tree: broader labels, the narrowest of which that reaches the bound answers where no candidate does; None = they
            stay without.

    """
    n, by_yes = len(scores), first_yes and found.evidence is not None
    some, why = answered(found, bounds, first_yes=by_yes)
    mass = None if tree is None else _backed_off(tree, found, bounds, some, why)
    codes = np.full((n, *some.shape[1:]), 0 if scores.multi_label else NO_LABEL, dtype=some.dtype)
    reasons = np.full(n, BLANK, dtype=object)
    codes[place], reasons[place] = some, why
    failed = scores.status != Status.OK
    failed[np.setdiff1d(np.arange(n), place)] = False
    reasons[failed] = None
    unfit = (scores.status == Status.OK) & np.array([reason is not None for reason in reasons], dtype=bool)
    if scores.multi_label:
        unfit &= (reasons == NOTHING_RETRIEVED) | (reasons == CHECK_FAILED)  # otherwise no label is the answer
    if found.other is not None:  # it takes what has no answer for another reason than a failure
        fits_none = unfit & (reasons != CHECK_FAILED)
        codes[fits_none] = found.other
        reasons[fits_none] = None
        unfit &= ~fits_none
    result = decide(scores, codes=codes)
    details = {"reason": reasons, **_tried(found, place, scores)}
    if mass is not None:
        details["confidence"] = np.full(n, np.nan)
        details["confidence"][place] = mass
    return replace(result, details=details, declined=unfit if unfit.any() else None)


def answered(found: Found, bounds: Bounds, *, first_yes: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the codes that `decided` gives to the texts that something was found about, and reasons, (m,).

    Args:
        found: what is known about m texts.
        bounds: what an answer has to reach.
        first_yes: whether the first yes decides.

    """
    said = (found.scores.probabilities, found.candidates, found.evidence, bounds)
    if found.scores.multi_label:
        return multi_answers(*said, first_yes=first_yes)
    return single_answers(*said, first_yes=first_yes, other=found.other)


def _backed_off(
    tree: LabelTree, found: Found, bounds: Bounds, codes: NDArray[Any], reasons: NDArray[Any]
) -> NDArray[np.float64]:
    """Put broader labels in the place of narrow ones that are not sure enough; return what each answer stands for.

    That is the probability (m,) of the answer or any label below it; NaN where there is none.
    """
    probabilities = found.scores.probabilities
    broader = tree.backed_off(probabilities, bounds.min_probability)
    takes = np.array([reason in UNSURE for reason in reasons], dtype=bool) & (broader >= 0)
    codes[takes], reasons[takes] = broader[takes], None
    masses = np.take_along_axis(tree.below(probabilities), np.maximum(codes, 0)[:, None], axis=1)[:, 0]
    return np.where(codes >= 0, masses, np.nan)


def _tried(found: Found, place: NDArray[np.intp], scores: Scores) -> Mapping[str, NDArray[Any]]:
    """Return for each of n rows the labels that were tried, most probable first, and the number of questions."""
    n = len(scores)
    names = np.empty(n, dtype=object)
    names[:] = [[] for _ in range(n)]
    codes = found.candidates.codes
    of_tried = np.take_along_axis(found.scores.values, np.maximum(codes, 0), axis=1)
    order = np.argsort(-np.nan_to_num(of_tried, nan=-np.inf), axis=1, kind="stable")
    for row, tried in zip(place, np.take_along_axis(codes, order, axis=1).tolist(), strict=True):
        names[row] = [scores.labels[code] for code in tried if code >= 0]
    calls = np.zeros(n, dtype=np.int64)
    if found.evidence is not None:
        calls[place] = found.evidence.calls
    calls[scores.status == Status.NOT_CALLED] = 0
    return {"candidates": names, "calls": calls}
