"""The networks: the published one learns, the residual one starts from the pool and only improves on it."""

import numpy as np
import torch

from textclassify import FusionMLP, Scores
from textclassify.ensemble.mlp import INTERACTION, NetworkSettings, PublishedMLP, ResidualMLP
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.ensemble.rows import fusion_rows


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
    """Two sources that are right exactly where they disagree: weights cannot express it."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, 600), rng.integers(0, 2, 600)
    gold = np.where(first != second, 1, 0)
    sources = {
        name: Scores.from_probabilities(np.where(np.eye(2)[codes] == 1, 0.8, 0.2), "ab")
        for name, codes in (("encoder", first), ("llm", second))
    }
    rows = fusion_rows(sources, ["ab"[code] for code in gold])
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
