"""How sources are read: votes through their confusion, their own count taken out; all else through a temperature."""

import numpy as np
import pytest

from textclassify import Scores
from textclassify.core.scales import Scale
from textclassify.ensemble.readings import TemperatureReading, VoteReading, reading_for

ONES = np.ones


def votes(named, labels="abc", **options):
    return Scores.from_votes(named, labels, **options)


def test_a_row_is_read_as_if_it_had_not_been_counted():
    """Exactly: the evidence of each row is that of a reading fitted on all others."""
    named = ["a", "a", "b", "c", "a", "b", "c", [], "c", "b"]
    gold = np.array([0, 0, 1, 2, 1, 1, 0, 2, 2, 0])
    scores = votes(named, multi_label=False)
    read = VoteReading(multi_label=False).fit_read(scores, gold, ONES(10))
    for row in range(10):
        others = np.delete(np.arange(10), row)
        alone = VoteReading(multi_label=False)
        alone.fit_read(scores.take(others), gold[others], ONES(9))
        assert np.allclose(alone.read(scores.take([row])), read[row])


def test_the_same_holds_for_multi_label_votes():
    rng = np.random.default_rng(0)
    gold = (rng.random((12, 3)) < 0.5).astype(np.uint8)
    cast = np.where(rng.random((12, 3)) < 0.8, gold, 1 - gold)
    scores = votes([["abc"[k] for k in np.flatnonzero(row)] for row in cast], multi_label=True)
    read = VoteReading(multi_label=True).fit_read(scores, gold, ONES(12))
    for row in range(12):
        others = np.delete(np.arange(12), row)
        alone = VoteReading(multi_label=True)
        alone.fit_read(scores.take(others), gold[others], ONES(11))
        assert np.allclose(alone.read(scores.take([row])), read[row])


def test_with_many_labels_and_few_rows_own_counts_would_remember_the_answers():
    """77 labels, 400 rows, votes at random: read honestly they are worth nothing, read with own counts they shine."""
    rng = np.random.default_rng(0)
    labels = [f"label {k}" for k in range(77)]
    gold = rng.integers(0, 77, 400)
    scores = votes([labels[k] for k in rng.integers(0, 77, 400)], labels)
    reading = VoteReading(multi_label=False)
    honest = reading.fit_read(scores, gold, ONES(400))
    with_own_counts = reading.read(scores)
    rows = np.arange(400)
    assert -honest[rows, gold].mean() > np.log(77) - 0.1
    assert -with_own_counts[rows, gold].mean() < -honest[rows, gold].mean() - 0.2


def test_none_of_these_is_information_and_no_answer_is_missing():
    """A model that answers "none" for texts of one label says something about them; silence says nothing."""
    named = ["a"] * 20 + [[]] * 20
    gold = np.array([0] * 20 + [1] * 20)
    reading = VoteReading(multi_label=False)
    reading.fit_read(votes(named, "ab", multi_label=False), gold, ONES(40))
    read = reading.read(votes([[], None], "ab", multi_label=False))
    assert read[0, 1] > read[0, 0] + 2
    assert np.isnan(read[1]).all()


def test_a_label_that_was_never_voted_for_keeps_a_share():
    """Smoothing: no evidence is infinite."""
    reading = VoteReading(multi_label=False)
    reading.fit_read(votes(["a"] * 10, "abc"), np.zeros(10, dtype=int), ONES(10))
    assert np.isfinite(reading.read(votes(["c"], "abc"))).all()


@pytest.mark.parametrize("scale", [Scale.LOG_PROBABILITY, Scale.LOG_LIKELIHOOD])
def test_probabilities_and_likelihoods_are_divided_by_one_temperature(scale):
    logs = np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    scores = Scores.build(logs, "ab", scale, source="any")
    reading = reading_for(scores)
    assert isinstance(reading, TemperatureReading)
    read = reading.fit_read(scores, np.array([0, 1, 1, 1]), ONES(4))
    differences = read[:, 0] - read[:, 1]
    assert np.allclose(differences * reading.scaling.temperature_, logs[:, 0] - logs[:, 1], atol=1e-5)
