"""Log-probabilities of whole replies."""

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.scales import Method, Scale
from textclassify.llm.chat import ChatReply, TokenLogprob
from textclassify.llm.reading.token_logprobs import LogprobReader, usable_logprobs

CODES, NAMES = ["A", "B", "C", "D"], ["world", "sports", "business", "sci/tech"]
LABEL = {"B": 0.7, "A": 0.2, "C": 0.1}


def token(text, probabilities=None):
    given_ = probabilities or {text: 0.99, "zzz": 0.01}
    return TokenLogprob(text, log(given_[text]), tuple((other, log(p)) for other, p in given_.items()))


def reply(*tokens, content=None, **fields):
    said = [each if isinstance(each, TokenLogprob) else token(each) for each in tokens]
    content = "".join(each.token for each in said) if content is None else content
    return ChatReply(content, logprobs=tuple(said), **fields)


def probabilities(answer, **options):
    scores = LogprobReader(CODES, NAMES, **({"multi_label": False} | options)).read(answer)
    return None if scores is None else [exp(score) for score in scores]


@pytest.mark.parametrize(
    ("before", "after"),
    [([], []), ([], [""]), (["The", " label", " is", " "], ["."]), (['{"', "label", '":"'], ['"}']),
     (["<think>", "A", "?", " no", "</think>", "\n"], []), (["**"], ["**"]), ([], [")", " sports"]),
     ([], ["\n\n", "A", " text", " about", " sports"])],
)  # fmt: skip
def test_the_label_is_found_where_it_is_written(before, after):
    """Models talk before they answer, and close what they open."""
    found = probabilities(reply(*before, token("B", LABEL), *after))
    assert found == pytest.approx([0.2, 0.7, 0.1, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [(["B", "ut", " A", " or", " B", "?", "</think>"], ["<|im_end|>"]), ([" "], ["<|B|>"]),
     ([], ["\n\n", "Text", ":B", "?"])],
)  # fmt: skip
def test_tokens_that_the_content_leaves_out_are_passed_over(before, after):
    """Servers report thoughts, ends of turns and what follows a stop word without handing them out."""
    found = probabilities(reply(*before, token("B", LABEL), *after, content="B"))
    assert found == pytest.approx([0.2, 0.7, 0.1, 0.0], abs=1e-6)


def test_a_name_is_read_where_it_begins():
    """An article "A" in front of it is no code."""
    said = reply("A", token(" sp", {" sp": 0.9, " world": 0.1}), "orts", " article")
    assert probabilities(said) == pytest.approx([0.1, 0.9, 0.0, 0.0], abs=1e-6)


def test_marks_of_a_vocabulary_are_spaces():
    """Some servers show a token as their vocabulary writes it."""
    said = reply(
        "The", "\u0120answer", "\u0120is", token("\u0120B", {"\u0120B": 0.7, "\u0120A": 0.3}), content="The answer is B"
    )
    assert probabilities(said) == pytest.approx([0.3, 0.7, 0.0, 0.0], abs=1e-6)


def test_codes_of_two_digits_are_read_through_both():
    """More than 26 labels have numbers, and some tokenizers split them."""
    codes = [f"{number:02}" for number in range(1, 31)]
    said = reply(token("1", {"1": 0.6, "0": 0.3, "2": 0.1}), token("2", {"2": 0.8, "0": 0.2}))
    scores = LogprobReader(codes, [f"name{code}" for code in codes], multi_label=False).read(said)
    by_code = dict(zip(codes, map(exp, scores), strict=True))
    assert [by_code[code] for code in ("12", "10", "03", "25")] == pytest.approx([0.48, 0.12, 0.3 / 9, 0.01], abs=1e-4)


@pytest.mark.parametrize(
    "unread",
    [reply("none"), reply("A", " or", " B"), reply(token("A", {"A": 0.9, "B": 0.1}), content="B"), ChatReply("B"),
     ChatReply("B", logprobs=(TokenLogprob("B", -0.1),)), reply("B", content=""), reply("spo", finish_reason="length"),
     reply("token_id:33", content="B")],
)  # fmt: skip
def test_a_reply_without_a_label_or_its_logprobs_has_no_scores(unread):
    """The label alone would have a certainty that nobody reported."""
    assert probabilities(unread) is None


def test_each_label_of_several_has_the_chance_to_be_named_anywhere():
    """1 - (1 - 0.3)(1 - 0.6) for C: it could have been named first, and was named second."""
    said = reply(token("A", {"A": 0.6, "C": 0.3, "none": 0.1}), ",", token(" C", {" C": 0.6, " B": 0.4}))
    reader = LogprobReader(CODES, NAMES, multi_label=True)
    odds = reader.read(said)
    assert (reader.method, reader.scale) == (Method.LOGPROBS, Scale.LOG_ODDS)
    assert [1 / (1 + exp(-each)) for each in odds] == pytest.approx([0.6, 0.4, 0.72, 0.0], abs=1e-6)


def test_none_says_how_close_every_label_came():
    """An empty answer has probabilities as well."""
    said = reply(
        "Labels", ": ", token("none", {"none": 0.8, "A": 0.15, "B": 0.05}), "<|im_end|>", content="Labels: none"
    )
    odds = LogprobReader(CODES, NAMES, multi_label=True).read(said)
    assert odds == pytest.approx([log(0.15 / 0.85), log(0.05 / 0.95), *[log(1e-9)] * 2], abs=1e-6)


def test_a_list_is_none_when_one_of_its_labels_cannot_be_read():
    """A label left out in silence is a wrong answer; one that is cut off may lack any."""
    reader = LogprobReader(CODES, NAMES, multi_label=True)
    assert reader.read(reply("A", ",", TokenLogprob(" B", -0.1))) is None
    assert reader.read(reply("A", ",", " B", finish_reason="length")) is None
    assert reader.read(reply("A", ", perhaps")) is None
    assert reader.read(reply("A", ",", "\uff22")) is None  # a wide B, which is nowhere found as it is


@given(
    st.permutations(range(4)), st.dictionaries(st.sampled_from([*CODES, "b", " sp", "The", "w"]), st.floats(0.01, 1.0))
)
def test_another_order_of_labels_is_the_same_answer(order, weights):
    """Codes travel with their names; and probabilities add up to 1."""
    weights = {"B": 0.5} | weights
    said = reply(token("B", {text: weight / sum(weights.values()) for text, weight in weights.items()}))
    found = probabilities(said)
    moved = LogprobReader([CODES[k] for k in order], [NAMES[k] for k in order], multi_label=False).read(said)
    assert list(map(exp, moved)) == pytest.approx([found[k] for k in order])
    assert sum(found) == pytest.approx(1.0)


def test_real_logprobs_are_usable():
    """What a sane server answers to the probe, a masked token among the alternatives."""
    assert usable_logprobs(reply(token("B", LABEL)))
    assert usable_logprobs(
        ChatReply("B", logprobs=(TokenLogprob("B", 0.0, (("B", 0.0), ("A", -17.5), ("x", -9999.0))),))
    )


@pytest.mark.parametrize(
    "alternatives",
    [(), (("B", 0.0), ("A", 0.0)), (("B", 0.0), ("A", -9999.0)), (("B", -9999.0), ("A", -9999.0)),
     (("B", -0.5), ("A", float("nan"))), (("B", -0.5), ("A", float("-inf"))), (("B", 0.8), ("A", 0.2)),
     (("B", -0.1), ("A", 0.1)),
     (("B", -0.1),), (("B", -0.1), ("B", -0.2)), (("B", -0.1), ("A", -0.1))],
)  # fmt: skip
def test_constants_and_nonsense_are_not_usable(alternatives):
    """One probe must tell, before thousands of rows are scored with it."""
    first = alternatives[0][1] if alternatives else -0.1
    assert not usable_logprobs(ChatReply("B", logprobs=(TokenLogprob("B", first, alternatives),)))


def test_a_reply_without_logprobs_is_not_usable():
    assert not usable_logprobs(ChatReply("B"))
