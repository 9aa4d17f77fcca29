"""Every key has its meaning in one place, from which files and the JSON Schema take it."""

import pytest
import yaml

from textclassify.llm.http.providers import PROVIDERS
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_keys import MEANINGS, SECTIONS, WIDTH
from textclassify.runs.configuring.config_schema import config_schema
from textclassify.runs.configuring.config_yaml import EXAMPLES, commented_yaml
from textclassify.runs.configuring.published_config import KEYS


def test_every_key_has_a_meaning_and_stands_in_one_topic():
    listed = [key for keys in SECTIONS.values() for key in keys]

    assert sorted(listed) == sorted(Config.model_fields)
    assert all(words.endswith(".") for words in MEANINGS.values())


def test_a_written_configuration_is_read_back(tmp_path):
    """Whatever is in its values; what is only shown sets nothing."""
    settings = {"text_column": "a: #b", "label_columns": ["x", "yes", "12:30"], "ml_lr": 3e-7, "llm_budget": "$1.50"}
    (tmp_path / "run.yaml").write_text(commented_yaml(settings), encoding="utf-8")

    config = Config.of(tmp_path / "run.yaml")

    assert config == Config.of(settings)
    assert config.model_fields_set == set(settings)
    assert max(map(len, commented_yaml({}).splitlines())) <= WIDTH + 2


def test_what_is_shown_may_be_uncommented():
    content = commented_yaml({"data": "train.csv"})
    shown = {f"# {key}: " for key in EXAMPLES}
    lines = [line.removeprefix("# ") if any(map(line.startswith, shown)) else line for line in content.splitlines()]

    assert Config.of(yaml.safe_load("\n".join(lines))).model_fields_set == {"data", *EXAMPLES}


def test_the_schema_describes_every_key_and_allows_no_other():
    schema = config_schema()

    assert set(schema["properties"]) == {*Config.model_fields, "models", "fusion"}
    assert schema["additionalProperties"] is False
    described = {key: schema["properties"][key]["description"] for key in Config.model_fields}
    assert described == dict(MEANINGS)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("combiner", {"auto", "mlp", "embeddings", "joint"}),
        ("llm_method", {"auto", "logprobs", "votes", "verbal", "hard"}),
        ("metric", {"accuracy", "macro_f1", "micro_f1", "subset_accuracy", "log_loss"}),
        ("llm_provider", {"local", "none", *PROVIDERS}),
        ("llm_language", {"auto", "en", "de", "es", "fr", "it"}),
    ],
)
def test_the_schema_lists_what_a_key_takes(key, values):
    """An editor completes them."""
    part = config_schema()["properties"][key]

    assert set(part.get("enum") or part["anyOf"][0]["enum"]) == values


def test_the_schema_knows_the_papers_form():
    """An editor must not mark as wrong what is taken."""
    properties = config_schema()["properties"]
    sections = {"models": properties["models"], "fusion": properties["fusion"], "data": properties["data"]["anyOf"][-1]}

    for path, key in KEYS.items():
        part = {"properties": sections}
        for name in path.split("."):
            assert part.get("additionalProperties") is not True
            part = part["properties"][name]
        assert part["description"] == (MEANINGS[key])
