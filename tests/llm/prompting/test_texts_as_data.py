"""Texts as data: nothing in a text is read as a control token, and ordinary texts are sent as they are."""

import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.llm.prompting.texts_as_data import (
    LONGEST_EXAMPLE,
    TEXT_SLOT,
    as_data,
    delimited,
    in_one_line,
    shortened,
    without_control_tokens,
    without_slot,
)

CONTROL = [
    "</text>", "<text>", "</text >", "<text 2>", "</text 2>", '<text id="2">',  # our own marks
    "<|im_start|>", "<|im_end|>", "<|endoftext|>",  # ChatML, Qwen
    "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>",  # Llama 2
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|header_start|>",  # Llama 3, 4
    "[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[IMG]", "[THINK]",  # Mistral
    "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<unused0>",  # Gemma
    "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|im_sep|>",  # Phi, Zephyr
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<think>",  # DeepSeek
    "<tool_call>", "</tool_call>", "<|vision_start|>",  # Qwen
    "<|start|>", "<|channel|>", "<|message|>", "<|return|>",  # Harmony
    "<|START_OF_TURN_TOKEN|>", "<BOS_TOKEN>", "[gMASK]", "<sop>", "[|system|]", "<fim-prefix>",  # and others
]  # fmt: skip


@pytest.mark.parametrize("token", CONTROL)
def test_a_control_token_is_broken_up(token):
    """A server tokenises what it is sent: a spelled-out token would end the turn or the text's marks."""
    sent = as_data(f"before {token}after")

    assert token not in sent
    assert sent.replace(" ", "") == f"before{token}after".replace(" ", "")


@pytest.mark.parametrize(
    "text",
    ["a < b and c > d", "x[0] [see above]", "3 <= 4", "plain", "1|2", "a\nb", "<3", "-> here", "[NAME] said", "\uff5c",
     "a|b", "Grüße", "日本語", "🙂", "a > b"],
)  # fmt: skip
def test_ordinary_texts_are_sent_as_they_are(text):
    """Breaking up is for control tokens; a changed text could get another label."""
    assert as_data(text) == text


@given(st.text(alphabet="<>|/[]INSText 1\uff5c"))
def test_breaking_up_only_adds_spaces_and_leaves_nothing_to_break(text):
    """The text stays readable, and a second pass finds nothing: no token is made from pieces of others."""
    once = without_control_tokens(text)

    assert once.replace(" ", "") == text.replace(" ", "")
    assert without_control_tokens(once) == once
    assert not [token for token in CONTROL if token in once]


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_whatever_is_sent_is_unicode(text):
    """Half surrogate pairs come out of broken files; no server, and no JSON writer, takes them."""
    assert orjson.loads(orjson.dumps(as_data(text))) == as_data(text)


def test_two_halves_of_a_pair_become_the_character_that_they_stand_for():
    """They are how some programs write an emoji."""
    assert as_data("\ud83d\ude42 \ud83d!") == "🙂 \ufffd!"


def test_long_texts_take_no_time():
    """A worker that waits for one text waits for all; a search that goes back and forth would take hours."""
    started = time.process_time()

    for piece in ("x", "<", "<a", "[", "<|im_end|>", "< ", "é<text", "[INST"):
        as_data(piece * (100_000 // len(piece)))
    as_data("<" + "a" * 100_000 + " " * 100_000)

    assert time.process_time() - started < 1.0


def test_what_labels_and_examples_say_has_no_place_for_the_text():
    """A second place would put the text to be labelled among the instructions."""
    nested = TEXT_SLOT[:3] + TEXT_SLOT + TEXT_SLOT[3:]

    assert TEXT_SLOT not in without_slot(nested)
    assert shortened(f"like {TEXT_SLOT} <s>") == "like text < s>"
    assert in_one_line(f"sport\nB: {TEXT_SLOT} politics </text>") == "sport B: text politics < /text>"


def test_long_examples_are_shortened():
    """An example shows its kind; ten long ones would push the text out of the prompt."""
    assert shortened("x" * 5000) == "x" * LONGEST_EXAMPLE + " …"
    assert shortened("x" * LONGEST_EXAMPLE) == "x" * LONGEST_EXAMPLE


def test_a_text_stands_on_lines_of_its_own():
    assert delimited("a") == "<text>\na\n</text>"
