"""Both kinds of questions about the candidates: each by itself, and all together."""

from __future__ import annotations

import numpy as np

from textclassify.core.scales import Method, Status
from textclassify.rac.verifying.evidence import Evidence


def added_up(single: Evidence, listed: Evidence) -> Evidence:
    """Return the sum of two kinds of evidence about the same candidates.

    Where one of them is missing the other counts twice, so that a sum is a sum everywhere. The two are answers of one
    model and overlap: the weight of the sum in the posterior is below 1.

    Args:
        single: of yes/no questions.
        listed: of questions that list all candidates.

    """
    total = single.log_odds + listed.log_odds
    one = np.where(single.answered, single.log_odds, listed.log_odds)
    status = np.where(single.status == Status.OK, listed.status, single.status)
    return Evidence(
        np.where(np.isnan(total), 2 * one, total),
        single.said_yes,
        single.calls + listed.calls,
        status.astype(np.uint8),
        np.where(single.method == Method.GIVEN, listed.method, single.method).astype(np.uint8),
        single.cost + listed.cost,
    )
