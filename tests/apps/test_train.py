"""`textclassify train`: from a file to a model, a report and the next command."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
import yaml

import textclassify
from textclassify.apps import run_folders, training
from textclassify.auto import AutoFusionClassifier

from .conftest import assert_one_clear_line


def test_training_ends_with_report_model_and_a_next_command_that_works(run, folder: Path) -> None:
    """A user who follows the last line gets an answer."""
    result = run("train", "train.csv", "--config", "fast.yaml", "--output", "out")

    assert result.exit_code == 0, result.stderr
    assert (folder / "out" / "report.md").is_file()
    assert (folder / "out" / "evaluation.json").is_file()
    command = result.stdout.splitlines()[-1].partition("next")[2].strip()
    echo, _, rest = command.partition(" | ")
    words = shlex.split(rest)
    answer = run(*words[1:], stdin=shlex.split(echo)[1] + "\n")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.splitlines()[0] == "text,label,probability,status,source"


def test_without_test_data_a_fifth_is_held_out_and_said(run, folder: Path) -> None:
    """A user should know that the model saw four fifths of the rows."""
    result = run("train", "train.csv", "--config", "fast.yaml", "--output", "out")

    assert "12 of 60 rows held out at random (seed 0)" in result.stderr
    assert "Measured on 12 texts" in result.stdout
    assert "12 of 60 rows held out" in (folder / "out" / "report.md").read_text()


def test_given_test_data_are_what_is_measured_on(run) -> None:
    """All of the training rows are learned from then."""
    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--test-data", "test.csv", "--json")

    found = json.loads(result.stdout)
    assert found["training_rows"] == 60
    assert found["evaluation"]["texts"] == 24


def test_json_has_everything_the_screen_shows(run) -> None:
    """Scripts should not have to parse tables."""
    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--json")

    found = json.loads(result.stdout)
    assert {"model", "report", "findings", "selected", "weights", "gate", "evaluation", "seconds"} <= set(found)
    assert found["weights"] == {"linear": pytest.approx(found["weights"]["linear"])}


def test_flags_go_before_the_file(run, folder: Path) -> None:
    """One configuration serves several experiments."""
    (folder / "fast.yaml").write_text("encoder: false\nsimilarity: false\nllm_provider: openai\nrandom_state: 3\n")

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--llm-provider", "none", "--seed", "5")

    assert result.exit_code == 0, result.stderr
    written = yaml.safe_load((folder / "out" / "config.yaml").read_text())
    assert (written["llm_provider"], written["random_state"]) == (None, 5)


def test_the_resolved_configuration_trains_the_same_again(run, folder: Path) -> None:
    """It stands in the run's folder, and its paths still lead to the data."""
    run("train", "train.csv", "-c", "fast.yaml", "-o", "first")

    result = run("train", "-c", "first/config.yaml", "-o", "second")

    assert result.exit_code == 0, result.stderr
    systems = [json.loads((folder / name / "evaluation.json").read_text())["systems"] for name in ("first", "second")]
    assert systems[0] == systems[1]


def test_few_rows_train_without_an_estimate_and_say_so(run, folder: Path) -> None:
    """Three rows are enough for a model, not for a figure."""
    (folder / "three.csv").write_text("text,label\nmy invoice,billing\nmy parcel,delivery\nmy card,billing\n")

    result = run("train", "three.csv", "-c", "fast.yaml", "-o", "out")

    assert result.exit_code == 0, result.stderr
    assert "too few to hold any out" in result.stderr
    assert "No estimate of quality exists" in result.stdout
    assert "No estimate of quality exists" in (folder / "out" / "report.md").read_text()


def test_an_earlier_run_is_replaced_only_when_asked(run, folder: Path) -> None:
    """A second experiment must not destroy the first by accident."""
    run("train", "train.csv", "-c", "fast.yaml", "-o", "out")
    before = (folder / "out" / "report.md").stat().st_mtime_ns

    refused = run("train", "train.csv", "-c", "fast.yaml", "-o", "out")
    assert (refused.exit_code, (folder / "out" / "report.md").stat().st_mtime_ns) == (1, before)
    assert "--overwrite" in refused.stderr

    assert run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--overwrite").exit_code == 0


def test_findings_about_the_data_are_said_before_training(run, folder: Path) -> None:
    """Repeated rows explain a result that is too good."""
    content = (folder / "train.csv").read_text()
    (folder / "train.csv").write_text(content + content.splitlines()[1] + "\n")

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--test-data", "test.csv")

    assert "data: 1 row repeats the text and the answer" in result.stderr
    assert "1 row repeats" in (folder / "out" / "report.md").read_text()


def test_overlap_of_training_and_test_is_said_and_reported(run) -> None:
    """Such figures are too good."""
    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--test-data", "train.csv")

    assert "60 of 60 test rows have a text of the training data" in result.stderr
    assert "60 of 60 test texts are training texts too" in result.stdout


def test_multi_label_columns_train(run, folder: Path) -> None:
    """0/1 columns are recognised without a flag."""
    lines = ["text,billing,delivery"]
    lines += [
        f"{'invoice' if row % 2 else ''} {'parcel' if row % 3 else ''} no {row},{row % 2},{int(row % 3 > 0)}"
        for row in range(60)
    ]
    (folder / "several.csv").write_text("\n".join(lines))

    result = run("train", "several.csv", "-c", "fast.yaml", "-o", "out", "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["evaluation"]["multi_label"]
    assert textclassify.load(folder / "out" / "model").predict(["invoice parcel"]).predictions == [
        ["billing", "delivery"]
    ]


def test_ctrl_c_says_what_was_kept_and_leaves_no_half_model(run, folder: Path, monkeypatch) -> None:
    """The answers of a language model were paid for; a half-written model would be a trap."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(AutoFusionClassifier, "_fit", interrupted)
    (folder / "fast.yaml").write_text("encoder: false\nsimilarity: false\nllm_provider: openai\n")

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out")

    assert result.exit_code == 130
    assert "no model was written to 'out'" in result.stderr
    assert "answers of the language model are kept in" in result.stderr
    assert not (folder / "out").exists()


def test_a_folder_in_use_is_not_shared(folder: Path) -> None:
    """Two runs in one folder would mix their files."""
    with (
        run_folders.claimed(folder / "out", overwrite=False),
        pytest.raises(textclassify.errors.StorageError, match="in use by another run"),
        run_folders.claimed(folder / "out", overwrite=False),
    ):
        pass


def test_ctrl_c_while_the_report_is_written_leaves_the_earlier_run_whole(run, folder: Path, monkeypatch) -> None:
    """Model, report and configuration belong together: all are the new ones, or all the old ones."""
    run("train", "train.csv", "-c", "fast.yaml", "-o", "out")
    before = {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "write_report", interrupted)
    result = run("train", "test.csv", "-c", "fast.yaml", "-o", "out", "--overwrite")

    assert result.exit_code == 130
    assert "what was there before is untouched" in result.stderr
    assert {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()} == before


def test_a_run_without_evaluation_takes_the_old_one_away(run, folder: Path) -> None:
    """Figures of another model beside a model are a lie; files that are not the run's stay."""
    run("train", "train.csv", "-c", "fast.yaml", "-o", "out")
    (folder / "out" / "notes.txt").write_text("mine")
    (folder / "few.csv").write_text("text,label\nmy invoice,billing\nmy parcel,delivery\nmy card,billing\n")

    assert run("train", "few.csv", "-c", "fast.yaml", "-o", "out", "--overwrite").exit_code == 0

    left = {"model", "report.md", "config.yaml", "run.json", "costs.json", "notes.txt"}
    assert {path.name for path in (folder / "out").iterdir()} == left


def test_a_swap_that_fails_half_way_is_undone(folder: Path) -> None:
    """A folder without a model would be the worst outcome."""
    (folder / "model").mkdir()
    (folder / "model" / "old").touch()
    (folder / "other").mkdir()
    (folder / "other" / "full").touch()

    with pytest.raises(textclassify.errors.StorageError), run_folders.staged(folder) as new:  # noqa: PT012 - fails late
        (new / "model").mkdir()
        (new / "other").touch()  # cannot take the place of a folder

    assert (folder / "model" / "old").is_file()
    assert not list(folder.glob(".textclassify-new-*"))


def test_the_columns_that_training_took_are_said_and_kept(run, folder: Path) -> None:
    """Else `predict` would take a column for the texts that training did not."""
    content = (folder / "train.csv").read_text().replace("id,text,label", "id,body,label")
    (folder / "train.csv").write_text(content)

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out")

    assert "train.csv: 60 rows; texts in 'body', labels in 'label'" in result.stderr
    assert textclassify.load("out/model").config_.text_column == "body"
    (folder / "both.csv").write_text("text,body\nmy invoice,my parcel is late\n")
    assert ",delivery," in run("predict", "out/model", "both.csv").stdout
    (folder / "other.csv").write_text("text\nmy parcel\n")
    refused = run("predict", "out/model", "other.csv")
    assert_one_clear_line(refused, "no column 'body'", "--text-column")
    assert run("predict", "out/model", "other.csv", "--text-column", "text").exit_code == 0


def test_files_that_only_have_our_names_are_not_ours(run, folder: Path) -> None:
    """A run is recognised by its model; a user's own configuration stays."""
    (folder / "out").mkdir()
    (folder / "out" / "config.yaml").write_text("encoder: false\nsimilarity: false\nllm_provider: null\n")

    result = run("train", "train.csv", "-c", "out/config.yaml", "-o", "out", "--overwrite")

    assert_one_clear_line(result, "holds other files", "--output")
    assert "encoder" in (folder / "out" / "config.yaml").read_text()


def test_the_configuration_that_a_run_reads_is_not_replaced(run) -> None:
    """Its comments would be lost."""
    run("train", "train.csv", "-c", "fast.yaml", "-o", "out")

    result = run("train", "-c", "out/config.yaml", "-o", "out", "--overwrite")

    assert_one_clear_line(result, "its own --config 'out/config.yaml'")


def test_an_earlier_model_that_cannot_be_replaced_is_noticed_before_training(run, monkeypatch) -> None:
    """Not after an hour of it."""
    run("train", "train.csv", "-c", "fast.yaml", "-o", "out")
    monkeypatch.setattr(run_folders.os, "access", lambda path, _: Path(path).name != "model")
    monkeypatch.setattr(AutoFusionClassifier, "_fit", lambda *_: pytest.fail("trained"))

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--overwrite")

    assert_one_clear_line(result, "cannot write to 'out/model'", "--output")


def test_rows_that_cannot_be_held_out_name_the_reason(run, folder: Path) -> None:
    """With one wording per label, a test on it would be a test on training texts."""
    rows = [f"the {label} text,{label}" for label in ("a", "b")] * 40
    (folder / "same.csv").write_text("\n".join(["text,label", *rows]))

    result = run("train", "same.csv", "-c", "fast.yaml", "-o", "out")

    assert_one_clear_line(result, "one wording or group stay together", "--test-data")


def test_rows_in_findings_are_those_of_the_file(run, folder: Path) -> None:
    """A user looks them up there; the rows that are left after a split have other numbers."""
    content = (folder / "train.csv").read_text()
    (folder / "train.csv").write_text(content + content.splitlines()[1] + "\n")

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out")

    assert "e.g. row 60 those of row 0" in result.stderr
    assert "rows count from 0" in result.stderr


def test_folders_get_the_permissions_that_the_user_grants(run, folder: Path) -> None:
    """A private umask keeps a model private."""
    before = os.umask(0o077)
    try:
        run("train", "train.csv", "-c", "fast.yaml", "-o", "out")
        run("predict", "out/model", "test.csv", "--out", "private.csv")
    finally:
        os.umask(before)

    assert (folder / "out" / "model").stat().st_mode & 0o777 == 0o700
    assert (folder / "private.csv").stat().st_mode & 0o777 == 0o600
