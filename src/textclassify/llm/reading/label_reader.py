"""`LabelReader`: finds the labels of one schema in what a model wrote, and takes nothing else for one."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from textclassify.llm.reading.reply_words import ENGLISH_REPLIES, ReplyWords

EDGES = " \t\r\n\"'`*_.,;:!?()[]{}<>#-\u2013\u2014\u201c\u201d\u2018\u2019\u00ab\u00bb\u201e"
"""What may stand around a label without changing it."""

_LONGEST_READ = 4_000  # characters; a longer answer is no label, and searching it costs time
_OPEN, _CLOSE = r"[\"'`*_(\[<\u201c\u2018]*", r"[\"'`*_)\]>\u201d\u2019]*"
_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^```\w*\s*|\s*```$")


class LabelReader:
    """Tables that find the labels of one schema, by position in it; `written` holds codes and names as they are.

    Args:
        codes: what the prompt calls the labels.
        names: what the user calls them, in the same order.
        words: of the language in which is asked.

    """

    def __init__(self, codes: Sequence[str], names: Sequence[str], words: ReplyWords = ENGLISH_REPLIES) -> None:
        self.words = words
        if len(codes) != len(names):
            raise ValueError(f"{len(codes)} label codes for {len(names)} label names")
        by_code = _unique(map(folded, codes))
        by_name = _unique(map(folded, names))
        # The prompt asked for codes: where a code is also the name of another label, it is the code.
        self.written = _unique(name.strip() for name in names) | _unique(codes)
        self._folded = by_name | by_code
        self._wordy = {name: i for name, i in by_name.items() if sum(map(str.isalpha, name)) > 1}
        self._wordy_pattern = re.compile(rf"(?<!\w)(?:{_any_of(self._wordy)})(?!\w)")
        short = {name: i for name, i in by_name.items() if name not in self._wordy}
        self._terse = short | by_code
        self._terse_pattern = _terse_pattern(_any_of({*codes, *(names[i] for i in short.values())} - {""}), words)
        self._forms = [(folded(code), folded(name)) for code, name in zip(codes, names, strict=True)]
        # Punctuation and letters written as several characters may make an item longer than what it names.
        self._longest_item = 200 + 4 * max((len(code) + len(name) for code, name in self._forms), default=0)
        self._spellings = [(name.lower(), code.lower()) for code, name in zip(codes, names, strict=True)]

    def exactly(self, item: Any) -> int | None:
        """The label that a whole item names: its code, its name, or both as in `B) sports`."""
        if isinstance(item, bool) or not isinstance(item, str | int):
            return None
        text = str(item)
        if len(text) > self._longest_item:
            return None
        text = unicodedata.normalize("NFKC", text).strip()
        if text in self.written:
            return self.written[text]
        found = self._folded.get(folded(text))
        return self._coded_name(text) if found is None else found

    def labels_in(self, answer: str) -> set[int]:
        """All labels that an answer names; none when it also holds a negation, more than one when it is unclear."""
        whole = self.exactly(answer)
        if whole is not None:
            return {whole}
        value, around = json_in(answer)
        if isinstance(value, list | dict):
            return self._in_json(value) | self._in_prose(around)
        return self._in_prose(answer)

    def may_go_on(self, answer: str, label: int) -> bool:
        """Whether an answer that names `label` ends where the name of another label would go on."""
        whole = folded(answer)
        ends = [form for form in self._forms[label] if whole.endswith(form)]
        return any(form != end and form.startswith(end) for end in ends for form in chain.from_iterable(self._forms))

    def place(self, answer: str, label: int) -> int | None:
        """Where in an answer the label that it names begins; None when it is spelled in a way of its own."""
        for match in self._terse_pattern.finditer(answer):
            code = match.lastindex or 0
            if self._terse.get(folded(match[code])) == label:
                return match.start(code)
        lowered = answer.lower()
        text = lowered if len(lowered) == len(answer) else answer  # positions must stay what they are
        name, code_written = self._spellings[label]
        found = (place_of(form, text) for form in (name, code_written, *name.split()[:1]))
        return next((at for at in found if at is not None), None)

    def _coded_name(self, text: str) -> int | None:
        """The label of a line like `B) sports`, as the prompt listed it: code and name must agree."""
        parts = re.split(r"[)\].:=-]+", text, maxsplit=1)
        found = {self._folded.get(folded(part)) for part in parts}
        return found.pop() if len(parts) == 2 and len(found) == 1 else None

    def _in_json(self, value: list[Any] | dict[str, Any]) -> set[int]:
        told = telling_items(value, self.words)
        if told is not None:
            found = [self._of_item(item) for item in told]
            return set().union(*found) if all(found) else set()
        values = list(value.values()) if isinstance(value, dict) else []
        return set().union(*(self._of_item(item) for item in values if isinstance(item, str) or len(values) == 1))

    def _of_item(self, item: Any) -> set[int]:
        one = self.exactly(item)
        if one is not None:
            return {one}
        return self._in_prose(item) if isinstance(item, str) else set()

    def _in_prose(self, answer: str) -> set[int]:
        text = f" {folded(answer)} "
        if self.words.negation.search(self._wordy_pattern.sub(" ", text)):
            return set()
        codes = (next(filter(None, match.groups())) for match in self._terse_pattern.finditer(answer))
        terse = {self._terse[folded(code)] for code in codes if folded(code) in self._terse}
        return terse | {self._wordy[match[0]] for match in self._wordy_pattern.finditer(text)}


def visible(answer: str, *, longest: int = _LONGEST_READ) -> str:
    """An answer without thinking aloud and code fences; empty when it is longer than what anybody would ask for."""
    if "<think" in answer[:100].lower():
        answer = _THINKING.sub("", answer[: 100 * _LONGEST_READ])
    return _FENCE.sub("", answer.strip()).strip() if len(answer) <= longest else ""


def json_in(answer: str) -> tuple[Any, str]:
    """The JSON value that an answer is or holds, and the text around it; None when there is none."""
    opening = [at for at in (answer.find("{"), answer.find("[")) if at >= 0]
    start, end = min(opening, default=0), max(answer.rfind("}"), answer.rfind("]")) + 1
    try:
        return json.loads(answer[start:end], object_pairs_hook=without_repeats), f"{answer[:start]} {answer[end:]}"
    except (ValueError, RecursionError):
        return None, answer


def telling_items(value: list[Any] | Mapping[str, Any], words: ReplyWords) -> list[Any] | None:
    """The items of a JSON answer that must name labels: a list's, or those under a telling key; None without one."""
    if isinstance(value, list):
        return value
    for key in words.keys:
        for name, told in value.items():
            if name.casefold() == key:
                return told if isinstance(told, list) else [told]
    return None


def says_none(item: Any, words: ReplyWords) -> bool:
    """Whether an item of a multi-label answer means that no label applies."""
    return item is None or (isinstance(item, str) and folded(item) in words.no_label)


def place_of(form: str, text: str) -> int | None:
    """Where a form first stands in a text with nothing else of a word around it."""
    at = text.find(form) if form else -1
    while at >= 0:
        if not (at and text[at - 1].isalnum()) and not text[at + len(form) : at + len(form) + 1].isalnum():
            return at
        at = text.find(form, at + 1)
    return None


def collapsed(text: str) -> str:
    """Text with no case and one kind of space, hyphen and underscore."""
    return re.sub(r"[\s_\-]+", " ", unicodedata.normalize("NFKC", text).casefold())


def folded(text: str) -> str:
    """Text as it compares: no case, one kind of space, hyphen and underscore, no punctuation around it."""
    return collapsed(text).strip(EDGES)


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one that names a key twice contradicts itself."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is named twice")
    return found


def _terse_pattern(texts: str, words: ReplyWords) -> re.Pattern[str]:
    """Where a code counts inside prose: leading or alone on a line, after a cue like "the answer is", or in quotes."""
    return re.compile(
        rf"\A{_OPEN}({texts}){_CLOSE}(?=\s*[.:=]|\s+[-\u2013\u2014]\s|\s*\n|\))"
        rf"|^\s*{_OPEN}({texts}){_CLOSE}\.?\s*$"
        rf"|{words.cue}\s*(?:{words.linked})\s*{_OPEN}({texts})(?!\w)"
        rf"|{words.cue}\s*[:=]\s*{_OPEN}((?i:{texts})){_CLOSE}\.?\s*$"
        rf"|(?:\*\*|[\"'`(\[])({texts})(?=\*\*|[\"'`)\]])",
        re.MULTILINE,
    )


def _unique(texts: Iterable[str]) -> dict[str, int]:
    """Text -> its position, without empty texts and those that several positions share."""
    listed = list(texts)
    count = Counter(listed)
    return {text: i for i, text in enumerate(listed) if text and count[text] == 1}


def _any_of(texts: Iterable[str]) -> str:
    """A pattern of alternatives, longest first; of none, one that never matches."""
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or r"(?!)"
