"""The linear part: as much of it as helps on rows that nothing was fitted on."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from textclassify.ml.embedding import linear_part  # noqa: E402
from textclassify.ml.embedding.features import Features  # noqa: E402
from textclassify.ml.embedding.linear_part import SHARE_OF_FEW, first_log_odds, mix_linear_in  # noqa: E402
from textclassify.ml.embedding.network import Blocks, CooccurrenceNetwork  # noqa: E402
from textclassify.ml.embedding.training import HeadLesson, logits_of  # noqa: E402

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(300, 4)).astype(np.float32)
GOLD = (VALUES[:, 0] + 0.3 * RNG.normal(size=300) > 0).astype(np.int64)
ROWS = np.arange(200)
LESSON = HeadLesson(Features([VALUES], ["a"]), ROWS, GOLD, np.ones(300))
HELD = HeadLesson(LESSON.features, np.arange(200, 300), GOLD, LESSON.weights)


def network(**blocks):
    torch.manual_seed(0)
    return CooccurrenceNetwork([(4,)], 2, Blocks(hidden_size=3, **blocks))


def mean_loss(net):
    return float(HELD.losses(logits_of(net, HELD.features, HELD.rows), HELD.rows).mean())


def test_the_share_has_the_lowest_loss_on_held_out_rows():
    net = network()

    mix_linear_in(net, LESSON, HELD, 0)

    chosen = float(net.linear_share)
    losses = [(mean_loss(net), share) for share in np.linspace(0, 1, 11) if net.linear_share.fill_(share) is not None]
    assert chosen == pytest.approx(min(losses)[1])
    assert chosen > 0.5


def test_without_held_out_rows_both_parts_count_alike():
    net = network()

    mix_linear_in(net, LESSON, None, 0)

    assert float(net.linear_share) == SHARE_OF_FEW


def test_the_linear_part_is_fitted_on_a_sample_of_very_many_rows(monkeypatch):
    """Its rows have to be in memory together."""
    monkeypatch.setattr(linear_part, "_MOST_ROWS", 50)
    sampled, whole = network(), network()
    mix_linear_in(sampled, LESSON, None, 0)
    monkeypatch.undo()
    mix_linear_in(whole, LESSON, None, 0)

    assert not torch.allclose(sampled.linear.weight, whole.linear.weight)


def test_a_network_without_vectors_has_no_linear_part():
    torch.manual_seed(0)
    net = CooccurrenceNetwork([(2, 4)], 2, Blocks(use_vectors=False))
    mix_linear_in(net, LESSON, HELD, 0)

    assert float(net.linear_share) == 0


def test_first_logits_fit_the_shares_of_the_labels():
    lesson = HeadLesson(LESSON.features, np.arange(4), np.array([0, 0, 0, 1]), np.ones(4))
    several = HeadLesson(LESSON.features, np.arange(3), np.array([[1, 0], [1, 0], [1, 0]]), np.ones(3))

    np.testing.assert_allclose(np.exp(first_log_odds(lesson, 3)), [3.5 / 5.5, 1.5 / 5.5, 0.5 / 5.5])
    np.testing.assert_allclose(first_log_odds(several, 2), [np.log(7), -np.log(7)])
