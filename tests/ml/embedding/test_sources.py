"""Sources by name, by settings and as objects; a folder names only what is known."""

import pytest

pytest.importorskip("torch")

from textclassify.errors import ConfigError, StorageError
from textclassify.ml.embedding.sources import as_source, check_different, check_same, described, name_of
from textclassify.ml.encoder import FrozenEncoder


class Other:
    identity = "other features"

    def rows(self, texts):
        raise NotImplementedError

    def to_dict(self):
        return {}


def test_a_name_is_a_frozen_encoder_on_the_classifiers_device():
    assert as_source("minilm", "cpu") == FrozenEncoder("minilm", device="cpu", layers="spread")
    assert as_source("minilm", "cpu", published=True) == FrozenEncoder("minilm", device="cpu", pooling="cls")
    assert as_source("smollm2", "cpu", published=True) == FrozenEncoder(
        "smollm2", device="cpu", layers=5, max_length=200
    )


def test_a_described_source_is_the_same_source_again():
    encoder = FrozenEncoder("minilm", layers=3, pooling="cls")

    assert as_source(described(encoder), "auto") == encoder
    assert described(described(encoder)) == described(encoder)
    assert described("minilm") == "minilm"


def test_a_source_of_ones_own_is_taken_as_it_is():
    own = Other()

    assert as_source(own, "cpu") is own
    assert name_of(own) == "other features"


@pytest.mark.parametrize("given", [3, None, {"kind": "os:system"}, {}])
def test_what_gives_no_features_is_refused(given):
    with pytest.raises(ConfigError):
        as_source(given, "cpu")


def test_a_class_that_no_folder_may_name_cannot_be_described():
    with pytest.raises(StorageError, match="features of a Other"):
        described(Other())


def test_two_equal_sources_are_named():
    with pytest.raises(ConfigError, match=r"sources 0 and 2 .*\(a\)"):
        check_different(["a", "b", "a"])
    check_different(["a", "b"])


def test_features_of_other_origin_than_in_training_are_named(caplog):
    """A store may have been filled anew, by a model of the same width."""
    check_same(["llama 1f", "bert 2e"], ["llama 1f", "bert 2e"])
    assert not caplog.records

    check_same(["llama 1f", "bert 2e"], ["llama 1f", "roberta 3d"])
    assert "from roberta 3d now, and came from bert 2e in training" in caplog.text


def test_a_class_is_no_source():
    """The brackets are easily forgotten."""
    with pytest.raises(ConfigError, match="gives no features; pass the name"):
        as_source(FrozenEncoder, "auto")
