"""What stands in `examples/` beside the documents runs: the script, and the code cells of the notebook."""

from __future__ import annotations

import json
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = json.loads((ROOT / "examples" / "labelfusion_walkthrough.ipynb").read_text(encoding="utf-8"))
KEYS = ("DEEPSEEK_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY")


@pytest.fixture(autouse=True)
def reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work beside a copy of the examples, without a network and without a key."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)


def test_the_notebook_is_a_valid_one_without_outputs():
    """Results of one machine say nothing on another; editors refuse cells without an id of their own."""
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_notebook_runs_from_top_to_bottom():
    names: dict[str, Any] = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {cell['id']}", "exec"), names)
    assert names["result"].predictions == ["delivery_delay"]
    assert names["evaluation"].systems[0].metrics["accuracy"] > 0.6
    assert [path for path in Path("walkthrough_results/plots").iterdir() if path.suffix in {".png", ".svg"}]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_example_runs_without_a_key(capsys: pytest.CaptureFixture[str]):
    runpy.run_path("examples/fusion_ensemble_example.py", run_name="__main__")
    printed = capsys.readouterr().out
    assert "language model: local" in printed
    assert "one label per text" in printed
    assert "several labels per text: micro-F1" in printed


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_example_asks_the_provider_whose_key_is_set(provider, capsys: pytest.CaptureFixture[str]):
    """The provider here knows nothing about parcels; that it is asked is what counts."""
    del os.environ["DEEPSEEK_API_KEY"]
    runpy.run_path("examples/fusion_ensemble_example.py", run_name="__main__")
    assert "language model: openai" in capsys.readouterr().out
    assert provider.keys == {"fake-key-of-openai"}
