"""Descriptions that a language model drafts for labels without one, for a person to edit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from textclassify.core.labels import Label, LabelSchema, plain_label
from textclassify.core.scales import Status
from textclassify.core.texts import did_you_mean, wording
from textclassify.errors import LabelError
from textclassify.llm.chat import Message
from textclassify.llm.choices import Written
from textclassify.llm.prompting.texts_as_data import delimited, in_one_line, shortened

LONGEST = 300
"""Characters of a draft that are kept."""

_MAX_TOKENS = 160
_ALL_SHOWN = 40
_NEIGHBOURS = 12
_COMPARED = 200
_EXAMPLES = 5
_MODELS_OF_STYLE = 3
_TASK = (
    "You write the descriptions of labels with which texts are classified. Answer with one sentence of at most 30 "
    "words: which texts get the label, concretely, and what tells it apart from the other labels. Write in the "
    "language of the labels. No quotes, no label name in front, nothing else."
)
_THOUGHTS = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_QUOTES = "\"'`*_\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
_SENTENCE_END = re.compile(r"(?<=\w{3}[.!?])\s+(?=[A-ZÀ-Þ0-9])")
_REFUSALS = ("i'm sorry", "i\u2019m sorry", "i am sorry", "i cannot", "i can't", "i can\u2019t", "as an ai")


class Writes(Protocol):
    """Answers conversations with free text, as `LLMClassifier` does."""

    def write(self, conversations: Sequence[tuple[Message, ...]], *, max_tokens: int) -> Written:
        """Return a reply to each, or why there is none."""


@dataclass(frozen=True, slots=True)
class Drafts:
    """What a language model wrote about labels.

    Args:
        schema: the labels with the drafts in place; what was described before is as it was.
        drafted: labels with a draft.
        failed: why a label still has no description, by name.
        cost: US dollars; NaN = unknown price.

    """

    schema: LabelSchema
    drafted: tuple[Label, ...]
    failed: Mapping[Label, str] = field(default_factory=dict)
    cost: float = 0.0


def draft_descriptions(
    schema: LabelSchema, llm: Writes, *, texts_by_label: Mapping[Any, Sequence[str]] | None = None
) -> Drafts:
    """Return the schema with a drafted sentence for every label that has no description.

    The model sees a label's name in words, what else is known about it, some of its example texts, and the names of
    the labels that it must be told apart from. Nothing is asked about a number of which nothing is known.

    Args:
        schema: the labels.
        llm: what writes, such as an `LLMClassifier`.
        texts_by_label: texts to show, by label, before the schema's own examples; they are sent to the model.

    Raises:
        LabelError: `texts_by_label` has an unknown label.

    """
    shown = _known(schema, texts_by_label or {})
    wanted = [name for name in schema.names if not schema.descriptions.get(name)]
    failed = dict.fromkeys(wanted, "its name is a number and nothing else is known of it; give examples")
    asked = [name for name in wanted if _says_something(schema, name, shown)]
    if not asked:
        return Drafts(schema, (), failed)
    neighbours = _Neighbours(schema)
    written = llm.write([_question(schema, name, shown, neighbours.of(name)) for name in asked], max_tokens=_MAX_TOKENS)
    drafts: dict[Label, str] = {}
    for name, reply, status in zip(asked, written.texts, written.status, strict=True):
        draft = "" if reply is None else cleaned(reply, name)
        if draft:
            drafts[name] = draft
            del failed[name]
        else:
            failed[name] = _reason(reply, Status(int(status)))
    described = {
        name: drafts.get(name, schema.descriptions.get(name, ""))
        for name in schema.names
        if name in drafts or name in schema.descriptions
    }
    return Drafts(replace(schema, descriptions=described), tuple(drafts), failed, float(written.cost.sum()))


def cleaned(reply: str, name: Label) -> str:
    """Return the sentence in a reply, in one line; an empty text where there is none.

    >>> cleaned('**Late parcel:** "Parcels that did not come in time."', "late_parcel")
    'Parcels that did not come in time.'

    """
    lines = [line.strip().lstrip("-•# ").strip() for line in _THOUGHTS.sub("", reply).splitlines()]
    lines = [_unquoted(_without_lead(line, name)) for line in lines]
    text = next((" ".join(line.split()) for line in lines if line and not line.endswith(":")), "")
    text = _unquoted(_SENTENCE_END.split(text, maxsplit=1)[0])
    if text.casefold().startswith(_REFUSALS) or _bare(text) == _bare(str(name)):
        return ""
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rpartition(" ")[0].rstrip(",;: ") + "…"


def _without_lead(line: str, name: Label) -> str:
    """Return a line without `Description:` or the label's name in front of it."""
    names = "|".join({re.escape(str(name)), re.escape(str(name).replace("_", " "))})
    lead = rf"(?:[{_QUOTES}]*(?:description|label|answer|{names})[{_QUOTES}]*\s*[:\u2013\u2014=][*_]*\s*)+"
    found = re.match(lead, line, re.IGNORECASE)
    return line if found is None else line[found.end() :]


def _unquoted(text: str) -> str:
    """Return a text without the quotes or asterisks that stand around all of it."""
    text = text.strip()
    while len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text.strip("*` ")


def _bare(text: str) -> str:
    return wording(text.replace("_", " ")).strip(f".{_QUOTES}")


def _known(schema: LabelSchema, texts_by_label: Mapping[Any, Sequence[str]]) -> dict[Label, list[str]]:
    known, shown = set(schema.names), {}
    for given, texts in texts_by_label.items():
        name = plain_label(given)
        if name not in known:
            raise LabelError(f"texts are given for unknown label {name!r}{did_you_mean(name, schema.names)}")
        shown[name] = list(texts)
    return shown


def _says_something(schema: LabelSchema, name: Label, shown: Mapping[Label, Sequence[str]]) -> bool:
    about = (shown, schema.examples, schema.includes, schema.excludes)
    in_words = isinstance(name, str) and any(character.isalpha() for character in name)
    return in_words or any(mapping.get(name) for mapping in about)


def _question(
    schema: LabelSchema, name: Label, shown: Mapping[Label, Sequence[str]], neighbours: Sequence[Label]
) -> tuple[Message, ...]:
    lines = [f"Label: {_in_words(name)}"]
    if name in schema.parents:
        lines.append(f"Belongs to the broader label: {in_one_line(schema.card(schema.parents[name]))}")
    for word, mapping in (("Includes", schema.includes), ("Does not include", schema.excludes)):
        if mapping.get(name):
            lines.append(f"{word}: {in_one_line('; '.join(mapping[name]))}")
    texts = list(dict.fromkeys([*shown.get(name, ()), *schema.examples.get(name, ())]))[:_EXAMPLES]
    if texts:
        lines += ["Texts with this label:", *(delimited(shortened(text)) for text in texts)]
    if neighbours:
        lines.append(f"Other labels, to be told apart from: {'; '.join(map(_in_words, neighbours))}")
    told = [other for other in neighbours if schema.descriptions.get(other)][:_MODELS_OF_STYLE]
    if told:
        lines.append("How others are described:")
        lines += [f"- {_in_words(other)}: {in_one_line(schema.descriptions[other])}" for other in told]
    lines.append(f"Describe the label {_in_words(name)} in one sentence.")
    return Message("system", _TASK), Message("user", "\n".join(lines))


def _in_words(name: Label) -> str:
    return in_one_line(str(name).replace("_", " "))


def _reason(reply: str | None, status: Status) -> str:
    if reply is None:
        return f"no reply ({status.name.lower()})"
    return f"the reply is no description: {' '.join(reply.split())!r:.80}" if reply.strip() else "the reply is empty"


class _Neighbours:
    """The labels that each label is most easily taken for: all of a few, else siblings and those that share words.

    No encoder has a say, so that the questions are the same on every machine and their answers are found in the cache.
    """

    def __init__(self, schema: LabelSchema) -> None:
        self._schema = schema
        self._place = {name: place for place, name in enumerate(schema.names)}
        self._children: dict[Label, list[Label]] = {}
        self._named: dict[str, list[Label]] = {}
        for name in schema.names:
            if name in schema.parents:
                self._children.setdefault(schema.parents[name], []).append(name)
            for word in {*_in_words(name).casefold().split()}:
                self._named.setdefault(word, []).append(name)

    def of(self, name: Label) -> list[Label]:
        """Return other labels, in schema order where all are shown, else the closest first."""
        schema = self._schema
        if len(schema) <= _ALL_SHOWN:
            return [other for other in schema.names if other != name]
        points: Counter[Label] = Counter()
        for word in {*_in_words(name).casefold().split()}:
            sharing = self._named[word]
            points.update(dict.fromkeys(sharing[:_COMPARED], 1 / len(sharing)))
        if name in schema.parents:
            points.update(dict.fromkeys(self._children[schema.parents[name]][:_COMPARED], 1.0))
        del points[name]
        return sorted(points, key=lambda other: (-points[other], self._place[other]))[:_NEIGHBOURS]
