"""The corrected network: products of rows of length 1, each pair once, and nothing saturated at the start."""

import pytest

torch = pytest.importorskip("torch")

from textclassify.errors import ConfigError  # noqa: E402
from textclassify.ml.embedding.features import Spread  # noqa: E402
from textclassify.ml.embedding.network import Blocks, CooccurrenceNetwork  # noqa: E402

SHAPES = [(3, 6), (4,)]


def network(**blocks):
    torch.manual_seed(0)
    return CooccurrenceNetwork(SHAPES, 2, Blocks(**{"width": 5, "hidden_size": 7, **blocks})).eval()


def features(n=4, scale=1.0):
    generator = torch.Generator().manual_seed(1)
    return [scale * torch.randn(n, *shape, generator=generator) for shape in SHAPES]


def test_every_pair_of_rows_is_read_once():
    """4 rows have 6 pairs; the diagonal of ones and the mirrored half say nothing."""
    assert network().cooccurrence(features()).shape == (4, 6)
    assert network().hidden.in_features == 6 + 6 + 4


def test_products_are_those_of_rows_of_length_one():
    """So a long row counts no more than a short one; the power normalisation begins at tanh(x)."""
    net, one_text = network(), features(1)

    rows = [one_text[0][0, layer] @ net.projections[0][layer] for layer in range(3)]
    rows.append(one_text[1][0] @ net.projections[1][0])

    cosine = torch.nn.functional.cosine_similarity(rows[0], rows[3], dim=0)
    torch.testing.assert_close(net.cooccurrence(one_text)[0, 2], torch.tanh(cosine))


def test_longer_features_give_the_same_products():
    torch.testing.assert_close(network().cooccurrence(features()), network().cooccurrence(features(scale=100.0)))


def test_the_scale_of_the_power_normalisation_is_learned_and_stays_positive():
    net = network()
    net(features()).sum().backward()

    assert net.log_scale.grad.abs() > 0
    with torch.no_grad():
        net.log_scale.fill_(-50.0)
    assert net.cooccurrence(features()).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("blocks", "width"),
    [
        ({"use_gram": False}, 6 + 4),
        ({"use_vectors": False}, 6),
        ({"single_vectors": "projected"}, 6 + 6 + 5),
        ({"single_vectors": "left out"}, 6 + 6),
        ({"use_gram": False, "single_vectors": "projected"}, 6 + 5),
    ],
    ids=str,
)
def test_each_block_can_be_left_out(blocks, width):
    """What each is worth is measured by leaving it out."""
    net = network(**blocks)

    assert net.hidden.in_features == width
    assert net(features()).shape == (4, 2)


def test_vectors_are_standardised():
    net = network()
    net.standardise(
        [Spread(torch.zeros(3, 6), torch.ones(3, 6)), Spread(torch.zeros(4), torch.ones(4))],
        [Spread(torch.full((6,), 2.0), torch.full((6,), 4.0)), Spread(torch.full((4,), 1.0), torch.full((4,), 0.5))],
    )
    layers, single = features()

    expected = torch.cat([(layers.mean(1) - 2) / 4, (single - 1) / 0.5], dim=1)

    torch.testing.assert_close(net.vectors([layers, single]), expected)


def test_the_linear_part_enters_with_its_share():
    net = network()
    learned, linear = net(features()), net.linear(net.vectors(features()))

    net.linear_share.fill_(0.25)

    torch.testing.assert_close(net(features()), 0.75 * learned + 0.25 * linear)


def test_one_vector_alone_has_no_pairs():
    with pytest.raises(ConfigError, match="nothing to learn from"):
        CooccurrenceNetwork([(4,)], 2, Blocks(use_vectors=False))
