"""Saturated products are counted: a flat tanh went unnoticed in the published code."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from textclassify.ml.embedding.features import Features  # noqa: E402
from textclassify.ml.embedding.network import Blocks, CooccurrenceNetwork  # noqa: E402
from textclassify.ml.embedding.saturation import saturated_share  # noqa: E402

FEATURES = Features([np.random.default_rng(0).normal(size=(20, 3, 8)).astype(np.float32)], ["a"])


def network(**blocks):
    torch.manual_seed(0)
    return CooccurrenceNetwork([(3, 8)], 2, Blocks(width=4, **blocks))


def test_the_share_follows_the_scale():
    net = network()
    assert saturated_share(net, FEATURES, 0) == 0

    with torch.no_grad():
        net.log_scale.fill_(20.0)

    assert saturated_share(net, FEATURES, 0) > 0.99


def test_where_no_products_are_read_none_is_saturated():
    assert saturated_share(network(use_gram=False), FEATURES, 0) == 0
