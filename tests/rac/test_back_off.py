"""Broader labels for texts whose narrow label is not sure enough."""

import pytest

from textclassify import LabelSchema, RACClassifier
from textclassify.errors import ConfigError
from textclassify.testing import FixedClassifier

LABELS = LabelSchema(("animal", "cat", "dog", "bill"), parents={"cat": "animal", "dog": "animal"})
RANKS = FixedClassifier({"a": [0.1, 0.45, 0.4, 0.05], "b": [0.1, 0.8, 0.05, 0.05], "c": [0.1, 0.25, 0.15, 0.5]}, LABELS)


def labelled(texts, **options):
    return RACClassifier(LABELS, retriever=RANKS, min_probability=0.6, **options).predict(texts)


def test_a_narrow_label_that_is_not_sure_enough_gives_way_to_a_broader_one():
    result = labelled(["a", "b", "c"], back_off=True)

    assert result.predictions == ["animal", "cat", None]
    assert result.reasons == [None, None, "not sure enough"]


def test_the_confidence_of_a_broader_label_holds_those_below_it():
    assert labelled(["a", "b"], back_off=True).confidence == pytest.approx([0.95, 0.8])
    assert labelled(["a", "b"], back_off=True)[:1].confidence == pytest.approx([0.95])


def test_without_it_the_text_stays_unlabelled():
    assert labelled(["a"]).predictions == [None]


@pytest.mark.parametrize(
    ("labels", "options", "remedy"),
    [
        (LABELS, {"min_probability": 0.0}, "min_probability"),
        (LabelSchema(("a", "b")), {"min_probability": 0.5}, "parent"),
        (LabelSchema(LABELS.names, parents=LABELS.parents, multi_label=True), {"min_probability": 0.5}, "several"),
    ],
)
def test_it_needs_broader_labels_and_a_bound(labels, options, remedy):
    with pytest.raises(ConfigError, match=remedy):
        RACClassifier(labels, back_off=True, **options).check_model()
