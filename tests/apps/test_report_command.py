"""`textclassify report`: a page of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import assert_one_clear_line


@pytest.fixture
def trained(folder: Path, model: Path) -> Path:
    """Return the folder of a training run, as it was written."""
    return Path(shutil.copytree(model if (model / "run.json").is_file() else model.parent, folder / "trained"))


def test_report_writes_a_page_and_prints_its_path(run, trained: Path) -> None:
    """The path alone on standard output, for other programs."""
    result = run("report", trained)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(trained / "report.html")
    page = (trained / "report.html").read_text(encoding="utf-8")
    assert "Each source against the fusion" in page
    assert "train.csv, " in page


def test_page_and_figures_go_where_they_are_asked_to(run, folder: Path, trained: Path) -> None:
    """The run's folder stays as it is."""
    before = sorted(trained.iterdir())

    result = run("report", trained, "--out", "pages/mine.html", "--plots", "pages/plots")

    assert result.stdout.strip() == "pages/mine.html"
    assert (folder / "pages" / "plots" / "reliability.svg").is_file()
    assert "figures written to pages/plots" in result.stderr
    assert sorted(trained.iterdir()) == before


def test_a_run_is_found_by_its_name_in_a_folder(run, folder: Path, trained: Path) -> None:
    """As for `runs show`."""
    started = json.loads((trained / "run.json").read_text())["id"]

    assert run("report", started, "--folder", folder).exit_code == 0


def test_a_folder_that_is_no_run_says_so(run, folder: Path) -> None:
    """And how to find one."""
    (folder / "empty").mkdir()

    assert_one_clear_line(run("report", "empty"), "'empty' holds no run", "textclassify runs list")


def test_a_page_replaces_nothing_that_nobody_named(run, folder: Path, trained: Path) -> None:
    """A slip of the finger must not cost the data, nor the run itself."""
    record, data = (trained / "run.json").read_bytes(), (folder / "train.csv").read_bytes()

    assert_one_clear_line(run("report", trained, "--out", "train.csv"), "'train.csv' exists; pass --overwrite")
    lost = run("report", trained, "--out", "trained/run.json", "--overwrite")
    assert_one_clear_line(lost, "belongs to the run itself")
    assert ((trained / "run.json").read_bytes(), (folder / "train.csv").read_bytes()) == (record, data)
    assert run("report", trained, "--out", "train.csv", "--overwrite").exit_code == 0


def test_a_page_is_no_folder(run, folder: Path, trained: Path) -> None:
    """The remedy is a name in it."""
    (folder / "out").mkdir()
    result = run("report", trained, "--out", "out")

    assert result.exit_code == 2
    assert "report.html" in result.stderr
