"""Similarity of text and label card: no labelled row, no other text, no gold answer has a say."""

import numpy as np
import pytest

import textclassify
from textclassify import LabelSchema, SimilarityClassifier
from textclassify.core.progress import listening
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED, Method
from textclassify.core.texts import hash_texts
from textclassify.errors import ConfigError, NotFittedError
from textclassify.testing import check_classifier

pytest.importorskip("torch")

LABELS = {"delivery": "parcel late, parcel lost", "billing": "bill, money and refund"}
TEXTS = ["my parcel is late", "the bill and the refund", "the parcel is lost", "refund my money"]
GOLD = ["delivery", "billing", "delivery", "billing"]


@pytest.fixture
def make(tiny_encoder):
    return lambda **options: SimilarityClassifier(**{"labels": LABELS, "encoder": str(tiny_encoder), **options})


def test_similarity_keeps_the_contract(make):
    check_classifier(make, TEXTS, GOLD)


def test_similarity_keeps_the_contract_with_several_labels(make):
    check_classifier(lambda: make(multi_label=True), TEXTS, [[label] for label in GOLD])


def test_labels_alone_are_enough_to_predict(make):
    assert make().predict(TEXTS).predictions == GOLD


def test_without_labels_it_says_what_is_missing(make):
    with pytest.raises(NotFittedError, match="pass labels="):
        make(labels=None).predict(TEXTS)


def test_gold_answers_teach_it_nothing(make):
    """Its scores may be used with any gold answers: that is what NEVER_TRAINED promises."""
    right, wrong = make().fit(TEXTS, GOLD), make().fit(TEXTS, GOLD[::-1])

    scores = right.predict_scores(TEXTS)

    assert scores.equals(wrong.predict_scores(TEXTS))
    assert (scores.fold == NEVER_TRAINED).all()
    assert (scores.method == Method.SIMILARITY).all()


def test_examples_move_a_label_towards_what_they_say(make):
    names = ("first", "second")
    with_example = LabelSchema(names, examples={"second": ("a cat runs",)})

    plain = make(labels=LabelSchema(names)).predict_proba(["a cat runs"])
    moved = make(labels=with_example).predict_proba(["a cat runs"])

    assert moved[0, 1] > plain[0, 1] + 0.05


def test_examples_of_the_schema_are_in_sample(make):
    """A fusion that learned from them would trust the similarity too much."""
    classifier = make(labels=LabelSchema(tuple(LABELS), examples={"billing": (TEXTS[1],)})).fit(TEXTS, GOLD)

    assert classifier.seen_row_ids.tolist() == hash_texts([TEXTS[1]]).tolist()
    assert classifier.predict_scores(TEXTS).fold.tolist() == [NEVER_TRAINED, IN_SAMPLE, NEVER_TRAINED, NEVER_TRAINED]


def test_other_labels_are_noticed_after_a_prediction(make):
    """The vectors of the labels are kept between calls, but not longer than the labels themselves."""
    classifier = make()
    classifier.predict(TEXTS)
    swapped = dict(zip(LABELS, reversed(LABELS.values()), strict=True))

    assert classifier.set_params(labels=swapped).predict(TEXTS).predictions == [*GOLD[1:], GOLD[0]]


def test_a_higher_temperature_is_less_sure(make):
    assert (
        make(temperature=1.0).predict(TEXTS).confidence.max() < make(temperature=0.01).predict(TEXTS).confidence.min()
    )


def test_a_temperature_of_zero_is_refused(make):
    with pytest.raises(ConfigError, match="temperature must be above 0"):
        make(temperature=0).predict(TEXTS)


def test_one_label_of_several_is_neither_certain_nor_impossible(make):
    """With a single label there is no rival but "no label"."""
    odds = make(labels=["parcel"], multi_label=True).predict_scores(["the parcel", "a cat"]).values

    assert np.isfinite(odds).all()
    assert odds[0, 0] > odds[1, 0]


def test_progress_is_told(make):
    heard = []
    with listening(lambda task, *_: heard.append(task)):
        make().predict(TEXTS)

    assert set(heard) == {"comparing texts with labels"}


def test_the_saved_classifier_finds_the_same_encoder_again(make, tmp_path):
    classifier = make()
    classifier.save(tmp_path / "saved")

    assert textclassify.load(tmp_path / "saved").predict_scores(TEXTS).equals(classifier.predict_scores(TEXTS))


@pytest.mark.slow
def test_the_embedded_encoder_sorts_news_without_a_labelled_row():
    labels = {"Sports": "matches, athletes, teams", "Politics": "governments, elections, parliament"}

    result = SimilarityClassifier(labels).predict(["The striker scored twice.", "Voters elect a new president."])

    assert result.predictions == ["Sports", "Politics"]
