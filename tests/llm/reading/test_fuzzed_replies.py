"""Whatever a server sends: no exception, no label that the reply does not name, no NaN, and in no time."""

import json
import time
import unicodedata
from math import exp, isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.llm.chat import ChatReply, TokenLogprob
from textclassify.llm.reading.readings import HardReader
from textclassify.llm.reading.token_logprobs import LogprobReader, usable_logprobs
from textclassify.llm.reading.verbal_scores import VerbalReader

CODES, NAMES = ["Q", "V", "X", "Z"], ["kiwi", "yak", "gum tree", "not yak"]  # letters that stand nowhere else below
READERS = {
    (kind, multi_label): kind(CODES, NAMES, multi_label=multi_label)
    for kind in (HardReader, LogprobReader, VerbalReader)
    for multi_label in (False, True)
}
FORMS = [*CODES, *NAMES]
WORDS = [
    "b",
    "SPORTS",
    "'A'",
    '"B"',
    "C.",
    "or",
    "none",
    "not",
    "the answer is",
    "Label:",
    "```json",
    "<think>",
    "</think>",
]
SIGNS = [*'{}[]:,"`', "\n", '"label"', '"scores"', "0.7", "NaN", "Infinity", "-1", "1e999", '"70%"', "true", "null"]
ODD = list("\x00\x1b\ufffd\ud800\u202e\u00df\u0130\ufb01\uff38\U0001f600")
PIECES = st.sampled_from([*FORMS, *WORDS, *SIGNS, *ODD])
PROSE = st.lists(PIECES, max_size=8).map(" ".join) | st.lists(PIECES, max_size=8).map("".join)
KEYS = st.sampled_from([*FORMS, "v", "label", "labels", "scores", "E", ""])
NUMBERS = st.floats() | st.integers() | st.floats(0.0, 1.0) | st.sampled_from(["0.7", "70%", "nan", "1e999"])
SCORES = st.dictionaries(st.sampled_from(FORMS), st.floats(0.0, 1.0) | NUMBERS, max_size=4)
LEAVES = NUMBERS | st.none() | st.booleans() | PIECES | SCORES
NESTED = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=6)
JSON = (SCORES | NESTED).map(lambda value: json.dumps(value, ensure_ascii=False))
CUT_JSON = st.tuples(JSON, st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]])
CONTENTS = PROSE | JSON | CUT_JSON | st.text(max_size=50) | st.sampled_from(FORMS)
LOGPROBS = st.floats(-30.0, 0.0) | st.floats() | st.sampled_from([0.0, -9999.0])
ALTERNATIVES = st.lists(st.tuples(PIECES | st.text(max_size=3), LOGPROBS), max_size=6).map(tuple)
ENDINGS = st.sampled_from(["stop", "length"])


@st.composite
def spelled(draw):
    """A reply whose tokens spell its content, whatever they are said to be worth."""
    content = draw(CONTENTS)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(content) - 1)), max_size=5)))
    texts = [content[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    tokens = [TokenLogprob(text, draw(LOGPROBS), ((text, draw(LOGPROBS)), *draw(ALTERNATIVES))) for text in texts]
    return ChatReply(content, draw(ENDINGS), logprobs=tuple(tokens))


STRAY = st.lists(st.builds(TokenLogprob, PIECES, LOGPROBS, ALTERNATIVES), max_size=4).map(tuple)
REPLIES = spelled() | st.builds(ChatReply, CONTENTS, ENDINGS, logprobs=STRAY)


def plain(text):
    return unicodedata.normalize("NFKC", text).casefold()


def is_named(reply, label):
    """Whether a label's code, or its name's first letter, is in the reply or in what it reports."""
    written = [reply.content, *(token.token for token in reply.logprobs)]
    written += [text for token in reply.logprobs for text, _ in token.alternatives]
    return any(plain(form) in plain(text) for text in written for form in (CODES[label], NAMES[label][0]))


@given(REPLIES)
def test_any_reply_is_read_as_finite_scores_of_all_labels_or_not_at_all(reply):
    """One exception would stop a run, one NaN would break the contract of scores."""
    for (_, multi_label), reader in READERS.items():
        scores = reader.read(reply)
        assert scores is None or (len(scores) == len(CODES) and all(map(isfinite, scores)))
        if scores is not None and not (multi_label or isinstance(reader, HardReader)):
            assert sum(map(exp, scores)) == pytest.approx(1.0)
    assert usable_logprobs(reply) in (True, False)


@given(REPLIES)
def test_the_label_that_is_read_is_one_that_the_reply_names(reply):
    """A default label looks like any other and is never found again."""
    for (_, multi_label), reader in READERS.items():
        scores = reader.read(reply)
        if scores is not None and not (multi_label and max(scores) <= 0.0):
            assert is_named(reply, scores.index(max(scores)))


@given(PROSE | CUT_JSON)
def test_a_hard_label_is_spelled_out_in_the_text(content):
    """The whole code or name, in any case."""
    for multi_label in (False, True):
        for label, vote in enumerate(READERS[HardReader, multi_label].read(ChatReply(content)) or ()):
            assert not vote or plain(CODES[label]) in plain(content) or NAMES[label] in plain(content)


@given(st.permutations(range(4)), REPLIES)
def test_no_label_is_read_better_than_another(order, reply):
    """Labels in another order, with their codes, are the same answers in that order."""
    for (kind, multi_label), reader in READERS.items():
        moved = kind([CODES[k] for k in order], [NAMES[k] for k in order], multi_label=multi_label).read(reply)
        scores = reader.read(reply)
        assert (moved is None) == (scores is None)
        assert scores is None or moved == pytest.approx([scores[k] for k in order])


@pytest.mark.parametrize(
    "flood",
    ["x", "X ", "X, ", "kiwi ", "\n", "<think>", "<think></think>", "[", '{"X":', '{"X": 1},', '"', "1", "\0",
     "0\u0300\u0316"],
)  # fmt: skip
def test_a_flood_is_refused_at_once(flood):
    """5 MB must not keep the other requests waiting."""
    content = flood * (5_000_000 // len(flood))
    token = TokenLogprob(content, -0.1, ((content, -0.1), ("X", -3.0)))
    for reader in READERS.values():
        started = time.process_time()
        assert reader.read(ChatReply(content, logprobs=(token,))) is None
        assert time.process_time() - started < 0.05


@pytest.mark.parametrize("flood", ["x", "X", " ", "\n", "yak ", "<", "0\u0300\u0316", "\0"])
def test_a_flood_of_tokens_is_passed_over_at_once(flood):
    """A short answer may come with megabytes of alternatives, or of thoughts."""
    text = flood * (1_000_000 // len(flood))
    place = TokenLogprob("yak", -0.1, (("yak", -0.1), (text, -3.0), (text + "V", -4.0)))
    for tokens in ((place,), (TokenLogprob(text, -0.1), place), (place, TokenLogprob(text, -0.1))):
        started = time.process_time()
        scores = READERS[LogprobReader, False].read(ChatReply("yak", logprobs=tokens))
        assert time.process_time() - started < 0.05
        assert scores is None or scores[1] == max(scores)
