"""RoBERTaClassifier: settings of the published interface end in its own options, and nothing else changes."""

import inspect

import pytest
from sklearn.base import clone

from textclassify import TransformerClassifier, load
from textclassify.core.types import EnsembleConfig, ModelConfig, ModelType, TrainingData
from textclassify.errors import ConfigError
from textclassify.testing import check_classifier

pytest.importorskip("torch")
pytest.importorskip("transformers")

from textclassify.ml.roberta_classifier import RoBERTaClassifier


@pytest.fixture
def config(tiny_encoder):
    def make(**settings):
        parameters = {"num_epochs": 2, "ml_lr": 1e-3, **settings.pop("parameters", {})}
        return ModelConfig(str(tiny_encoder), ModelType.TRADITIONAL_ML, parameters, **settings)

    return make


def test_a_published_configuration_keeps_the_contract(config, messages):
    """Clones, copies and saved folders know the classifier's own parameters alone."""
    check_classifier(lambda: RoBERTaClassifier(config=config()), *messages)


def test_published_names_become_options(config):
    """Whoever brings settings along finds them where they have an effect."""
    published = {"max_length": 64, "epochs": 2, "warmup_ratio": 0.2, "seed": 3}
    found = RoBERTaClassifier(config=config(parameters=published, batch_size=4), label_columns=["ham", "spam"])

    assert (found.learning_rate, found.num_epochs, found.warmup_share, found.random_state) == (1e-3, 2, 0.2, 3)
    assert (found.max_length, found.batch_size, found.labels) == (64, 4, ["ham", "spam"])


def test_the_configuration_may_stand_first(config):
    """As the published classifiers take it."""
    assert RoBERTaClassifier(config()).num_epochs == 2


def test_configured_and_native_answer_alike(config, tiny_encoder, messages):
    """It is a translation: equal options give equal scores."""
    native = TransformerClassifier(str(tiny_encoder), num_epochs=2, learning_rate=1e-3).fit(*messages)
    configured = RoBERTaClassifier(config=config()).fit(*messages)

    assert (configured.predict_proba(messages[0]) == native.predict_proba(messages[0])).all()


def test_a_clone_has_the_native_parameters(config):
    classifier = RoBERTaClassifier(config=config(), label_columns=["ham", "spam"])

    copied = clone(classifier)

    assert set(copied.get_params()) == set(TransformerClassifier().get_params())
    assert copied.get_params() == classifier.get_params()
    assert repr(copied).startswith("RoBERTaClassifier(labels=['ham', 'spam'], learning_rate=0.001,")
    assert "max_length" in inspect.signature(RoBERTaClassifier).parameters


def test_a_loaded_classifier_is_of_the_same_class(config, messages, tmp_path):
    classifier = RoBERTaClassifier(config=config(), label_columns=["delivery", "billing"]).fit(*messages)
    classifier.save(tmp_path / "model")

    found = load(tmp_path / "model")

    assert type(found) is RoBERTaClassifier
    assert found.predict_scores(messages[0]).equals(classifier.predict_scores(messages[0]))


def test_the_label_columns_name_the_columns_of_a_matrix(config, messages):
    """0/1 rows carry no names of their own."""
    data = TrainingData(messages[0], [[1, 0]] * 4 + [[0, 1]] * 4, "multi_label")

    assert RoBERTaClassifier(config=config(), label_columns=["late", "money"]).fit(data).schema_.names == (
        "late",
        "money",
    )


def test_a_label_that_repeats_counts_once_with_a_warning():
    with pytest.warns(UserWarning, match="label_columns repeats 'spam'; each counts once"):
        assert RoBERTaClassifier(label_columns=["spam", "ham", "spam"]).labels == ["spam", "ham"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"parameters": {"num_epoch": 3}},
            "unknown option 'num_epoch' of .*; did you mean 'num_epochs'",
        ),
        ({"parameters": {"learning_rate": 1e-5}}, r"has two values, 0\.001 and 1e-05"),
        (
            {"parameters": {"batch_size": 8}, "batch_size": 4},
            "'batch_size' of RoBERTaClassifier has two values, 4",
        ),
        ({"timeout": 5.0}, "unknown option 'timeout' of RoBERTaClassifier"),
    ],
)
def test_a_mistake_in_a_configuration_names_the_value_and_the_remedy(config, settings, message):
    with pytest.raises(ConfigError, match=message):
        RoBERTaClassifier(config=config(**settings))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            ModelConfig("deepseek-chat", ModelType.LLM),
            "is for DeepSeekClassifier, OpenAIClassifier or G",
        ),
        (EnsembleConfig("fusion"), "takes a ModelConfig; an EnsembleConfig is for FusionEnsemble"),
        ({"model_name": "roberta-base"}, r"config is of type dict; pass ModelConfig\(model_name, "),
    ],
)
def test_a_configuration_of_something_else_names_the_right_class(config, message):
    with pytest.raises(ConfigError, match=message):
        RoBERTaClassifier(config=config)
