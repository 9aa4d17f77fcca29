"""What every calibrator promises."""

import numpy as np
import pytest

from textclassify.errors import ConfigError, DataError, NotFittedError, ScoresError
from textclassify.statistics.calibration import (
    CALIBRATORS,
    Calibrator,
    IsotonicPerLabel,
    PlattScaling,
    TemperatureScaling,
    VectorScaling,
)

EVERY_CALIBRATOR = list(CALIBRATORS.values())


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_missing_rows_are_ignored_and_stay_missing(calibrator, multi):
    values, gold = multi(100)
    holed = np.vstack([values, np.full((5, 4), np.nan)])
    fitted = calibrator().fit(holed, np.vstack([gold, np.ones((5, 4), dtype=int)]))

    np.testing.assert_array_equal(fitted.transform(holed)[:100], calibrator().fit(values, gold).transform(values))
    assert np.isnan(fitted.transform(holed)[100:]).all()
    assert fitted.n_rows_ == 100


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_state_carries_all_that_was_learned(calibrator, multi):
    """Saving and loading must be bit-equal."""
    values, gold = multi(500)
    fitted = calibrator().fit(values, gold)

    again = calibrator().load_state(fitted.state())

    np.testing.assert_array_equal(again.transform(values), fitted.transform(values))
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in fitted.state().values())


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_no_rows_leave_the_scores_as_they_are(calibrator):
    values = np.array([[1.0, -2.0], [0.5, 0.0]])

    transformed = calibrator().fit(np.empty((0, 2)), np.empty((0, 2), dtype=int)).transform(values)

    np.testing.assert_allclose(transformed, values)


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_order_of_rows_and_labels_does_not_matter(calibrator, multi):
    values, gold = multi(400, 2.0)
    rng = np.random.default_rng(0)
    rows, labels = rng.permutation(400), rng.permutation(4)

    plain = calibrator().fit(values, gold).transform(values)
    moved = calibrator().fit(values[rows][:, labels], gold[rows][:, labels]).transform(values[rows][:, labels])

    np.testing.assert_allclose(moved, plain[rows][:, labels], atol=1e-4)


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_weights_count_as_copies(calibrator, multi):
    values, gold = multi(900, 2.0)
    weights = np.arange(900) % 3
    copies = np.repeat(np.arange(900), weights)

    weighted = calibrator().fit(values, gold, weights).transform(values)
    copied = calibrator().fit(values[copies], gold[copies]).transform(values)

    np.testing.assert_allclose(weighted, copied, atol=1e-3)


@pytest.mark.parametrize("calibrator", [VectorScaling(l2=0.1), PlattScaling(), IsotonicPerLabel(min_positives=10)])
def test_rows_that_are_learned_from_are_returned_as_if_they_had_not_been_there(calibrator, loss):
    """Noise in 60 rows of 12 labels looks like knowledge in-sample; held out it must not."""
    values = np.random.default_rng(0).normal(size=(60, 12))
    gold = np.random.default_rng(1).integers(0, 2, (60, 12))

    held_out, in_sample = calibrator.fit_held_out(values, gold), calibrator.transform(values)

    assert loss(held_out, gold) > loss(in_sample, gold) + 0.001
    np.testing.assert_array_equal(in_sample, calibrator.fit(values, gold).transform(values))  # all rows were learned


@pytest.mark.parametrize(("calibrator", "kind"), [(VectorScaling, "single"), (PlattScaling, "multi")])
def test_one_newton_step_comes_near_to_learning_without_the_row(calibrator, kind, request):
    """What is left is the row's influence on the temperature and the strength of the shrinkage."""
    values, gold = request.getfixturevalue(kind)(50)
    values = values + np.array([2.0, 0.0, -1.0, -2.0])
    held_out = calibrator().fit_held_out(values, gold)
    in_sample = calibrator().fit(values, gold).transform(values)
    without = [calibrator().fit(np.delete(values, row, 0), np.delete(gold, row, 0)) for row in range(50)]
    exact = np.concatenate([one.transform(values[[row]]) for row, one in enumerate(without)])

    assert np.abs(held_out - exact).mean() < 0.6 * np.abs(in_sample - exact).mean()


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_rows_of_one_cluster_are_taken_out_together(calibrator, multi):
    """A duplicate in the training part would tell the answer."""
    values, gold = multi(40)
    twice, answers = np.repeat(values, 2, axis=0), np.repeat(gold, 2, axis=0)
    held_out = calibrator().fit_held_out(twice, answers, clusters=np.repeat(np.arange(40), 2))

    np.testing.assert_allclose(held_out[::2], held_out[1::2])


def test_a_calibrator_of_ones_own_is_held_out_by_fifths(single):
    class LabelShares(Calibrator):
        def _learn(self, rows):
            self.shares_ = np.log(rows.targets.mean(axis=0) + 1e-9)

        def _calibrated(self, values):
            return np.tile(self.shares_, (len(values), 1))

    values, gold = single(50)
    held_out = LabelShares().fit_held_out(values, gold)

    assert len(np.unique(held_out.round(9), axis=0)) in {2, 3, 4, 5}
    assert not np.allclose(held_out, LabelShares().fit(values, gold).transform(values))


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_missing_rows_stay_missing_when_held_out(calibrator, multi):
    values, gold = multi(60)
    values[7] = np.nan

    held_out = calibrator().fit_held_out(values, gold, np.arange(60) % 2)

    assert np.isnan(held_out).all(axis=1).nonzero()[0].tolist() == [7]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: TemperatureScaling().transform([[0.0]]), NotFittedError, "TemperatureScaling has learned nothing"),
        (lambda: TemperatureScaling().fit([[0.0, 1.0]], [2]), DataError, r"allow 0\.\.1"),
        (lambda: TemperatureScaling().fit([[0.0, 1.0]], [0, 1]), DataError, "do not fit gold"),
        (lambda: TemperatureScaling().fit([[0.0, -np.inf]], [0]), ScoresError, "-inf"),
        (lambda: TemperatureScaling().fit([[0.0, 1.0]], [0], [-1.0]), DataError, "sample_weight"),
        (lambda: TemperatureScaling(log_bound=0).fit([[0.0, 1.0]], [0]), ConfigError, "log_bound=0"),
        (lambda: VectorScaling(l2=0).fit([[0.0, 1.0]], [0]), ConfigError, "l2=0"),
        (lambda: PlattScaling().fit([[0.0, 1.0]], [0]), DataError, "PlattScaling needs 0/1 gold"),
        (lambda: IsotonicPerLabel().fit([[0.0, 1.0]], [0]), DataError, "IsotonicPerLabel needs 0/1 gold"),
    ],
)
def test_wrong_use_is_refused_with_the_remedy(call, error, message):
    with pytest.raises(error, match=message):
        call()
