"""Where the public data sets lie, and seeded parts of them; they are never copied into the repository."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from textclassify.core.labels import LabelSchema

VARIABLE = "TEXTCLASSIFY_DATA"


@dataclass(frozen=True)
class Part:
    """Texts and labels of one part of a data set."""

    texts: list[str]
    labels: list[str]


def data_folder(given: str | None, name: str) -> Path:
    """Return the folder of a data set, or stop with a word about where to put it."""
    root = given or os.environ.get(VARIABLE)
    if root is None:
        sys.exit(f"no data: name the folder that holds {name}/ with --data or {VARIABLE}")
    folder = Path(root) / name
    if not (folder / "card.json").is_file():
        sys.exit(f"no data set in {str(folder)!r}: it needs card.json and the parquet files that the card lists")
    return folder


def schema_of(folder: Path) -> LabelSchema:
    """Return the labels of a data set with the descriptions of its card."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    described = card.get("label_descriptions") or {}
    return LabelSchema.of([{"name": name, "description": described.get(name, "")} for name in card["labels"]])


def seeded_part(folder: Path, split: str, rows: int | None, seed: int, *, balanced: bool = False) -> Part:
    """Return `rows` rows of a split, drawn with a seed; balanced = equally many of each label."""
    frame = pd.read_parquet(folder / f"{split}.parquet", columns=["text", "label"])
    order = np.random.default_rng(seed).permutation(len(frame))
    frame = frame.iloc[order]
    if balanced and rows is not None:
        frame = frame.groupby("label", sort=False).head(rows // frame["label"].nunique())
    elif rows is not None:
        frame = frame.iloc[:rows]
    return Part(frame["text"].tolist(), frame["label"].tolist())
