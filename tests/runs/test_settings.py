"""Where settings come from: flags before the environment before a file before defaults."""

import pytest
import yaml

from textclassify.errors import ConfigError
from textclassify.runs.config import Config
from textclassify.runs.settings import KEYS, OTHER_VARIABLES, environment_settings, resolved


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("num_epochs: 1\nbatch_size: 1\nmax_length: 16\n", encoding="utf-8")
    return path


def test_flags_count_more_than_the_environment_and_that_more_than_the_file(file, monkeypatch):
    monkeypatch.setenv("TEXTCLASSIFY_NUM_EPOCHS", "2")
    monkeypatch.setenv("TEXTCLASSIFY_BATCH_SIZE", "2")

    found = resolved(file, {"num_epochs": 3})

    assert (found.config.num_epochs, found.config.batch_size, found.config.max_length) == (3, 2, 16)
    origins = {key: found.origins[key] for key in ("num_epochs", "batch_size", "max_length", "guard")}
    assert list(origins.values()) == ["flag", "environment", "file", "default"]
    assert set(found.origins) == set(Config.model_fields)


def test_only_what_is_given_counts_as_named():
    """A source that nobody named may be left out where it cannot be had."""
    assert resolved(None, {}).settings == {}


def test_variables_are_read_as_yaml():
    """Numbers, lists and nothing; an empty variable is one that was switched off."""
    named = {"FUSION_HIDDEN_DIMS": "[8, 4]", "ML_LR": "2e-5", "LLM_PROVIDER": "null", "GUARD": "", "LLM_BUDGET": "20%"}

    found = environment_settings({f"TEXTCLASSIFY_{name}": value for name, value in named.items()} | {"HOME": "x"})

    assert found.settings == {"fusion_hidden_dims": [8, 4], "ml_lr": "2e-5", "llm_provider": None, "llm_budget": "20%"}
    assert Config.of(found.settings).ml_lr == 2e-5


@pytest.mark.parametrize(
    ("written", "said"), [("many", "is 'many'"), ("0", "is 0"), ("[1", "cannot be read as YAML: .*column 3")]
)
def test_a_wrong_value_names_its_variable(monkeypatch, written, said):
    """The user looks for it where it is, not in a file."""
    monkeypatch.setenv("TEXTCLASSIFY_NUM_EPOCHS", written)

    with pytest.raises(ConfigError, match=f"environment variable TEXTCLASSIFY_NUM_EPOCHS {said}"):
        resolved(None, {})


def test_a_variable_that_is_nearly_a_key_is_told(caplog):
    """It would silently do nothing."""
    environment_settings({"TEXTCLASSIFY_NUM_EPOCH": "3", "TEXTCLASSIFY_XYZ": "1", "TEXTCLASSIFY_PRICES": "p.json"})

    assert [record.getMessage() for record in caplog.records] == [
        "environment variable TEXTCLASSIFY_NUM_EPOCH sets no key; did you mean 'num_epochs'?"
    ]


@pytest.mark.parametrize("name", OTHER_VARIABLES)
def test_variables_with_a_meaning_of_their_own_set_no_key(name):
    """The folder of kept answers is not the folder of all that can be made again."""
    assert name not in KEYS
    assert environment_settings({f"TEXTCLASSIFY_{name}": "1"}).settings == {}


def test_a_key_in_the_environment_is_refused_unseen(monkeypatch):
    monkeypatch.setenv("TEXTCLASSIFY_LLM_API_KEY_ENV", "sk-secret-key")

    with pytest.raises(ConfigError, match="environment variable TEXTCLASSIFY_LLM_API_KEY_ENV") as caught:
        resolved(None, {})
    assert "sk-secret-key" not in str(caught.value)


def test_resolved_settings_written_and_read_make_the_same_configuration(file, monkeypatch, tmp_path):
    """The configuration that is saved with a run repeats it."""
    monkeypatch.setenv("TEXTCLASSIFY_CLASS_WEIGHT", "{a: 2.0, b: 1}")
    flags = {"ml_lr": 3e-7, "label_columns": ["1", 2], "llm_provider": None, "labels": {"a": "x: y", "b": None}}
    config = resolved(file, flags).config

    written = tmp_path / "written.yaml"
    written.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")

    assert Config.of(written) == config
    assert Config.of(written).model_fields_set == config.model_fields_set
