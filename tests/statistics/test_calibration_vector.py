import numpy as np
import pytest
from scipy import special

from textclassify.statistics.calibration import TemperatureScaling, VectorScaling


def test_vector_scaling_finds_what_a_temperature_cannot(single, loss):
    """One label is under-reported: only a bias mends that."""
    values, gold = single(4000)
    skewed = special.log_softmax(values - [2.0, 0.0, 0.0, 0.0], axis=1)
    by_temperature = TemperatureScaling().fit(skewed, gold).transform(skewed)
    by_vector = VectorScaling().fit(skewed, gold)

    assert loss(by_vector.transform(skewed), gold) < loss(by_temperature, gold) - 0.05
    assert loss(by_vector.transform(skewed), gold) == pytest.approx(loss(values, gold), abs=0.01)


def test_strong_l2_leaves_the_temperature(either):
    values, gold = either(300, 3.0)
    vector = VectorScaling(l2=1e9).fit(values, gold).transform(values)

    np.testing.assert_allclose(vector, TemperatureScaling().fit(values, gold).transform(values), atol=1e-4)


@pytest.mark.parametrize("l2", [0.5, 20.0])
def test_no_other_line_is_better_under_the_penalty(either, l2):
    """The stated problem, at its minimum, in 20 directions."""
    values, gold = either(150, 2.0)
    fitted = VectorScaling(l2=l2).fit(values, gold)
    targets = gold if gold.ndim == 2 else np.eye(4)[gold]
    warm = values / fitted.temperature_
    warm = warm if gold.ndim == 2 else warm - warm.mean(axis=1, keepdims=True)

    def penalised(scale, bias):
        logits = warm * scale + bias
        losses = np.logaddexp(0, logits) if gold.ndim == 2 else special.logsumexp(logits, axis=1)[:, None] / 4
        return (losses - targets * logits).sum() + l2 / 2 * (((scale - 1) ** 2).sum() + (bias**2).sum())

    best = penalised(fitted.scale_, fitted.bias_)
    for step in np.random.default_rng(0).normal(scale=0.05, size=(20, 2, 4)):
        assert penalised(np.maximum(fitted.scale_ + step[0], 0), fitted.bias_ + step[1]) >= best - 1e-6


def test_labels_that_are_alike_are_left_to_the_temperature(single, loss):
    """100 rows of 20 labels, nothing to mend: scales and biases of each label's own would cost a tenth of a nat."""
    values, gold = single(100, 2.0, n_labels=20)
    test_values, test_gold = single(4000, 2.0, n_labels=20, seed=1)
    by_temperature = TemperatureScaling().fit(values, gold).transform(test_values)

    assert (
        loss(VectorScaling().fit(values, gold).transform(test_values), test_gold)
        < loss(by_temperature, test_gold) + 0.02
    )
    assert loss(VectorScaling(l2=0.1).fit(values, gold).transform(test_values), test_gold) > (
        loss(by_temperature, test_gold) + 0.1
    )


def test_the_strength_is_learned_from_the_rows(single):
    """Where labels differ the shrinkage lets go."""
    values, gold = single(1000, n_labels=10)
    skewed = special.log_softmax(values + np.linspace(-2, 2, 10), axis=1)

    assert VectorScaling().fit(skewed, gold).strength_[1] < VectorScaling().fit(values, gold).strength_[1] / 10


def test_no_scale_turns_a_score_around(either):
    values, gold = either(200)

    assert (VectorScaling().fit(-values, gold).scale_ >= 0).all()


def test_single_label_results_are_normalised(single):
    values, gold = single(100, 3.0)
    fitted = VectorScaling().fit(values - 5.0, gold)

    np.testing.assert_allclose(np.exp(fitted.transform(values - 5.0)).sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(fitted.fit_held_out(values, gold)).sum(axis=1), 1.0)
    np.testing.assert_allclose(fitted.transform(values - 5.0), fitted.transform(values))
