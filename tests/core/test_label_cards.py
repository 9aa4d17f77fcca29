"""What is said about labels: read from what users write, and refused where it contradicts itself."""

import json
import time

import pytest

from textclassify.core.labels import LabelSchema
from textclassify.errors import LabelError

FULL = {
    "name": "late_parcel",
    "description": "A parcel that is not there yet",
    "includes": ["delays", "lost parcels"],
    "excludes": ["damage"],
    "examples": ["Where is it?"],
    "parent": "delivery",
    "code": "D-01",
}


def test_everything_that_is_known_of_a_label_survives_plain_json():
    """A saved model is read back with the same prompts."""
    schema = LabelSchema.of([FULL, "delivery"])

    assert LabelSchema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    assert schema.includes == {"late_parcel": ("delays", "lost parcels")}
    assert schema.excludes == {"late_parcel": ("damage",)}
    assert schema.codes == {"late_parcel": "D-01"}


def test_a_schema_that_was_stored_before_has_no_inclusions():
    """Folders outlive versions."""
    stored = {"labels": [{"name": "a", "description": "A."}], "multi_label": False}

    assert LabelSchema.from_dict(stored) == LabelSchema(("a",), {"a": "A."})
    assert LabelSchema(("a",), {"a": "A."}).to_dict() == stored


def test_a_card_says_what_is_included_and_the_full_card_what_is_not():
    """A vector of what a label is not would be near to just that."""
    schema = LabelSchema.of([FULL, {"name": "delivery", "excludes": "bills"}])

    card = "late parcel: A parcel that is not there yet. Includes: delays; lost parcels."
    assert schema.card("late_parcel") == card
    assert schema.card_in_full("late_parcel") == f"{card} Not: damage."
    assert (schema.card("delivery"), schema.card_in_full("delivery")) == ("delivery", "delivery. Not: bills.")


def test_one_text_is_a_list_of_one_and_blanks_are_none():
    """Nobody writes a list for a single phrase, and an empty cell says nothing."""
    schema = LabelSchema.of([{"name": "a", "includes": " fees ", "excludes": ["", " "], "code": " ", "parent": ""}])

    assert schema == LabelSchema(("a",), includes={"a": ("fees",)})


def test_further_examples_come_after_those_there_and_each_once():
    """Examples from labelled rows join those of the label file."""
    schema = LabelSchema(("a", "b"), examples={"a": ("x",)}).with_examples({"a": ["y", "x"], "b": []})

    assert schema.examples == {"a": ("x", "y")}
    with pytest.raises(LabelError, match="unknown label 'c'"):
        schema.with_examples({"c": ["z"]})
    with pytest.raises(LabelError, match="'a' are one text; write a list"):
        schema.with_examples({"a": "one text"})


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ([{"name": "a", "code": "1"}, {"name": "b", "code": 1}], "'a' and 'b' have one code, '1'"),
        ([{"name": "a", "code": 1.5}], r"the code of label 'a' is 1.5 \(float\), not a text; write it in quotes"),
        ([{"name": "a", "code": True}], r"True \(bool\), not a text"),
        ([{"name": "a", "includes": {"b": 1}}], "the includes of label 'a' are .*; write a list of texts"),
        ([{"name": "a", "excludes": ["x", 5]}], r"one of the excludes of label 'a' is 5 \(int\)"),
        ([{"name": "a", "include": "x"}], "unknown key 'include' in a label; did you mean 'includes'.*code$"),
        ([{"name": None}, "b"], "the name of label 1 is missing .* quote it"),
        (["a", " "], r"the name of label 2 is blank \(' '\); give it one, or remove the label"),
        ([1.5], r"the name of label 1 is 1.5 \(float\), .* quote it to make it text: '1.5'"),
        (["true", True], "quotes make a text"),
        ([{"name": "a", "label": "b"}], "unknown key 'label'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(cards, message):
    with pytest.raises(LabelError, match=message):
        LabelSchema.of(cards)


@pytest.mark.parametrize(("parents", "circle"), [("bca", "'a', 'b', 'c', 'a'"), ("bcb", "'b', 'c', 'b'")])
def test_parents_that_go_in_a_circle_are_refused(parents, circle):
    """Whoever descends from the broadest label would never arrive."""
    cards = [{"name": name, "parent": parent} for name, parent in zip("abc", parents, strict=True)]

    with pytest.raises(LabelError, match=rf"go in a circle: {circle};"):
        LabelSchema.of(cards)


def test_labels_may_be_called_like_answers_and_nearly_like_each_other():
    """They are names like others; `check_labels` warns of them."""
    names = ("yes", "none", "null", "NaN", "Card", "card", "card_")

    assert LabelSchema.of(list(names)).names == names


def test_twenty_thousand_labels_are_a_matter_of_a_moment():
    """Every check of one label against all others would take minutes."""
    cards = [
        {"name": f"l{k}", "description": "D.", "examples": [f"x {k}"], "parent": f"l{k // 10}", "code": str(k)}
        for k in range(1, 20_000)
    ]
    start = time.process_time()
    schema = LabelSchema.of([{"name": "l0"}, *cards])
    codes = schema.encode(schema.names[::-1])

    assert codes[0] == 19_999
    assert time.process_time() - start < 2  # 0.4 s on a quiet machine
