"""The contrastive stage: what it does to vectors, and what it leaves as it was."""

import dataclasses
import os
import random

import numpy as np
import pytest

from textclassify.core.progress import listening
from textclassify.errors import ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from textclassify.ml.contrastive import learn_from_pairs, pair_loss  # noqa: E402
from textclassify.ml.long_texts import encode_texts  # noqa: E402
from textclassify.ml.network import EncoderNetwork  # noqa: E402
from textclassify.ml.training import Lesson, Recipe  # noqa: E402
from textclassify.models.inference import padded  # noqa: E402
from textclassify.models.loading import load_encoder, load_tokenizer  # noqa: E402
from textclassify.models.sources import resolve  # noqa: E402

RECIPE = Recipe(
    num_epochs=1,
    batch_size=8,
    learning_rate=1e-3,
    head_learning_rate=1e-3,
    weight_decay=0.01,
    warmup_share=0.1,
    patience=1,
    seed=0,
    dtype=torch.float32,
)
GOLD = np.array([0] * 4 + [1] * 4)


@pytest.fixture
def lesson(tiny_encoder, messages):
    tokenizer = load_tokenizer(resolve(str(tiny_encoder), "encoder"))
    pieces = encode_texts(messages[0], tokenizer, max_length=32, long_texts="head").pieces
    return Lesson(pieces, GOLD, np.ones(len(pieces)))


@pytest.fixture
def make_network(tiny_encoder):
    def make():
        with torch.random.fork_rng():
            return EncoderNetwork(load_encoder(resolve(str(tiny_encoder), "encoder")), 2).eval()

    return make


def vectors(network, lesson):
    with torch.inference_mode():
        return network.vectors(*padded(lesson.pieces, 0, torch.device("cpu"))).numpy()


def lead_of_own_label(network, lesson):
    cosines = vectors(network, lesson) @ vectors(network, lesson).T
    same = GOLD[:, None] == GOLD[None, :]
    return cosines[same].mean() - cosines[~same].mean()


def test_texts_of_one_label_move_together_and_others_apart(make_network, lesson):
    network = make_network()
    before = lead_of_own_label(network, lesson)

    learn_from_pairs(network, lesson, RECIPE, 0, steps=20)

    assert lead_of_own_label(network, lesson) > before + 0.3
    assert not network.training


def test_equal_seeds_give_equal_encoders(make_network, lesson):
    networks = [make_network() for _ in range(3)]

    for network, seed in zip(networks, (0, 0, 1), strict=True):
        learn_from_pairs(network, lesson, dataclasses.replace(RECIPE, seed=seed), 0, steps=3)

    found = [vectors(network, lesson) for network in networks]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_weights_that_are_not_to_be_trained_stay(make_network, lesson):
    """Word embeddings are half of a small encoder; without them a step is faster."""
    network = make_network()
    words = network.encoder.get_input_embeddings().weight
    words.requires_grad = False
    before = words.detach().clone()

    learn_from_pairs(network, lesson, RECIPE, 0, steps=3)

    assert torch.equal(words, before)


def test_nothing_is_printed_kept_or_seeded(make_network, lesson, tmp_path, monkeypatch, capfd):
    """A library that seeds the caller's generators, or leaves a folder behind, is felt far from here."""
    network = make_network()
    monkeypatch.chdir(tmp_path)
    before = _global_state()

    learn_from_pairs(network, lesson, RECIPE, 0, steps=2)

    assert _global_state() == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def _global_state():
    of_numpy = np.random.get_state()[1].tolist()  # noqa: NPY002
    return random.getstate(), of_numpy, torch.get_rng_state().tolist(), dict(os.environ)


def test_progress_is_reported_batch_by_batch(make_network, lesson):
    heard = []

    with listening(lambda task, done, total, _: heard.append((task, done, total))):
        learn_from_pairs(make_network(), lesson, RECIPE, 0, steps=3)

    assert heard == [("comparing texts", done, 3) for done in (1, 2, 3)]


def test_ctrl_c_passes_and_leaves_the_generators_as_they_were(make_network, lesson):
    def stop(*_):
        raise KeyboardInterrupt

    before = _global_state()

    with listening(stop), pytest.raises(KeyboardInterrupt):
        learn_from_pairs(make_network(), lesson, RECIPE, 0, steps=3)

    assert _global_state() == before


def test_weights_that_are_no_numbers_are_an_error_that_names_the_remedy(make_network, lesson):
    wild = dataclasses.replace(RECIPE, learning_rate=float("inf"))

    with pytest.raises(ModelError, match="lower learning_rate"):
        learn_from_pairs(make_network(), lesson, wild, 0, steps=2)


def test_the_loss_is_that_of_all_pairs_both_kinds_counting_alike():
    """By hand: three unit vectors, one pair of one label at cosine 0, two pairs of two labels at 1 and 0."""
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])

    loss = pair_loss(vectors, torch.tensor([0, 0, 1]), torch.ones(3))
    without_the_third = pair_loss(vectors, torch.tensor([0, 0, 1]), torch.tensor([1.0, 1.0, 0.0]))

    assert loss.item() == pytest.approx((1.0 + 0.5) / 2)
    assert without_the_third.item() == pytest.approx(0.5)
