"""Options out of range are refused by name, before any model is asked."""

import pytest

from textclassify.errors import ConfigError
from textclassify.ml.embedding.options import check_options

GOOD = {
    "compat": None, "power_norm": "readme", "single_vectors": "standardised", "width": 8, "hidden_size": 8,
    "batch_size": 8, "num_epochs": None, "patience": None, "dropout": 0.5, "validation_fraction": 0.1,
    "weight_decay": 0.0, "learning_rate": None, "use_gram": True, "use_vectors": True, "linear_part": True,
    "early_stopping": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compat", "llmembedd"),
        ("power_norm", "paper"),
        ("single_vectors", True),
        ("width", 0),
        ("batch_size", 1.5),
        ("num_epochs", -1),
        ("patience", True),
        ("dropout", -0.1),
        ("validation_fraction", 0.9),
        ("weight_decay", float("inf")),
        ("learning_rate", 0),
        ("use_gram", "no"),
        ("linear_part", None),
        ("early_stopping", "yes"),
    ],
)
def test_each_option_has_a_range(name, value):
    check_options(GOOD)
    with pytest.raises(ConfigError, match=f"{name}.*{value}"):
        check_options({**GOOD, name: value})
