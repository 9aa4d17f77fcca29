"""Public data sets, read where TEXTCLASSIFY_DATA says; none of them is part of the repository."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from textclassify import LinearClassifier

VARIABLE = "TEXTCLASSIFY_DATA"


@pytest.fixture
def public_data(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmarks' helper; scripts are no package, so it is read from its file."""
    path = Path(__file__).parents[1] / "benchmarks" / "public_data.py"
    spec = importlib.util.spec_from_file_location("public_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "public_data", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sms_spam() -> Path:
    folder = Path(os.environ.get(VARIABLE, "")) / "sms_spam"
    if VARIABLE not in os.environ or not (folder / "card.json").is_file():
        pytest.skip(f"no public data: set {VARIABLE} to a folder that holds sms_spam/ with card.json and parquet files")
    return folder


def test_the_linear_classifier_finds_spam_in_text_messages(sms_spam: Path) -> None:
    """A floor for the weakest source: a change of its features or its penalty that costs much shows here."""
    train, test = (pd.read_parquet(sms_spam / f"{split}.parquet") for split in ("train", "test"))

    classifier = LinearClassifier().fit(train["text"], train["label"])

    assert classifier.score(test["text"], test["label"]) >= 0.96


def test_a_published_card_gives_labels_and_seeded_rows(public_data: ModuleType, sms_spam: Path) -> None:
    """Every benchmark starts with these two calls."""
    schema = public_data.schema_of(sms_spam)
    part = public_data.seeded_part(sms_spam, "test", 40, 0, balanced=True)

    assert schema.names == ("ham", "spam")
    assert sorted(part.labels) == ["ham"] * 20 + ["spam"] * 20
    assert part == public_data.seeded_part(sms_spam, "test", 40, 0, balanced=True)


def test_the_descriptions_of_a_card_reach_the_schema(public_data: ModuleType, tmp_path: Path) -> None:
    """Prompts and label cards are made of them."""
    card = {"labels": ["ham", "spam"], "label_descriptions": {"spam": "unwanted advertising"}}
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "card.json").write_text(json.dumps(card), encoding="utf-8")

    schema = public_data.schema_of(public_data.data_folder(str(tmp_path), "tiny"))

    assert schema.names == ("ham", "spam")
    assert schema.descriptions == {"spam": "unwanted advertising"}
