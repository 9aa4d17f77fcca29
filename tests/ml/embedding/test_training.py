"""The training loop: weights of rows and labels count, the best weights are kept, also when it is interrupted."""

import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from textclassify.core.progress import listening  # noqa: E402
from textclassify.errors import ModelError  # noqa: E402
from textclassify.ml.embedding.features import Features  # noqa: E402
from textclassify.ml.embedding.training import HeadLesson, HeadRecipe, HeadTraining, logits_of  # noqa: E402


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(2, 2)
        torch.nn.init.zeros_(self.map.weight)

    def forward(self, features):
        return self.map(features[0])


VALUES = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)


def lesson(rows=(0, 1, 2, 3), weights=(1, 1, 1, 1), targets=(0, 0, 1, 1), **options):
    arrays = np.array(rows), np.array(targets), np.array(weights, dtype=float)
    return HeadLesson(Features([VALUES], ["a"]), *arrays, **options)


def training(network, **changes):
    options = {"num_epochs": 20, "batch_size": 2, "learning_rate": 0.1, "weight_decay": 0.0, "patience": 3, "seed": 0}
    return HeadTraining(network, HeadRecipe(**{**options, **changes}))


def test_training_lowers_the_loss():
    losses = training(Linear()).run(lesson(), lesson())

    assert losses[-1] < losses[0] / 2


def test_without_validation_all_epochs_are_run():
    heard = []
    with listening(lambda *told: heard.append(told[1:3])):
        assert training(Linear(), num_epochs=3).run(lesson()) == []

    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_the_best_weights_are_kept_and_training_stops_after_patience():
    """Validation rows with the opposite labels: every epoch is worse than the first."""
    network = Linear()
    opposite = lesson(targets=(1, 1, 0, 0))

    losses = training(network, patience=3).run(lesson(), opposite)

    assert len(losses) == 4
    kept = opposite.losses(logits_of(network, opposite.features, opposite.rows), opposite.rows)
    assert float(kept.mean()) == pytest.approx(losses[0])


def test_losses_weigh_rows_and_labels():
    logits = torch.zeros(2, 2)
    single = lesson(weights=(2, 1, 1, 1))
    several = lesson(targets=((1, 0), (0, 0), (0, 1), (0, 1)), positive_weight=np.array([3.0, 1.0]))

    of_single = single.losses(logits, np.array([0, 1]))
    of_several = several.losses(logits, np.array([0, 1]))

    torch.testing.assert_close(of_single, torch.tensor([2.0, 1.0]) * np.log(2))
    torch.testing.assert_close(of_several, torch.tensor([2.0, 1.0]) * np.log(2))


def test_an_interruption_is_passed_on_with_the_best_weights_kept(caplog):
    network = Linear()

    def stop(*told):
        if told[1] == 2:
            raise KeyboardInterrupt

    with caplog.at_level(logging.WARNING), listening(stop), pytest.raises(KeyboardInterrupt):
        training(network).run(lesson(), lesson())

    assert "keeps the best weights so far" in caplog.text
    assert not network.training


def test_a_loss_that_is_no_number_says_what_to_change():
    network = Linear()
    torch.nn.init.constant_(network.map.weight, float("nan"))

    with pytest.raises(ModelError, match="lower learning_rate"):
        training(network).run(lesson())


def test_weights_that_the_last_step_blew_up_are_an_error():
    """No later step would notice; every score would be NaN."""
    with pytest.raises(ModelError, match="lower learning_rate"):
        training(Linear(), num_epochs=1, batch_size=4, learning_rate=1e39).run(lesson())
