"""Every code block of README and docs is run: what a reader copies works, and shows what the page says."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer.main

import textclassify
from textclassify.apps.cli import app

from ..asking import TEST, TEST_GOLD, asking_classifier  # noqa: TID252 - a helper of several folders of tests
from ..tiny_encoder import tiny_encoder_in  # noqa: TID252 - a helper of several folders of tests
from .blocks import ROOT, Page, pages
from .language_model import VARIABLES, language_model
from .running import Reader

PAGES = {page.name: page for page in pages()}
LANGUAGES = {"python", "bash", "yaml", "text"}

SLOW = {
    "README.md: I have labels and a key",
    "README.md: I have labels and no key",
    "README.md: I have no labelled texts",
    "docs/how-to/frozen-models.md",
    "docs/how-to/labels-and-key.md",
    "docs/how-to/labels-no-key.md",
    "docs/how-to/many-labels.md",
    "docs/how-to/runs.md",
    "docs/migration.md",
    "docs/tutorials/first-fusion.md",
    "docs/tutorials/reviewing.md",
    "docs/tutorials/zero-shot.md",
}
"""Pages that train, or read many texts with, a model whose weights are loaded, or that run whole experiments."""

TINY_ENCODER = {"docs/how-to/labels-and-key.md", "docs/how-to/labels-no-key.md"}
"""Pages that are not about how good an encoder is: the one that nobody named is tiny here."""

WITHOUT_MODELS = {"TEXTCLASSIFY_ENCODER": "false", "TEXTCLASSIFY_SIMILARITY": "false"}
ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    "docs/how-to/command-line.md": WITHOUT_MODELS,
    "docs/how-to/runs.md": {**WITHOUT_MODELS, "TEXTCLASSIFY_LLM_PROVIDER": "none"},
}
"""Pages whose commands would train an encoder, and are not about it: the linear model takes part alone."""


def _fitted() -> dict[str, Any]:
    """Return what these pages start from: a fitted classifier that asks a language model, and texts."""
    table = pd.DataFrame({"text": TEST[:200], "label": TEST_GOLD[:200]})
    return {"classifier": asking_classifier(label_columns="label"), "test": table, "texts": TEST[200:]}


def _training_rows() -> dict[str, Any]:
    return {"train_dataframe": pd.read_csv(ROOT / "examples/customer_messages/train.csv").head(100)}


GIVEN = {
    "docs/how-to/budget.md": _fitted,
    "docs/how-to/guarantees.md": _fitted,
    "docs/migration.md": _training_rows,
}
"""Names that a page says it starts from."""


def _main_example(names: Mapping[str, Any]) -> None:
    assert names["result"].predictions == ["delivery_delay"]
    assert 0 < names["result"].confidence[0] <= 1
    assert set(names["result"].explain(0))


def _saved_example(names: Mapping[str, Any]) -> None:
    _main_example(names)
    assert textclassify.load("model").predict(["Where is my parcel?"])[0] is not None


def _budget(names: Mapping[str, Any]) -> None:
    """A part is asked about, and the curve reaches from no call to all."""
    assert 0 < names["result"].metadata["asked"] == names["result"].sources["llm"].answered.sum() < 80
    assert names["curve"]["share"].iloc[-1] == 1


def _guarantees(names: Mapping[str, Any]) -> None:
    """Answers and sets with what they promise, and shares with intervals."""
    assert "At most 5.0% of the accepted answers are wrong" in names["answers"].metadata["guarantee"]
    assert names["answers"].predictions[0] in names["sets"][0]
    assert (names["shares"].low < names["shares"].high).all()
    assert "Label shares of 300 texts, 200 of them with gold" in str(names["shares"])


def _review(names: Mapping[str, Any]) -> None:
    """Rows are chosen by both ways, and gold labels come back into the data."""
    assert set(pd.read_csv("todo.csv")["chosen_by"]) == {"random", "ranking"}
    assert names["todo"]["label"].isin(names["pool"]["label"]).all()
    assert len(pd.read_csv("more.csv")) > len(pd.read_csv("examples/customer_messages/train.csv"))


def _cached(names: Mapping[str, Any]) -> None:
    """Nothing is asked for an estimate; the second prediction came from the cache alone."""
    assert "2 (0 blank, 2 different texts)" in str(names["classifier"].estimate(names["texts"]))
    assert pd.read_csv("out.csv")["label"].equals(pd.read_csv("again.csv")["label"])


CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "README.md: I have labels and a key": _saved_example,
    "README.md: I have labels and no key": _main_example,
    "docs/how-to/budget.md": _budget,
    "docs/how-to/guarantees.md": _guarantees,
    "docs/how-to/language-models.md": _cached,
    "docs/tutorials/reviewing.md": _review,
}
"""What must be true when a page is done, beyond what it shows."""


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Return one who sits beside the examples, without a network, with a cache and a language model of their own."""
    page: Page = request.getfixturevalue("page")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    with language_model() as address:
        os.environ |= {"TEXTCLASSIFY_CACHE_DIR": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
        for provider, variable in VARIABLES.items():
            os.environ |= {variable: address, f"{provider}_API_KEY": "none"}
        os.environ |= ENVIRONMENTS.get(page.name, {})
        if page.name in TINY_ENCODER:
            (tmp_path / "tiny").mkdir()
            os.environ["TEXTCLASSIFY_MODEL_PATHS"] = f"roberta-base={tiny_encoder_in(tmp_path / 'tiny', ['parcel'])}"
        yield Reader(GIVEN.get(page.name, dict)())
    os.environ.clear()
    os.environ.update(before)


def _marked() -> list[Any]:
    with_blocks = {name: page for name, page in PAGES.items() if page.blocks}
    marks = {name: [pytest.mark.slow, pytest.mark.timeout(1800)] if name in SLOW else [] for name in with_blocks}
    return [pytest.param(page, id=name, marks=marks[name]) for name, page in with_blocks.items()]


@pytest.mark.parametrize("page", _marked())
def test_what_a_page_says_works(page: Page, reader: Reader) -> None:
    """In the order of the page, all of its blocks; a failure names the line."""
    reader.read(page)

    assert reader.done == page.blocks
    if page.name in CHECKS:
        CHECKS[page.name](reader.names)


@pytest.mark.parametrize("page", list(PAGES.values()), ids=list(PAGES))
def test_no_block_is_left_out(page: Page) -> None:
    """A fence that is indented, or never closed, would not be run; a language that nobody runs neither."""
    looks_like, found = page.fences

    assert looks_like == found
    assert {block.language for block in page.blocks} <= LANGUAGES


def test_the_lists_above_name_pages_that_exist() -> None:
    """A page that is renamed would silently lose its marks, what it starts from, or what is checked."""
    assert {*SLOW, *TINY_ENCODER, *ENVIRONMENTS, *GIVEN, *CHECKS} <= set(PAGES)


def test_every_command_is_named_on_the_page_about_commands() -> None:
    """A command that no table names is found by nobody."""
    page = PAGES["docs/how-to/command-line.md"].text

    for name in typer.main.get_command(app).commands:
        assert f"`{name}`" in page, name


def test_the_site_has_every_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is in no layer of the reference would have no page."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    generated = importlib.import_module("generated")
    shown = "".join(text() for parts in generated.PAGES.values() for text in parts.values())

    for name in set(textclassify.__all__) - {"__version__"}:
        assert f"textclassify.{name}\n" in shown, name
