"""The published form, number for number, for whoever compares with it."""

import pytest

torch = pytest.importorskip("torch")

from textclassify.errors import ConfigError  # noqa: E402
from textclassify.ml.embedding.published import PublishedNetwork  # noqa: E402


def inputs_of(layer):
    return layer[0].in_features, layer[0].out_features


def test_the_published_dimensions():
    """Llama-2 with BERT-large and RoBERTa-large: 4096 -> 1024 five times, 49 + 4096 = 4145 -> 1024 -> 256 -> K."""
    with torch.device("meta"):
        net = PublishedNetwork([(5, 4096), (1024,), (1024,)], 32)

    assert [inputs_of(layer) for layer in net.compressions] == [(4096, 1024)] * 5
    assert not net.adapters
    assert [inputs_of(layer) for layer in net.head[:2]] == [(4145, 1024), (1024, 256)]
    assert net.head[2].out_features == 32
    assert [module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)] == [0.5] * 7


@pytest.mark.parametrize(("power_norm", "factor"), [("readme", 2.0), ("code", 0.5)])
def test_the_two_power_normalisations(power_norm, factor):
    """The README has tanh(2 sigma x), the code tanh(sigma x / 2), over all pairs, the mirrored ones too."""
    torch.manual_seed(0)
    net = PublishedNetwork([(2, 6), (3,)], 2, power_norm=power_norm).eval()
    layers, single = torch.randn(1, 2, 6), torch.randn(1, 3)

    rows = torch.stack([*(net.compressions[n](layers[0, n]) for n in range(2)), single[0]])

    torch.testing.assert_close(net.cooccurrence([layers, single])[0], torch.tanh(factor * rows @ rows.T).flatten())


def test_the_order_of_sources_is_free_and_their_number_too():
    """The published form has two encoders beside the language model; it works with one, three or none."""
    for shapes in ([(3,), (2, 6)], [(2, 6), (3,), (3,), (3,)], [(2, 6)]):
        logits = PublishedNetwork(shapes, 2)([torch.randn(4, *shape) for shape in shapes])
        assert logits.shape == (4, 2)


def test_vectors_of_another_width_are_projected_to_the_first_ones():
    net = PublishedNetwork([(2, 6), (3,), (5,)], 2)

    assert {name: (layer.in_features, layer.out_features) for name, layer in net.adapters.items()} == {"2": (5, 3)}
    assert net([torch.randn(4, 2, 6), torch.randn(4, 3), torch.randn(4, 5)]).shape == (4, 2)


def test_the_network_gives_logits_not_probabilities():
    """A softmax before the cross-entropy, as in the public code, flattens its gradient."""
    torch.manual_seed(0)
    logits = PublishedNetwork([(2, 6), (3,)], 2).eval()([10 * torch.randn(4, 2, 6), torch.randn(4, 3)])

    assert not torch.allclose(logits.sum(dim=1), torch.ones(4), atol=1e-3)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        ([(3,)], {}, "got 0"),
        ([(2, 3), (2, 4)], {}, "got 2"),
        ([(2, 3)], {"power_norm": "paper"}, "power_norm must be one of 'readme', 'code', got 'paper'"),
    ],
)
def test_what_is_not_the_published_form_is_refused(shapes, options, message):
    with pytest.raises(ConfigError, match=message):
        PublishedNetwork(shapes, 2, **options)
