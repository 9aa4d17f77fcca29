import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from textclassify.statistics.calibration import TemperatureScaling


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_temperature_is_found(either, temperature):
    """Of calibrated scores it is 1, of scores blown up by t it is t."""
    calibrator = TemperatureScaling().fit(*either(8000, temperature))

    assert calibrator.temperature_ == pytest.approx(temperature, rel=0.06)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(60, 200))
def test_no_other_temperature_is_better(either, loss, seed, n):
    values, gold = either(n, 2.0, seed=seed)
    calibrator = TemperatureScaling().fit(values, gold)
    best = loss(calibrator.transform(values), gold)

    for temperature in calibrator.temperature_ * np.array([0.5, 0.9, 1.1, 2.0]):
        other = values / temperature if gold.ndim == 2 else special.log_softmax(values / temperature, axis=1)
        assert loss(other, gold) >= best - 1e-9


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_and_labels_and_copies_do_not_matter(either, seed):
    rng = np.random.default_rng(seed)
    values, gold = either(40, 2.0, seed=seed)
    rows, labels = rng.permutation(40), rng.permutation(4)
    moved_gold = gold[:, labels] if gold.ndim == 2 else np.argsort(labels)[gold]
    temperature = TemperatureScaling().fit(values, gold).temperature_

    moved = TemperatureScaling().fit(values[:, labels][rows], moved_gold[rows]).temperature_
    doubled = TemperatureScaling().fit(np.repeat(values, 2, axis=0), np.repeat(gold, 2, axis=0)).temperature_

    assert moved == pytest.approx(temperature, rel=1e-5)
    assert doubled <= temperature * (1 + 1e-5)  # twice the rows may support a sharper scale, never a softer one


def test_weights_count_as_copies(single):
    values, gold = single(200, 3.0)
    weights = np.arange(200) % 3
    copies = np.repeat(np.arange(200), weights)

    weighted = TemperatureScaling().fit(values, gold, weights)
    copied = TemperatureScaling().fit(values[copies], gold[copies])

    assert weighted.temperature_ == pytest.approx(copied.temperature_, rel=1e-5)
    assert weighted.n_rows_ == (weights > 0).sum()


@pytest.mark.parametrize("n", [2, 10, 1000])
def test_separated_rows_do_not_become_certainties(n):
    """Without an error in n rows, half an error in n is the least that may be claimed."""
    values, gold = np.log(np.tile([[0.6, 0.3, 0.1]], (n, 1))), np.zeros(n, dtype=int)
    calibrator = TemperatureScaling().fit(values, gold)

    claimed = n * (1 - np.exp(calibrator.transform(values)).max(axis=1)[0])
    assert claimed == pytest.approx(0.5, abs=1e-4)


def test_only_the_proportions_of_weights_matter_to_separated_rows():
    """Ten rows are the evidence of ten rows, whatever unit their weights have."""
    values, gold = np.log(np.tile([[0.6, 0.4]], (10, 1))), np.zeros(10, dtype=int)
    plain = TemperatureScaling().fit(values, gold)

    assert TemperatureScaling().fit(values, gold, np.full(10, 50.0)).temperature_ == pytest.approx(plain.temperature_)


def test_rows_that_are_certain_already_are_not_sharpened():
    values = np.log([[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]])

    assert TemperatureScaling().fit(values, [0, 1]).temperature_ == 1.0


def test_temperature_of_few_rows_does_little_harm(single, loss):
    """Mean excess log loss over the true scores with 4 rows; 1.3 where separated rows run free."""
    test_values, test_gold = single(5000, seed=999)
    fitted = [TemperatureScaling().fit(*single(4, seed=seed)) for seed in range(100)]
    excess = np.mean([loss(one.transform(test_values), test_gold) for one in fitted]) - loss(test_values, test_gold)

    assert excess < 0.3


def test_scores_that_point_the_wrong_way_end_at_the_bound():
    values, gold = np.log([[0.9, 0.1], [0.1, 0.9]]), np.array([1, 0])

    assert TemperatureScaling(log_bound=2.0).fit(values, gold).temperature_ == pytest.approx(np.exp(2.0))


@pytest.mark.parametrize("values", [np.full((3, 2), np.log(0.5)), np.full((3, 2), np.nan), np.empty((0, 2))])
def test_temperature_without_information_is_one(values):
    """An all-missing or constant source changes nothing."""
    calibrator = TemperatureScaling().fit(values, np.zeros(len(values), dtype=int))

    assert calibrator.temperature_ == 1.0
    np.testing.assert_allclose(calibrator.transform(values), values)


def test_one_number_for_all_rows_is_no_rows_own(single):
    values, gold = single(100, 2.0)
    calibrator = TemperatureScaling()

    np.testing.assert_array_equal(calibrator.fit_held_out(values, gold), calibrator.transform(values))
