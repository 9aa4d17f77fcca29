"""Figures of a run, for files and for the page."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from textclassify.errors import ConfigError, StorageError
from textclassify.runs.evaluation import evaluate
from textclassify.runs.page.inline_svg import inline_svg
from textclassify.runs.plots import FIRST, plots_of, write_plots
from textclassify.testing import FixedClassifier

ALL = {"sources", "cost_curve", "reliability", "coverage_risk", "confusion"}


@pytest.fixture(scope="module")
def run(made_up_run):
    return made_up_run(150, labels=["a", "b", "<b>$x_1$</b> & 漢字"])


def test_a_run_has_a_figure_for_everything_it_measured(run, made_up_run):
    """And none for what it did not: sets of labels have no confusion matrix, and without gold there is no truth."""
    assert set(plots_of(run)) == ALL
    assert set(plots_of(made_up_run(60, labels=3, multi_label=True))) == ALL - {"confusion"}
    assert set(plots_of(made_up_run(60, labels=3, gold=False))) == set()


def test_an_evaluation_alone_can_be_drawn():
    """Before there is any folder."""
    answers = {f"text {k}": [0.9, 0.1] if k % 3 else [0.2, 0.8] for k in range(30)}
    classifier = FixedClassifier(answers, labels=["a", "b"])

    figures = plots_of(evaluate(classifier, list(answers), ["a", "b"] * 15))

    assert set(figures) == {"reliability", "coverage_risk", "confusion"}


def test_files_are_written_in_every_format_the_same_each_time(run, tmp_path):
    """Plots of one run can be compared byte by byte."""
    first = write_plots(run, tmp_path / "one")
    again = write_plots(run, tmp_path / "two", formats=["svg"])

    assert {path.name for path in first} == {f"{name}.{end}" for name in ALL for end in ("png", "svg")}
    drawn = [path.read_bytes() for path in first if path.suffix == ".svg"]
    assert drawn == [path.read_bytes() for path in again]


def test_drawing_leaves_no_settings_behind(run):
    """Whoever draws plots of their own finds matplotlib as it was, and no window is opened."""
    before = dict(mpl.rcParams)

    plots_of(run)

    assert dict(mpl.rcParams) == before


def test_labels_are_text_in_a_figure(run, tmp_path):
    """Neither markup nor formulas, and also where the font lacks a letter."""
    write_plots(run, tmp_path, formats=["svg"])

    texts = {node.text for node in ET.parse(tmp_path / "confusion.svg").iter() if node.tag.endswith("}text")}
    assert "<b>$x_1$</b> & 漢字" in texts


def test_a_figure_in_a_page_has_the_colours_of_the_page(run):
    """So that it is readable in both themes; and its ids are its own."""
    drawn = inline_svg(plots_of(run)["coverage_risk"], "risk", 'Errors "by" coverage')

    assert "var(--first)" in drawn
    assert FIRST not in drawn
    assert "style=" not in drawn
    assert 'aria-label="Errors &#34;by&#34; coverage"' in drawn
    named = {node.get("id") for node in ET.fromstring(drawn).iter()} - {None}
    assert named
    assert all(name.startswith("risk-") for name in named)


def test_an_unknown_format_and_a_bad_folder_are_named(run, tmp_path):
    """With the remedy."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"unknown format 'pgn'; did you mean 'png'\?; choose from"):
        write_plots(run, tmp_path, formats=["pgn"])
    with pytest.raises(StorageError, match=r"cannot write plots to .*file"):
        write_plots(run, tmp_path / "file" / "plots")
