"""Texts about labels, out of the label cards, and the questions that are demonstrated with them."""

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.references import N_REFERENCES, NO_LABEL, references

NAMES = tuple(f"topic {letter}" for letter in "abcdefgh")
LABELS = LabelSchema(NAMES, {name: f"All about {name}." for name in NAMES})
MANY = LabelSchema(tuple(f"topic {number}" for number in range(60)))


def in_order(texts, k=5):
    """Ranks the first labels highest, whatever the text."""
    codes = np.tile(np.arange(k), (len(texts), 1))
    return Candidates(codes, -codes.astype(np.float32))


def asked(shown, labels=LABELS):
    return Questions(labels, references(labels, in_order)[:shown])


def answers(question):
    return [turn.content for turn in question.messages if turn.role == "assistant"]


def test_no_text_stands_beside_its_own_label():
    found = references(LABELS, in_order)

    assert len(found) == len(NAMES)
    assert all(one.label not in one.near and one.text == f"All about {NAMES[one.label]}." for one in found)


def test_their_number_does_not_grow_with_the_labels():
    assert len(references(MANY, in_order)) == N_REFERENCES


def test_broader_and_narrower_labels_are_passed_over():
    """A text about beer is about drinks as well."""
    labels = LabelSchema(("drinks", "beer", "cars"), parents={"beer": "drinks"})

    found = {one.text: one.near for one in references(labels, lambda texts: in_order(texts, 3))}

    assert found == {"drinks": (2,), "beer": (2,), "cars": (0, 1)}


def test_a_single_label_is_tried_on_ordinary_sentences():
    assert {(one.label, one.near) for one in references(LabelSchema(("only",)), in_order)} == {(NO_LABEL, (0,))}


def test_a_yes_no_question_is_demonstrated_by_one_label_that_fits_and_one_that_does_not():
    question = asked(3).yes_no(0)

    assert answers(question) == ["yes", "no"] * 3
    assert question.messages[-1] == asked(0).yes_no(0).messages[-1]


def test_a_list_is_demonstrated_with_as_many_labels_and_another_place_each_time():
    question = asked(3).listwise([4, 5, 6])

    assert answers(question) == ["B", "A", "C"]
    assert all("C: " in turn.content for turn in question.messages if turn.role == "user")


def test_a_pair_is_demonstrated_in_both_orders():
    assert answers(asked(2).pairwise(0, 1)) == ["A", "B"]


def test_none_of_these_is_listed_in_the_demonstrations_too():
    shown = asked(2).listwise([4, 5], none_option=True).messages[1]

    assert "none of these" in shown.content


@pytest.mark.parametrize("kind", ["yes_no", "listwise", "pairwise"])
def test_what_fits_is_not_told_by_comparing_words(kind):
    """The text is a description; no label that it is shown with repeats it."""
    codes = {"yes_no": (0,), "listwise": ([0, 1],), "pairwise": (0, 1)}[kind]
    first = getattr(asked(1), kind)(*codes).messages[1].content

    assert first.count("All about") == 1


def test_what_fits_is_not_told_by_the_length_of_its_card():
    """A model that saw whole cards only where the answer is no would say no to whole cards."""
    turns = asked(1).yes_no(0).messages

    assert not any("Label: topic a: " in turn.content or "All about topic" in turn.content.split("Label:")[1]
                   for turn in turns[1:-1] if turn.role == "user")  # fmt: skip


def test_an_example_stands_for_its_label_with_the_whole_card():
    labels = LabelSchema(NAMES, LABELS.descriptions, examples={name: (f"{name}!",) for name in NAMES})

    first = asked(1, labels).yes_no(0).messages[1].content

    assert "!\n" in first
    assert "All about" in first


def test_a_single_label_is_not_demonstrated():
    labels = LabelSchema(("only",))

    assert len(asked(3, labels).yes_no(0).messages) == 2
