"""The examples in docstrings run: they are the documentation of each class, and part of the site's reference."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest

import textclassify

SOURCE = Path(textclassify.__file__).parent
WITH_WEIGHTS = {
    "llm.in_process.local",
    "ml.embedding_classifier",
    "ml.encoder",
    "ml.transformer_classifier",
    "models.vectors",
    "rac.rac_classifier",
    "rac.retrieval",
}
"""Modules whose examples load a model's weights."""


def modules_with_examples() -> list[Any]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            found.append(pytest.param(name, marks=[pytest.mark.slow] if name in WITH_WEIGHTS else []))
    return found


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_in_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they show is what one gets, without a network and with a cache of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    module = importlib.import_module(f"textclassify.{name}")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    shown: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(example, out=shown.append)

    assert runner.summarize(verbose=False).attempted
    assert not shown, "".join(shown)
