"""The examples that users read run: the README's Python blocks, and the examples in docstrings."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import textclassify

from .asking import TEST, TEST_GOLD, asking_classifier

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "textclassify"
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
WITH_WEIGHTS = {
    "llm.in_process.local",
    "ml.embedding_classifier",
    "ml.encoder",
    "ml.roberta_classifier",
    "models.vectors",
    "rac.rac_classifier",
    "rac.retrieval",
}
"""Modules whose examples load a model's weights."""


def modules_with_examples() -> list[Any]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            found.append(pytest.param(name, marks=[pytest.mark.slow] if name in WITH_WEIGHTS else []))
    return found


@pytest.fixture(autouse=True)
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where a reader would: beside the examples, without a network, with a cache of one's own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def names_after(block: str, **given: Any) -> dict[str, Any]:
    """Run the block that contains `block`, with what the blocks above it import or `given` names; return its names."""
    number = next(number for number, code in enumerate(BLOCKS) if block in code)
    names: dict[str, Any] = dict(given)
    for above in BLOCKS[:number]:
        imports = [node for node in ast.parse(above).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "README.md", "exec"), names)
    exec(compile(BLOCKS[number], "README.md", "exec"), names)
    return names


def test_no_block_of_the_readme_is_left_out() -> None:
    """A block that is added to the README is run here too."""
    known = (
        '"llm_provider": "local"',
        '"llm_provider": "openai"',
        "SimilarityClassifier(labels)",
        "ScoreFusion(",
        'llm_budget="20%"',
        "RACClassifier(labels",
        "EmbeddingClassifier([",
        "max_risk=0.05",
        "estimate_prevalence(",
        "rows_to_label(",
        "classifier.estimate(",
    )

    assert [sum(part in block for part in known) for block in BLOCKS] == [1] * len(known)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_main_example_trains_predicts_evaluates_and_saves(capsys: pytest.CaptureFixture[str]) -> None:
    """With the embedded models: what a new user copies first, and the answer that the comment promises."""
    names = names_after('"llm_provider": "local"')

    assert names["result"].predictions == ["delivery_delay"]
    assert 0 < names["result"].confidence[0] <= 1
    assert set(names["result"].explain(0))
    assert "95% intervals" in capsys.readouterr().out
    assert textclassify.load("model").predict(["Where is my parcel?"])[0] is not None


def test_the_example_with_a_key_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not fitted: that would ask a paid service."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    names = names_after('"llm_provider": "openai"')

    assert names["AutoFusionClassifier"]({"llm_provider": "openai"}).config_.llms == [("openai", None)]


@pytest.mark.slow
def test_the_example_without_labelled_texts_answers_unfitted() -> None:
    """Both classifiers take the labels' descriptions alone."""
    names = names_after("SimilarityClassifier(labels)")

    assert names["SimilarityClassifier"](names["labels"]).predict(["my parcel is late"]).predictions == ["delivery"]


@pytest.mark.slow
def test_the_example_of_frozen_models_reads_layers_and_learns_a_head() -> None:
    """Its first line promises a shape."""
    train = pd.read_csv(ROOT / "examples" / "customer_messages" / "train.csv")
    names = names_after("EmbeddingClassifier([", train=train)

    assert names["features"].shape == (2, 2, 384)
    assert names["frozen"].predict(["Where is my parcel?"]).predictions == ["delivery_delay"]


def test_the_example_of_many_labels_leaves_out_what_fits_none() -> None:
    """Praise is about none of them."""
    result = names_after("RACClassifier(labels")["result"]

    assert result.predictions == ["lost_card", "exchange_rate", None]
    assert result.reasons == [None, None, "not sure enough"]


def test_the_example_of_scores_made_elsewhere_fuses_them() -> None:
    """The last block needs no model at all."""
    names = names_after("ScoreFusion(")

    answers = names["fusion"].predict({"encoder": names["encoder"], "llm": names["llm"]})
    assert answers.predictions == names["gold"]


@pytest.fixture
def fitted() -> dict[str, Any]:
    """Return what the blocks above have made: a fitted classifier that asks a language model, and texts."""
    table = pd.DataFrame({"text": TEST[:200], "label": TEST_GOLD[:200]})
    return {"classifier": asking_classifier(label_columns="label"), "test": table, "texts": TEST[200:]}


def test_the_example_of_a_budget_asks_about_a_part(fitted: dict[str, Any]) -> None:
    """And the curve reaches from no call to all."""
    names = names_after('llm_budget="20%"', **fitted)

    assert names["result"].metadata["asked"] == names["result"].sources["llm"].answered.sum()
    assert 0 < names["result"].metadata["asked"] < 80
    assert names["curve"]["share"].iloc[-1] == 1


def test_the_example_of_guarantees_gives_answers_and_sets(fitted: dict[str, Any]) -> None:
    """With what they promise in words."""
    names = names_after("max_risk=0.05", **fitted)

    assert "At most 5.0% of the accepted answers are wrong" in names["answers"].metadata["guarantee"]
    assert names["answers"].predictions[0] in names["sets"][0]


def test_the_example_of_label_shares_has_intervals(fitted: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints is the table of shares."""
    names = names_after("estimate_prevalence(", **fitted)

    assert (names["shares"].low < names["shares"].high).all()
    assert "Label shares of 300 texts, 200 of them with gold" in capsys.readouterr().out


def test_the_example_of_rows_to_label_says_why(fitted: dict[str, Any]) -> None:
    """A tenth of them is drawn at random."""
    names = names_after("rows_to_label(", **fitted)

    assert set(names["todo"]["chosen_by"]) == {"random", "ranking"}
    assert names["todo"]["why"].str.len().min() > 0


def test_the_example_of_bulk_labelling_estimates_without_asking(capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints is the estimate, and nothing was paid for it."""
    names_after("classifier.estimate(")

    assert "2 (0 blank, 2 different texts)" in capsys.readouterr().out


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_in_docstrings_run(name: str) -> None:
    """They are the documentation of each class; what they show is what one gets."""
    module = importlib.import_module(f"textclassify.{name}")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    shown: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(example, out=shown.append)

    assert runner.summarize(verbose=False).attempted
    assert not shown, "".join(shown)
