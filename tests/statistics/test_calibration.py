import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from textclassify.errors import ConfigError, DataError, NotFittedError, ScoresError
from textclassify.statistics.calibration import IsotonicPerLabel, PlattScaling, TemperatureScaling, VectorScaling
from textclassify.statistics.metrics import log_loss

EVERY_CALIBRATOR = [TemperatureScaling, VectorScaling, PlattScaling, IsotonicPerLabel]


def single(n, temperature=1.0, n_labels=4, seed=0):
    """Log-probabilities that are right once divided by `temperature`, and gold drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(n, n_labels))
    p = special.softmax(logits, axis=1)
    gold = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return special.log_softmax(logits * temperature, axis=1), gold


def multi(n, temperature=1.0, n_labels=4, seed=0):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(loc=-1, scale=2, size=(n, n_labels))
    return log_odds * temperature, (rng.random((n, n_labels)) < special.expit(log_odds)) * 1


def loss(values, gold):
    return log_loss(gold, np.exp(values) if gold.ndim == 1 else special.expit(values))


@pytest.mark.parametrize("make", [single, multi])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_temperature_is_found(make, temperature):
    """Of calibrated scores it is 1, of scores blown up by t it is t."""
    calibrator = TemperatureScaling().fit(*make(8000, temperature))

    assert calibrator.temperature_ == pytest.approx(temperature, rel=0.06)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.booleans(), st.integers(60, 200))
def test_no_other_temperature_is_better(seed, many, n):
    values, gold = (multi if many else single)(n, 2.0, seed=seed)
    calibrator = TemperatureScaling().fit(values, gold)
    best = loss(calibrator.transform(values), gold)

    for temperature in calibrator.temperature_ * np.array([0.5, 0.9, 1.1, 2.0]):
        other = values / temperature if many else special.log_softmax(values / temperature, axis=1)
        assert loss(other, gold) >= best - 1e-9


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.booleans())
def test_order_of_rows_and_labels_and_copies_do_not_matter(seed, many):
    rng = np.random.default_rng(seed)
    values, gold = (multi if many else single)(40, 2.0, seed=seed)
    rows, labels = rng.permutation(40), rng.permutation(4)
    moved_gold = gold[:, labels] if many else np.argsort(labels)[gold]
    temperature = TemperatureScaling().fit(values, gold).temperature_

    moved = TemperatureScaling().fit(values[:, labels][rows], moved_gold[rows]).temperature_
    doubled = TemperatureScaling().fit(np.repeat(values, 2, axis=0), np.repeat(gold, 2, axis=0)).temperature_

    assert moved == pytest.approx(temperature, rel=1e-5)
    assert doubled <= temperature * (1 + 1e-5)  # twice the rows may support a sharper scale, never a softer one


def test_weights_count_as_copies():
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


def test_temperature_of_few_rows_does_little_harm():
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


def test_vector_scaling_finds_what_a_temperature_cannot():
    """One label is under-reported: only a bias mends that."""
    values, gold = single(4000)
    skewed = special.log_softmax(values - [2.0, 0.0, 0.0, 0.0], axis=1)
    by_temperature = TemperatureScaling().fit(skewed, gold).transform(skewed)
    by_vector = VectorScaling().fit(skewed, gold)

    assert loss(by_vector.transform(skewed), gold) < loss(by_temperature, gold) - 0.05
    assert loss(by_vector.transform(skewed), gold) == pytest.approx(loss(values, gold), abs=0.01)


@pytest.mark.parametrize("make", [single, multi])
def test_strong_l2_leaves_the_temperature(make):
    values, gold = make(300, 3.0)
    vector = VectorScaling(l2=1e9).fit(values, gold).transform(values)

    np.testing.assert_allclose(vector, TemperatureScaling().fit(values, gold).transform(values), atol=1e-4)


@pytest.mark.parametrize("calibrator", [VectorScaling, PlattScaling, IsotonicPerLabel])
def test_each_label_gets_its_own_line_or_curve(calibrator):
    values, gold = multi(6000)
    bent = values * [0.5, 1.0, 2.0, 4.0] + [1.0, 0.0, -1.0, 2.0]
    calibrated = calibrator().fit(bent[:3000], gold[:3000]).transform(bent[3000:])

    assert loss(calibrated, gold[3000:]) == pytest.approx(loss(values[3000:], gold[3000:]), abs=0.02)


@pytest.mark.parametrize("calibrator", [PlattScaling, IsotonicPerLabel])
def test_rare_labels_share_what_all_labels_teach(calibrator):
    """Two positives are no ground for a curve of one's own, but the shared one still mends the scale."""
    values, gold = multi(2000, 4.0, n_labels=6)
    gold[:, 5] = 0
    gold[np.argsort(values[:, 5])[-2:], 5] = 1
    calibrated = calibrator().fit(values, gold).transform(values)
    shared = values[:, 5] / calibrated[:, 5]

    assert np.isfinite(calibrated).all()
    assert np.median(shared) == pytest.approx(4.0, rel=0.35)


def test_isotonic_keeps_the_order_and_finite_log_odds():
    values, gold = multi(500)
    calibrated = IsotonicPerLabel().fit(values, gold).transform(values)

    assert np.isfinite(calibrated).all()
    for k in range(4):
        assert (np.diff(calibrated[np.argsort(values[:, k]), k]) >= -1e-12).all()


def test_no_line_turns_a_score_around():
    values, gold = multi(200)

    assert (PlattScaling().fit(-values, gold).slope_ >= 0).all()
    assert (VectorScaling().fit(-values, gold).scale_ >= 0).all()


def test_platt_stays_modest_on_separated_rows():
    """Ten of ten right: at most 11 of 12 is claimed."""
    values, gold = np.repeat([[1.0], [-1.0]], 10, axis=0), np.repeat([[1], [0]], 10, axis=0)
    claimed = special.expit(PlattScaling().fit(values, gold).transform(values))

    assert claimed.max() == pytest.approx(11 / 12, abs=1e-3)
    assert claimed.min() == pytest.approx(1 / 12, abs=1e-3)


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_missing_rows_are_ignored_and_stay_missing(calibrator):
    values, gold = multi(100)
    holed = np.vstack([values, np.full((5, 4), np.nan)])
    fitted = calibrator().fit(holed, np.vstack([gold, np.ones((5, 4), dtype=int)]))

    np.testing.assert_array_equal(fitted.transform(holed)[:100], calibrator().fit(values, gold).transform(values))
    assert np.isnan(fitted.transform(holed)[100:]).all()
    assert fitted.n_rows_ == 100


@pytest.mark.parametrize("calibrator", EVERY_CALIBRATOR)
def test_state_carries_all_that_was_learned(calibrator):
    """Saving and loading must be bit-equal."""
    values, gold = multi(100)
    fitted = calibrator().fit(values, gold)

    again = calibrator().load_state(fitted.state())

    np.testing.assert_array_equal(again.transform(values), fitted.transform(values))
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in fitted.state().values())


def test_single_label_results_are_normalised():
    values, gold = single(100, 3.0)
    for calibrator in [TemperatureScaling(), VectorScaling()]:
        transformed = calibrator.fit(values - 5.0, gold).transform(values - 5.0)
        np.testing.assert_allclose(np.exp(transformed).sum(axis=1), 1.0)


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
