"""The linear baseline: from two rows on, without pickle, and honest about labels that it never saw."""

import numpy as np
import pytest

import textclassify
from textclassify import LinearClassifier
from textclassify.errors import ConfigError, StorageError
from textclassify.testing import check_classifier


def test_the_linear_classifier_keeps_the_contract(messages):
    check_classifier(LinearClassifier, *messages)


def test_the_linear_classifier_keeps_the_contract_with_several_labels(messages):
    texts, labels = messages
    check_classifier(
        LinearClassifier,
        texts,
        [[label, "urgent"] if "is" in text else [label] for text, label in zip(texts, labels, strict=True)],
    )


def test_two_rows_are_enough():
    classifier = LinearClassifier().fit(["good morning", "bad evening"], ["up", "down"])

    assert classifier.predict(["a good day", "a bad day"]).predictions == ["up", "down"]


def test_words_and_spelling_both_count():
    """Typos share characters, not words."""
    classifier = LinearClassifier().fit(["delivery late", "invoice wrong"] * 2, ["parcel", "bill"] * 2)

    assert classifier.predict(["delivvery", "my invoise"]).predictions == ["parcel", "bill"]


def test_texts_without_letters_can_be_learned():
    classifier = LinearClassifier().fit(["!!!", "???", "! !", "? ?"], ["loud", "asking"] * 2)

    assert classifier.predict(["!", "?"]).predictions == ["loud", "asking"]


def test_a_label_without_rows_keeps_a_small_probability(messages):
    texts, labels = messages
    classifier = LinearClassifier(labels=["praise", "billing", "delivery"]).fit(texts, labels)

    probabilities = classifier.predict_proba(["my parcel"])[0]

    assert probabilities.argmax() == 2
    assert probabilities[0] == pytest.approx(0.5 / (8 + 1.5), rel=1e-5)


def test_several_labels_of_which_one_is_on_all_rows_and_one_on_none(messages):
    """No model can be fitted for either; both keep a constant with half a row of doubt."""
    texts, labels = messages
    classifier = LinearClassifier(labels=["all", "none", "delivery"], multi_label=True)

    classifier.fit(texts, [["all", "delivery"] if label == "delivery" else ["all"] for label in labels])

    np.testing.assert_allclose(classifier.predict_proba(["parcel"])[0, :2], [8.5 / 9, 0.5 / 9], rtol=1e-5)


def test_heavier_rows_win_a_contradiction():
    texts, labels = ["free money now", "free money now", "see you"], ["spam", "ham", "ham"]

    first = LinearClassifier().fit(texts, labels, sample_weight=[9, 1, 1])
    second = LinearClassifier().fit(texts, labels, sample_weight=[1, 9, 1])

    assert (first.predict(texts[:1])[0], second.predict(texts[:1])[0]) == ("spam", "ham")


def test_the_saved_folder_holds_no_pickle_and_gives_equal_scores(messages, tmp_path):
    """Half surrogates reach the vocabulary and must survive the file."""
    texts, labels = messages
    classifier = LinearClassifier().fit([*texts, "odd \ud800 text"], [*labels, "billing"])
    classifier.save(tmp_path / "saved")

    loaded = textclassify.load(tmp_path / "saved")

    assert {path.name for path in (tmp_path / "saved").iterdir()} == {
        "README.md", "textclassify.json", "vocabulary.json", "linear.safetensors",
    }  # fmt: skip
    assert loaded.predict_scores([*texts, "\ud800"]).equals(classifier.predict_scores([*texts, "\ud800"]))


def test_a_damaged_vocabulary_is_a_storage_error(messages, tmp_path):
    classifier = LinearClassifier().fit(*messages)
    (tmp_path / "vocabulary.json").write_text('{"words": ["a"]}')

    with pytest.raises(StorageError, match=r"vocabulary\.json"):
        classifier._read(tmp_path, {})


def test_max_features_bounds_the_vocabulary(messages):
    assert LinearClassifier(max_features=5).fit(*messages).coefficients_.shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"C": 0}, "C must be a number above 0, got 0"),
        ({"C": "10"}, "C must be a number above 0, got '10'"),
        ({"C": float("inf")}, "C must be a number above 0, got inf"),
        ({"max_features": 0}, "max_features must be a whole number of at least 1, got 0"),
        ({"max_features": 0.5}, "max_features must be a whole number"),
        ({"word_ngrams": "a"}, r"word_ngrams must be the shortest and the longest length, such as \(1, 2\), got 'a'"),
        ({"char_ngrams": (3, 2)}, "char_ngrams must be"),
        ({"word_ngrams": (0, 1)}, "word_ngrams must be"),
        ({"word_ngrams": 2}, "word_ngrams must be"),
    ],
)
def test_options_out_of_range_are_refused(options, message, messages):
    """In one style, and before the texts are counted."""
    with pytest.raises(ConfigError, match=message):
        LinearClassifier(**options).fit(*messages)
