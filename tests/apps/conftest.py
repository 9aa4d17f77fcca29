"""A terminal to type into, and small data whose training takes a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from textclassify.apps.cli import app

from ..loopback import LoopbackModel  # noqa: TID252 - a helper of several folders of tests

WORDS = {"billing": "invoice charge payment card", "delivery": "parcel late courier tracking"}
FAST = "encoder: false\nsimilarity: false\nllm_provider: null\n"
"""Configuration without any model to load."""

Run = Callable[..., Result]


@pytest.fixture
def run(folder: Path) -> Run:
    """Return what types a command in the working folder: `run("train", "x.csv")`."""
    assert Path.cwd() == folder

    def typed(*words: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin)

    return typed


def csv_rows(n: int) -> str:
    lines = ["id,text,label"]
    for row in range(n):
        label = list(WORDS)[row % 2]
        word = WORDS[label].split()[row // 2 % 4]
        lines.append(f"{row},my {word} number {row} is a problem,{label}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with train.csv, test.csv and a configuration that needs no model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "train.csv").write_text(csv_rows(60), encoding="utf-8")
    (tmp_path / "test.csv").write_text(csv_rows(24).replace("problem", "trouble"), encoding="utf-8")
    (tmp_path / "fast.yaml").write_text(FAST, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a trained model."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "train.csv").write_text(csv_rows(60), encoding="utf-8")
    (folder / "fast.yaml").write_text(FAST, encoding="utf-8")
    words = ["train", folder / "train.csv", "--config", folder / "fast.yaml", "--output", folder / "run"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return folder / "run" / "model"


def assert_one_clear_line(result: Result, *wanted: str) -> None:
    """Assert that a command failed with one line that names value and remedy, and no traceback."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "not foreseen" not in result.stderr
    for part in wanted:
        assert part in errors[0], errors[0]


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def _named_by_its_words(request: dict[str, Any]) -> str:
    text = request["messages"][-1]["content"]
    return next(label for label, words in WORDS.items() if any(word in text for word in words.split()))


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackModel]:
    """Return a paid model that answers in the place of OpenAI: $0.00021 an answer at the price of gpt-4o-mini."""
    with LoopbackModel(_named_by_its_words, usage=(1000, 100)).serving() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        monkeypatch.delenv("TEXTCLASSIFY_OFFLINE", raising=False)
        yield server


@pytest.fixture
def zero_shot(folder: Path) -> Callable[..., Path]:
    """Return what writes a configuration that labels without training: `zero_shot(max_cost=1)`."""

    def written(**settings: object) -> Path:
        fixed = {"labels": list(WORDS), "llm_provider": "openai", "llm_model": "gpt-4o-mini", "llm_method": "hard"}
        fixed |= {"text_column": "text", "encoder": False, "similarity": False, "concurrency": 1}
        path = folder / "labels.yaml"
        path.write_text(json.dumps(fixed | settings), encoding="utf-8")
        return path

    return written
