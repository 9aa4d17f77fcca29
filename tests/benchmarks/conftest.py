"""The benchmarks' modules, for tests: scripts are no package, so their folder is put on the path."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Return a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if (FOLDER / f"{name}.py").exists():
            del sys.modules[name]


@pytest.fixture
def rac(script):
    """Return a module of the benchmark of retrieval-augmented classification by name."""
    return script
