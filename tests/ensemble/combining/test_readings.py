"""How sources are read: votes through their confusion, their own count taken out; all else through a calibrator."""

import numpy as np
import pytest
from scipy.special import log_softmax

from textclassify import Scores
from textclassify.core.scales import Scale
from textclassify.ensemble.combining.readings import CalibratedReading, VoteReading, reading_for
from textclassify.errors import ConfigError, NotFittedError
from textclassify.statistics.calibration import CALIBRATORS, Calibrator, PlattScaling, TemperatureScaling, VectorScaling

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


@pytest.mark.parametrize("multi_label", [False, True])
def test_rows_that_belong_together_are_left_out_together(multi_label):
    """Exactly: the evidence of each row is that of a reading fitted on the rows of all other clusters."""
    rng = np.random.default_rng(0)
    clusters, weight = np.array([4, 0, 0, 1, 4, 2, 7, 4, 3, 8]), rng.uniform(0.5, 2, 10)
    cast = rng.random((10, 3)) < 0.5 if multi_label else np.eye(3)[rng.integers(0, 3, 10)] > 0
    gold = (rng.random((10, 3)) < 0.5).astype(np.uint8) if multi_label else rng.integers(0, 3, 10)
    scores = votes([["abc"[k] for k in np.flatnonzero(row)] for row in cast], multi_label=multi_label)
    for each in (weight, ONES(10)):
        read = VoteReading(multi_label=multi_label).fit_read(scores, gold, each, clusters)
        for row in range(10):
            others = np.flatnonzero(clusters != clusters[row])
            alone = VoteReading(multi_label=multi_label)
            alone.fit_read(scores.take(others), gold[others], each[others])
            assert np.allclose(alone.read(scores.take([row])), read[row])


@pytest.mark.parametrize("multi_label", [False, True])
def test_copies_do_not_remember_each_others_answers(multi_label):
    """50 texts four times, 40 labels, votes at random: with its copies counted a row would know its answer."""
    rng = np.random.default_rng(0)
    labels, clusters, rows = [f"label {k}" for k in range(40)], np.repeat(np.arange(50), 4), np.arange(200)
    codes, cast = rng.integers(0, 40, 50)[clusters], rng.integers(0, 40, 50)[clusters]
    scores = votes([[labels[k]] for k in cast], labels, multi_label=multi_label)
    gold = np.eye(40, dtype=np.uint8)[codes] if multi_label else codes

    def loss(evidence):
        of_gold = log_softmax(evidence, axis=1)[rows, codes]
        return -of_gold.mean()

    fit_read = VoteReading(multi_label=multi_label).fit_read
    assert loss(fit_read(scores, gold, ONES(200), clusters)) > np.log(40) - 0.1
    assert loss(fit_read(scores, gold, ONES(200))) < np.log(40) - 0.3


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
def test_a_few_probabilities_and_likelihoods_are_divided_by_one_temperature(scale):
    logs = np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    scores = Scores.build(logs, "ab", scale, source="any")
    reading = reading_for(scores)
    read = reading.fit_read(scores, np.array([0, 1, 1, 1]), ONES(4))
    differences = read[:, 0] - read[:, 1]

    assert isinstance(reading.calibrator, TemperatureScaling)
    assert np.allclose(differences * reading.calibrator.temperature_, logs[:, 0] - logs[:, 1], atol=1e-5)


def skewed(n, n_labels=4, seed=0):
    """Scores of a source that names the last labels too often, and gold."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, n_labels, n)
    logits = rng.normal(size=(n, n_labels)) + 2.0 * np.eye(n_labels)[gold]
    return Scores.build(
        log_softmax(logits + np.arange(n_labels), axis=1), "abcdefgh"[:n_labels], Scale.LOG_PROBABILITY, source="any"
    ), gold


def skewed_sets(n, n_labels=4, seed=0):
    rng = np.random.default_rng(seed)
    gold = (rng.random((n, n_labels)) < 0.3).astype(np.uint8)
    log_odds = rng.normal(size=(n, n_labels)) + 3.0 * gold - 2.0 + np.arange(n_labels)
    return Scores.build(log_odds, "abcdefgh"[:n_labels], Scale.LOG_ODDS, source="any"), gold


@pytest.mark.parametrize(("make", "kind"), [(skewed, VectorScaling), (skewed_sets, PlattScaling)])
def test_more_rows_give_every_label_its_own_line(make, kind):
    """One temperature cannot mend what is wrong with single labels."""
    scores, gold = make(400)
    reading, temperature = CalibratedReading(), CalibratedReading("temperature")
    targets = gold if gold.ndim == 2 else np.eye(4)[gold]

    def loss(evidence):
        logs = -np.logaddexp(0, np.where(targets > 0, -evidence, evidence)) if gold.ndim == 2 else evidence * targets
        return -logs.sum() / 400

    gain = loss(temperature.fit_read(scores, gold, ONES(400))) - loss(reading.fit_read(scores, gold, ONES(400)))
    assert isinstance(reading.calibrator, kind)
    assert gain > 0.1


def test_rows_without_scores_or_weight_do_not_count_for_the_choice():
    scores, gold = skewed(60)
    values = np.where(np.arange(60)[:, None] < 20, np.nan, scores.values)
    reading = CalibratedReading()
    reading.fit_read(Scores.build(values, scores.labels, scores.scale, source="any"), gold, ONES(60))

    assert isinstance(reading.calibrator, TemperatureScaling)


def test_evidence_of_rows_that_were_learned_from_is_not_in_sample():
    """Noise with many labels: what was learned by heart must not reach the combiner."""
    rng = np.random.default_rng(0)
    scores = Scores.build(rng.normal(size=(80, 8)), "abcdefgh", Scale.LOG_ODDS, source="any")
    gold = (rng.random((80, 8)) < np.linspace(0.05, 0.6, 8)).astype(np.uint8)
    reading = CalibratedReading("isotonic")
    honest = reading.fit_read(scores, gold, ONES(80))

    assert np.logaddexp(0, np.where(gold, -honest, honest)).mean() > (
        np.logaddexp(0, np.where(gold, -reading.read(scores), reading.read(scores))).mean()
    )


@pytest.mark.parametrize("choice", [None, *CALIBRATORS])
def test_a_reading_is_restored_whatever_calibrator_was_chosen(choice):
    """A saved fusion holds arrays only; the name is one of them."""
    scores, gold = skewed_sets(300)
    reading = reading_for(scores, calibrator=choice)
    reading.fit_read(scores, gold, ONES(300))
    restored = reading_for(scores)
    restored.load_state(reading.state())

    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in reading.state().values())
    assert type(restored.calibrator) is type(reading.calibrator)
    assert np.array_equal(restored.read(scores), reading.read(scores))


def test_a_state_without_a_name_is_that_of_a_temperature():
    """Folders from when there was no other calibrator."""
    scores, gold = skewed(30)
    reading = CalibratedReading("temperature")
    reading.fit_read(scores, gold, ONES(30))
    restored = reading_for(scores)
    restored.load_state({name: array for name, array in reading.state().items() if name != "calibrator"})

    assert np.array_equal(restored.read(scores), reading.read(scores))


class Halved(Calibrator):
    name = "halved"

    def _learn(self, rows):  # noqa: ARG002 - it always halves
        self.by_ = 2.0

    def _calibrated(self, values):
        return values / self.by_


def test_a_calibrator_of_ones_own_is_used_and_must_be_given_again():
    scores, gold = skewed_sets(100)
    reading = reading_for(scores, calibrator=Halved)
    reading.fit_read(scores, gold, ONES(100))
    again = reading_for(scores, calibrator=Halved)
    again.load_state(reading.state())

    assert np.allclose(reading.read(scores), scores.values / 2)
    assert np.array_equal(again.read(scores), reading.read(scores))
    with pytest.raises(ConfigError, match=r"'halved'.*pass calibrator="):
        reading_for(scores).load_state(reading.state())


def test_votes_are_read_through_their_confusion_whatever_the_calibrator():
    assert isinstance(reading_for(votes(["a", "b"]), calibrator="isotonic"), VoteReading)


def test_a_reading_that_learned_nothing_says_so():
    scores, _ = skewed(5)
    with pytest.raises(NotFittedError, match="fit_read"):
        reading_for(scores).read(scores)
