"""The programs of the published documents run as they stand, against a provider on this machine.

`roberta-base` is the embedded encoder here (`TEXTCLASSIFY_MODEL_PATHS`). Names that a document leaves to its reader
are supplied; what was defined further up stays defined.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from textclassify import FusionMLP, load
from textclassify.core.types import EnsembleConfig, ModelConfig, ModelType

from .documents import FOLDER, Block, blocks, typed, write_data
from .rows import films, sentiment_columns, sentiment_frame, sentiments

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published documents are not beside the repository")

BLOCKS = {block.name: block for block in blocks()}

NO_PROGRAM = {
    "fusion-readme:6": "the sketch of a class whose constructor holds comments only; Python refuses it",
    "llm-fusion-classifier-readme:0": "a script of the authors' own repository, which this one does not have",
    "llm-fusion-classifier-readme:1": "a script of the authors' own repository, which this one does not have",
    "llm-fusion-classifier-readme:2": "a script of the authors' own repository, which this one does not have",
}
RUN = {
    *(f"fusion-readme:{number}" for number in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11)),
    *(f"labelfusion-paper:{number}" for number in (0, 1, 2)),
}


def block(name: str, language: str = "python") -> Block:
    found = BLOCKS[name]
    assert found.language == language
    return found


@pytest.fixture
def models(encoder: str) -> dict[str, Any]:
    """Return the settings of two models that are quick to train, and rows to train them on."""
    texts, labels = sentiments(24)
    test_texts, test_labels = sentiments(9, start=60)
    return {
        "ml_config": ModelConfig(encoder, ModelType.TRADITIONAL_ML, parameters={"max_length": 32, "num_epochs": 2}),
        "llm_config": ModelConfig("deepseek-chat", ModelType.LLM, parameters={"temperature": 0.1}),
        "texts": texts,
        "labels": labels,
        "test_texts": test_texts,
        "test_labels": test_labels,
    }


def test_every_block_is_run_or_accounted_for():
    """A document that gains one must not hide it."""
    assert set(BLOCKS) == RUN | set(NO_PROGRAM)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("folder", "encoder")
def test_the_automatic_classifier(provider, capsys):
    """Three classes in columns, three rows with one label column, and films of several genres."""
    names: dict[str, Any] = {}
    test_texts = ["what a wonderful thing", "the worst thing ever"]
    block("fusion-readme:0").run(names, {"your_dataframe": sentiment_columns(24), "test_texts": test_texts})
    assert list(names["result"].predictions) in (["positive", "negative"], [["positive"], ["negative"]])

    block("fusion-readme:1").run(names, {})
    assert names["predictions"].predictions == ["positive"]
    assert capsys.readouterr().out == "positive\n"

    block("fusion-readme:2").run(names, {"movie_dataframe": films(25)})
    assert names["result"].predictions == [["action", "comedy"]]
    assert capsys.readouterr().out == "['action', 'comedy']\n"
    assert provider.keys == {"fake-key-of-deepseek"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("provider")
def test_the_manual_configuration_and_what_follows_on_it(folder, models, capsys):
    """One ensemble is fitted by hand, fitted again to several labels, evaluated, plotted, saved and loaded."""
    names: dict[str, Any] = {}
    block("fusion-readme:3").run(names, models)
    assert names["result"].metadata["metrics"]["accuracy"] > 0.8
    assert "Accuracy: " in capsys.readouterr().out
    assert list(names["fusion_ensemble"].sources) == ["roberta", "deepseek"]

    matrix = sentiment_columns(24).drop(columns="text").to_numpy().tolist()
    several = {"binary_labels": matrix, "test_labels": [[one] for one in models["test_labels"]]}
    block("fusion-readme:8").run(names, several)
    assert {label for answer in names["result"].predictions for label in answer} == set(models["labels"])

    block("fusion-readme:9").run(names, {"df": sentiment_frame(30)})
    assert "Data valid: True" in capsys.readouterr().out
    assert len(names["train_df"]) == 24
    assert [path for path in (folder / "plots").iterdir() if path.suffix in {".png", ".svg"}]
    assert load(folder / "models" / "fusion_v1").schema_ == names["fusion_ensemble"].schema_

    block("fusion-readme:10").run(names, {})
    assert names["fusion_config"].parameters["fusion_hidden_dims"] == [128, 64, 32]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("folder", "provider")
def test_all_ensembles_have_one_interface(models, capsys):
    """The configurations are the reader's: each of the same two models."""
    names: dict[str, Any] = {}
    block("fusion-readme:3").run(names, models)
    both = [names["ml_model"], names["llm_model"]]
    configs = {f"{method}_config": EnsembleConfig(method, models=both) for method in ("voting", "weighted", "fusion")}
    capsys.readouterr()

    block("fusion-readme:11").run(names, configs)

    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["VotingEnsemble", "WeightedEnsemble", "FusionEnsemble"]
    assert all(float(line.partition(":")[2]) > 0.5 for line in lines)


@pytest.mark.usefixtures("folder")
def test_the_wrapper_passes_no_gradient_into_the_scores():
    """The published class runs around our network, and ours gives the same."""
    torch = pytest.importorskip("torch")
    names: dict[str, Any] = {"torch": torch, "nn": torch.nn}
    block("fusion-readme:7").run(names, {})
    sketch = BLOCKS["fusion-readme:6"].text.split("(", 2)[2].partition(")")[0]
    assert [part.partition("=")[0].strip() for part in sketch.split(",")[:3]] == ["self", "input_dim", "output_dim"]
    assert [*inspect.signature(FusionMLP).parameters][:3] == ["input_dim", "output_dim", "hidden_dims"]

    published = names["FusionWrapper"]()
    published.ml_model, published.fusion_mlp = (lambda ids, mask: ids * mask), FusionMLP(6, 3)
    scores = torch.rand(2, 3, requires_grad=True)
    found = published(torch.ones(2, 3), torch.ones(2, 3), scores)
    found["fused_logits"].sum().backward()

    assert set(found) == {"ml_logits", "llm_scores", "fused_logits"}
    assert scores.grad is None


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("provider", "encoder")
def test_the_commands(folder):
    """A configuration is written, trained from, overruled by flags, and evaluated on a second file."""
    write_data(folder, sentiment_columns(24), sentiment_columns(12, start=60))
    typed(block("fusion-readme:4", "bash").text, folder)
    assert load(folder / "fusion_output" / "model").predict(["a terrible thing"])[0] in {"negative", ("negative",)}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("provider", "encoder")
def test_the_configuration_file(folder):
    """It is what `--config` takes, and it is taken as it is."""
    (folder / "fusion_config.yaml").write_text(block("fusion-readme:5", "yaml").text, encoding="utf-8")
    write_data(folder, sentiment_columns(24), sentiment_columns(12, start=60))
    typed(block("labelfusion-paper:2", "bash").text, folder)
    assert load(folder / "fusion_output" / "model").predict(["a wonderful thing"])[0] == "positive"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("provider", "encoder")
def test_the_paper(folder):
    """Its example, and the command that writes a configuration."""
    names: dict[str, Any] = {}
    block("labelfusion-paper:0").run(names, {"train_dataframe": sentiment_frame(24)})
    assert names["pred"].predictions == ["positive"]
    typed(block("labelfusion-paper:1", "bash").text, folder)
    assert (folder / "fusion_config.yaml").is_file()
