"""`rac: true` in a configuration: language models check what retrieval finds, with training and without."""

import json

import pytest

from textclassify import LLMClassifier, RACClassifier
from textclassify.apps.models import load_model
from textclassify.errors import ConfigError
from textclassify.runs.build import build_fusion, build_llm
from textclassify.runs.config import Config

CHECKED = {"rac": True, "encoder": False, "similarity": False, "llm_provider": "ollama", "llm_model": "qwen"}


def test_the_language_model_of_a_fusion_checks_labels():
    """Under a name of its own, with the connection that is configured and what it may try."""
    fusion, _ = build_fusion(Config.of({**CHECKED, "top_k": 3, "decision": "listwise", "concurrency": 4}))

    source = fusion.sources["rac"]
    assert isinstance(source, RACClassifier)
    assert (source.top_k, source.decision) == (3, "listwise")
    assert isinstance(source.llm, LLMClassifier)
    assert (source.llm.provider, source.llm.model, source.llm.concurrency) == ("ollama", "qwen", 4)


def test_several_language_models_check_under_their_names():
    fusion, _ = build_fusion(Config.of({**CHECKED, "llm_provider": ["ollama", "vllm"], "llm_model": "qwen"}))

    assert [name for name in fusion.sources if name.startswith("rac")] == ["rac_ollama", "rac_vllm"]


def test_what_stays_unlabelled_is_no_affair_of_a_fusion():
    """It decides by itself; a missing score would be a guess less."""
    fusion, _ = build_fusion(Config.of({**CHECKED, "min_probability": 0.9}))

    assert fusion.sources["rac"].min_probability == 0.0


def test_a_configuration_labels_without_training(tmp_path):
    """`textclassify predict labels.yaml TEXTS` finds it so."""
    settings = {**CHECKED, "labels": {"a": "first", "b": "second"}, "min_probability": 0.6, "max_cost": 2.0}
    (tmp_path / "labels.yaml").write_text(json.dumps(settings), encoding="utf-8")

    built = load_model(tmp_path / "labels.yaml")

    assert isinstance(built, RACClassifier)
    assert built.classes_.tolist() == ["a", "b"]
    assert built.min_probability == 0.6
    assert built.llm.max_cost == 2.0


def test_retrieval_alone_labels_without_training():
    """Nobody has to be asked."""
    built = build_llm(Config.of({"rac": True, "llm_provider": None, "labels": ["a", "b"]}))

    assert built.llm is None
    assert not built.asks_llm


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decision": "bst"}, "'decision' is 'bst'"),
        ({"top_k": 0}, "'top_k' is 0"),
        ({"min_probability": 1.5}, "'min_probability' is 1.5"),
    ],
)
def test_values_out_of_range_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        Config.of({**CHECKED, **settings})


def test_two_models_cannot_label_without_training():
    with pytest.raises(ConfigError, match="2 language models are configured"):
        build_llm(Config.of({**CHECKED, "labels": ["a", "b"], "llm_provider": ["ollama", "vllm"]}))
