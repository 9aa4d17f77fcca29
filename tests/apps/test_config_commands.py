"""`init`, `validate` and `schema`: a configuration begun, looked at and described."""

import json
from pathlib import Path

import pytest
import yaml

from textclassify.apps import starting
from textclassify.errors import ConfigError
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_schema import config_schema

from .conftest import assert_one_clear_line

FREE = "encoder: false\nsimilarity: false\nllm_provider: none\n"


def test_init_writes_a_configuration_that_train_takes(run, folder: Path) -> None:
    """What it recognised stands in the file, with a comment beside every choice."""
    result = run("init", "made/my.yaml", "--data", "train.csv", "--yes", "--llm-provider", "none")

    assert result.exit_code == 0, result.stderr
    path = folder / "made" / "my.yaml"
    written = yaml.safe_load(path.read_text())
    assert (written["data"], written["text_column"], written["label_columns"]) == ("../train.csv", "text", ["label"])
    path.write_text(path.read_text().replace("similarity: true", "similarity: false") + "encoder: false\n")
    assert run("train", "-c", "made/my.yaml", "-o", "out").exit_code == 0


def test_what_init_writes_is_what_was_answered(run) -> None:
    """Every flag arrives in the file, and what no flag says stays as it is by default."""
    flags = ["--data", "train.csv", "--test-data", "test.csv", "--text-column", "text", "--label-column", "label"]
    flags += ["--single-label", "--ml-model", "minilm", "--llm-provider", "local,openai", "--llm-model", "smollm2,gpt"]

    result = run("init", "my.yaml", "--yes", *flags, "--max-cost", 2, "--output", "runs/one", "--seed", 7)

    assert result.exit_code == 0, result.stderr
    answers = {"data": "train.csv", "test_data": "test.csv", "text_column": "text", "label_columns": ["label"]}
    answers |= {"multi_label": False, "ml_model": "minilm", "llm_provider": ["local", "openai"], "max_cost": 2}
    answers |= {"llm_model": ["smollm2", "gpt"], "output_dir": "runs/one", "random_state": 7}
    assert Config.of("my.yaml") == Config.of(answers)
    assert run("validate", "my.yaml").exit_code == 0


def test_questions_are_asked_about_what_no_flag_says() -> None:
    """Enter takes the default, and nothing is asked about money where nothing is paid."""
    questions: list[str] = []

    def ask(question: str, default: str) -> str:
        questions.append(question.partition(" ")[0])
        return {"Language": "deepseek", "US": "1.50"}.get(questions[-1], default)

    paid = starting.asked({"data": "x.csv"}, ask, questions.append)
    free = starting.asked(
        {"data": "x.csv", "llm_provider": "local", "ml_model": "minilm", "output_dir": "o"}, ask, print
    )

    assert questions == ["Language", "Its", "US", "Encoder", "Folder"]
    assert Config.of(paid).max_cost == 1.5
    assert free == {"data": "x.csv", "llm_provider": "local", "ml_model": "minilm", "output_dir": "o"}


def test_a_wrong_answer_is_asked_for_again() -> None:
    """A slip of the finger costs one question, not all of them."""
    answers = iter(["opnai", "openai", "", "$5", "5", "", ""])
    said: list[str] = []

    found = starting.asked({"data": "x.csv"}, lambda _question, _default: next(answers), said.append)

    assert (found["llm_provider"], Config.of(found).max_cost) == ("openai", 5.0)
    assert ["did you mean 'openai'" in said[0], "'max_cost' is '$5'" in said[1]] == [True, True]


def test_a_wrong_flag_is_no_question() -> None:
    """Asking again could not mend it."""
    with pytest.raises(ConfigError, match="random_state"):
        starting.asked({"data": "x.csv", "random_state": -5}, lambda question, _: question, print)


@pytest.mark.parametrize("file", ["train.csv", "test.csv", "labels.yaml"])
def test_init_never_replaces_the_data(run, folder: Path, file: str) -> None:
    """Even with --overwrite: what a configuration is about is not written over."""
    (folder / "labels.yaml").write_text("[billing, delivery]\n", encoding="utf-8")
    before = (folder / file).read_bytes()
    words = ["--data", "train.csv", "--test-data", "test.csv", "--labels", "labels.yaml", "--overwrite"]

    assert_one_clear_line(run("init", file, *words), f"{file!r} is ", "name another file")
    assert (folder / file).read_bytes() == before


@pytest.mark.parametrize("flag", ["--test-data", "--labels"])
def test_init_looks_at_every_file_that_it_names(run, folder: Path, flag: str) -> None:
    """Else the mistake shows after the training has begun."""
    assert_one_clear_line(run("init", "my.yaml", "--data", "train.csv", flag, "nope.csv"), "'nope.csv'")
    assert not (folder / "my.yaml").exists()


@pytest.mark.parametrize("words", [["init", "--data", "train.csv"], ["schema", "--out"]])
def test_a_folder_is_not_overwritten_by_a_file(run, folder: Path, words: list[str]) -> None:
    """--overwrite is no remedy there."""
    (folder / "made").mkdir()

    assert_one_clear_line(run(*words, "made"), "'made' is a folder; name a file")
    assert_one_clear_line(run("validate", "made"), "'made' cannot be read: Is a directory; name a YAML file")


def test_validate_sees_that_nothing_is_switched_on(run, folder: Path) -> None:
    """A training would refuse it, too."""
    (folder / "off.yaml").write_text(f"{FREE}linear: false\n", encoding="utf-8")

    assert_one_clear_line(run("validate", "off.yaml"), "off.yaml:4: every source is switched off; set one of")


def test_init_refuses_what_train_would_refuse(run, folder: Path) -> None:
    """Before anything is written."""
    result = run("init", "my.yaml", "--data", "train.csv", "--yes", "--llm-provider", "deepsek")

    assert_one_clear_line(result, "'deepsek'", "did you mean 'deepseek'")
    assert not (folder / "my.yaml").exists()


def test_init_does_not_overwrite(run) -> None:
    """A configuration may hold an evening's work."""
    assert_one_clear_line(run("init", "fast.yaml", "--data", "train.csv", "--yes"), "'fast.yaml' exists", "--overwrite")


def test_init_without_a_terminal_needs_the_data(run) -> None:
    """Nobody can be asked in a script."""
    result = run("init")

    assert result.exit_code == 2
    assert "--data" in result.stderr


def test_validate_says_what_would_be_trained_on_what(run, folder: Path, monkeypatch) -> None:
    """Also what the environment would change."""
    (folder / "my.yaml").write_text(f"data: train.csv\ntest_data: test.csv\n{FREE}")
    monkeypatch.setenv("TEXTCLASSIFY_GUARD", "0")

    result = run("validate", "my.yaml")

    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "valid: my.yaml",
        "  data: train.csv, 60 rows, 2 labels (billing, delivery), one label per text",
        "  test: test.csv, 24 rows",
        "  sources: TF-IDF; combiner auto",
        "  set by the environment: TEXTCLASSIFY_GUARD",
    ]


def test_validate_says_all_that_is_wrong_with_its_lines(run, folder: Path) -> None:
    """Mistakes one at a time cost an evening."""
    (folder / "my.yaml").write_text("data: train.csv\nnum_epochs: 0\nmodels:\n  llm:\n    provder: openai\n")

    result, as_json = run("validate", "my.yaml"), run("validate", "my.yaml", "--json")

    assert result.exit_code == as_json.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("error: my.yaml:2: configuration key 'num_epochs' is 0")
    assert second.startswith("error: my.yaml:5: unknown configuration key 'models.llm.provder'; did you mean")
    found = json.loads(as_json.stdout)
    assert [(one["key"], one["line"]) for one in found["problems"]] == [("num_epochs", 2), ("models.llm.provder", 5)]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("data: tran.csv\n", ["my.yaml:1: ", "'tran.csv'", "did you mean 'train.csv'"]),
        ("data: train.csv\nlabel_columns: [lable]\n", ["my.yaml:1: ", "'lable'", "did you mean 'label'"]),
        ("data: train.csv\ntest_data: no.csv\n", ["my.yaml:2: ", "no.csv"]),
        ("data: train.csv\nlabels: no.yaml\n", ["my.yaml:2: ", "no.yaml"]),
        ("data: train.csv\nmetric: micro_f1\n", ["my.yaml:2: ", "'micro_f1'", "choose accuracy"]),
        ("data: train.csv\nprompt_template: no.txt\n", ["my.yaml:2: ", "no.txt"]),
    ],
)
def test_validate_looks_at_the_files_that_are_named(run, folder: Path, content: str, wanted: list[str]) -> None:
    """A missing column is found before an evening is spent."""
    (folder / "my.yaml").write_text(content + FREE)

    assert_one_clear_line(run("validate", "my.yaml"), *wanted)


def test_validate_can_leave_the_data_alone(run, folder: Path) -> None:
    """They may be on another machine."""
    (folder / "my.yaml").write_text("data: elsewhere.csv\n" + FREE)

    assert run("validate", "my.yaml", "--no-data").exit_code == 0


def test_the_schema_is_written_for_an_editor(run, folder: Path) -> None:
    """With the line that names it in a configuration."""
    shown, written = run("schema"), run("schema", "--out", "schema.json")

    assert json.loads(shown.stdout) == json.loads((folder / "schema.json").read_text()) == config_schema()
    assert "yaml-language-server: $schema=schema.json" in written.stderr
    assert_one_clear_line(run("schema", "--out", "schema.json"), "'schema.json' exists", "--overwrite")


def test_the_configuration_of_a_run_makes_the_same_configuration(run, folder: Path, monkeypatch) -> None:
    """Flags and environment included: it repeats the run."""
    monkeypatch.setenv("TEXTCLASSIFY_N_FOLDS", "3")
    assert run("train", "train.csv", "-c", "fast.yaml", "-o", "one", "--seed", "5").exit_code == 0
    monkeypatch.delenv("TEXTCLASSIFY_N_FOLDS")

    config = Config.of("one/config.yaml")

    assert (config.n_folds, config.random_state, config.linear) == (3, 5, True)
    assert run("validate", "one/config.yaml").exit_code == 0
    record = json.loads((folder / "one" / "run.json").read_text())
    origins = {key: record["origins"][key] for key in ("n_folds", "random_state", "encoder", "guard")}
    assert list(origins.values()) == ["environment", "flag", "file", "default"]
