"""The networks: the published one learns, the residual one starts from the pool and only improves on it."""

import pickle
import time
from dataclasses import fields

import numpy as np
import pytest
import torch

from textclassify import FusionMLP, Scores
from textclassify.ensemble.combining.network import new_network
from textclassify.ensemble.combining.network_training import BagTraining, FusionLesson, _Stack
from textclassify.ensemble.combining.rows import fusion_rows
from textclassify.ensemble.mlp import INTERACTION, NetworkSettings, PublishedMLP, ResidualMLP
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.errors import ConfigError, StorageError


class OwnNetwork(torch.nn.Module):
    """What a user may bring: FusionMLP's constructor, another inside."""

    def __init__(self, input_dim, output_dim, hidden_dims=(64, 32)):
        super().__init__()
        self.norm = torch.nn.LayerNorm(input_dim)
        self.hidden = torch.nn.Linear(input_dim, hidden_dims[0])
        self.out = torch.nn.Linear(hidden_dims[0], output_dim)

    def forward(self, scores):
        return self.out(torch.tanh(self.hidden(self.norm(scores))))


class SquashedNetwork(OwnNetwork):
    def forward(self, scores):
        return torch.sigmoid(super().forward(scores))


class NarrowNetwork(OwnNetwork):
    def __init__(self, input_dim, output_dim, hidden_dims=(64, 32)):
        super().__init__(input_dim, output_dim - 1, hidden_dims)


class Unconfigurable(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width


def two_sources(simulation):
    return fusion_rows({"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}, simulation.gold)


def right_where_they_disagree(n):
    """Two sources whose disagreement is the answer."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, n), rng.integers(0, 2, n)
    sources = {
        name: Scores.from_probabilities(np.where(np.eye(2)[codes] == 1, 0.8, 0.2), "ab")
        for name, codes in (("encoder", first), ("llm", second))
    }
    return fusion_rows(sources, ["ab"[code] for code in np.where(first != second, 1, 0)])


def agreement(combiner, rows):
    return np.mean(combiner.scores(rows.sources).argmax(axis=1) == rows.gold)


def test_the_fusion_mlp_has_the_published_shape():
    """Hidden layers of 64 and 32 by default; input 2 K for logits and scores."""
    network = FusionMLP(input_dim=8, output_dim=4, hidden_dims=[64, 32])
    widths = [layer.out_features for layer in network.layers if isinstance(layer, torch.nn.Linear)]
    assert widths == [64, 32, 4]
    assert network(torch.zeros(3, 8)).shape == (3, 4)


def test_the_published_network_learns_to_fuse(simulate):
    simulation = simulate(400)
    rows = fusion_rows({"encoder": simulation.expert([0, 1]), "llm": simulation.expert([2, 3])}, simulation.gold)
    assert agreement(PublishedMLP(settings=NetworkSettings(epochs=200)).fit(rows), rows) > 0.9


def test_a_residual_that_is_not_trained_is_the_pool(simulate):
    """Zero-initialised: with no epochs nothing but the pool remains."""
    simulation = simulate(150)
    rows = fusion_rows({"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}, simulation.gold)
    untrained = ResidualMLP(settings=NetworkSettings(epochs=0)).fit(rows)
    assert np.allclose(untrained.scores(rows.sources), LogLinearPool().fit(rows).scores(rows.sources))


def test_the_residual_finds_what_no_pool_can():
    """Weights cannot express it."""
    rows = right_where_they_disagree(600)
    assert agreement(LogLinearPool().fit(rows), rows) < 0.6
    fitted = ResidualMLP(settings=NetworkSettings(learning_rate=5e-3, epochs=200, patience=50)).fit(rows)
    assert agreement(fitted, rows) > 0.95
    assert INTERACTION in fitted.contributions(rows.sources)


def test_training_leaves_the_callers_random_numbers_alone(simulate):
    """A library that reseeds its caller makes experiments silently repeat."""
    simulation = simulate(120)
    rows = fusion_rows({"encoder": simulation.source(1.0)}, simulation.gold)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    ResidualMLP().fit(rows)
    assert torch.equal(torch.rand(1), expected)


def test_one_seed_gives_one_network(simulate):
    simulation = simulate(120)
    rows = fusion_rows({"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}, simulation.gold)
    first, again = (PublishedMLP(random_state=3).fit(rows).scores(rows.sources) for _ in range(2))
    assert np.array_equal(first, again)


def test_the_published_network_reads_the_scores_of_both_sources_and_nothing_else(simulate):
    """Input 2 K, hidden layers as configured, output K."""
    rows = two_sources(simulate(120))
    fitted = PublishedMLP(settings=NetworkSettings(hidden_dims=(7, 5), epochs=1)).fit(rows)
    assert fitted.shape_.tolist() == [8, 4, 7, 5]


@pytest.mark.parametrize("rung", [PublishedMLP, ResidualMLP])
@pytest.mark.parametrize("change", [{"learning_rate": 0.1}, {"batch_size": 8}, {"epochs": 1}, {"hidden_dims": (5,)}])
def test_every_setting_that_a_rung_names_has_an_effect(rung, change):
    """What the result says about settings without effect rests on this list."""
    rows = right_where_they_disagree(200)
    usual = {"epochs": 4, "learning_rate": 5e-3}
    plain, changed = (rung(settings=NetworkSettings(**{**usual, **more})).fit(rows) for more in ({}, change))
    assert set(change) <= set(rung.uses_settings) <= {field.name for field in fields(NetworkSettings)}
    assert not np.array_equal(plain.scores(rows.sources), changed.scores(rows.sources))


def test_the_residual_network_reads_scores_mask_margin_entropy_and_agreement(simulate):
    """Per source K + 4 inputs for each of three networks; the mask is 1 for a source that is there, 0 without it."""
    rows = two_sources(simulate(150))
    fitted = ResidualMLP(settings=NetworkSettings(epochs=1)).fit(rows)
    sure = {"encoder": np.array([[3.0, -1.0, -1.0, -1.0]]), "llm": np.array([[-1.0, 3.0, -1.0, -1.0]])}
    fitted.weights_ = np.array([1.0, 0.5])
    inputs = fitted._inputs(sure)[0]
    assert inputs.shape == (16,)
    assert len(fitted.network_state_) == 3
    assert inputs[[4, 12]].tolist() == [1, 1]
    assert inputs[5] == pytest.approx(inputs[13]) == pytest.approx(0.93, abs=0.01)
    assert inputs[[7, 15]].tolist() == [1, 0]
    assert fitted._standardised(fitted._inputs(sure))[0, [4, 12]].tolist() == [1, 1]


def test_training_that_only_harms_ends_where_it_began(simulate):
    """Early stopping restores the best weights, and the best here are those of the pool."""
    rows = two_sources(simulate(150))
    ruined = ResidualMLP(settings=NetworkSettings(learning_rate=30.0)).fit(rows)
    assert np.allclose(ruined.scores(rows.sources), LogLinearPool().fit(rows).scores(rows.sources))


def test_networks_computed_together_are_those_computed_alone():
    """Three in one loop for speed: the same numbers, and what is trained are the networks themselves."""
    networks = [new_network(NetworkSettings(hidden_dims=(6, 3)), 5, 2, seed=seed).eval() for seed in range(3)]
    inputs = torch.randn(3, 7, 5)
    stack = _Stack(networks)
    alone = torch.stack([network(one) for network, one in zip(networks, inputs, strict=True)])
    assert torch.allclose(stack(inputs), alone, atol=1e-6)
    with torch.no_grad():
        stack.weights[0] += 1
    assert not torch.allclose(networks[2](inputs[2]), alone[2])
    assert torch.allclose(stack(inputs)[2], networks[2](inputs[2]), atol=1e-6)


def test_whole_sources_are_left_out_at_random_in_training(simulate):
    """A source's inputs vanish together, its mask too, in about one row of seven; in use nothing vanishes."""
    rows = two_sources(simulate(200))
    lesson = FusionLesson(np.ones((200, 6), np.float32), np.zeros((200, 4), np.float32), rows, np.repeat([0, 1], 3))
    networks = [new_network(NetworkSettings(), 6, 4, seed=0)]
    bag = BagTraining(networks, lesson, NetworkSettings(), random_state=0, source_dropout=0.15)
    seen = bag._without_some_sources(torch.ones(1, 2000, 6)).view(2000, 2, 3)
    assert (seen == seen[:, :, :1]).all()
    assert 0.12 < 1 - seen.mean() < 0.18
    assert ResidualMLP.source_dropout == 0.15


@pytest.mark.parametrize("rung", [PublishedMLP, ResidualMLP])
def test_a_network_of_the_users_own_takes_the_place_of_fusion_mlp(simulate, rung):
    """Any module with FusionMLP's constructor."""
    simulation = simulate(400)
    rows = fusion_rows({"encoder": simulation.expert([0, 1]), "llm": simulation.expert([2, 3])}, simulation.gold)
    fitted = rung(settings=NetworkSettings(network=OwnNetwork, epochs=100, learning_rate=1e-2)).fit(rows)
    assert agreement(fitted, rows) > 0.9
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.scores(rows.sources), fitted.scores(rows.sources))
    with pytest.raises(StorageError, match="OwnNetwork cannot be restored from a folder"):
        fitted.state()


def test_a_residual_network_of_the_users_own_starts_from_the_pool(simulate):
    rows = two_sources(simulate(150))
    untrained = ResidualMLP(settings=NetworkSettings(network=OwnNetwork, epochs=0)).fit(rows)
    assert np.allclose(untrained.scores(rows.sources), LogLinearPool().fit(rows).scores(rows.sources))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (SquashedNetwork, "SquashedNetwork does not end in a linear layer"),
        (NarrowNetwork, r"into \(2, 3\); it must return \(2, 4\)"),
        (Unconfigurable, "Unconfigurable cannot be made like FusionMLP"),
        (max, "is no class derived from torch.nn.Module"),
    ],
)
def test_a_network_that_cannot_be_used_is_named_with_the_remedy(simulate, network, message):
    with pytest.raises(ConfigError, match=message):
        ResidualMLP(settings=NetworkSettings(network=network)).fit(two_sources(simulate(120)))


@pytest.mark.slow
def test_ten_thousand_rows_of_many_labels_take_seconds(simulate):
    """The worst case: four sources, 77 labels, and no early stop. Seconds of the processor, not of the clock."""
    simulation = simulate(10_000, labels=tuple(f"label {k}" for k in range(77)))
    rows = fusion_rows({f"source {s}": simulation.source(1.5) for s in range(4)}, simulation.gold)
    started = time.process_time()
    ResidualMLP(settings=NetworkSettings(patience=60)).fit(rows)
    assert time.process_time() - started < 40
