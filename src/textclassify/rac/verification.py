"""`verify`: a language model checks what retrieval found; all texts at once, in as few rounds as the decision has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import ConfigError, DataError
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.verifying.bias import CheckBias
from textclassify.rac.verifying.both import added_up
from textclassify.rac.verifying.evidence import Evidence
from textclassify.rac.verifying.listwise import chosen_among, chosen_between_best
from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.waves import Choose, Waves
from textclassify.rac.verifying.yes_no import asked_of_all, asked_until_yes

__all__ = ["DECISIONS", "YES_NO_DECISIONS", "CheckBias", "Choose", "check_decision", "verify"]

YES_NO_DECISIONS = ("first_yes", "best")
"""Decisions that ask about one candidate at a time, so that any number of them may fit."""

DECISIONS = (*YES_NO_DECISIONS, "listwise", "pairwise", "both")
"""How candidates are checked."""

USES_YES_NO = (*YES_NO_DECISIONS, "both")
"""Decisions whose evidence holds answers to yes/no questions, among others."""


def verify(
    texts: Sequence[str],
    candidates: Candidates,
    questions: Questions,
    choose: Choose,
    decision: str,
    *,
    orders: int = 2,
    none_option: bool = False,
    min_yes: float = 0.5,
    bias: CheckBias | None = None,
    prior: ArrayLike | None = None,
    weight: float = 1.0,
) -> Evidence:
    """Return what a model says about the candidates of each text.

    - "first_yes" (arXiv 2501.12332): "does it fit?", best candidate first, until the first yes: one wave per place.
      Multi-label, where several may fit, it asks about all, as "best" does; `said_yes` has its answers.
    - "best": "does it fit?" of every candidate, in one wave.
    - "listwise": "which fits best?" of all candidates together, in some orders, in one wave. Evidence is the log of a
      candidate's share against an even one, or against that of "none of these".
    - "pairwise": listwise, then the best two against each other, in a second wave.
    - "both": "best" and "listwise", in two waves; the evidence is their sum.

    No answer to a question costs its row that answer only. What a text's evidence is does not depend on the others.

    Args:
        texts: n texts.
        candidates: of each text, k at most.
        questions: about the labels.
        choose: answers the questions of a wave, equal ones once.
        decision: one of `DECISIONS`.
        orders: in which candidates are listed, so that a preference for a place cancels out: 1 = as ranked, 2 = and
            reversed, more = that many cyclic shifts. Not for yes/no decisions.
        none_option: whether "none of these" is listed, last. Not for yes/no decisions.
        min_yes: smallest P(yes) that counts as yes.
        bias: taken out of yes/no answers; None = nothing is.
        prior: (n, k) log-probabilities of the candidates before anything is asked; None = all alike.
        weight: what a log-odd of evidence counts beside the prior; "pairwise" finds the best two by both.

    Raises:
        ConfigError: an option is out of range, or the decision knows one label per text and the schema several.
        DataError: texts, candidates and prior do not fit together.

    """
    multi_label = questions.schema.multi_label
    check_decision(decision, multi_label=multi_label)
    if orders < 1 or not 0 <= min_yes <= 1:
        wrong = f"orders is {orders}; pass 1 or more" if orders < 1 else f"min_yes is {min_yes}; pass 0 to 1"
        raise ConfigError(wrong)
    codes = candidates.codes
    before = np.zeros(codes.shape) if prior is None else np.nan_to_num(np.asarray(prior, float), nan=-np.inf)
    if len(texts) != len(codes) or before.shape != codes.shape:
        raise DataError(f"{len(texts)} texts, candidates {codes.shape} and prior {before.shape} do not fit together")
    waves = Waves(texts, choose)
    if decision in YES_NO_DECISIONS:
        stops = decision == "first_yes" and not multi_label
        ask = asked_until_yes if stops else asked_of_all
        return ask(waves, questions, codes, min_yes=min_yes, bias=bias)
    if decision == "both":
        single = asked_of_all(waves, questions, codes, min_yes=min_yes, bias=bias)
        listed = chosen_among(
            Waves(texts, choose), questions, codes, orders=orders, none_option=none_option, min_yes=min_yes
        )
        return added_up(single, listed)
    if decision == "listwise":
        return chosen_among(waves, questions, codes, orders=orders, none_option=none_option, min_yes=min_yes)
    return chosen_between_best(
        waves,
        questions,
        codes,
        prior=before,
        weight=weight,
        orders=orders,
        none_option=none_option,
        min_yes=min_yes,
    )


def check_decision(decision: str, *, multi_label: bool) -> None:
    """Make sure that there is such a decision, and that it fits the labels.

    Raises:
        ConfigError: it is unknown, or chooses one label where a text may have several.

    """
    if decision not in DECISIONS:
        raise ConfigError(
            f"unknown decision {decision!r}{did_you_mean(decision, DECISIONS)}; known: {listed(DECISIONS)}"
        )
    if multi_label and decision not in YES_NO_DECISIONS:
        raise ConfigError(
            f"decision {decision!r} chooses one label, but a text may have several; pass decision='best', which asks "
            "about each label, or multi_label=False"
        )
