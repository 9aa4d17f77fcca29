"""The training loop: same result when memory is short, best weights kept, Ctrl-C loses nothing."""

import logging

import numpy as np
import pytest

from textclassify.core.progress import listening
from textclassify.errors import ModelError

torch = pytest.importorskip("torch")

from textclassify.ml.training import FineTuning, Lesson, Recipe, _batches  # noqa: E402


class Counting(torch.nn.Module):
    """Logits from how often each token occurs; runs out of memory above `most_rows` at once."""

    def __init__(self, most_rows=1000):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = torch.nn.Embedding(10, 4)
        self.head = torch.nn.Linear(4, 2)
        self.most_rows = most_rows

    def forward(self, input_ids, attention_mask):
        if len(input_ids) > self.most_rows:
            raise torch.OutOfMemoryError("no room")
        return self.head((self.encoder(input_ids) * attention_mask[..., None]).sum(1))


PIECES = [[1, 2], [1, 3, 3], [4], [4, 5, 6, 7], [1, 8], [4, 9]]
LESSON = Lesson(PIECES, np.array([0, 0, 1, 1, 0, 1]), np.array([1.0, 2.0, 1.0, 1.0, 0.5, 1.0]))


def tuning(network, **changes):
    options = {
        "num_epochs": 5, "batch_size": 4, "learning_rate": 0.05, "head_learning_rate": 0.05, "weight_decay": 0.01,
        "warmup_share": 0.1, "patience": 10, "seed": 0, "dtype": torch.float32,
    }  # fmt: skip
    return FineTuning(network, Recipe(**{**options, **changes}), pad_token_id=0)


def test_training_lowers_the_loss():
    losses = tuning(Counting(), num_epochs=20).run(LESSON, LESSON)

    assert losses[-1] < losses[0] / 2


def test_running_out_of_memory_changes_the_parts_and_not_the_result(caplog):
    """Gradients of the parts are added up, weighted as the whole batch would be."""
    roomy, tight = Counting(), Counting(most_rows=1)

    tuning(roomy).run(LESSON)
    with caplog.at_level(logging.WARNING):
        tuning(tight).run(LESSON)

    assert "a batch of 4 is computed 1 at a time" in caplog.text
    for one, other in zip(roomy.parameters(), tight.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_batch_is_as_wide_as_its_longest_text():
    """Tokens that are computed and thrown away cost as much as others: a third of the time on short texts."""

    class Watching(Counting):
        def forward(self, input_ids, attention_mask):
            assert attention_mask.sum(1).max() == input_ids.shape[1]
            return super().forward(input_ids, attention_mask)

    tuning(Watching(), batch_size=2).run(LESSON)


def test_texts_of_like_length_are_learned_from_together():
    lengths = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 33), 4))
    batches = list(_batches([[0] * length for length in lengths], 4, np.random.default_rng(0)))

    assert sorted(np.concatenate(batches)) == list(range(128))
    assert sum(4 * lengths[batch].max() for batch in batches) < 1.15 * lengths.sum()


def test_a_text_that_never_fits_is_an_error_with_a_remedy():
    with pytest.raises(ModelError, match="lower max_length"):
        tuning(Counting(most_rows=0)).run(LESSON)


def test_the_best_weights_are_restored():
    """Training that only makes things worse leaves the network as it was: the start is a candidate, too."""
    network = Counting()
    before = [weight.detach().clone() for weight in network.parameters()]

    contrary = Lesson(PIECES, 1 - LESSON.targets, LESSON.weights)

    losses = tuning(network, learning_rate=0.5, head_learning_rate=0.5, patience=2).run(LESSON, contrary)

    assert np.argmin(losses) == 0
    assert len(losses) == 3
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), before, strict=True))


def test_ctrl_c_keeps_the_best_weights_and_is_passed_on(caplog):
    def impatient(_task, done, *_):
        if done > 12:
            raise KeyboardInterrupt

    network = Counting()
    run = tuning(network)
    with listening(impatient), pytest.raises(KeyboardInterrupt):
        run.run(LESSON, LESSON)

    assert "training was interrupted; the classifier keeps the best weights so far" in caplog.text
    assert run._validate(LESSON) == pytest.approx(run.best_loss)
    assert not network.training


def test_progress_counts_every_text_of_every_epoch():
    heard = []
    with listening(lambda task, done, total, _: heard.append((task, done, total))):
        tuning(Counting(), num_epochs=2).run(LESSON)

    assert heard == [("fine-tuning", done, 12) for done in (heard[0][1], 6, heard[2][1], 12)]


def test_a_loss_that_is_no_number_stops_training():
    network = Counting()
    with torch.no_grad():
        network.head.weight.fill_(float("nan"))

    with pytest.raises(ModelError, match="no number"):
        tuning(network).run(LESSON)
