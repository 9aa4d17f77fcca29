"""`AutoFusionClassifier` as the published documents call it, with a tiny encoder and a provider on this machine."""

from __future__ import annotations

import pandas as pd
import pytest

from textclassify import AutoFusionClassifier
from textclassify.errors import ModelError

from .rows import GENRES, films, sentiment_columns, sentiment_frame, sentiments

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def quick(tiny):
    """Return what makes a configuration quick to train."""
    return {"ml_model": str(tiny), "num_epochs": 1, "n_folds": 2, "similarity": False}


@pytest.mark.parametrize("name", ["deepseek", "openai", "gemini"])
def test_each_provider_is_named_and_nothing_else(name, provider, quick):
    """Its key and its address come from its own variables."""
    classifier = AutoFusionClassifier({**quick, "llm_provider": name, "label_columns": ["label"]})

    result = classifier.fit(sentiment_frame(24)).predict(["what a wonderful thing"])

    assert result.predictions[0] == "positive"
    assert set(classifier.ensemble_.sources_) == {"encoder", "linear", "llm"}
    assert "llm" in result.explain(0)
    assert provider.keys == {f"fake-key-of-{name}"}


def test_several_providers_are_several_sources(provider, quick):
    config = {**quick, "llm_provider": ["deepseek", "openai"], "llm_model": ["deepseek-chat", "gpt-4o-mini"]}
    classifier = AutoFusionClassifier(config).fit(sentiment_frame(24))
    assert {"llm_deepseek", "llm_openai"} <= set(classifier.ensemble_.sources_)
    assert {request["model"] for request in provider.requests} == {"deepseek-chat", "gpt-4o-mini"}


def test_without_a_provider_nobody_is_asked(provider, quick):
    classifier = AutoFusionClassifier({**quick, "llm_provider": None}).fit(sentiment_frame(24))
    assert classifier.predict(["an awful thing"])[0] in classifier.classes_
    assert provider.asked == []


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    ("columns", "table"),
    [
        (["sentiment"], sentiment_frame(24, column="sentiment")),
        (["positive", "negative", "neutral"], sentiment_columns(24)),
        (["positive", "negative", "neutral"], sentiment_frame(24)),
    ],
    ids=["one column of names", "a 0/1 column for each", "class names beside a column"],
)
def test_labels_are_written_in_any_of_the_published_ways(columns, table, quick):
    config = {**quick, "llm_provider": "deepseek", "label_columns": columns, "multi_label": False}
    classifier = AutoFusionClassifier(config).fit(table)
    assert classifier.predict(["this is terrible"]).predictions == ["negative"]
    if len(columns) == 3:
        assert classifier.classes_.tolist() == columns


@pytest.mark.usefixtures("provider")
def test_three_rows_are_enough_to_answer(quick):
    """Nothing can be held out of them, so the language model's answer counts as it is."""
    rows = {"text": ["I love it", "It is terrible", "It is okay"], "sentiment": ["positive", "negative", "neutral"]}
    classifier = AutoFusionClassifier({**quick, "llm_provider": "deepseek", "label_columns": ["sentiment"]})
    assert classifier.fit(pd.DataFrame(rows)).predict(["amazing!"]).predictions[0] == "positive"


@pytest.mark.usefixtures("provider")
def test_several_labels_are_answered_with_lists(quick):
    config = {**quick, "llm_provider": "deepseek", "label_columns": GENRES, "multi_label": True}
    result = AutoFusionClassifier(config).fit(films(25)).predict(["A funny action movie", "a scary one, full of grief"])
    assert result.predictions == [["action", "comedy"], ["drama", "horror"]]


def test_every_published_key_is_taken(folder, provider, tiny):
    """The names of the paper and of the scripts; the caches are where they are told to be."""
    config = {
        "llm_provider": "openai",
        "llm_model": "gpt-4o-mini",
        "label_columns": ["label"],
        "multi_label": False,
        "text_column": "text",
        "ml_model": str(tiny),
        "max_length": 32,
        "batch_size": 8,
        "num_epochs": 1,
        "ml_lr": 2e-5,
        "fusion_epochs": 2,
        "fusion_hidden_dims": [8],
        "fusion_lr": 1e-3,
        "temperature": 0.1,
        "max_completion_tokens": 50,
        "output_dir": str(folder / "output"),
        "train_llm_cache_path": str(folder / "asked_in_training"),
        "val_llm_cache_path": str(folder / "asked_for_validation"),
        "test_llm_cache_path": str(folder / "asked_later"),
        "cache_dir": str(folder / "asked_otherwise"),
        "similarity": False,
    }
    classifier = AutoFusionClassifier(config).fit(sentiment_frame(24))
    assert (folder / "asked_in_training").is_dir()
    assert not (folder / "asked_later").exists()

    texts = sentiments(3, start=60)[0]
    first = classifier.predict(texts)
    asked = len(provider.asked)

    assert (folder / "asked_later").is_dir()
    assert classifier.predict(texts).predictions == first.predictions
    assert len(provider.asked) == asked


@pytest.mark.usefixtures("provider")
def test_a_named_encoder_that_cannot_be_had_is_an_error(encoder, monkeypatch):
    """Another one in its place would be a surprise; the message says how the named one is brought here."""
    monkeypatch.delenv("TEXTCLASSIFY_MODEL_PATHS")
    config = {"llm_provider": "deepseek", "ml_model": f"{encoder}-of-nobody"}
    with pytest.raises(ModelError, match='set TEXTCLASSIFY_MODEL_PATHS="roberta-base-of-nobody=/folder"'):
        AutoFusionClassifier(config).fit(sentiment_frame(24))


@pytest.mark.slow
def test_the_default_encoder_is_trained_from_its_mapped_folder(encoder, provider):
    """`roberta-base` is the embedded encoder here: the path map stands in for the hub."""
    config = {"llm_provider": "deepseek", "label_columns": ["label"], "ml_model": encoder, "num_epochs": 1}
    classifier = AutoFusionClassifier(config).fit(sentiment_frame(24))
    assert classifier.predict(["the worst thing ever"])[0] == "negative"
    assert provider.asked
