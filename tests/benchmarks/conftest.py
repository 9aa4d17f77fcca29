"""The benchmarks' modules, for tests: scripts are no package, so their folder is put on the path."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def rac(monkeypatch):
    """Return a module of the benchmark of retrieval-augmented classification by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if name == "public_data" or name.startswith(("rac_", "llm_client")):
            del sys.modules[name]
