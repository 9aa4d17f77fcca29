"""What scores can be: their scale, how they were obtained, and why a text has none."""

from __future__ import annotations

from enum import IntEnum, StrEnum

SMALLEST_PROBABILITY = 1e-9
"""Probabilities are kept at least this far from 0 (and, as log-odds, from 1), so that no score is infinite."""

NEVER_TRAINED = -1
"""`fold` of a row whose source learned from no labelled row."""
IN_SAMPLE = -2
"""`fold` of a row that its source was trained on: nothing may be learned from such scores."""


class Scale(StrEnum):
    """What the numbers in `Scores.values` are."""

    LOG_PROBABILITY = "log_probability"
    """Natural logarithms; each row's probabilities add up to 1."""
    LOG_ODDS = "log_odds"
    """log(p / (1 - p)) of each label by itself; multi-label only."""
    VOTE_SHARE = "vote_share"
    """Share of the votes that name the label, in [0, 1]; a hard label is one vote."""
    LOG_LIKELIHOOD = "log_likelihood"
    """Natural logarithms up to a constant of the row; single-label only."""


class Status(IntEnum):
    """Whether a text was scored, and if not, why."""

    OK = 0
    ABSTAINED = 1
    NOT_CALLED = 2
    INVALID = 3
    REFUSED = 4
    FILTERED = 5
    TOO_LONG = 6
    FAILED = 7


class Method(IntEnum):
    """How a row's scores were obtained."""

    GIVEN = 0
    TRAINED = 1
    SIMILARITY = 2
    LIKELIHOOD = 3
    LOGPROBS = 4
    VOTES = 5
    VERBAL = 6
    HARD = 7
    FUSED = 8


LLM_METHODS = (Method.LIKELIHOOD, Method.LOGPROBS, Method.VOTES, Method.VERBAL, Method.HARD)
"""Methods that ask a language model."""
