"""The two emotion data sets, and what frozen models say of their texts, computed once and kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from public_data import data_folder, schema_of
from rac_figures import kept_figures, write_figures
from textclassify import FrozenEncoder
from textclassify.core.labels import LabelSchema

DATA_SETS = ("goemotions_single", "empathetic_dialogues")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class EmotionPart:
    """Texts of one split, their labels, and codes of those (n,)."""

    texts: list[str]
    labels: list[str]
    gold: NDArray[np.int64]


@dataclass(frozen=True)
class Frozen:
    """The frozen models, their features kept in a folder: as classifiers read them by name, and as published."""

    encoder: FrozenEncoder
    causal: FrozenEncoder
    first_token: FrozenEncoder
    last_layers: FrozenEncoder

    @classmethod
    def kept_in(cls, cache: Path) -> Frozen:
        """Return the models with their stores."""
        return cls(
            FrozenEncoder("minilm", layers="spread", store=cache / "minilm_spread"),
            FrozenEncoder("smollm2", layers="spread", store=cache / "smollm2_spread"),
            FrozenEncoder("minilm", pooling="cls", store=cache / "minilm_first_token"),
            FrozenEncoder("smollm2", layers=5, max_length=200, store=cache / "smollm2_last_5"),
        )

    @property
    def by_name(self) -> dict[str, FrozenEncoder]:
        """The models by what tables call them."""
        return {
            "MiniLM, 5 layers": self.encoder,
            "SmolLM2, 5 layers over its depth": self.causal,
            "MiniLM, first token": self.first_token,
            "SmolLM2, last 5 layers": self.last_layers,
        }


def schema(root: str | None, dataset: str) -> LabelSchema:
    """Return the labels of a data set."""
    return schema_of(data_folder(root, dataset))


def part_of(root: str | None, dataset: str, split: str) -> EmotionPart:
    """Return a whole split."""
    folder = data_folder(root, dataset)
    frame = pd.read_parquet(folder / f"{split}.parquet", columns=["text", "label"])
    places = {name: code for code, name in enumerate(schema_of(folder).names)}
    labels = frame["label"].tolist()
    return EmotionPart(frame["text"].tolist(), labels, np.array([places[label] for label in labels]))


def extract(dataset: str, target: Path, *, root: str | None, cache: Path) -> None:
    """Have the stores hold all features of a data set, and write how long those took that were new."""
    for split in SPLITS:
        texts = part_of(root, dataset, split).texts
        for name, encoder in Frozen.kept_in(cache).by_name.items():
            with encoder.opened_store() as store:
                new = len(store.missing(texts))
            if not new:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            encoder.rows(texts)
            seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            kept = kept_figures(target).get("extraction", {}).get(dataset, {})
            before = kept.get(name, {"texts": 0, "wall": 0.0, "cpu": 0.0})
            kept[name] = {"texts": before["texts"] + new} | {way: before[way] + seconds[way] for way in seconds}
            write_figures(target, "extraction", {dataset: kept})
            Console(stderr=True).print(f"{dataset} {split}: {name}, {new} texts in {seconds['wall']:.0f} s")
