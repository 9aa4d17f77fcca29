"""The recall report: measured where there is gold, a proxy where there is none."""

import numpy as np
import pytest

from textclassify.errors import ConfigError, DataError
from textclassify.rac.retrieving.recall import recall_report
from textclassify.testing import FixedClassifier

SCORES = {"t1": [0.6, 0.3, 0.1], "t2": [0.5, 0.3, 0.2], "t3": [0.2, 0.2, 0.6]}
NAMES = ["a", "b", "c"]


@pytest.fixture
def classifier():
    return FixedClassifier(SCORES, NAMES)


def test_recall_counts_the_gold_labels_among_the_first_k(classifier):
    table = recall_report(classifier, list(SCORES), ["a", "b", "a"], ks=(1, 2, 3))

    assert table["recall"].round(6).tolist() == [0.333333, 1.0, 1.0]
    assert (table["low"] <= table["recall"]).all()
    assert (table["recall"] <= table["high"]).all()


def test_without_gold_only_a_proxy_is_told_and_called_one(classifier):
    table = recall_report(classifier, list(SCORES), ks=(2, 1))

    assert table.columns.tolist() == ["k", "coverage_proxy", "texts"]
    assert table["k"].tolist() == [1, 2]
    assert table["coverage_proxy"].to_numpy() == pytest.approx([1.7 / 3, 2.5 / 3])
    assert "proxy" in table.attrs["coverage_proxy"]


def test_more_labels_than_there_are_count_as_all(classifier):
    assert recall_report(classifier, list(SCORES), ["c", "c", "b"], ks=(20,))["recall"].tolist() == [1.0]


def test_a_blank_text_finds_nothing(classifier):
    table = recall_report(classifier, ["t1", " "], ["a", "a"], ks=(1, 3))

    assert table["recall"].tolist() == [0.5, 0.5]
    assert table["coverage_proxy"].to_numpy() == pytest.approx([0.6, 1.0])


def test_labels_that_are_missed_most_come_first(classifier):
    table = recall_report(classifier, [*SCORES, "t1"], ["a", "b", "b", "c"], ks=(1, 2), by_label=True)

    assert table["label"].tolist() == ["b", "c", "a"]
    assert table["texts"].tolist() == [2, 1, 1]
    assert table["recall_at_2"].tolist() == [0.5, 0.0, 1.0]


def test_with_several_labels_it_is_the_share_of_them_that_is_found():
    classifier = FixedClassifier({"t1": [0.9, 0.8, 0.1], "t2": [0.2, 0.1, 0.7]}, NAMES, multi_label=True)

    table = recall_report(classifier, ["t1", "t2"], [["a", "b"], []], ks=(1, 2))

    assert table["recall"].tolist() == [0.5, 1.0]
    assert table["coverage_proxy"].to_numpy() == pytest.approx([(0.9 / 1.8 + 0.7) / 2, (1.7 / 1.8 + 0.9) / 2])


def test_many_texts_are_scored_in_parts():
    scores = {f"t{n}": np.roll([0.6, 0.3, 0.1], n % 3).tolist() for n in range(1500)}

    table = recall_report(FixedClassifier(scores, NAMES), list(scores), [NAMES[n % 3] for n in range(1500)], ks=(1,))

    assert table["recall"].tolist() == [1.0]


def test_what_cannot_be_reported_is_refused(classifier):
    with pytest.raises(DataError, match="at least one text"):
        recall_report(classifier, [])
    with pytest.raises(DataError, match="pass gold"):
        recall_report(classifier, ["t1"], by_label=True)
    with pytest.raises(ConfigError, match="k=0"):
        recall_report(classifier, ["t1"], ks=(0,))
