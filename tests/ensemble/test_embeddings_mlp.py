"""The texts' vectors beside the scores: used where they say something, harmless where they do not."""

import numpy as np
import pytest

from textclassify.ensemble.combining.combiners import targets_of
from textclassify.ensemble.combining.rows import fusion_rows
from textclassify.ensemble.mlp import EmbeddingsMLP, NetworkSettings, _main_directions
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.errors import ScoresError

QUICK = NetworkSettings(epochs=3)


def rows_of(simulation, vectors, **sources):
    return fusion_rows(sources or {"encoder": simulation.source(0.7)}, simulation.gold, embeddings=vectors)


def loss(combiner, rows):
    logs = combiner.scores(rows.sources, rows.embeddings)
    return -(logs * targets_of(rows)).sum(axis=1).mean()


def telling_vectors(simulation, width=20):
    """Vectors that hold the answer in one of their directions each, among noise."""
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(len(simulation.labels), width))
    return 2 * directions[simulation.codes] / width**0.5 + rng.normal(size=(simulation.n, width))


def test_vectors_tell_what_no_source_knows(simulate):
    """On rows that were not learned from."""
    simulation = simulate(800)
    rows = rows_of(simulation, telling_vectors(simulation))
    train, test = rows.take(np.arange(500)), rows.take(np.arange(500, 800))
    assert loss(EmbeddingsMLP().fit(train), test) < loss(LogLinearPool().fit(train), test) - 0.1


def test_vectors_of_noise_cost_next_to_nothing(simulate):
    """Early stopping returns to the pool where they teach nothing."""
    simulation = simulate(800)
    rows = rows_of(simulation, np.random.default_rng(2).normal(size=(800, 300)))
    train, test = rows.take(np.arange(500)), rows.take(np.arange(500, 800))
    assert loss(EmbeddingsMLP().fit(train), test) < loss(LogLinearPool().fit(train), test) + 0.02


def test_untrained_it_is_the_pool(simulate):
    """Zero-initialised, as the network without vectors is."""
    simulation = simulate(150)
    rows = rows_of(simulation, telling_vectors(simulation))
    untrained = EmbeddingsMLP(settings=NetworkSettings(epochs=0)).fit(rows)
    assert np.allclose(untrained.scores(rows.sources, rows.embeddings), LogLinearPool().fit(rows).scores(rows.sources))


@pytest.mark.parametrize(("n", "width", "components"), [(150, 30, 15), (900, 80, 64), (900, 6, 6)])
def test_few_rows_get_few_components(simulate, n, width, components):
    """One per ten rows, at most 64: with hundreds of inputs a network remembers answers."""
    simulation = simulate(n)
    rows = rows_of(simulation, np.random.default_rng(0).normal(size=(n, width)))
    assert EmbeddingsMLP(settings=QUICK).fit(rows).components_.shape == (width, components)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_the_components_are_the_directions_of_the_largest_variance(shape):
    """Whichever of rows and dimensions are fewer."""
    vectors = np.random.default_rng(0).normal(size=shape) * np.linspace(3, 1, shape[1])
    centred = vectors - vectors.mean(axis=0)
    found = _main_directions(centred, 3)
    expected = np.linalg.svd(centred)[2][:3].T
    assert np.allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_it_can_be_stored_as_arrays_and_answers_bit_for_bit(simulate):
    simulation = simulate(150)
    rows = rows_of(simulation, telling_vectors(simulation))
    fitted = EmbeddingsMLP(settings=QUICK).fit(rows)
    restored = EmbeddingsMLP().load_state(rows.sources, fitted.state())
    assert np.array_equal(restored.scores(rows.sources, rows.embeddings), fitted.scores(rows.sources, rows.embeddings))


def test_several_labels_work_as_well(simulate_multi_label):
    simulation = simulate_multi_label(200)
    vectors = simulation.indicator + 0.3 * np.random.default_rng(0).normal(size=simulation.indicator.shape)
    rows = rows_of(simulation, vectors, encoder=simulation.source(0.5), llm=simulation.votes(0.8))
    fused = EmbeddingsMLP(settings=NetworkSettings(learning_rate=5e-3)).fit(rows).scores(rows.sources, rows.embeddings)
    pooled = LogLinearPool().fit(rows).scores(rows.sources)
    right = [((scores > 0) == simulation.indicator).mean() for scores in (pooled, fused)]
    assert right[1] > right[0] + 0.02


def test_without_vectors_it_says_what_it_needs(simulate):
    simulation = simulate(150)
    rows = rows_of(simulation, telling_vectors(simulation))
    fitted = EmbeddingsMLP(settings=QUICK).fit(rows)
    with pytest.raises(ScoresError, match="embeddings"):
        fitted.scores(rows.sources)
