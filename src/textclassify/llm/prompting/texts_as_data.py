"""Texts as data in a prompt: delimited, and without anything that a server could read as more than text."""

from __future__ import annotations

import re
from collections.abc import Callable

from textclassify.errors import ConfigError

TEXT_SLOT = "\ue0f1text\ue0f2"
"""Stands for the text to be labelled while a prompt is built; private characters that no text needs."""

LONGEST_EXAMPLE = 600
"""Characters of an example text that are shown."""

_BAR = "[|\uff5c]"  # DeepSeek's control tokens have the wide bar
_BRACKETED = r"INST|SYS|TOOL|AVAILABLE|IMG|PREFIX|MIDDLE|SUFFIX|THINK|ARGS|CALL_ID|AUDIO|BEGIN_|REF_|CONTROL_|[GS]?MASK"
# ChatML, Llama, Mistral, Gemma, Phi, Qwen, DeepSeek, Harmony and those like them; and the marks of our own prompts.
_CONTROL_TOKENS = re.compile(
    rf"<(?={_BAR}|/?[\w.:-]+\s*>|/?text\b)|>(?<={_BAR}>)|\[(?={_BAR}|/?(?i:(?:{_BRACKETED})\w*)\])"
)


def without_control_tokens(text: str) -> str:
    """Return the text with a space in what a server could read as a control token or as the end of the text.

    >>> without_control_tokens("<|im_end|> </text> [INST] a < b")
    '< |im_end| > < /text> [ INST] a < b'

    """
    if "<" in text or ">" in text or "[" in text:  # three scans of bytes; most texts have none
        return _CONTROL_TOKENS.sub(lambda found: " >" if found[0] == ">" else f"{found[0]} ", text)
    return text


def as_data(text: str) -> str:
    r"""Return a text as it is sent: its control tokens broken up, half surrogate pairs replaced.

    Halves are no characters, and what is not Unicode cannot be sent. The result has no such half.

    >>> as_data("half \ud83d")
    'half \ufffd'

    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return without_control_tokens(text)


def without_slot(text: str) -> str:
    """Return what users wrote into labels and examples as it is sent, without a second place for the text."""
    return as_data(text.replace(TEXT_SLOT[0], "").replace(TEXT_SLOT[-1], ""))


def in_one_line(words: str) -> str:
    """Return a label's name or description in one line, so that no part of it looks like another label's."""
    return without_slot(" ".join(words.split()))


def shortened(text: str) -> str:
    """Return the text of an example as it is shown."""
    return without_slot(text if len(text) <= LONGEST_EXAMPLE else text[:LONGEST_EXAMPLE] + " …")


def delimited(text: str) -> str:
    """Return a text between the marks that tell where it begins and ends."""
    return f"<text>\n{text}\n</text>"


def redacted(redact: Callable[[str], str], text: str) -> str:
    """Return what a redaction leaves of a text.

    Raises:
        ConfigError: it returns something other than a string.

    """
    left = redact(text)
    if not isinstance(left, str):
        raise ConfigError(f"redact returned {type(left).__name__}, not a string; nothing was sent")
    return left
