"""Rows of the benchmark of retrieval-augmented classification, from any data set that has a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from public_data import data_folder, schema_of
from textclassify.core.labels import Gold, Label, LabelSchema
from textclassify.core.texts import hash_texts, hash_wordings

OUTSIDE = -1
"""Code of a row whose label is not in the schema."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Texts with their true labels.

    Attributes:
        schema: the K labels that are looked for.
        texts: n texts.
        gold: (n,) codes, OUTSIDE = none of the schema's; or, where a text may have several, (n, K) of 0 and 1.

    """

    schema: LabelSchema
    texts: list[str]
    gold: Gold

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def groups(self) -> NDArray[np.uint64]:
        """(n,) which rows say the same: they are drawn together when an interval is computed."""
        return hash_wordings(self.texts)

    @property
    def row_ids(self) -> NDArray[np.uint64]:
        """(n,) hashes of the texts, by which kept answers are checked."""
        return hash_texts(self.texts)

    def take(self, rows: NDArray[Any]) -> Rows:
        """Return some of the rows."""
        return Rows(self.schema, [self.texts[row] for row in rows], self.gold[rows])


def read_rows(name: str, split: str, root: str | None = None, *, rows: int | None = None, seed: int = 0) -> Rows:
    """Return the rows of a split, or so many of them, drawn with a seed; texts without a word are left out.

    Args:
        name: of the data set, a folder of the data folder.
        split: "train", "test", ...
        root: the data folder; None = where TEXTCLASSIFY_DATA says.
        rows: how many; None = all, in the order of the file.
        seed: of the draw.

    """
    folder = data_folder(root, name)
    frame = pd.read_parquet(folder / f"{split}.parquet")
    frame = frame[frame["text"].str.strip().astype(bool)]
    if rows is not None:
        frame = frame.iloc[np.random.default_rng(seed).permutation(len(frame))[:rows]]
    several = "labels" in frame
    schema = LabelSchema.of(schema_of(folder), multi_label=several)
    answers = [list(names) for names in frame["labels"]] if several else frame["label"].tolist()
    return Rows(schema, frame["text"].tolist(), schema.encode(answers))


def drawn_examples(train: Rows, per_label: int, seed: int, *, unlike: Rows) -> dict[Label, list[str]]:
    """Return so many texts of each label, drawn with a seed; none says the same as another or as a row of `unlike`."""
    words = hash_wordings(train.texts)
    allowed = ~np.isin(words, unlike.groups) & ~pd.Series(words).duplicated().to_numpy()
    order = np.random.default_rng(seed).permutation(len(train))
    order = order[allowed[order]]
    found = {}
    for code, name in enumerate(train.schema.names):
        rows = order[train.gold[order] == code][:per_label]
        found[name] = [train.texts[row] for row in rows]
    return found


def without_labels(rows: Rows, share: float, seed: int) -> Rows:
    """Return the same rows less a share of the labels, drawn with a seed; the gold of theirs becomes OUTSIDE."""
    K = len(rows.schema)
    removed = np.random.default_rng(seed).permutation(K)[: max(1, round(share * K))]
    kept = np.setdiff1d(np.arange(K), removed)
    code = np.full(K, OUTSIDE)
    code[kept] = np.arange(len(kept))
    return Rows(of_labels(rows.schema, kept), rows.texts, code[rows.gold])


def of_labels(schema: LabelSchema, codes: Sequence[int] | NDArray[Any]) -> LabelSchema:
    """Return the schema with some of its labels only, by their codes."""
    names = [schema.names[code] for code in codes]
    described = [{"name": name, "description": schema.descriptions.get(name, "")} for name in names]
    fewer = LabelSchema.of(described, multi_label=schema.multi_label)
    return fewer.with_examples({name: list(schema.examples[name]) for name in names if name in schema.examples})
