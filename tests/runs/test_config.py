"""Configuration: published keys, clear words about wrong ones, and which setting reaches which class."""

import pytest

from textclassify.errors import ConfigError, ModelError
from textclassify.runs.build import build_fusion
from textclassify.runs.config import Config

FREE = {"encoder": False, "similarity": False, "llm_provider": None}


def test_an_unknown_key_names_the_nearest_one():
    with pytest.raises(ConfigError, match="unknown configuration key 'llm_provder'; did you mean 'llm_provider'"):
        Config.of({"llm_provder": "openai"})


def test_a_value_out_of_range_is_named():
    with pytest.raises(ConfigError, match="'num_epochs' is 0"):
        Config.of({"num_epochs": 0})


def test_the_published_keys_are_understood():
    """The three-line configuration of the paper, and the longer one of its README."""
    config = Config.of(
        {
            "llm_provider": "deepseek",
            "label_columns": ["sentiment"],
            "ml_model": "roberta-base",
            "max_length": 128,
            "batch_size": 8,
            "num_epochs": 2,
            "fusion_epochs": 10,
            "fusion_hidden_dims": [64, 32],
            "fusion_lr": 1e-3,
            "ml_lr": 1e-5,
            "temperature": 0.1,
            "max_completion_tokens": 150,
            "output_dir": "out",
        }
    )
    assert config.llms == [("deepseek", None)]


def test_several_providers_share_a_model_or_have_one_each():
    assert Config.of({"llm_provider": ["local", "vllm"], "llm_model": ["smollm2", "qwen"]}).llms == [
        ("local", "smollm2"),
        ("vllm", "qwen"),
    ]
    with pytest.raises(ConfigError, match="2 models for 1 providers"):
        _ = Config.of({"llm_provider": "vllm", "llm_model": ["a", "b"]}).llms


def test_paths_in_a_file_count_from_the_file(tmp_path):
    """A configuration beside its data can be used from anywhere."""
    (tmp_path / "run.yaml").write_text("data: train.csv\nlabels: labels.yaml\n", encoding="utf-8")
    config = Config.of(tmp_path / "run.yaml")
    assert config.data == tmp_path / "train.csv"
    assert config.labels == str(tmp_path / "labels.yaml")


@pytest.mark.parametrize(
    ("content", "message"), [("[1]", "no `key: value`"), ("a: [", "cannot be read"), ("", "no `key")]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, message):
    (tmp_path / "run.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        Config.of(tmp_path / "run.yaml")
    with pytest.raises(ConfigError, match="textclassify init"):
        Config.of(tmp_path / "missing.yaml")


def test_settings_reach_their_classes():
    fusion, notes = build_fusion(
        Config.of(
            {
                **FREE,
                "llm_provider": "vllm",
                "llm_model": "m",
                "fusion_lr": 0.01,
                "random_state": 7,
                "metric": "log_loss",
            }
        )
    )
    assert list(fusion.sources) == ["linear", "llm"]
    assert fusion.sources["llm"].model == "m"
    assert (fusion.fusion_lr, fusion.random_state, fusion.metric) == (0.01, 7, "log_loss")
    assert notes == []


def test_switching_every_source_off_is_refused():
    with pytest.raises(ConfigError, match="every source is switched off"):
        build_fusion(Config.of({**FREE, "linear": False}))


def test_a_named_model_that_cannot_be_had_is_an_error_and_never_replaced(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="TEXTCLASSIFY_MODEL_PATHS"):
        build_fusion(Config.of({**FREE, "encoder": True, "ml_model": "no-such/encoder"}))
