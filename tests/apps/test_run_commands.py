"""What `textclassify runs` shows of runs, and that training and evaluating write them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from textclassify.apps.training import train
from textclassify.runs.results import Run, open_run

from .conftest import FAST, assert_one_clear_line, json_lines

FILES = {"run.json", "metrics.json", "evaluation.json", "costs.json", "predictions.parquet", "config.yaml", "report.md"}


@pytest.fixture
def trained(run, folder: Path) -> Path:
    """Return the folder of a run with a test set."""
    words = ["train.csv", "--config", "fast.yaml", "--test-data", "test.csv", "-o", "first"]
    assert run("train", *words).exit_code == 0
    return folder / "first"


def test_training_writes_a_run(trained: Path) -> None:
    """Whoever finds the folder in a year knows how it came about."""
    found = open_run(trained)

    assert {path.name for path in trained.iterdir()} == {*FILES, "model"}
    assert found.status == "finished"
    assert found.facts["origins"]["encoder"] == "file"
    assert found.facts["origins"]["data"] == "flag"
    assert found.facts["data"]["training"] == {**found.facts["data"]["training"], "file": "train.csv", "rows": 60}
    assert found.facts["data"]["test"]["rows"] == len(found.predictions) == 24
    assert found.facts["seconds"].keys() >= {"training", "evaluation"}
    assert found.changed_files == []
    assert found.metrics["accuracy"]["value"] == found.evaluation["systems"][0]["metrics"]["accuracy"]


def test_the_model_card_has_the_metrics_of_the_run(trained: Path) -> None:
    """Whoever gets the model alone sees how good it was, and on what."""
    card, found = (trained / "model" / "README.md").read_text(), open_run(trained)

    assert f"| accuracy | {found.metrics['accuracy']['value']:.4g} |" in card
    assert found.facts["data"]["test"]["sha256"] in card


def test_described_labels_do_not_flood_what_is_shown(run, folder: Path) -> None:
    """An evaluation knows the whole label cards of its model; a page of them would hide the rest."""
    config = {"labels": {"billing": "charges and invoices", "delivery": "parcels on their way"}}
    Run.begin(folder / "described", config=config).finish()

    shown = run("runs", "show", "described").stdout

    assert "charges and invoices" not in shown
    assert "charges and invoices" in run("runs", "show", "described", "--json").stdout


def test_flags_that_exclude_each_other_are_said(run, trained: Path) -> None:
    """One of them would be passed over in silence."""
    for words in (["runs", "export", trained], ["predict", trained / "model", "test.csv"]):
        result = run(*words, "--json", "--format", "csv")

        assert result.exit_code == 2
        assert "--json and --format csv exclude each other" in " ".join(result.stderr.split())


def test_a_source_that_was_switched_off_is_shown(run, trained: Path) -> None:
    """By default, a local model would have been asked."""
    assert "llm_provider none" in " ".join(run("runs", "show", trained).stdout.split())


def test_evaluating_writes_a_run(run, trained: Path, folder: Path) -> None:
    """The same model on other data is another experiment."""
    assert run("evaluate", trained / "model", "train.csv", "-o", "second").exit_code == 0

    found = open_run(folder / "second")

    assert found.facts["data"]["test"]["file"] == "train.csv"
    assert len(found.predictions) == 60
    assert found.status == "finished"


def test_what_language_models_were_asked_is_in_the_ledger(run, llm, zero_shot, folder: Path) -> None:
    """Money is counted by model and part of the run, with how long an answer took; kept answers cost nothing again."""
    settings = zero_shot(linear=True, fusion_rows=20)
    words = ["train", "train.csv", "--config", settings, "--test-data", "test.csv", "-o"]
    assert run(*words, "paid").exit_code == 0
    assert run(*words, "again").exit_code == 0

    paid, again = (open_run(folder / name).costs for name in ("paid", "again"))

    assert {(one["provider"], one["part"]) for one in paid["models"]} == {
        ("openai", "training"),
        ("openai", "evaluation"),
    }
    assert paid["total"]["calls"] == len(llm.asked) > 0
    assert paid["total"]["cost_usd"] > 0
    assert all(one["latency_median"] > 0 for one in paid["models"])
    assert again["total"]["calls"] == again["total"]["cost_usd"] == 0
    assert again["total"]["cached"] > 0


def test_the_list_names_each_run_with_its_figures(run, trained: Path) -> None:
    """What was tried, and what came of it, at a glance."""
    run("evaluate", trained / "model", "test.csv", "-o", "deep/er/second")

    shown = run("runs", "list").stdout
    listed = json.loads(run("runs", "list", "deep", "--json").stdout)

    assert open_run(trained).id in shown
    assert "accuracy" in shown
    assert "finished" in shown
    (one,) = listed
    assert one["test_rows"] == 24
    assert one["low"] <= one["value"] <= one["high"]
    assert one["folder"] == str(Path("deep/er/second"))


def test_an_empty_folder_lists_nothing_and_says_how_runs_come_about(run) -> None:
    """An empty table would look like a failure."""
    result = run("runs", "list")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert "no run in '.'" in result.stderr
    assert_one_clear_line(run("runs", "list", "nowhere"), "there is no folder 'nowhere'")


def test_show_tells_what_a_run_was_made_of(run, trained: Path) -> None:
    """Data, settings that somebody chose, seeds, figures."""
    found = open_run(trained)
    shown = run("runs", "show", "first").stdout

    for part in (found.id, "train.csv, 60 rows", found.facts["data"]["test"]["sha256"][:12], "random_state 0"):
        assert part in shown
    assert "test_data test.csv (flag)" in " ".join(shown.split())
    assert json.loads(run("runs", "show", found.id, "--json").stdout)["metrics"] == found.metrics


def test_show_says_what_was_changed_after_the_run(run, trained: Path) -> None:
    """Figures that were touched up are no result, and none of them is shown."""
    (trained / "metrics.json").write_text('{"accuracy": {"value": 0.999, "low": null, "high": null}}')

    shown, listed = run("runs", "show", "first").stdout, run("runs", "list").stdout

    assert "metrics.json (after the run)" in shown
    assert "changed" in listed
    assert "0.999" not in shown + listed


@pytest.mark.usefixtures("trained")
def test_compare_tests_runs_on_the_same_rows(run, folder: Path) -> None:
    """Differences with intervals, and what else is different."""
    (folder / "fast.yaml").write_text(FAST + "random_state: 5\n")
    run("train", "train.csv", "--config", "fast.yaml", "--test-data", "test.csv", "-o", "other")

    shown = run("runs", "compare", "first", "other").stdout
    found = json.loads(run("runs", "compare", "first", "other", "--json").stdout)

    assert "Compared by accuracy on 24 texts" in shown
    assert "config: random_state" in shown
    assert found["differences"]["config"]["random_state"] == [0, 5]
    assert found["runs"][1]["comparison"]["low"] <= found["runs"][1]["comparison"]["difference"]


def test_compare_refuses_different_test_sets(run, trained: Path) -> None:
    """One clear line, with the rows of both."""
    run("evaluate", trained / "model", "train.csv", "-o", "second")

    assert_one_clear_line(run("runs", "compare", "first", "second"), "has 24 rows", "has 60 rows", "same file")


def test_predictions_are_exported_in_every_format(run, trained: Path, folder: Path) -> None:
    """What is not shown here is looked at elsewhere."""
    as_csv = list(csv.DictReader(io.StringIO(run("runs", "export", "first").stdout)))
    as_lines = json_lines(run("runs", "export", "first", "--format", "jsonl").stdout)
    run("runs", "export", "first", "--out", "out.parquet")
    whole = json.loads(run("runs", "export", "first", "--json").stdout)

    texts = open_run(trained).predictions["text"].tolist()
    assert [row["text"] for row in as_csv] == [row["text"] for row in as_lines] == texts
    assert pq.read_table(folder / "out.parquet")["text"].to_pylist() == texts
    assert [row["text"] for row in whole["predictions"]] == texts
    assert whole["run"]["id"] == open_run(trained).id


def test_an_export_replaces_nothing_unasked(run, trained: Path, folder: Path) -> None:
    """Nor does it guess a format."""
    (folder / "out.csv").write_text("mine")

    assert_one_clear_line(run("runs", "export", "first", "-o", "out.csv"), "exists", "--overwrite")
    assert_one_clear_line(run("runs", "export", "first", "--format", "jsnl"), "'jsnl'", "did you mean 'jsonl'")
    assert trained.is_dir()


@pytest.mark.slow
def test_a_run_that_was_killed_says_running_and_can_be_done_again(run, folder: Path) -> None:
    """Nothing of it is taken for a result, and nothing has to be tidied up but its mark."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom textclassify.apps import training\n"
        "training.AutoFusionClassifier = lambda *_: (Path('there').touch(), time.sleep(60))\n"
        "training.train({'data': 'train.csv'}, output=Path('out'), overwrite=False, command='x', say=print)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, env=os.environ)
    until = time.monotonic() + 60
    while not (folder / "there").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert open_run(folder / "out").status == "running"
    assert [path.name for path in (folder / "out").glob("[!.]*")] == ["run.json"]
    (folder / "out" / ".textclassify.lock").unlink()
    assert run("train", "train.csv", "-c", "fast.yaml", "-o", "out").exit_code == 0
    assert open_run(folder / "out").status == "finished"


def test_the_mark_of_a_killed_run_is_in_nobodys_way(run, folder: Path) -> None:
    """There is nothing to lose, so nobody is asked to overwrite it."""
    Run.begin(folder / "out", counts=False)

    assert run("train", "train.csv", "-c", "fast.yaml", "-o", "out").exit_code == 0
    assert open_run(folder / "out").status == "finished"


def test_a_training_that_fails_leaves_no_run(folder: Path) -> None:
    """As before: a folder that was not there is not there."""
    with pytest.raises(Exception, match="llm_model names 2 models"):
        train(
            {"data": "train.csv", "encoder": False, "llm_provider": "local", "llm_model": ["a", "b"]},
            output=folder / "out",
            overwrite=False,
            command="x",
            say=lambda _: None,
        )

    assert not (folder / "out").exists()
