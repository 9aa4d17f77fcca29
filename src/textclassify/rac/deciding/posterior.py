"""What retrieval says about all labels and a language model about some, as one distribution per text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.verifying.evidence import Evidence

Floats = NDArray[np.floating[Any]]

TRIED_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
"""Weights of the evidence that labelled rows choose among."""
_WEIGHT_SPREAD = 0.5
"""Standard deviation of the prior over weights around the default one: some thirty telling rows outweigh it."""


def posterior(prior: Floats, candidates: Candidates, evidence: Evidence, weight: float, *, multi_label: bool) -> Floats:
    """Return what retrieval and evidence say together: log-probabilities or, multi-label, log-odds, (n, K).

    Bayes' rule with the evidence as a likelihood ratio: log p(l) = prior + weight * log_odds, and what was not asked
    about keeps its prior, so that the mass of labels that were not tried stays with them.

    Args:
        prior: (n, K) log-probabilities, multi-label log-odds, of retrieval; a row of -inf has none, and gets NaN.
        candidates: which label each column of the evidence is about.
        evidence: what the model said about them.
        weight: what a log-odd of the model counts.
        multi_label: whether each label is judged by itself.

    """
    added = np.array(prior, dtype=np.float64)
    rows, places = np.nonzero(candidates.found & np.isfinite(evidence.log_odds))
    added[rows, candidates.codes[rows, places]] += weight * evidence.log_odds[rows, places]
    added[np.isneginf(added).all(axis=1)] = np.nan
    if multi_label or not len(added):
        return added
    return np.asarray(log_softmax(added, axis=1))


def fitted_weight(
    prior: Floats, candidates: Candidates, evidence: Evidence, gold: NDArray[Any], default: float, *, multi_label: bool
) -> float:
    """Return the weight of the evidence under which held-out gold answers are likeliest, shrunk to the default one.

    0 where the model says nothing about the right answer: what it says is then not used.

    Args:
        prior: (n, K) of retrieval that did not see the rows.
        candidates: of the rows.
        evidence: about the candidates.
        gold: (n,) codes or, multi-label, (n, K) 0/1.
        default: the weight that holds without gold answers.
        multi_label: whether each label is judged by itself.

    """
    losses = [
        _loss(posterior(prior, candidates, evidence, weight, multi_label=multi_label), gold, multi_label=multi_label)
        + 0.5 * ((weight - default) / _WEIGHT_SPREAD) ** 2
        for weight in TRIED_WEIGHTS
    ]
    return TRIED_WEIGHTS[int(np.argmin(losses))]


def _loss(scores: Floats, gold: NDArray[Any], *, multi_label: bool) -> float:
    """Return minus the log-likelihood of gold answers, in nats, summed over rows."""
    if not multi_label:
        return float(-scores[np.arange(len(gold)), gold].sum())
    return float(np.logaddexp(0.0, np.where(gold == 1, -scores, scores)).sum())
