"""`evaluate`, `doctor`, `demo` and what all commands share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import textclassify
from textclassify.apps import demo, doctor
from textclassify.core.dataset import labelled_data
from textclassify.runs.config import Config

from .conftest import assert_one_clear_line

CLI = [sys.executable, "-m", "textclassify.apps.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(textclassify.__file__).parents[1])}


def test_evaluate_prints_every_system_and_the_verdict(run, model: Path) -> None:
    """The same table that training ends with."""
    result = run("evaluate", model, "test.csv")

    assert result.exit_code == 0, result.stderr
    assert "Measured on 24 texts" in result.stdout
    assert "linear ★" in result.stdout
    assert "with 24 texts only large differences can show" in " ".join(result.stdout.lower().split())


def test_evaluate_writes_a_report_on_request(run, folder: Path, model: Path) -> None:
    """And JSON for programs."""
    result = run("evaluate", model, "test.csv", "--output", "checked", "--json")

    assert json.loads(result.stdout) == json.loads((folder / "checked" / "evaluation.json").read_text())
    assert (folder / "checked" / "report.md").is_file()


def test_evaluate_names_the_row_of_an_unseen_label(run, folder: Path, model: Path) -> None:
    """Together with the file and the nearest label."""
    (folder / "new.csv").write_text("text,label\nx,billing\ny,delivry\n")

    assert_one_clear_line(run("evaluate", model, "new.csv"), "new.csv", "'delivry' in row 1", "did you mean 'delivery'")


def test_doctor_finds_keys_and_never_shows_them(run, monkeypatch) -> None:
    """Its output is pasted into bug reports."""
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-very-secret")

    shown, found = run("doctor"), run("doctor", "--json")

    assert shown.exit_code == 0
    assert "DEEPSEEK_API_KEY is set" in shown.stdout
    assert "very-secret" not in shown.stdout + found.stdout
    topics = {check["topic"] for check in json.loads(found.stdout)["checks"]}
    assert topics == {"packages", "models", "keys", "machine"}


def test_doctor_says_what_to_do_about_a_missing_package(monkeypatch) -> None:
    """A finding without a remedy helps nobody."""
    monkeypatch.setattr(doctor, "_TORCH", ("surely-not-installed",))

    check = next(one for one in doctor.diagnose().checks if one.name == "surely-not-installed")

    assert (check.state, "textclassify[torch]" in check.remedy) == ("warning", True)


def test_doctor_warns_of_a_language_that_the_encoder_does_not_know(run, folder: Path) -> None:
    """The embedded encoder is English; German mail would be sorted by chance."""
    texts = [
        "Ich habe die Rechnung nicht bekommen und warte auf den Brief",
        "Das Paket ist nicht da und ich bin sehr verärgert",
    ]
    (folder / "mail.csv").write_text(
        "text,label\n" + "\n".join(f"{texts[row % 2]} {row},{'ab'[row % 2]}" for row in range(10))
    )

    result = run("doctor", "--data", "mail.csv")

    assert "100% of the texts look like German" in " ".join(result.stdout.split())
    assert "embedded encoder (English) does not know" in " ".join(result.stdout.split())


def test_doctor_shows_the_findings_about_the_data(run, folder: Path) -> None:
    """Before an evening is spent on training."""
    (folder / "twice.csv").write_text("text,label\nthe same text,a\nthe same text,b\nother,a\n")

    checks = json.loads(run("doctor", "--data", "twice.csv", "--json").stdout)["checks"]

    assert any("with another answer" in check["found"] for check in checks if check["topic"] == "data")


def test_the_demo_data_are_found_and_fit_their_schema() -> None:
    """Beside the source tree or inside the installed package."""
    settings = demo.demo_settings(0)

    data = labelled_data(Path(settings["data"]), schema=settings["labels"])
    assert len(data.schema) == 8
    Config.of(settings)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_runs_to_the_end(run) -> None:
    """It is the first thing that anybody tries."""
    result = run("demo", "--output", "shown", "--json")

    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert set(found["pool_weights"]) == {"encoder", "linear", "llm", "similarity"}
    assert found["gate"]["reference"]


def test_the_version_is_the_packages(run) -> None:
    """For bug reports."""
    assert run("--version").stdout == f"textclassify {textclassify.__version__}\n"


def test_help_loads_neither_torch_nor_sklearn() -> None:
    """Help that takes seconds is not read."""
    heavy = "('torch', 'sklearn', 'pandas', 'numpy')"
    code = f"import sys; from textclassify.apps import cli; print([m for m in {heavy} if m in sys.modules])"

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout
        == "[]\n"
    )


def test_a_closed_pipe_is_quiet(folder: Path, model: Path) -> None:
    """`textclassify predict ... | head -1` is no error."""
    (folder / "long.txt").write_text("my parcel\n" * 5000)
    command = f"{sys.executable} -m textclassify.apps.cli predict {model} long.txt --lines | head -1"

    result = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=True, cwd=folder, env=ENVIRONMENT
    )

    assert result.stdout == "text,label,probability,status,source\n"
    assert "Traceback" not in result.stderr
    assert "Broken" not in result.stderr


def test_data_and_progress_go_to_different_streams(folder: Path, model: Path) -> None:
    """Standard output can be piped into another program."""
    command = [*CLI, "predict", str(model), "test.csv"]

    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=ENVIRONMENT)

    assert len(result.stdout.splitlines()) == 25
    assert result.stderr.splitlines() == ["predicting ..."]


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_interrupting_a_process_prints_no_traceback(model: Path) -> None:
    """Ctrl-C while waiting for standard input: exit code 130 and one line."""
    command = [*CLI, "predict", str(model), "-", "--lines"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("my parcel\n" * 2000)
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)

    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in stderr


@pytest.mark.skipif(sys.platform == "win32", reason="closes a stream as POSIX shells do")
@pytest.mark.parametrize(("words", "wanted"), [("- <&-", "standard input is closed"), ("test.csv >&-", "> FILE")])
def test_a_closed_stream_is_one_line(words: str, wanted: str, folder: Path, model: Path) -> None:
    """Schedulers start programs so; answers that go nowhere must not look like success."""
    command = f"{sys.executable} -m textclassify.apps.cli predict {model} {words}"

    result = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=folder, env=ENVIRONMENT
    )

    assert result.returncode == 1
    assert wanted in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_a_request_to_end_takes_the_lock_away(folder: Path) -> None:
    """Else the next run in that folder would be refused."""
    os.mkfifo(folder / "never.csv")
    command = [*CLI, "train", "never.csv", "-c", "fast.yaml", "-o", "out"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder, env=ENVIRONMENT) as process:
        while not (folder / "out" / ".textclassify.lock").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM

    assert not (folder / "out").exists()
