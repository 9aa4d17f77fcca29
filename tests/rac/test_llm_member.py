"""The model of a classifier, however it is given."""

import pytest

from textclassify import LLMClassifier, RACClassifier
from textclassify.errors import AuthenticationError, ConfigError

from .scripted_rac import LABELS, TEXTS, knows, rac


def test_a_provider_is_a_model_of_its_own():
    model = RACClassifier(list(LABELS), provider="openai", model="gpt-x", cache_dir="kept")._model()

    assert (model.provider, model.model, model.cache_dir) == ("openai", "gpt-x", "kept")


def test_the_same_model_is_asked_as_long_as_nothing_changes():
    """It learns about its server."""
    classifier = RACClassifier(list(LABELS), provider="openai", model="gpt-x")
    before = classifier._model()

    assert classifier._model() is before
    assert classifier.set_params(model="gpt-y")._model() is not before


def test_a_classifier_that_is_given_is_asked_itself():
    model = LLMClassifier(provider="openai")

    assert RACClassifier(list(LABELS), model)._model() is model


@pytest.mark.parametrize("wrong", ["openai", 7, LLMClassifier])
def test_what_is_no_model_is_refused(wrong):
    with pytest.raises(ConfigError, match="pass an LLMClassifier, an object with the Chat protocol, or a provider"):
        RACClassifier(list(LABELS), wrong).check_model()


def test_a_model_needs_a_provider():
    with pytest.raises(ConfigError, match="model='gpt-x' is given without a provider; add provider='local'"):
        RACClassifier(list(LABELS), model="gpt-x").predict(TEXTS)


def test_a_missing_key_is_noticed_before_anything_is_asked(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        rac(tmp_path, provider="openai").check_model()


def test_it_asks_a_model_if_it_has_one():
    assert [RACClassifier(llm=model).asks_llm for model in (None, knows())] == [False, True]
    assert RACClassifier(provider="local").asks_llm


def test_both_models_are_named(tmp_path):
    assert rac(tmp_path, knows()).model_used == "scripted (scripted), retrieval by fixed"
    assert rac(tmp_path).model_used == "retrieval by fixed"
