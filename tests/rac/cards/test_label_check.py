"""What a check of labels says: mistakes first, near-duplicates where there are vectors, and never silence."""

import json
import sys

import pytest

from textclassify import LabelSchema
from textclassify.errors import ConfigError, ModelError
from textclassify.rac.cards.label_check import LISTED, NEAR, check_labels


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "textclassify.models.vectors", raising=False)


def test_cards_of_the_same_words_are_near(tiny_encoder):
    """Two labels for one thing are seen before anything is paid for."""
    pytest.importorskip("torch")
    labels = {"bill": "money refund", "money": "bill refund", "parcel": "my parcel is late", "dog": "a dog runs"}

    found = check_labels(LabelSchema.of(labels), encoder=tiny_encoder, near=0.97)

    assert found.counts == {NEAR: 1}
    assert found.findings[0].labels == ("bill", "money")
    assert found.findings[0].similarity > 0.97
    assert not found.has_duplicates


@pytest.mark.usefixtures("without_torch")
def test_without_torch_the_words_are_checked_and_it_is_said_what_is_missing():
    """A check that was left out must not look like one that found nothing."""
    found = check_labels(LabelSchema(("Card", "card"), {"Card": "On paper.", "card": "On plastic."}))

    assert list(found.counts) == ["duplicate name", "not compared"]
    assert found.has_duplicates
    assert "pip install" in found.findings[1].message
    assert found.near is None


def test_an_encoder_that_was_named_and_is_not_there_is_an_error():
    """Whoever names one wants that one."""
    pytest.importorskip("torch")
    with pytest.raises(ModelError):
        check_labels(LabelSchema(("a", "b")), encoder="/no/such/folder")


def test_a_bar_that_is_no_cosine_is_refused():
    with pytest.raises(ConfigError, match="near must be a cosine from -1 to 1, got 95"):
        check_labels(LabelSchema(("a", "b")), near=95)


@pytest.mark.usefixtures("without_torch")
def test_one_label_is_compared_with_nothing():
    assert list(check_labels(LabelSchema(("a",), {"a": "All there is."})).counts) == ["one label"]


@pytest.mark.usefixtures("without_torch")
def test_all_are_counted_and_some_are_listed():
    """20,000 labels of one kind would fill a screen for an hour."""
    descriptions = {f"label {k}": f"label {k}" for k in range(300)}

    found = check_labels(LabelSchema(tuple(descriptions), descriptions))

    assert found.counts["description repeats the name"] == 300
    assert sum(each.kind == "description repeats the name" for each in found.findings) == LISTED
    assert "and 250 more" in str(found)


@pytest.mark.usefixtures("without_torch")
def test_the_check_as_text_and_as_json():
    """A person reads a table, a script a mapping."""
    found = check_labels(LabelSchema(("yes", "card"), {"card": "Of plastic."}))

    lines = str(found).splitlines()

    assert lines[0] == "2 labels, 3 findings"
    assert [line.split("  ")[0] for line in lines[1:]] == ["not compared", "no description", "called like an answer"]
    assert json.loads(json.dumps(found.to_dict()))["findings"][1]["labels"] == ["yes"]
    told = LabelSchema(("a",), {"a": "Something."})
    assert str(check_labels(told)).startswith("1 label, 1 finding\n")
