"""Made-up runs, as the report's benchmark makes them, and an empty folder for runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from textclassify.runs.results import ResultsManager

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def made_up_run():
    """Return the function of the benchmarks that makes up a run of any size."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from report_rows import made_up_run
    finally:
        sys.path.remove(str(BENCHMARKS))
    return made_up_run


@pytest.fixture
def manager(tmp_path: Path) -> ResultsManager:
    """Return a manager of a folder without runs."""
    return ResultsManager(tmp_path / "runs")
