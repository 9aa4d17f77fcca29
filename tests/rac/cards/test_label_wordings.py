"""What is found in the words of labels alone."""

import pytest

from textclassify import LabelSchema
from textclassify.rac.cards.label_wordings import in_wordings


def kinds(schema):
    """(kind, labels) of what is found, gaps in descriptions aside."""
    return [(each.kind, each.labels) for each in in_wordings(schema) if each.kind != "no description"]


@pytest.mark.parametrize(
    "names", [("Card", "card"), ("card_arrival", "card-arrival"), ("late parcel", "lateParcel"), ("Q&A.", "q&a")]
)
def test_names_that_differ_in_writing_only_are_one(names):
    """A model that answers the one may mean the other."""
    assert kinds(LabelSchema((*names, "else"))) == [("duplicate name", names)]


@pytest.mark.parametrize("names", [("R", "R&D"), ("-1", "1"), ("+", "-"), (1, -1), (False, True)])
def test_names_that_differ_in_a_sign_are_two(names):
    """C, C# and C++ are three languages."""
    assert "duplicate name" not in dict(kinds(LabelSchema(names)))


def test_equal_descriptions_are_found_whatever_their_case():
    schema = LabelSchema(("a", "b", "c"), {"a": "Late parcels.", "b": "late  parcels.", "c": "Lost ones."})

    assert kinds(schema) == [("duplicate description", ("a", "b"))]


@pytest.mark.parametrize(("multi_label", "kind"), [(False, "shared example"), (True, "example of several labels")])
def test_an_example_of_two_labels_is_a_mistake_where_a_text_has_one(multi_label, kind):
    schema = LabelSchema(("a", "b"), examples={"a": ("My card",), "b": ("my  card",)}, multi_label=multi_label)

    assert kinds(schema) == [(kind, ("a", "b"))]


def test_labels_about_which_nothing_is_said_are_listed_at_once():
    """What is included says something, too."""
    schema = LabelSchema(("a", "b", "c"), {"a": "Late parcels."}, includes={"b": ("fees",)})

    assert [(each.kind, each.labels) for each in in_wordings(schema)] == [("no description", ("c",))]


@pytest.mark.parametrize("text", ["Card arrival", "a text about the arrival of a card", "Card, arrival."])
def test_a_description_that_repeats_the_name_says_nothing(text):
    assert kinds(LabelSchema(("card_arrival",), {"card_arrival": text}))[1:] == [
        ("description repeats the name", ("card_arrival",))
    ]


def test_labels_with_far_fewer_examples_are_listed():
    """Nearest neighbours would rarely be theirs."""
    counts = {"a": 8, "b": 9, "c": 1, "d": 3, "e": 8}
    examples = {name: tuple(f"{name} {k}" for k in range(count)) for name, count in counts.items()}

    assert kinds(LabelSchema(("a", "b", "c", "d", "e", "f"), examples=examples)) == [("few examples", ("c", "f"))]


@pytest.mark.parametrize("name", ["yes", "No", "none", "null", "NaN", "other"])
def test_a_label_that_is_also_an_answer_is_noted(name):
    assert kinds(LabelSchema((name, "card"))) == [("called like an answer", (name,))]


def test_a_name_that_begins_with_another_is_noted_with_the_longest():
    """Some servers end a reply early."""
    assert kinds(LabelSchema(("card fee", "card fee abroad", "card", "cash"))) == [
        ("prefix", ("card", "card fee")),
        ("prefix", ("card fee", "card fee abroad")),
    ]


def test_a_label_set_in_good_order_has_no_findings():
    assert not list(in_wordings(LabelSchema(("late", "lost"), {"late": "Not in time.", "lost": "Never came."})))
