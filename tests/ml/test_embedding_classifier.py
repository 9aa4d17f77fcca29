"""Heads over frozen features: the contract kept, seeds obeyed, no source counted twice, a linear model at least."""

import logging
import zlib

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import textclassify  # noqa: E402
from textclassify import EmbeddingClassifier  # noqa: E402
from textclassify.core.labels import LabelSchema  # noqa: E402
from textclassify.errors import ConfigError, ModelError, StorageError  # noqa: E402
from textclassify.ml.encoder import FrozenEncoder  # noqa: E402
from textclassify.testing import check_classifier  # noqa: E402


class Words:
    """Features of a text from its words: each word is a random direction, another one in every layer."""

    is_causal = False

    def __init__(self, *shape, seed=0):
        self.shape = shape
        self.seed = seed
        self.asked = []

    @property
    def identity(self):
        return f"words {self.shape} {self.seed}"

    def rows(self, texts):
        self.asked += texts
        return np.array([self._features(text) for text in texts], dtype=np.float32).reshape(len(texts), *self.shape)

    def to_dict(self):
        return {}

    def _features(self, text):
        return np.mean([self._of_word(word) for word in text.split()], axis=0)

    def _of_word(self, word):
        return np.random.default_rng([zlib.crc32(word.encode()), self.seed]).normal(size=self.shape)


def classifier(*sources, **options):
    return EmbeddingClassifier(list(sources) or [Words(3, 16), Words(8, seed=1)], **{"width": 8, **options})


def probabilities(one, texts):
    return one.predict_proba(texts)


def test_the_head_keeps_the_contract(messages, tiny_encoder):
    sources = [FrozenEncoder(tiny_encoder, precision="fp32"), FrozenEncoder(tiny_encoder, layers=2, precision="fp32")]

    check_classifier(lambda: EmbeddingClassifier(sources, num_epochs=3, width=8), *messages)


def test_the_head_keeps_the_contract_with_several_labels(messages, tiny_encoder):
    texts, labels = messages
    several = [[label, "urgent"] if "is" in text else [label] for text, label in zip(texts, labels, strict=True)]

    check_classifier(lambda: EmbeddingClassifier([tiny_encoder], num_epochs=3), texts, several)


def test_the_published_form_keeps_the_contract(messages, tiny_encoder):
    sources = [FrozenEncoder(tiny_encoder, layers=2, precision="fp32"), FrozenEncoder(tiny_encoder, precision="fp32")]

    check_classifier(lambda: EmbeddingClassifier(sources, compat="llmembed", num_epochs=2), *messages)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_gram": False},
        {"use_vectors": False},
        {"single_vectors": "projected"},
        {"single_vectors": "left out"},
        {"linear_part": False},
        {"compat": "llmembed", "learning_rate": 1e-3},
        {"compat": "llmembed", "learning_rate": 1e-3, "power_norm": "code"},
    ],
    ids=str,
)
def test_every_form_learns(messages, options):
    """Each is one row of the comparison in the benchmark."""
    texts, labels = messages

    fitted = classifier(**{"num_epochs": 30, "learning_rate": 0.01, **options}).fit(texts, labels)

    assert fitted.score(texts, labels) == 1.0


def test_names_are_models_that_are_loaded_when_needed(messages, tiny_encoder):
    """As a configuration names them."""
    fitted = EmbeddingClassifier([str(tiny_encoder)], num_epochs=1).fit(*messages)

    assert fitted.shapes_ == ((1, 32),)  # the tiny encoder has one layer to spread five over
    assert "tiny-encoder" in fitted.model_used


def test_one_source_given_twice_is_refused():
    """The published code read one encoder's file for both, and nobody noticed."""
    with pytest.raises(ConfigError, match=r"sources 0 and 1 .* same features"):
        classifier(Words(4), Words(4)).fit(["a", "b"], ["x", "y"])


def test_a_seed_decides_everything_and_leaves_the_callers_numbers_alone(messages):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    first, again, other = (classifier(random_state=seed, num_epochs=2).fit(*messages) for seed in (1, 1, 2))

    assert torch.equal(torch.rand(3), expected)
    texts = messages[0]
    np.testing.assert_array_equal(probabilities(first, texts), probabilities(again, texts))
    assert not np.allclose(probabilities(first, texts), probabilities(other, texts))


def noisy_rows(n=600, random_state=0):
    """Texts whose label is the side that most of their words are on."""
    rng = np.random.default_rng(random_state)
    sides = rng.integers(0, 2, size=(n, 5))
    words = rng.integers(0, 6, size=(n, 5))
    texts = [
        " ".join(f"{'rb'[side]}{word}" for side, word in zip(*row, strict=True))
        for row in zip(sides, words, strict=True)
    ]
    return texts, ["red" if row.sum() < 3 else "blue" for row in sides]


def test_training_stops_early_and_keeps_the_best_weights():
    fitted = classifier(num_epochs=60, patience=2, learning_rate=0.01, linear_part=False).fit(*noisy_rows())

    losses = fitted.validation_losses_
    assert len(losses) < 60
    assert int(np.argmin(losses)) == len(losses) - 3


def test_few_rows_are_all_trained_on():
    """A tenth of them could judge nothing."""
    few, more = noisy_rows(100), noisy_rows(500)

    assert classifier(num_epochs=1).fit(*few).validation_losses_ == []
    assert len(classifier(num_epochs=1).fit(*more).validation_losses_) == 1


def test_equal_wordings_stay_on_one_side_of_the_held_out_part():
    """A network that learned one of them is not validated by the other."""
    texts, labels = noisy_rows(300)
    data = textclassify.TrainingData([*texts, *map(str.upper, texts)], [*labels, *labels])

    held = classifier(early_stopping=True)._held_back(data)

    assert 0 < held.sum() < len(held)
    np.testing.assert_array_equal(held[:300], held[300:])


def test_too_few_rows_for_the_early_stopping_that_was_asked_for():
    with pytest.raises(ConfigError, match="too few for early_stopping"):
        classifier(early_stopping=True).fit(["a", "b"], ["x", "y"])


def test_the_linear_part_answers_where_the_network_learned_nothing():
    """So that the head is no worse than logistic regression on the same vectors."""
    untrained = classifier(num_epochs=1, learning_rate=1e-9).fit(*noisy_rows())

    assert untrained.linear_share_ >= 0.8
    assert untrained.score(*noisy_rows(200, random_state=1)) > 0.8


def test_the_linear_part_can_be_left_out(messages):
    assert classifier(num_epochs=1).fit(*messages).linear_share_ > 0
    assert classifier(num_epochs=1, linear_part=False).fit(*messages).linear_share_ == 0


def test_class_weights_lift_a_rare_label():
    """One row of a rare label outweighs a common one's."""
    texts, labels = ["cup goal"] * 6 + ["cup vote"] + ["cup vote"] * 2, ["sports"] * 7 + ["politics"] * 2

    plain, weighted = (classifier(class_weight=weight).fit(texts, labels) for weight in (None, {"politics": 9.0}))

    politics = list(plain.classes_).index("politics")
    assert probabilities(weighted, ["cup vote"])[0, politics] > probabilities(plain, ["cup vote"])[0, politics] + 0.05


def test_rows_of_weight_zero_are_not_even_read():
    source = Words(4)

    classifier(source, num_epochs=1).fit(["a", "b", "c"], ["x", "y", "x"], sample_weight=[1, 1, 0])

    assert source.asked == ["a", "b"]


def test_a_label_without_rows_keeps_a_small_probability(messages):
    texts, labels = messages
    fitted = classifier(labels=LabelSchema(("billing", "delivery", "praise"))).fit(texts, labels)

    assert 0 < probabilities(fitted, texts)[:, 2].max() < 0.2


def test_saturated_products_are_counted_and_told(messages, caplog):
    """The published tanh of products of long rows is flat nearly everywhere."""
    with caplog.at_level(logging.WARNING):
        published = classifier(compat="llmembed", num_epochs=0).fit(*messages)
        corrected = classifier(num_epochs=0).fit(*messages)

    assert published.saturated_share_ > 0.01
    assert corrected.saturated_share_ == 0.0
    assert caplog.text.count("of the products of layers are saturated") == 1


def test_features_that_are_no_numbers_are_refused():
    broken = Words(4)
    broken.rows = lambda texts: np.full((len(texts), 4), np.nan, dtype=np.float32)

    with pytest.raises(ModelError, match=r"words \(4,\) 0 gives values that are no numbers"):
        classifier(broken).fit(["a", "b"], ["x", "y"])


def test_another_model_behind_a_source_is_noticed(messages):
    source = Words(4)
    fitted = classifier(source, num_epochs=1).fit(*messages)
    source.shape = (5,)

    with pytest.raises(ConfigError, match=r"features of shape \(5,\) now, and gave \(4,\) in training"):
        fitted.predict(["my parcel"])


def test_a_source_that_no_folder_can_name_is_not_saved(messages, tmp_path):
    """A folder that named any class would be a folder that runs code."""
    with pytest.raises(StorageError, match="features of a Words cannot be saved"):
        classifier(num_epochs=1).fit(*messages).save(tmp_path / "saved")


def test_a_weight_of_another_shape_in_a_folder_is_a_storage_error(messages, tiny_encoder, tmp_path):
    fitted = EmbeddingClassifier([tiny_encoder], num_epochs=1).fit(*messages)
    fitted.shapes_ = ((31,),)
    fitted.save(tmp_path / "saved")

    with pytest.raises(StorageError, match="does not describe a embedding"):
        textclassify.load(tmp_path / "saved")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compat": "llmembd"}, "unknown compat 'llmembd'"),
        ({"dropout": 1.0}, "dropout"),
        ({"sources": []}, "at least one source"),
        ({"sources": "minilm"}, "at least one source"),
        ({"sources": [Words(4)], "use_vectors": False}, "nothing to learn from"),
        ({"sources": [Words(4)], "compat": "llmembed"}, "exactly one source with several layers, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        EmbeddingClassifier(**{"sources": [Words(4), Words(5)], **options}).fit(["a", "b"], ["x", "y"])


def test_the_models_can_be_looked_for_without_loading_them(tiny_encoder, tmp_path):
    EmbeddingClassifier([tiny_encoder]).check_model()
    with pytest.raises(ModelError):
        EmbeddingClassifier([tmp_path / "nowhere"]).check_model()


def test_other_features_than_in_training_are_told_of(messages, caplog):
    """Of equal shape, they would give wrong labels without a word."""
    source = Words(8)
    fitted = classifier(source, num_epochs=1).fit(*messages)
    assert "in training" not in caplog.text

    source.seed = 5
    fitted.predict(["my parcel is late"])

    assert "come from words (8,) 5 now, and came from words (8,) 0 in training" in caplog.text
