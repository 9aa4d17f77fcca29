"""DeepSeekClassifier, OpenAIClassifier and GeminiClassifier: published settings, asked where the settings say."""

import inspect

import pytest
from sklearn.base import clone

from textclassify import LLMClassifier, load
from textclassify.core.types import EnsembleConfig, ModelConfig, ModelType, TrainingData
from textclassify.errors import ConfigError
from textclassify.llm.deepseek_classifier import DeepSeekClassifier
from textclassify.llm.gemini_classifier import GeminiClassifier
from textclassify.llm.openai_classifier import OpenAIClassifier
from textclassify.testing import ScriptedChat, check_classifier

KEY = "sk-secret-0123456789"
LABELS = ["billing", "delivery"]
TEXTS = ["charged twice", "wrong invoice", "parcel late", "parcel lost"]

PROVIDERS = [
    (DeepSeekClassifier, "deepseek-chat", "DEEPSEEK"),
    (OpenAIClassifier, "gpt-4o-mini", "OPENAI"),
    (GeminiClassifier, "gemini-2.0-flash", "GEMINI"),
]


def config(name="deepseek-chat", **settings):
    return ModelConfig(name, ModelType.LLM, settings.pop("parameters", {}), **settings)


def answer(request):
    return "B" if "parcel" in request.messages[-1].content else "A"


@pytest.mark.parametrize(("make", "model", "_"), PROVIDERS)
def test_each_keeps_the_contract_of_every_classifier(make, model, _, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path))
    chat = ScriptedChat(answer)

    check_classifier(
        lambda: make(config=config(model), label_columns=LABELS, chat=chat),
        TEXTS,
        ["billing", "billing", "delivery", "delivery"],
    )


@pytest.mark.parametrize(("make", "model", "variable"), PROVIDERS)
def test_each_asks_its_provider_at_the_address_of_the_environment(
    make, model, variable, server, complete, monkeypatch, tmp_path
):
    """A server on this machine stands for the provider's; the key of the settings goes there."""
    monkeypatch.setenv(f"{variable}_BASE_URL", server.url)
    server.will_answer(body=complete("B"))
    options = {"temperature": 0.1, "max_tokens": 20, "cache_dir": tmp_path, "method": "hard"}
    made = make(config=config(model, parameters=options, api_key=KEY), label_columns=LABELS)

    assert made.predict(["parcel late"]).predictions == ["delivery"]
    assert (server.asked[0]["model"], server.asked[0]["temperature"]) == (model, 0.1)
    assert 20 in server.asked[0].values()
    assert KEY in server.headers[0]["Authorization"]


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_nothing_to_ask_needs_no_connection(texts, server, monkeypatch, tmp_path):
    """An empty file, or one of blank lines, is no error."""
    monkeypatch.setenv("DEEPSEEK_BASE_URL", server.url)
    made = DeepSeekClassifier(config(api_key=KEY), label_columns=LABELS, cache_dir=tmp_path)

    assert made.predict(texts).predictions == [None] * len(texts)
    assert server.asked == []


def test_published_names_become_options():
    published = {"max_tokens": 20, "seed": 3, "n_samples": 4, "multi_label": True}
    found = DeepSeekClassifier(
        config(parameters=published, api_base="https://llm.example/v1", batch_size=7, max_retries=2, timeout=9.5)
    )

    assert (found.model, found.base_url, found.provider) == ("deepseek-chat", "https://llm.example/v1", "deepseek")
    assert (found.concurrency, found.max_retries, found.timeout) == (7, 2, 9.5)
    assert (found.max_completion_tokens, found.random_state, found.n_samples, found.multi_label) == (20, 3, 4, True)


def test_without_a_config_the_providers_default_model_is_asked():
    assert OpenAIClassifier(labels=LABELS).get_params()["model"] is None


def test_a_clone_has_the_native_parameters():
    made = DeepSeekClassifier(config(api_key=KEY), LABELS)

    copied = clone(made)

    assert set(copied.get_params()) == set(LLMClassifier().get_params()) - {"provider"}
    assert copied.get_params() == made.get_params()
    assert KEY not in repr(copied)
    assert "nearest_examples" in inspect.signature(DeepSeekClassifier).parameters


def test_a_loaded_classifier_is_of_the_same_class_and_has_no_key(tmp_path):
    made = DeepSeekClassifier(config(api_key=KEY), LABELS, chat=ScriptedChat(answer), cache_dir=tmp_path / "cache")
    made.fit(TrainingData(TEXTS, ["billing"] * 2 + ["delivery"] * 2))
    made.save(tmp_path / "model")

    found = load(tmp_path / "model")

    assert type(found) is DeepSeekClassifier
    assert (found.provider, found.model, found.api_key) == ("deepseek", "deepseek-chat", None)


def test_the_label_columns_name_the_columns_of_a_matrix(tmp_path):
    chat = ScriptedChat(answer)
    made = DeepSeekClassifier(config(), LABELS, chat=chat, cache_dir=tmp_path)

    made.fit(TrainingData(TEXTS, [[1, 0], [1, 0], [0, 1], [1, 1]], "multi_label"))

    assert made.schema_.names == ("billing", "delivery")
    assert made.predict(TEXTS[2:3], [[0, 1]]).metadata["metrics"]["accuracy"] == 1.0


def test_a_label_that_repeats_counts_once_with_a_warning():
    with pytest.warns(UserWarning, match="label_columns repeats 'spam'; each counts once") as warned:
        made = DeepSeekClassifier(config(), ["spam", "ham", "spam"])

    assert made.labels == ["spam", "ham"]
    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: DeepSeekClassifier(config(parameters={"temprature": 1})),
            "'temprature' of .*; did you mean 'temperat",
        ),
        (lambda: DeepSeekClassifier(config(), temperatur=1), "'temperatur' of .*; did you mean 'temperature'"),
        (lambda: DeepSeekClassifier(config(parameters={"temperature": 1}), temperature=0), "two values, 1 and 0"),
        (lambda: DeepSeekClassifier(config(), LABELS, labels=["a"]), r"'labels' \('label_columns'\) .* has two values"),
        (
            lambda: OpenAIClassifier(config()),
            "is a model of 'deepseek', and OpenAI.* use DeepSeekClassifier",
        ),
        (lambda: DeepSeekClassifier(config("gpt-4o")), "use OpenAIClassifier, or name the server that has it"),
        (lambda: GeminiClassifier(config("m", parameters={"provider": "openai"})), "use OpenAIClassifier"),
        (lambda: GeminiClassifier(provider="ollama"), r"use LLMClassifier\(provider='ollama'\)"),
        (lambda: DeepSeekClassifier(ModelConfig("m", "traditional_ml")), "which is for RoBERTaClassifier"),
        (lambda: DeepSeekClassifier(ModelConfig("m", "ensemble")), "an ensemble takes an EnsembleConfig"),
        (lambda: DeepSeekClassifier(EnsembleConfig("fusion")), "takes a ModelConfig"),
        (lambda: DeepSeekClassifier(LABELS), r"type list; .* DeepSeekClassifier\(labels=\[\.\.\.\]\)"),
    ],
)
def test_a_mistake_names_the_value_and_the_remedy(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_server_of_the_users_own_may_call_its_models_anything():
    """Compatible servers often carry the names of others."""
    assert DeepSeekClassifier(config("gpt-4o", api_base="http://127.0.0.1:9/v1")).model == "gpt-4o"
