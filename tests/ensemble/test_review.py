"""Which rows a person sees first, and what is said about them."""

import numpy as np
import pytest

from textclassify import LinearClassifier, Scores, TrainingData
from textclassify.core.scales import Status
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.ensemble.review import label_errors, rows_to_label
from textclassify.errors import ConfigError, DataError, ScoresError
from textclassify.testing import FixedClassifier

LABELS = ["a", "b"]


def answers(*best, labels=LABELS, status=None):
    """Scores with the given probability of the first label; None = no scores."""
    rows = [[np.nan, np.nan] if p is None else [p, 1 - p] for p in best]
    return Scores.from_probabilities(rows, labels, status=status)


def test_close_calls_come_first():
    """Their labels teach most."""
    table = rows_to_label(answers(0.99, 0.52, 0.7), list("xyz"), random_share=0)

    assert table.row.tolist() == [1, 2, 0]
    assert table.text.tolist() == ["y", "z", "x"]
    assert table.why[0] == "a close call (a 0.52, b 0.48)"
    assert table.score.is_monotonic_decreasing


def test_sources_that_contradict_each_other_are_named():
    """A person sees what is at stake."""
    sure = answers(0.9, 0.9)
    table = rows_to_label(
        answers(0.8, 0.8), list("xy"), sources={"encoder": sure, "llm": answers(0.9, 0.1)}, random_share=0
    )

    assert table.row.tolist() == [1, 0]
    assert table.why[0] == "sources disagree (encoder: a, llm: b)"
    assert table.answer_llm.tolist() == ["b", "a"]


def test_a_random_slice_is_mixed_in_and_marked():
    """Hard rows measure nothing; these do, and whoever stops half-way has labelled some of them."""
    rng = np.random.default_rng(0)
    table = rows_to_label(answers(*rng.random(400)), [f"text {row}" for row in range(400)], n=100, random_share=0.2)

    at_random = np.flatnonzero(table.chosen_by == "random")
    assert len(table) == 100
    assert len(at_random) == 20
    assert len(at_random[at_random < 50]) == 10
    assert table.row.is_unique
    assert (table.why[at_random] == "drawn at random, to measure on").all()


def test_the_random_slice_is_random_whatever_the_scores():
    """Drawn before anything is ranked: else it would be the rest that nobody wanted."""
    texts = [f"text {row}" for row in range(200)]

    def drawn(scores):
        table = rows_to_label(scores, texts, n=50, random_state=3)
        return set(table.row[table.chosen_by == "random"])

    assert drawn(answers(*np.linspace(0.5, 1, 200))) == drawn(answers(*np.linspace(1, 0.5, 200)))


def test_rows_without_scores_are_listed_with_the_reason():
    """A failed row is not lost: its label is the only one that anybody will give it."""
    status = [Status.OK, Status.TOO_LONG, Status.OK, Status.OK]
    table = rows_to_label(answers(0.6, None, 0.9, 0.7, status=status), list("wxyz"), n=2, random_share=0)

    assert table.row.tolist() == [0, 3, 1]
    assert table.why.iloc[-1] == "no answer: too long"
    assert table.status.iloc[-1] == "too_long"
    assert table.prediction.iloc[-1] is None


def test_one_wording_is_listed_once():
    """Case and white space make no new text."""
    table = rows_to_label(answers(0.5, 0.5, 0.6), ["Same text", " same  TEXT", "other"], random_share=0)

    assert table.row.tolist() == [0, 2]


def test_vectors_make_typical_texts_come_first_and_duplicates_disappear():
    """Equally unsure texts differ by whom they stand for."""
    vectors = [[1, 0], [1, 0.001], [0.9, 0.5], [0.9, -0.5], [-1, 0.2]]
    table = rows_to_label(answers(*[0.5] * 5), list("vwxyz"), vectors, random_share=0)

    assert len(table) == 4
    assert not {0, 1} <= set(table.row)
    assert table.density.between(0, 1).all()


def test_a_classifiers_result_is_taken_as_it_is():
    """Sources and answers are in it already."""
    classifier = FixedClassifier({"clear": [0.9, 0.1], "close": [0.55, 0.45]})

    table = rows_to_label(classifier.predict(["clear", "close"]), ["clear", "close"], random_share=0)

    assert table.text.tolist() == ["close", "clear"]
    assert table.prediction.tolist() == ["a", "a"]


def test_several_labels_are_ranked_by_the_least_sure_one():
    """And shown as lists."""
    scores = Scores.from_probabilities([[0.9, 0.1], [0.9, 0.45]], LABELS, multi_label=True)

    table = rows_to_label(scores, list("xy"), random_share=0)

    assert table.row.tolist() == [1, 0]
    assert table.prediction.tolist() == [["a"], ["a"]]
    assert table.why[0] == "a close call (b 0.45)"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 0}, ConfigError, "n=0 is too few rows"),
        ({"random_share": 1.5}, ConfigError, "random_share=1.5 is no share"),
        ({"texts": ["x"]}, DataError, "2 answers but 1 texts"),
    ],
)
def test_what_cannot_be_is_refused(options, error, message):
    """By name, with the remedy."""
    with pytest.raises(error, match=message):
        rows_to_label(answers(0.5, 0.6), **options)


def noisy(n=300, share=0.1):
    """Texts whose label is in their words, a share of the labels wrong; and which are."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, n)
    texts = [f"{'invoice charge' if code else 'parcel courier'} number {row}" for row, code in enumerate(codes)]
    wrong = rng.random(n) < share
    return TrainingData(texts, [LABELS[code] for code in np.where(wrong, 1 - codes, codes)]), np.flatnonzero(wrong)


def test_wrong_labels_are_found_out_of_fold():
    """By models that never saw the row; the suggestion is the right label."""
    data, wrong = noisy()

    table = label_errors(FoldAverage(LinearClassifier()).fit(data).out_of_fold_scores_, data)

    assert set(table.row) == set(wrong)
    assert (table.gold != table.suggested).all()
    assert (table.chosen_by == "ranking").all()
    assert "to a model that never saw it" in table.why[0]


def test_scores_of_rows_that_were_trained_on_are_refused():
    """They believe their labels."""
    scores = Scores.from_probabilities([[0.9, 0.1]], LABELS, fold=-2, source="encoder")

    with pytest.raises(ScoresError, match="'encoder' was trained on row 0"):
        label_errors(scores, ["a"])


def test_equal_texts_with_different_labels_come_first():
    """One is certainly wrong; the majority is suggested, and each names the other."""
    scores = answers(0.9, 0.9, 0.9, 0.1)

    table = label_errors(scores, ["a", "b", "a", "b"], ["same", "Same ", "same", "other"])

    assert table.row.tolist() == [0, 1, 2]
    assert table.suggested.tolist() == ["a", "a", "a"]
    assert table.why.tolist() == [
        "the same text has b in row 1",
        "the same text has a in row 0",
        "the same text has b in row 1",
    ]


def test_without_a_majority_the_model_decides_between_equal_texts():
    """Something has to be suggested."""
    table = label_errors(answers(0.2, 0.2, 0.9), ["a", "b", "a"], ["same", "same", "other"])

    assert table.suggested.tolist() == ["b", "b"]


def test_rows_of_different_judges_are_compared_with_their_own():
    """A timid model's averages say nothing about a bold one's."""
    bold, timid = [0.95] * 20, [0.6] * 20
    gold = ["a"] * 40 + ["b"] * 20
    scores = answers(*bold, *timid, *[0.05] * 10, *[0.45] * 10)
    judges = ["bold"] * 20 + ["timid"] * 20 + ["bold"] * 10 + ["timid"] * 10
    gold[25] = "b"  # a timid 0.6 for the other label

    table = label_errors(scores, gold, judged_by=judges)

    assert table.row.tolist() == [25]
    assert table.judged_by.tolist() == ["timid"]


def test_several_labels_say_what_is_missing_and_what_is_too_much():
    """A person corrects labels, not rows."""
    right = np.array([[1, 0], [0, 1]] * 30)
    gold = right.copy()
    gold[0] = [0, 1]
    scores = Scores.from_probabilities(np.where(right == 1, 0.9, 0.1), LABELS, multi_label=True)

    table = label_errors(scores, gold)

    assert table.row.tolist() == [0]
    assert (table.gold[0], table.suggested[0]) == (["b"], ["a"])
    assert table.why[0].startswith("missing: a; too much: b")


def test_lengths_that_differ_are_refused():
    """A shift makes every label suspect."""
    with pytest.raises(DataError, match="2 rows are scored but there are 1 texts"):
        label_errors(answers(0.9, 0.1), ["a", "b"], ["x"])
    with pytest.raises(DataError, match="2 texts but 1 labels"):
        label_errors(answers(0.9, 0.1), ["a"])
