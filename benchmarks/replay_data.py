"""Recorded predictions of an encoder and of a language model on the same rows, read from a folder of public data.

The folder `recorded/` holds, for each task and each share of the training rows that the encoder saw, one file of
validation rows and one of test rows, and the texts of both. None of it is part of the repository.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textclassify import Scores
from textclassify.core.labels import Gold

VARIABLE = "TEXTCLASSIFY_DATA"
PARTS = ("val", "test")
_PROBABILITY = re.compile(r"rb_p\d+")
_CELL = re.compile(r"_val_train(\d{3})pct\.csv\.gz$")


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the recording: how its files are named, and which metrics count."""

    name: str
    title: str
    headlines: tuple[str, ...]
    beside: tuple[str, ...]
    key: str
    """Column that the file of texts shares with the files of predictions."""
    multi_label: bool = False


TASKS = (
    Task("agnews", "AG News", ("accuracy",), ("macro_f1",), "id"),
    Task("reuters", "Reuters-10", ("subset_accuracy", "micro_f1"), ("macro_f1",), "row", multi_label=True),
    Task("goemotions", "GoEmotions-28", ("micro_f1",), ("subset_accuracy", "macro_f1"), "row", multi_label=True),
)


@dataclass(frozen=True, eq=False)
class Part:
    """n rows: codes (n,) or indicators (n, K) of every answer, and which rows have the same text.

    The language model's answers are the column `llm_pred` in every file. AG News' validation files also hold
    `llm_pred_misaligned`, which repeats the answers to the test rows although the texts differ (it is equal to the
    test files' `llm_pred`, row by row); `llm_pred` are the answers to the validation rows' own texts: they share the
    encoder's mistakes as often as the test rows' do (16 of 38 at 100%), the misaligned ones do not (3 of 38).
    """

    probabilities: NDArray[np.float64]
    votes: Gold
    gold: Gold
    upstream: Gold
    clusters: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels."""
        return self.gold.ndim == 2

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels: the codes themselves."""
        return tuple(range(self.probabilities.shape[1]))

    @cached_property
    def sources(self) -> dict[str, Scores]:
        """The two sources as a user would pass them: probabilities, and hard votes."""
        votes = [np.flatnonzero(row).tolist() for row in self.votes] if self.multi_label else self.votes.tolist()
        return {
            "encoder": Scores.from_probabilities(
                self.probabilities, self.labels, source="encoder", multi_label=self.multi_label
            ),
            "llm": Scores.from_votes(votes, self.labels, source="llm", multi_label=self.multi_label),
        }


@dataclass(frozen=True, eq=False)
class Cell:
    """One task with the encoder of one share of the training rows."""

    task: Task
    percent: int
    validation: Part
    test: Part


def recorded_folder(given: str | None) -> Path:
    """Return the folder of recorded predictions, or stop with a word about where to put it."""
    root = given or os.environ.get(VARIABLE)
    if root is None:
        sys.exit(f"no data: name the folder that holds recorded/ with --data or {VARIABLE}")
    folder = Path(root) / "recorded"
    if not folder.is_dir():
        sys.exit(f"no recorded predictions in {str(folder)!r}: --data names the folder that holds recorded/")
    return folder


def recorded_shares(folder: Path, task: Task) -> list[int]:
    """Return the shares of training rows, in percent, that the folder holds for a task."""
    found = (_CELL.search(path.name) for path in folder.glob(f"{task.name}_val_train*pct.csv.gz"))
    return sorted(int(match[1]) for match in found if match)


def cell_files(folder: Path, task: Task, percent: int) -> list[Path]:
    """Return what a cell is read from: validation rows, test rows, texts."""
    rows = [folder / f"{task.name}_{part}_train{percent:03d}pct.csv.gz" for part in PARTS]
    return [*rows, folder / f"{task.name}_texts.csv.gz"]


def read_cell(folder: Path, task: Task, percent: int) -> Cell:
    """Return validation and test rows of one share of training rows."""
    *files, texts = cell_files(folder, task, percent)
    known = _texts(texts)
    parts = [_part(path, task, known[known["split"] == part]) for path, part in zip(files, PARTS, strict=True)]
    return Cell(task, percent, *parts)


def _part(path: Path, task: Task, texts: pd.DataFrame) -> Part:
    columns = ("gold", "llm_pred", "upstream_fusion_pred")
    frame = pd.read_csv(path, dtype=dict.fromkeys(columns, str))
    answers = {name: _codes(frame[name], multi_label=task.multi_label) for name in columns}
    by_key = texts.set_index(task.key)["text"]
    text = by_key.loc[frame[task.key]].to_numpy()
    probabilities = frame[[name for name in frame.columns if _PROBABILITY.fullmatch(name)]].to_numpy(dtype=np.float64)
    return Part(
        probabilities=probabilities,
        votes=answers["llm_pred"],
        gold=answers["gold"],
        upstream=answers["upstream_fusion_pred"],
        clusters=np.unique(text.astype(str), return_inverse=True)[1].astype(np.int64),
    )


def _texts(path: Path) -> pd.DataFrame:
    """Return the file of texts with one column of text, whitespace and case evened out."""
    frame = pd.read_csv(path, dtype=dict.fromkeys(("text", "title", "description"), str))
    if "text" not in frame.columns:
        frame["text"] = frame["title"].fillna("") + " " + frame["description"].fillna("")
    frame["text"] = frame["text"].fillna("").str.split().str.join(" ").str.casefold()
    return frame


def _codes(column: pd.Series[str], *, multi_label: bool) -> NDArray[np.int64]:
    """Return codes (n,), or strings of 0 and 1 as an indicator (n, K)."""
    return np.array([list(row) for row in column] if multi_label else list(column)).astype(np.int64)
