"""The paper's nested configuration: the same settings as our own keys, and mistakes in it named by their full path."""

import pytest
import yaml

from textclassify.errors import ConfigError
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_files import read_settings
from textclassify.runs.configuring.published_config import USUAL, published_yaml

NESTED = """
data:
  file_path: rows/train.csv
  text_column: text
  label_columns: [good, bad]
  multi_label: false
models:
  ml:
    model_name: roberta-base
    max_length: 512
    learning_rate: 2e-5
    num_epochs: 3
    batch_size: 16
  llm:
    provider: deepseek
    model: deepseek-chat
    temperature: 0.1
    max_completion_tokens: 150
fusion:
  hidden_dims: [64, 32]
  fusion_learning_rate: 1e-3
  num_epochs: 10
  batch_size: 8
output_dir: out
"""


def config_of(content, **changes):
    return Config.of(yaml.safe_load(content) | changes)


def test_every_nested_key_becomes_a_setting():
    """YAML reads 2e-5 as text; it is the number all the same."""
    config = config_of(NESTED)

    assert config.llms == [("deepseek", "deepseek-chat")]
    assert (str(config.data), config.text_column, config.label_columns) == ("rows/train.csv", "text", ["good", "bad"])
    assert (config.ml_model, config.max_length, config.ml_lr, config.num_epochs) == ("roberta-base", 512, 2e-5, 3)
    assert (config.batch_size, config.temperature, config.max_completion_tokens) == (16, 0.1, 150)
    assert (config.fusion_hidden_dims, config.fusion_lr) == ([64, 32], 1e-3)
    assert (config.fusion_epochs, config.fusion_batch_size, str(config.output_dir)) == (10, 8, "out")


def test_paths_in_a_nested_file_count_from_the_file(tmp_path):
    (tmp_path / "nested.yaml").write_text(NESTED, encoding="utf-8")

    assert read_settings(tmp_path / "nested.yaml")["data"] == str(tmp_path / "rows" / "train.csv")


def test_our_own_keys_may_stand_beside_the_sections():
    """The paper has no place for most of them."""
    assert config_of(NESTED, max_cost=2, combiner="mlp").max_cost == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("provider:", "provder:", "'models.llm.provder'; did you mean 'models.llm.provider'"),
        ("  llm:", "  lm:", "'models.lm'; did you mean 'models.llm'"),
        ("models:", "modles:", "'modles'; did you mean 'models'"),
        ("    num_epochs: 3", "    num_epochs: 0", "'models.ml.num_epochs' is 0"),
        ("  num_epochs: 10", "  num_epochs: 0", "'fusion.num_epochs' is 0"),
        ("2e-5", "fast", "'models.ml.learning_rate' is 'fast'"),
        ("provider: deepseek", "provider: deepsek", "'models.llm.provider' is 'deepsek'.*did you mean 'deepseek'"),
        ("  batch_size: 8", "  guard: 0.1", "'fusion.guard'; 'guard' stands at the top level"),
        ("output_dir: out", "num_epochs: 3", "'num_epochs' and 'models.ml.num_epochs' are one setting; keep one"),
    ],
)
def test_a_mistake_is_named_by_its_full_path(old, new, message):
    with pytest.raises(ConfigError, match=message):
        config_of(NESTED.replace(old, new, 1))


@pytest.mark.parametrize(("value", "message"), [(None, "is empty"), ([1], r"is \[1\], not a section")])
def test_a_section_without_keys_is_refused(value, message):
    """Nothing could tell whether no language model was meant, or the default one."""
    with pytest.raises(ConfigError, match=f"'models' {message}.*it holds"):
        Config.of({"models": value})


def test_all_mistakes_are_told_at_once():
    content = NESTED.replace("provider:", "provder:").replace("max_length: 512", "max_length: 1")

    with pytest.raises(ConfigError) as caught:
        config_of(content)

    assert len(str(caught.value).splitlines()) == 2


def test_of_two_contradicting_rates_the_encoders_own_counts(caplog):
    """The paper's second one is for training encoder and network together; which one counts is said, once."""
    content = NESTED.replace("fusion_learning_rate", "ml_learning_rate: 7e-6\n  fusion_learning_rate")

    rates = [config_of(content).ml_lr for _ in range(3)]
    together = config_of(content, combiner="joint").ml_lr

    assert (rates, together) == ([2e-5] * 3, 7e-6)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "the encoder learns with 2e-5, because this fusion does not" in said[0]


def test_a_rate_of_the_encoder_in_the_fusion_alone_counts():
    content = NESTED.replace("    learning_rate: 2e-5\n", "").replace(
        "  fusion_l", "  ml_learning_rate: 5e-6\n  fusion_l"
    )

    assert config_of(content).ml_lr == 5e-6


def test_what_is_written_is_read_back(tmp_path):
    """With keys that the paper has no place for, and a comment above every key."""
    settings = {**USUAL, "label_columns": ["a: b", "c"], "llm_provider": ["local", "openai"], "ml_lr": 3e-5, "guard": 0}
    (tmp_path / "written.yaml").write_text(published_yaml(settings), encoding="utf-8")

    expected = settings | {"data": str(tmp_path / "data" / "train.csv")}
    assert Config.of(tmp_path / "written.yaml") == Config.of(expected)
    lines = published_yaml(settings).splitlines()
    keys = [number for number, line in enumerate(lines) if ": " in line and not line.lstrip().startswith("#")]
    assert all(lines[number - 1].lstrip().startswith("# ") for number in keys)
