"""Ranking labels for texts: few of many, by one or several members, whatever labels and texts look like."""

import numpy as np
import pytest

import textclassify
from textclassify import LabelSchema, SimilarityClassifier
from textclassify.core.progress import listening
from textclassify.errors import ConfigError
from textclassify.testing import check_classifier

pytest.importorskip("torch")

NAMES = ("delivery", "billing", "pets")
WORDS = (("parcel", "late", "lost"), ("bill", "money", "refund"), ("cat", "dog", "runs"))
TEXTS = ["my parcel is late", "the bill and the refund", "a cat runs", "refund my money"]
GOLD = ["delivery", "billing", "pets", "billing"]
FILLERS = ("is", "my", "the", "a", "and", ":", ",")


def shown_examples(per_label):
    return {
        name: tuple(
            f"{FILLERS[n % 7]} {words[n % 3]} {FILLERS[n // 3 % 7]} {words[(n + 1) % 3]} n" + "," * n
            for n in range(per_label)
        )
        for name, words in zip(NAMES, WORDS, strict=True)
    }


@pytest.fixture
def make(tiny_encoder):
    labels = LabelSchema(NAMES, examples=shown_examples(12))
    return lambda **options: SimilarityClassifier(**{"labels": labels, "encoder": str(tiny_encoder), **options})


def test_without_examples_vectors_alone_rank_the_labels(make):
    report = make(labels=NAMES).retrieval_

    assert report.weights == {"dense": 1.0}
    assert report.temperature == 1.0


def test_examples_show_that_keywords_help(make):
    """A tiny random encoder blurs words; the words themselves tell the labels apart."""
    classifier = make()

    assert "keywords" in classifier.retrieval_.members
    assert classifier.retrieval_.rows == 36
    assert classifier.predict(TEXTS).predictions == GOLD


def test_several_members_keep_the_contract(make):
    check_classifier(make, TEXTS, GOLD)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("labels", [NAMES, LabelSchema(NAMES, examples=shown_examples(12))], ids=["cards", "examples"])
def test_the_top_labels_are_those_with_the_highest_scores(make, labels, multi_label):
    classifier = make(labels=labels, multi_label=multi_label)

    found, values = classifier.top_labels(TEXTS, 2), classifier.predict_scores(TEXTS).values

    assert found.codes.tolist() == np.argsort(-values, axis=1)[:, :2].tolist()


def test_scores_of_the_top_labels_differ_as_log_probabilities_do(make):
    classifier = make()
    found, values = classifier.top_labels(TEXTS, 3), classifier.predict_scores(TEXTS).values

    differences = np.take_along_axis(values, found.codes, axis=1)
    assert found.scores - found.scores[:, :1] == pytest.approx(differences - differences[:, :1], abs=1e-4)


def test_blank_texts_have_no_top_labels(make):
    assert make().top_labels(["", "a cat"], 2).found.tolist() == [[False, False], [True, True]]
    assert make().top_labels([" "], 2).found.tolist() == [[False, False]]


def test_fewer_labels_than_asked_for_are_all_ranked(make):
    assert sorted(make().top_labels(["a cat"], 9).codes[0].tolist()) == [0, 1, 2]


def test_no_labels_asked_for_is_an_error(make):
    with pytest.raises(ConfigError, match="k=0"):
        make().top_labels(TEXTS, 0)


def test_labels_are_read_once(make):
    """Cards and examples are most of the work for a few texts."""
    classifier, totals = make(), []
    classifier.predict(TEXTS)
    with listening(lambda _task, _done, total, *_: totals.append(total)):
        classifier.predict(["a cat"])

    assert totals == [1]


def test_a_saved_classifier_with_examples_scores_the_same(make, tmp_path):
    classifier = make()
    classifier.save(tmp_path / "saved")

    assert textclassify.load(tmp_path / "saved").predict_scores(TEXTS).equals(classifier.predict_scores(TEXTS))


def test_labels_can_be_found_from_the_top_downwards(make):
    labels = LabelSchema(("services", *NAMES), parents={"delivery": "services", "billing": "services"})
    flat, descending = make(labels=labels), make(labels=labels, descend=True)

    probabilities = descending.predict_proba(TEXTS)

    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    assert not np.allclose(probabilities, flat.predict_proba(TEXTS))
    assert descending.top_labels(TEXTS, 1).codes[:, 0].tolist() == probabilities.argmax(axis=1).tolist()


def test_a_label_without_examples_is_still_found(make):
    examples = {name: texts for name, texts in shown_examples(12).items() if name != "pets"}
    labels = LabelSchema(NAMES, {"pets": "a cat, a dog"}, examples)

    assert make(labels=labels).predict(["the cat and the dog"]).predictions == ["pets"]


def test_uneven_examples_rank_as_they_score(make):
    """What labels with many examples lose is lost in the search, too."""
    examples = {"delivery": ("parcel late", "parcel lost"), "billing": ("my bill",)}
    classifier = make(labels=LabelSchema(NAMES, examples=examples))

    assert classifier.retrieval_.members == ("dense",)
    found, values = classifier.top_labels(TEXTS, 3), classifier.predict_scores(TEXTS).values
    assert found.codes.tolist() == np.argsort(-values, axis=1).tolist()
    assert np.diff(found.scores) == pytest.approx(np.diff(np.take_along_axis(values, found.codes, axis=1)), abs=1e-4)


def test_one_label_is_always_the_answer(make):
    only = make(labels=LabelSchema(("pets",), examples={"pets": tuple(f"a cat {',' * n}" for n in range(40))}))

    assert only.predict(["a dog", "日本語の文"]).predictions == ["pets", "pets"]
    assert only.top_labels(["a dog"], 5).codes.tolist() == [[0]]


@pytest.mark.parametrize("text", ["这是另一种语言", "Où est mon colis ?", "🙂", "x" * 5000])
def test_texts_of_any_language_are_scored(make, text):
    assert np.isfinite(make().predict_scores([text]).values).all()


def test_labels_that_begin_like_each_other_are_told_apart(make):
    names = ("parcel", "parcel late", "parcel late lost")

    assert make(labels=names).predict(list(names)).predictions == list(names)


def test_twenty_thousand_labels_are_ranked(make):
    names = tuple(f"{FILLERS[n % 7]} {n}" for n in range(20_000))
    classifier = make(labels=names)

    assert classifier.top_labels(["the cat"], 5).codes.shape == (1, 5)
    assert np.isfinite(classifier.predict_scores(["the cat"]).values).all()


def test_equal_cards_rank_in_the_order_of_the_labels(make):
    labels = {"second": "parcel late", "Second": "parcel late"}

    assert make(labels=labels).top_labels(["parcel late"], 2).codes.tolist() == [[0, 1]]
