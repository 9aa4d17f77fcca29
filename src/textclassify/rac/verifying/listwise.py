"""Choices among the candidates of a text, in several orders, and between the best two of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textclassify.rac.verifying.evidence import Evidence
from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.waves import Waves


def chosen_among(
    waves: Waves,
    questions: Questions,
    codes: NDArray[np.int32],
    *,
    orders: int,
    none_option: bool,
    min_yes: float,
) -> Evidence:
    """Return the evidence of one choice among the candidates of each text, asked in several orders in one wave."""
    log_odds, asked = shares(waves, questions, codes, orders=orders, none_option=none_option)
    return _evidence(waves, log_odds, asked, none_option=none_option, min_yes=min_yes)


def chosen_between_best(
    waves: Waves,
    questions: Questions,
    codes: NDArray[np.int32],
    *,
    prior: NDArray[np.float64],
    weight: float,
    orders: int,
    none_option: bool,
    min_yes: float,
) -> Evidence:
    """Return the evidence of a choice among all candidates and of one between the best two of it, in two waves.

    The same model compares the same two labels twice, so the second answer is no independent evidence: their
    difference is the mean of both readings. What the two have together is kept, so the others keep their shares.

    Args:
        waves: asks.
        questions: of the schema.
        codes: (n, k) candidates.
        prior: (n, k) log-probabilities before anything is asked.
        weight: of the evidence beside them; together they tell the best two.
        orders: of the first choice; the second is always asked in both.
        none_option: whether "none of these" is among the options of the first choice.
        min_yes: as in `verify`.

    """
    log_odds, asked = shares(waves, questions, codes, orders=orders, none_option=none_option)
    rows, first, second = _best_two(prior + weight * log_odds)
    lead = _lead(waves, questions, rows, codes[rows, first], codes[rows, second])
    a, b = log_odds[rows, first], log_odds[rows, second]
    together, difference = np.logaddexp(a, b), np.where(np.isnan(lead), a - b, (a - b + lead) / 2)
    log_odds[rows, first] = together - np.logaddexp(0, -difference)
    log_odds[rows, second] = together - np.logaddexp(0, difference)
    return _evidence(waves, log_odds, asked, none_option=none_option, min_yes=min_yes)


def shares(
    waves: Waves, questions: Questions, codes: NDArray[np.int32], *, orders: int, none_option: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (n, k) each candidate's log share against an even one or that of "none of these", and who was asked about.

    The mean of log shares over orders takes out what a model adds to a place: over all cyclic orders it is the same
    for every candidate. Against an even share it is normalised again, so that such a model says nothing. Orders without
    an answer are left out. A lone candidate without "none of these" leaves nothing to choose.
    """
    exists = codes >= 0
    asked = exists & (none_option | (exists.sum(axis=1, keepdims=True) > 1))
    rows, layouts = _layouts(asked, orders)
    shown = [codes[row, layout].tolist() for row, layout in zip(rows, layouts, strict=True)]
    values = waves.ask(rows, [questions.listwise(listed, none_option=none_option) for listed in shown])
    mean, nothing = _mean_over_orders(values, rows, layouts, codes.shape)
    if none_option:
        return mean - nothing[:, None], asked
    together = np.logaddexp.reduce(np.nan_to_num(mean, nan=-np.inf, neginf=-np.inf), axis=1)
    return mean - together[:, None] + np.log(np.maximum(asked.sum(axis=1), 1))[:, None], asked


def orders_of(n_options: int, orders: int) -> list[list[int]]:
    """Return the orders in which options are shown: as ranked; reversed as well; of three and more, cyclic shifts.

    >>> orders_of(3, 2)
    [[0, 1, 2], [2, 1, 0]]
    >>> orders_of(4, 4)
    [[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]]

    """
    ranked = list(range(n_options))
    if orders == 1 or n_options < 2:
        return [ranked]
    if orders == 2:
        return [ranked, ranked[::-1]]
    starts = dict.fromkeys(turn * n_options // orders for turn in range(orders))
    return [ranked[start:] + ranked[:start] for start in starts]


def _layouts(asked: NDArray[np.bool_], orders: int) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """Return the text of each question, and the places of its candidates in the order shown."""
    rows: list[int] = []
    layouts: list[NDArray[np.intp]] = []
    for row, candidates in enumerate(asked):
        places = np.flatnonzero(candidates)
        shown = orders_of(len(places), orders) if len(places) else []
        rows += [row] * len(shown)
        layouts += [places[order] for order in shown]
    return np.array(rows, dtype=np.intp), layouts


def _mean_over_orders(
    values: NDArray[np.float64], rows: NDArray[np.intp], layouts: list[NDArray[np.intp]], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean log share of each candidate (n, k), and of the option behind them all (n,); NaN = no answer."""
    total, n_answers, last = np.zeros(shape), np.zeros(shape), np.zeros(shape[0])
    for row, layout, value in zip(rows, layouts, values, strict=True):
        if not np.isnan(value[0]):
            total[row, layout] += value[: len(layout)]
            n_answers[row, layout] += 1
            last[row] += value[len(layout)] if len(layout) < len(value) else 0.0
    mean = np.where(n_answers > 0, total / np.maximum(n_answers, 1), np.nan)
    return mean, last / np.maximum(n_answers.max(axis=1, initial=0), 1)


def _best_two(scores: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows with at least two scores, and the places of their two best; of equals, the earlier."""
    if scores.shape[1] < 2:
        nothing = np.zeros(0, dtype=np.intp)
        return nothing, nothing, nothing
    rows = np.flatnonzero((~np.isnan(scores)).sum(axis=1) > 1)
    ranked = np.argsort(-np.nan_to_num(scores[rows], nan=-np.inf, neginf=-np.inf), axis=1, kind="stable")
    return rows, ranked[:, 0], ranked[:, 1]


def _lead(
    waves: Waves, questions: Questions, rows: NDArray[np.intp], first: NDArray[np.int32], second: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return the log-odds of the first label against the second, the mean over both orders, (m,); NaN = no answer."""
    if not len(rows):
        return np.zeros(0)
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    wave = [questions.pairwise(a, b) for a, b in pairs] + [questions.pairwise(b, a) for a, b in pairs]
    values = waves.ask(np.concatenate([rows, rows]), wave)
    leads = (values[:, 0] - values[:, 1]).reshape(2, -1) * [[1.0], [-1.0]]
    n_answers = (~np.isnan(leads)).sum(axis=0)
    return np.where(n_answers > 0, np.nansum(leads, axis=0) / np.maximum(n_answers, 1), np.nan)


def _evidence(
    waves: Waves, log_odds: NDArray[np.float64], asked: NDArray[np.bool_], *, none_option: bool, min_yes: float
) -> Evidence:
    """Return the evidence; beside "none of these", a candidate's share against it is its probability of yes."""
    judged = ~np.isnan(log_odds) & none_option
    said_yes = np.where(judged, expit(log_odds) >= min_yes, np.nan)
    return waves.evidence(log_odds, said_yes, asked)
