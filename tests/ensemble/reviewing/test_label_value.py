"""What makes a label worth having: doubt, disagreement, company."""

import numpy as np
import pytest

from textclassify import Scores
from textclassify.ensemble.reviewing.label_value import (
    disagreement,
    label_value,
    spread_out,
    typicality,
    uncertainty,
    unit_vectors,
    word_vectors,
)
from textclassify.errors import DataError

LABELS = ["a", "b", "c"]


def scores(*rows):
    return Scores.from_probabilities(rows, LABELS)


def several(*rows):
    return Scores.from_probabilities(rows, LABELS, multi_label=True)


def test_a_small_margin_is_a_large_doubt():
    """The second label counts, not the tail."""
    doubt = uncertainty(scores([0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]))

    np.testing.assert_allclose(doubt, [1.0, 0.75, 0.0], atol=1e-6)


def test_of_several_labels_the_least_sure_one_counts():
    """One label that is open makes the answer open."""
    np.testing.assert_allclose(uncertainty(several([0.99, 0.5, 0.01], [1.0, 0.9, 0.0])), [1.0, 0.2], atol=1e-6)


def test_only_sources_that_are_sure_of_different_answers_disagree():
    """A source without an opinion contradicts nobody, and neither does one without scores."""
    encoder = scores([0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0])
    llm = scores([0.0, 1.0, 0.0], [0.34, 0.35, 0.31], [1.0, 0.0, 0.0], [np.nan] * 3)

    found = disagreement({"encoder": encoder, "llm": llm}, 4)

    np.testing.assert_allclose(found, [0.8, 0.01, 0.0, 0.0], atol=1e-6)


def test_sources_disagree_on_the_label_that_they_differ_on_most():
    """Agreement on the others does not hide it."""
    found = disagreement({"x": several([0.9, 0.9, 0.1]), "y": several([0.9, 0.2, 0.1])}, 1)

    np.testing.assert_allclose(found, [0.6], atol=1e-6)


def test_texts_in_a_crowd_are_typical():
    """Labels of texts that are like many others reach further."""
    rng = np.random.default_rng(0)
    crowd = np.eye(8)[0] + 0.1 * rng.normal(size=(40, 8))
    loners = rng.normal(size=(40, 8))

    rank = typicality(unit_vectors(np.concatenate([crowd, loners]), 80))

    assert rank[:40].min() > rank[40:].mean()
    assert rank.max() == 1.0


def test_near_duplicates_are_taken_once_and_likenesses_later():
    """Three labels for one text teach what one teaches."""
    vectors = unit_vectors([[1, 0], [1, 0.01], [0.8, 0.6], [0, 1]], 4)
    value = np.array([0.9, 0.89, 0.88, 0.5])

    assert spread_out(value, vectors, np.array([], dtype=int), 4).tolist() == [0, 3, 2]
    assert spread_out(value, None, np.array([], dtype=int), 4).tolist() == [0, 1, 2, 3]


def test_rows_that_are_taken_already_push_others_away():
    """The random slice is labelled, too."""
    vectors = unit_vectors([[1, 0], [1, 0.01], [0, 1]], 3)

    assert spread_out(np.array([0.9, 0.8, 0.1]), vectors, np.array([0]), 3).tolist() == [2]


def test_rows_without_a_value_are_not_taken():
    """They have no scores."""
    assert spread_out(np.array([0.1, np.nan, 0.2]), None, np.array([], dtype=int), 3).tolist() == [2, 0]


def test_doubt_and_disagreement_and_density_all_count():
    """Each moves the total when the others stay."""
    sure, split = scores([0.8, 0.2, 0.0], [0.8, 0.2, 0.0]), scores([0.8, 0.2, 0.0], [0.2, 0.8, 0.0])
    total = label_value(sure, {"x": sure, "y": split}, None).total

    assert total[1] > total[0] > 0
    crowd = unit_vectors([[1, 0], [1, 0.1], [1, -0.1], [0, 1]], 4)
    alike = scores(*[[0.6, 0.4, 0.0]] * 4)
    assert label_value(alike, {}, crowd).total.argmin() == 3


@pytest.mark.parametrize("vectors", [[[1.0, 0.0]], [[1.0], [np.nan]], [1.0, 2.0]])
def test_vectors_that_do_not_fit_are_refused(vectors):
    """A shifted vector would rank by another text."""
    with pytest.raises(DataError, match="one vector of finite numbers per text"):
        unit_vectors(vectors, 2)


def test_texts_that_share_words_get_vectors_that_are_alike():
    """Enough for duplicates and crowds, without a model; too few texts say nothing."""
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(150)]
    texts = [" ".join(rng.choice(words, 12)) for _ in range(300)]

    vectors = unit_vectors(word_vectors([*texts, f"{texts[0]} word1"]), 301)

    assert (vectors[:300] @ vectors[300]).argmax() == 0
    assert word_vectors(texts[:20]) is None
    assert word_vectors([f"only{number}" for number in range(300)]) is None
