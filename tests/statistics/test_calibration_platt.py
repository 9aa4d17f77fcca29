import numpy as np
import pytest
from scipy import special

from textclassify.statistics.calibration import BetaCalibration, PlattScaling, TemperatureScaling

CURVES = [PlattScaling, BetaCalibration]


@pytest.mark.parametrize("calibrator", CURVES)
def test_each_label_gets_its_own_curve(calibrator, multi, loss):
    values, gold = multi(6000)
    bent = values * [0.5, 1.0, 2.0, 4.0] + [1.0, 0.0, -1.0, 2.0]
    calibrated = calibrator().fit(bent[:3000], gold[:3000]).transform(bent[3000:])

    assert loss(calibrated, gold[3000:]) == pytest.approx(loss(values[3000:], gold[3000:]), abs=0.02)


def test_slope_and_bias_are_found(multi):
    values, gold = multi(20_000)
    fitted = PlattScaling().fit(values * 2.0 + [1.0, 0.0, -1.0, 3.0], gold)

    np.testing.assert_allclose(fitted.slope_, 0.5, atol=0.04)
    np.testing.assert_allclose(fitted.bias_, [-0.5, 0.0, 0.5, -1.5], atol=0.12)


@pytest.mark.parametrize("calibrator", CURVES)
def test_labels_that_are_alike_share_one_curve(calibrator, multi, loss):
    """80 rows of 20 labels: a sigmoid for each alone costs 0.03 nats per label, shared ones next to nothing."""
    values, gold = multi(80, 2.0, n_labels=20)
    test_values, test_gold = multi(4000, 2.0, n_labels=20, seed=1)

    learned = loss(calibrator().fit(values, gold).transform(test_values), test_gold)

    assert learned < loss(test_values / 2.0, test_gold) + 0.01


@pytest.mark.parametrize("calibrator", CURVES)
def test_a_label_without_positives_gets_what_all_labels_teach(calibrator, multi):
    values, gold = multi(2000, 4.0, n_labels=6)
    rare = np.column_stack([values, np.full(2000, -20.0)])
    calibrated = calibrator().fit(rare, np.column_stack([gold, np.zeros(2000, dtype=int)])).transform(rare)

    assert np.isfinite(calibrated).all()
    assert calibrated[0, 6] == pytest.approx(-5.0, abs=2.0)


def test_a_beta_curve_bends_where_a_sigmoid_cannot(multi, loss):
    """Too sure of presence, right about absence."""
    values, gold = multi(8000)
    bent = np.where(values > 0, values * 4, values)
    sigmoid, beta = (loss(kind().fit(bent[:4000], gold[:4000]).transform(bent[4000:]), gold[4000:]) for kind in CURVES)

    assert beta < sigmoid - 0.003


@pytest.mark.parametrize("calibrator", CURVES)
def test_no_curve_turns_a_score_around(calibrator, multi):
    values, gold = multi(200)
    grid = np.tile(np.linspace(-6, 6, 50)[:, None], (1, 4))
    calibrated = calibrator().fit(-values, gold).transform(grid)

    assert (np.diff(calibrated, axis=0) >= -1e-9).all()


@pytest.mark.parametrize("calibrator", CURVES)
def test_separated_rows_do_not_become_certainties(calibrator):
    values, gold = np.repeat([[1.0], [-1.0]], 10, axis=0), np.repeat([[1], [0]], 10, axis=0)
    claimed = special.expit(calibrator().fit(values, gold).transform(values))

    assert 0.9 < claimed.max() < 0.995
    assert 0.005 < claimed.min() < 0.1


def test_few_rows_do_little_harm(multi, loss):
    """20 rows, calibrated already: the shared curve is held to what the temperature says."""
    test_values, test_gold = multi(4000, seed=999)
    excess = [
        loss(PlattScaling().fit(*rows).transform(test_values), test_gold)
        - loss(TemperatureScaling().fit(*rows).transform(test_values), test_gold)
        for rows in (multi(20, seed=seed) for seed in range(20))
    ]

    assert np.mean(excess) < 0.02
