import numpy as np
from scipy import special

from textclassify.statistics.calibration import IsotonicPerLabel, PlattScaling


def saturated(n, seed=0):
    """Scores that flatten out, and gold drawn from what they were before."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(loc=-1, scale=2.5, size=(n, 3))
    return 3 * np.tanh(log_odds / 2), (rng.random((n, 3)) < special.expit(log_odds)) * 1


def test_any_rising_shape_is_found_in_many_rows(loss):
    values, gold = saturated(20_000)
    train, test = slice(0, 5000), slice(5000, None)
    sigmoid, isotonic = (
        loss(kind().fit(values[train], gold[train]).transform(values[test]), gold[test])
        for kind in (PlattScaling, IsotonicPerLabel)
    )

    assert isotonic < sigmoid - 0.002


def test_where_a_sigmoid_is_right_little_is_lost(multi, loss):
    values, gold = multi(2000)
    test_values, test_gold = multi(8000, seed=1)
    sigmoid, isotonic = (
        loss(kind().fit(values, gold).transform(test_values), test_gold) for kind in (PlattScaling, IsotonicPerLabel)
    )

    assert isotonic < sigmoid + 0.004


def test_rare_labels_keep_the_sigmoid(multi):
    values, gold = multi(2000)
    gold[:, 1] = 0
    gold[np.argsort(values[:, 1])[-99:], 1] = 1
    calibrated = IsotonicPerLabel(min_positives=100).fit(values, gold).transform(values)
    sigmoid = PlattScaling().fit(values, gold).transform(values)

    np.testing.assert_allclose(calibrated[:, 1], sigmoid[:, 1])
    assert not np.allclose(calibrated[:, 0], sigmoid[:, 0])


def test_equal_scores_stay_equal_and_log_odds_finite():
    """A source that knows two values only, one of them always right."""
    values, gold = np.repeat([[3.0], [-3.0]], 500, axis=0), np.repeat([[1], [0]], 500, axis=0)
    calibrated = IsotonicPerLabel().fit(values, gold).transform(values)

    assert np.isfinite(calibrated).all()
    assert len(np.unique(calibrated)) == 2


def test_a_strong_pull_leaves_the_sigmoid():
    values, gold = saturated(3000)

    drawn = IsotonicPerLabel(strength=1e9).fit(values, gold).transform(values)

    np.testing.assert_allclose(drawn, PlattScaling().fit(values, gold).transform(values), atol=0.15)


def test_learning_without_the_row_costs_what_was_learned_by_heart(loss):
    values, gold = saturated(400)
    calibrator = IsotonicPerLabel(min_positives=10, strength=1.0)
    held_out = calibrator.fit_held_out(values, gold)

    assert loss(held_out, gold) > loss(calibrator.transform(values), gold) + 0.01
