"""FUSION_README.md: its blocks run in their order, and what it links to is there.

`roberta-base` is the embedded encoder here (`TEXTCLASSIFY_MODEL_PATHS`), and DeepSeek a server on this machine.
"""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest

from .documents import ROOT, blocks_of, typed, write_data
from .rows import sentiment_frame

README = ROOT / "FUSION_README.md"
BLOCKS = blocks_of(README)


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("provider", "encoder")
def test_the_python_runs_from_top_to_bottom(folder, capsys):
    shutil.copytree(ROOT / "examples", folder / "examples")
    names: dict[str, Any] = {}
    python = [block for block in BLOCKS if block.language == "python"]
    python[0].run(names, {})
    assert capsys.readouterr().out.startswith("positive ")
    python[1].run(names, {})
    assert capsys.readouterr().out == "['action', 'comedy']\n"
    for block in python[2:]:
        block.run(names, {})
    printed = capsys.readouterr().out
    assert "accuracy: " in printed
    assert re.search(r"VotingEnsemble [\d.]+\nWeightedEnsemble [\d.]+\nClassRoutingEnsemble [\d.]+\n", printed)
    assert "torch.Size([2, 3]) torch.Size([2, 3]) torch.Size([2, 3])" in printed
    assert list((folder / "plots").glob("*.png"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("provider", "encoder")
def test_the_commands_run_and_the_file_is_taken(folder):
    commands, settings = (next(one.text for one in BLOCKS if one.language == kind) for kind in ("bash", "yaml"))
    write_data(folder, sentiment_frame(24), sentiment_frame(12, start=60))
    typed(commands, folder)
    assert (folder / "second_run" / "model").is_dir()
    (folder / "own.yaml").write_text(settings, encoding="utf-8")
    shutil.rmtree(folder / "fusion_output")
    typed("python train_fusion.py --config own.yaml", folder)
    assert (folder / "fusion_output" / "model").is_dir()
