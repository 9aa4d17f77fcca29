"""`textclassify distil`: a student in a folder, and what is lost by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import textclassify

from .conftest import assert_one_clear_line, csv_rows


@pytest.fixture
def texts(folder: Path) -> str:
    """Return a file of texts that the model does not know."""
    (folder / "texts.csv").write_text(csv_rows(120).replace("problem", "nuisance"), encoding="utf-8")
    return "texts.csv"


def test_a_student_is_taught_and_saved(run, model: Path, texts: str) -> None:
    """It answers as its teacher does, and what is typed next is said."""
    result = run("distil", model, texts, "--out", "student", "--gold", "test.csv")

    assert result.exit_code == 0, result.stderr
    assert "gives its teacher's answer to" in result.stdout
    assert "of 120 texts" in result.stdout
    assert "textclassify predict student TEXTS" in result.stdout
    assert textclassify.load("student").predict(["my invoice", "my parcel"]).predictions == ["billing", "delivery"]


def test_the_report_as_json(run, model: Path, texts: str) -> None:
    """For a script."""
    found = json.loads(run("distil", model, texts, "--out", "student", "--student", "linear", "--json").stdout)

    assert found["student"] == "linear"
    assert found["folder"] == "student"
    assert found["n_texts"] == 120
    assert found["figures"][0]["figure"] == "agreement with the teacher"


def test_without_gold_it_is_said_that_nobody_checked(run, model: Path, texts: str) -> None:
    """Agreement is not being right."""
    assert "how often the student is right is not known" in run("distil", model, texts, "--out", "student").stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("texts.csv", "--out", "train.csv"), ["'train.csv' is a file"]),
        (("texts.csv", "--out", "."), ["holds other files"]),
        (("texts.csv", "--out", "s", "--student", "forest"), ["unknown student 'forest'", "linear, encoder"]),
        (("texts.csv", "--out", "s", "--gold", "nope.csv"), ["no file at 'nope.csv'"]),
        (("few.csv", "--out", "s"), ["2 different texts, which are too few"]),
        (("nope.csv", "--out", "s"), ["no file at 'nope.csv'"]),
    ],
)
def test_mistakes_are_one_line_with_the_remedy(
    run, model: Path, texts: str, words: tuple[str, ...], wanted: list[str]
) -> None:
    """Before anything is computed, where it can be known."""
    assert texts == "texts.csv"
    Path("few.csv").write_text("text\nmy invoice came\nmy parcel came\n", encoding="utf-8")

    assert_one_clear_line(run("distil", model, *words), *wanted)
    assert not Path("s").exists()


def test_neither_teacher_nor_an_earlier_student_is_replaced_unasked(run, model: Path, texts: str) -> None:
    """A model takes hours."""
    assert_one_clear_line(run("distil", model, texts, "--out", model), "is the teacher itself")
    assert_one_clear_line(run("distil", model, texts, "--out", model / "student"), "is inside a model")
    assert run("distil", model, texts, "--out", "student").exit_code == 0
    assert_one_clear_line(run("distil", model, texts, "--out", "student"), "holds a model", "--overwrite")
    assert run("distil", model, texts, "--out", "student", "--overwrite").exit_code == 0
