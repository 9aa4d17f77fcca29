"""Documents and the programs in them, in order, to be run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import textclassify

ROOT = Path(__file__).parents[2]
FOLDER = next(
    (found for above in Path(__file__).parents if (found := above / "shared" / "published").is_dir()),
    Path("shared/published"),
)
"""The published documents, beside the repository or above it; tests that need it are skipped where it is not."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"`+(python [^`\n]*)`+")


@dataclass(frozen=True)
class Block:
    """One program of a document: its language, its text, and where it stands."""

    document: str
    number: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.document}:{self.number}"

    def run(self, names: dict[str, Any], supplied: Mapping[str, Any]) -> None:
        """Run a block of Python after those before it, whose names are in `names`, with what its reader supplies."""
        names |= supplied
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "label_columns repeats", UserWarning)
            exec(compile(self.text, self.name, "exec"), names)


def blocks_of(path: Path) -> list[Block]:
    """Return every block and every command in the running text of a document, numbered from 0."""
    text = path.read_text(encoding="utf-8")
    parts = [(match[1], match[2]) for match in _FENCED.finditer(text) if match[1] != "text"]
    parts += [("bash", match[1]) for match in _COMMAND.finditer(_FENCED.sub("", text))]
    return [Block(path.stem, number, *part) for number, part in enumerate(parts)]


def blocks() -> list[Block]:
    """Return those of all published documents."""
    return [block for path in sorted(FOLDER.glob("*.md")) for block in blocks_of(path)]


def typed(commands: str, folder: Path) -> str:
    """Return what shell commands print in a folder, where `train_fusion.py` lies too, and `python` is this one."""
    shutil.copy(ROOT / "train_fusion.py", folder)
    paths = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(textclassify.__file__).parents[1]),
    }
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=folder, env=os.environ | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_data(folder: Path, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Write `data/train.csv` and `data/test.csv`, as the documents call them."""
    (folder / "data").mkdir()
    train.to_csv(folder / "data" / "train.csv", index=False)
    test.to_csv(folder / "data" / "test.csv", index=False)
