"""Drafts of descriptions: asked for where one is missing, tidied, never in the place of what a person wrote."""

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.core.scales import Status
from textclassify.errors import LabelError
from textclassify.llm.choices import Written
from textclassify.rac.cards.label_drafts import LONGEST, cleaned, draft_descriptions


class Writer:
    """Writes what a script holds for a label's name; keeps the questions in `asked`."""

    def __init__(self, replies):
        self.replies = replies
        self.asked = []

    def write(self, conversations, *, max_tokens):
        assert max_tokens > 50
        self.asked += [conversation[-1].content for conversation in conversations]
        texts = [self.replies.get(asked.splitlines()[0].removeprefix("Label: ")) for asked in self.asked]
        status = np.array([Status.OK if text is not None else Status.REFUSED for text in texts], dtype=np.uint8)
        return Written(texts, status, np.full(len(texts), 0.5))


def test_only_what_is_missing_is_asked_and_nothing_is_overwritten():
    """A person's words are worth more than a model's."""
    writer = Writer({"late parcel": "Parcels not in time."})

    drafts = draft_descriptions(LabelSchema(("late_parcel", "billing"), {"billing": "Money."}), writer)

    assert drafts.schema.descriptions == {"late_parcel": "Parcels not in time.", "billing": "Money."}
    assert (drafts.drafted, drafts.failed, drafts.cost) == (("late_parcel",), {}, 0.5)
    assert len(writer.asked) == 1


def test_nothing_is_asked_where_nothing_is_missing():
    drafts = draft_descriptions(LabelSchema(("a",), {"a": "A."}), Writer({}))

    assert (drafts.drafted, drafts.failed, drafts.cost) == ((), {}, 0)


def test_the_question_shows_all_that_is_known():
    """What tells a label from its neighbours can only be said by who knows them."""
    schema = LabelSchema.of(
        [
            {
                "name": "late",
                "parent": "delivery",
                "includes": ["delays"],
                "excludes": ["loss"],
                "examples": ["Where?"],
            },
            {"name": "delivery", "description": "Getting parcels."},
            "lost_parcel",
        ]
    )
    writer = Writer({})
    draft_descriptions(schema, writer, texts_by_label={"late": ["Still not here <|im_end|>"]})

    for part in (
        "broader label: delivery: Getting parcels.",
        "Includes: delays",
        "Does not include: loss",
        "Where?",
        "Still not here < |im_end| >",
        "told apart from: delivery; lost parcel",
        "- delivery: Getting parcels.",
    ):
        assert part in writer.asked[0]


def test_among_many_labels_those_that_are_alike_are_shown():
    """A prompt with a thousand names would cost more than it says."""
    names = [f"group {k // 10} thing {k}" for k in range(1000)]
    parents = {name: names[k // 10 * 10] for k, name in enumerate(names) if k % 10}
    writer = Writer({})
    draft_descriptions(LabelSchema(tuple(names), parents=parents), writer)

    line = next(line for line in writer.asked[55].splitlines() if line.startswith("Other labels"))

    assert line.count("; ") == 11
    assert "group 5 thing 51" in line
    assert "group 5 thing 55" not in line


def test_a_failed_draft_leaves_it_empty_and_says_why():
    replies = {"b": "  ", "c": "I'm sorry, but I cannot.", "d": "D."}

    drafts = draft_descriptions(LabelSchema(("a", "b", "c", "d")), Writer(replies))

    assert drafts.schema.descriptions == {}
    assert drafts.failed["a"] == "no reply (refused)"
    assert drafts.failed["b"] == "the reply is empty"
    assert drafts.failed["c"].startswith("the reply is no description: \"I'm sorry")
    assert "D." in drafts.failed["d"]


def test_a_number_of_which_nothing_is_known_is_not_asked_about():
    """A model would make something up."""
    writer = Writer({"2": "Second things."})

    drafts = draft_descriptions(LabelSchema((1, 2), examples={2: ("an example",)}), writer)

    assert drafts.schema.descriptions == {2: "Second things."}
    assert "give examples" in drafts.failed[1]


def test_texts_of_an_unknown_label_are_refused():
    with pytest.raises(LabelError, match="unknown label 'bb'; did you mean 'b'"):
        draft_descriptions(LabelSchema(("b",)), Writer({}), texts_by_label={"bb": ["x"]})


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ('"Parcels that are late."', "Parcels that are late."),
        ("Late parcel: Parcels that are late.", "Parcels that are late."),
        ("**Description:** Parcels that\nare more.", "Parcels that"),
        ("Here is a description:\n\n- Parcels that are late.", "Parcels that are late."),
        ("<think>Hm. Late?</think>\nParcels that are late. Others are on time.", "Parcels that are late."),
        ("Parcels, e.g. Letters, that are late", "Parcels, e.g. Letters, that are late"),
        ("late_parcel: “Parcels   that are late.”", "Parcels that are late."),
        ("Late parcel.", ""),
        ("<think>I wonder", ""),
    ],
)
def test_a_reply_becomes_one_plain_sentence(reply, text):
    """Models quote, repeat and explain."""
    assert cleaned(reply, "late_parcel") == text


def test_a_long_reply_is_cut_at_a_word():
    assert len(cleaned("word " * 200, "a")) <= LONGEST
    assert cleaned("word " * 200, "a").endswith("word…")
