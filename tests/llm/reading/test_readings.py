"""Hard labels, votes, and the helpers that turn chances into scores."""

from math import exp, log

import pytest

from textclassify.core.scales import SMALLEST_PROBABILITY, Method, Scale
from textclassify.llm.chat import ChatReply
from textclassify.llm.reading.elicitation import named_label, named_labels
from textclassify.llm.reading.label_reader import LabelReader
from textclassify.llm.reading.readings import HardReader, as_log_odds, as_log_probabilities, share_of_votes

CODES, NAMES = ["A", "B", "C"], ["world", "sports", "business travel"]


def reader(*, multi_label=False):
    return HardReader(CODES, NAMES, multi_label=multi_label)


@pytest.mark.parametrize("answer", ["B", "sports", " b.", "Sports!", "The answer is B", '{"label": "sports"}'])
def test_a_named_label_is_one_vote(answer):
    """Whatever it is dressed in, the same vote; asked twice, since the second time it is remembered."""
    hard = reader()
    assert [hard.read(ChatReply(answer)) for _ in range(2)] == [[0.0, 1.0, 0.0]] * 2
    assert (hard.method, hard.scale) == (Method.HARD, Scale.VOTE_SHARE)


@pytest.mark.parametrize(
    ("answer", "votes"),
    [("A, C", [1, 0, 1]), ("sports", [0, 1, 0]), ("none", [0, 0, 0]), ("A, maybe", None), ("", None)],
)
def test_several_labels_are_a_vote_each(answer, votes):
    """That none fits is an answer, too; what is unclear is not."""
    assert reader(multi_label=True).read(ChatReply(answer)) == votes


def test_an_unclear_reply_is_no_vote():
    """The engine asks once more, and says so in the status."""
    assert [reader().read(ChatReply(answer)) for answer in ("A or B", "not sports", "", "none")] == [None] * 4


def test_a_vote_can_be_changed_by_its_owner_alone():
    """A list that were handed out twice would carry one row's changes to the next."""
    hard = reader()
    hard.read(ChatReply("B"))[0] = 9.0
    assert hard.read(ChatReply("B")) == [0.0, 1.0, 0.0]


def test_a_reply_that_is_cut_off_is_read_only_as_far_as_it_is_sure():
    """'world' may go on where a longer label begins with it, and a list always may."""
    hard = HardReader(["A", "B"], ["business", "business travel"], multi_label=False)
    cut = [ChatReply(answer, finish_reason="length") for answer in ("business", "A", "business travel is")]
    assert [hard.read(reply) for reply in cut] == [None, [1.0, 0.0], [0.0, 1.0]]
    assert reader(multi_label=True).read(ChatReply("A, B", finish_reason="length")) is None


@pytest.mark.parametrize("answer", [*CODES, *NAMES, " A", "b", "World.", "A, B", "none", "It is A", '["A"]', "D"])
def test_the_reader_reads_as_the_parsers_do(answer):
    """Its short cuts are for time, not for other answers."""
    labels = LabelReader(CODES, NAMES)
    one, several = named_label(answer, labels), named_labels(answer, labels)
    votes = reader().read(ChatReply(answer))
    assert (None if votes is None else votes.index(1.0)) == one
    votes = reader(multi_label=True).read(ChatReply(answer))
    assert (None if votes is None else tuple(k for k in range(3) if votes[k])) == several


def test_votes_are_shared_among_the_samples_that_were_read():
    """A sample that names nothing is no vote against anything."""
    assert share_of_votes([[1.0, 0.0], None, [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]) == [0.75, 0.25]
    assert share_of_votes([None, None]) is None
    assert share_of_votes([]) is None


def test_weights_become_log_probabilities_without_infinities():
    """A score of 0 is a small probability."""
    scores = as_log_probabilities([3.0, 1.0, 0.0])
    assert scores == pytest.approx([log(0.75), log(0.25), log(SMALLEST_PROBABILITY)])
    assert sum(map(exp, scores)) == pytest.approx(1.0)


def test_certain_probabilities_have_finite_log_odds():
    """Log-odds of 0 and 1 would be infinite."""
    low, even, high = as_log_odds([0.0, 0.5, 1.0])
    assert (low, even) == (pytest.approx(-high), 0.0)
    assert high == pytest.approx(-log(SMALLEST_PROBABILITY))
