"""`train_fusion.py`: the published flags, doing what `textclassify train` does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from textclassify.apps.published_commands import program
from textclassify.runs.config import Config

from .conftest import assert_one_clear_line

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "train_fusion.py", ROOT / "examples" / "train_fusion.py"]
WITHOUT_MODELS = {"TEXTCLASSIFY_ENCODER": "false", "TEXTCLASSIFY_SIMILARITY": "false"}


@pytest.fixture
def train_fusion(folder, monkeypatch):
    """Return what types the program's words in the working folder, where no source has a model to load."""
    assert Path.cwd() == folder
    for name, value in WITHOUT_MODELS.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(program, [str(word) for word in words])


def test_the_configuration_that_it_writes_is_taken_as_it_is(train_fusion, folder, llm):
    """In the paper's form; the published flags put over it count more."""
    flags = ["--data", "train.csv", "--llm-provider", "openai", "--llm-model", "gpt-4o-mini"]
    created = train_fusion("--create-config", "made/fusion.yaml", *flags)
    assert created.exit_code == 0, created.stderr
    assert yaml.safe_load((folder / "made" / "fusion.yaml").read_text())["models"]["llm"]["provider"] == "openai"

    result = train_fusion("--config", "made/fusion.yaml", "--test-data", "test.csv", "--output", "out")

    assert result.exit_code == 0, result.stderr
    assert llm.asked
    record = json.loads((folder / "out" / "run.json").read_text())
    assert record["command"].startswith("python train_fusion.py")
    assert record["config"]["test_data"] == "test.csv"


def test_a_new_configuration_names_the_papers_models(train_fusion):
    """And is written once only."""
    assert train_fusion("--create-config", "fusion.yaml").exit_code == 0

    config = Config.of("fusion.yaml")
    assert (config.ml_model, config.llms, str(config.data)) == ("roberta-base", [("deepseek", None)], "data/train.csv")
    assert_one_clear_line(train_fusion("--create-config", "fusion.yaml"), "'fusion.yaml' exists", "--overwrite")


def test_label_columns_are_recognised_and_a_run_is_replaced(train_fusion, folder):
    """The published commands are typed one after the other into one folder."""
    rows = [f"my parcel {n},1,0\nmy invoice {n},0,1" for n in range(30)]
    (folder / "columns.csv").write_text("\n".join(["text,delivery,billing", *rows]) + "\n")
    words = ["--data", "columns.csv", "--llm-provider", "none", "--output", "out"]

    assert train_fusion(*words).exit_code == 0
    again = train_fusion(*words, "--multi-label")

    assert again.exit_code == 0, again.stderr
    record = json.loads((folder / "out" / "run.json").read_text())
    assert record["labels"]["multi_label"]
    assert record["config"]["label_columns"] == ["delivery", "billing"]


def test_test_data_of_another_kind_are_refused_by_their_row(train_fusion, folder):
    """One label per text in training, two in a row of the test data."""
    rows = [f"my parcel {n},1,0\nmy invoice {n},0,1" for n in range(30)]
    (folder / "columns.csv").write_text("\n".join(["text,delivery,billing", *rows]) + "\n")
    (folder / "other.csv").write_text("text,delivery,billing\na parcel,1,0\na parcel and an invoice,1,1\n")

    result = train_fusion("--data", "columns.csv", "--test-data", "other.csv", "--llm-provider", "none")

    assert_one_clear_line(result, "other.csv", "row 1 has 2 of the label columns set", "--multi-label")


def test_answers_in_fit_and_in_predict_are_kept_in_folders_of_their_own(train_fusion, folder, llm):
    """A second run asks nothing: neither about training rows nor about those of the test."""
    paths = {"train_llm_cache_path": "kept/train", "test_llm_cache_path": "kept/test"}
    settings = {"llm_provider": "openai", "llm_model": "gpt-4o-mini", "llm_method": "hard", "linear": False, **paths}
    (folder / "my.yaml").write_text(yaml.safe_dump(settings))
    words = ["--config", "my.yaml", "--data", "train.csv", "--test-data", "test.csv", "--output", "out"]

    assert train_fusion(*words).exit_code == 0
    n_asked = len(llm.asked)
    again = train_fusion(*words)

    assert again.exit_code == 0, again.stderr
    assert len(llm.asked) == n_asked
    assert any((folder / "kept" / "train").iterdir())
    assert any((folder / "kept" / "test").iterdir())
    assert not (folder / "cache" / "replies").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--data", "train.csv", "--llm-provider", "deepsek"], ["'deepsek'", "did you mean 'deepseek'"]),
        (["--data", "trian.csv", "--llm-provider", "none"], ["'trian.csv'", "did you mean 'train.csv'"]),
        (["--config", "no.yaml"], ["no configuration file 'no.yaml'"]),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy(train_fusion, words, wanted):
    """As with every command."""
    assert_one_clear_line(train_fusion(*words), *wanted)


@pytest.mark.parametrize("script", SCRIPTS, ids=["root", "examples"])
def test_the_script_works_from_any_folder_and_says_what_to_install(script, tmp_path):
    """It finds the package by no path of its own."""

    def started(*interpreter_flags, **variables):
        command = [sys.executable, *interpreter_flags, str(script), "--create-config", "fusion.yaml"]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | variables
        )

    without = started("-S", "-E")
    found = started(PYTHONPATH=str(ROOT / "src"))

    assert without.returncode == 1
    assert "pip install" in without.stderr
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "fusion.yaml").is_file()


def test_the_example_configuration_can_be_used():
    """It names the example data, and models that need no key."""
    config = Config.of(ROOT / "examples" / "config" / "fusion_config.yaml")

    assert config.data is not None
    assert config.data.is_file()
    assert config.llms == [("local", "smollm2")]
