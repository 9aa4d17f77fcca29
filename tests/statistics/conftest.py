"""Scores whose right calibration is known, because gold is drawn from it."""

import numpy as np
import pytest
from scipy import special

from textclassify.statistics.metrics import log_loss


def _single(n, temperature=1.0, n_labels=4, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(n, n_labels))
    p = special.softmax(logits, axis=1)
    gold = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return special.log_softmax(logits * temperature, axis=1), gold


def _multi(n, temperature=1.0, n_labels=4, seed=0):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(loc=-1, scale=2, size=(n, n_labels))
    return log_odds * temperature, (rng.random((n, n_labels)) < special.expit(log_odds)) * 1


def _loss(values, gold):
    return log_loss(gold, np.exp(values) if gold.ndim == 1 else special.expit(values))


@pytest.fixture(scope="session")
def single():
    """Log-probabilities that are right once divided by `temperature`, and gold codes."""
    return _single


@pytest.fixture(scope="session")
def multi():
    """Log-odds that are right once divided by `temperature`, and 0/1 gold."""
    return _multi


@pytest.fixture(scope="session", params=[_single, _multi], ids=["single", "multi"])
def either(request):
    """Return each of the two in turn."""
    return request.param


@pytest.fixture(scope="session")
def loss():
    """Mean log loss of log-probabilities or log-odds."""
    return _loss
