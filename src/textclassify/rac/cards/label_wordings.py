"""What is wrong with a label set in its words alone: labels that are one, and labels about which little is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from textclassify.core.labels import Label, LabelSchema
from textclassify.core.texts import listed, wording

DUPLICATES = ("duplicate name", "duplicate description", "shared example")
"""Kinds of findings by which two labels are one, so that nothing can tell them apart; all others are notes."""

_LISTED = 12
_MUCH_FEWER = 4
_BETWEEN = re.compile(r"(?<=\w)-|-(?!\d)|[^\w\-+#%&@*$<>=]|_")
"""What sets words apart; C, C# and C++ are three names, and so are 1 and -1."""
_ANSWERS = frozenset("yes no none null nan na n/a nil true false other others unknown unclear nothing any all".split())  # noqa: SIM905
_FILLERS = frozenset("a an the of about is are and or to for in on text texts message messages label class".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about some labels.

    Args:
        kind: in a few words; those of `DUPLICATES` are mistakes, all others notes.
        labels: the labels that it is about.
        message: it in a sentence, with the remedy.
        similarity: cosine of the labels' cards, for near-duplicates.

    """

    kind: str
    labels: tuple[Label, ...]
    message: str
    similarity: float | None = None


def in_wordings(schema: LabelSchema) -> Iterator[Finding]:
    """Yield what is found without a model, mistakes first; takes about a second for 20,000 labels."""
    yield from _one_name(schema)
    yield from _one_description(schema)
    yield from _shared_examples(schema)
    if len(schema) == 1:
        name = schema.names[0]
        yield Finding("one label", (name,), f"{name!r} is the only label; every text gets it, or none")
    yield from _descriptions(schema)
    yield from _few_examples(schema)
    yield from _answer_words(schema)
    yield from _prefixes(schema)


def bare_name(name: Label) -> str:
    """Return a name without case, white space and punctuation.

    >>> bare_name("Card-Arrival") == bare_name("card_arrival") == bare_name("cardArrival")
    True

    """
    if not isinstance(name, str):
        return str(name)
    return _BETWEEN.sub("", name).casefold() or wording(name)


def _one_name(schema: LabelSchema) -> Iterator[Finding]:
    for same in _alike(schema.names, bare_name):
        yield Finding(
            "duplicate name",
            tuple(same),
            f"{_names(same)} differ in case, white space or punctuation only; make them one, or rename one",
        )


def _one_description(schema: LabelSchema) -> Iterator[Finding]:
    told = [name for name in schema.names if name in schema.descriptions]
    for same in _alike(told, lambda name: wording(schema.descriptions[name])):
        yield Finding(
            "duplicate description",
            tuple(same),
            f"{_names(same)} have one description, {schema.descriptions[same[0]]!r:.60}; say what tells them apart",
        )


def _shared_examples(schema: LabelSchema) -> Iterator[Finding]:
    """Yield examples that several labels have, which is no mistake where a text may have several labels."""
    owners: dict[str, dict[Label, str]] = {}
    for name, texts in schema.examples.items():
        for text in texts:
            owners.setdefault(wording(text), {})[name] = text
    for several in owners.values():
        if len(several) > 1:
            shown = f"{_names(several)} have one example, {next(iter(several.values()))!r:.60}"
            if schema.multi_label:
                yield Finding("example of several labels", tuple(several), f"{shown}; right if it has all of them")
            else:
                yield Finding("shared example", tuple(several), f"{shown}; leave it with the label that is right")


def _descriptions(schema: LabelSchema) -> Iterator[Finding]:
    silent = [name for name in schema.names if not _says_something(schema, name)]
    if silent:
        yield Finding(
            "no description",
            tuple(silent),
            f"{_names(silent)}: {_count(len(silent))} without a description; write one, or have it drafted: "
            "textclassify labels describe",
        )
    for name, text in schema.descriptions.items():
        if {*_words(text)} - _FILLERS <= {*_words(str(name))}:
            yield Finding(
                "description repeats the name", (name,), f"{name!r} is described as {text!r:.60}; say what it covers"
            )


def _says_something(schema: LabelSchema, name: Label) -> bool:
    return bool(schema.descriptions.get(name) or schema.includes.get(name))


def _few_examples(schema: LabelSchema) -> Iterator[Finding]:
    counts = {name: len(schema.examples.get(name, ())) for name in schema.names}
    usual = median(counts.values())
    few = [name for name, count in counts.items() if usual >= 1 and count * _MUCH_FEWER <= usual]
    if few:
        most = max(counts[name] for name in few)
        yield Finding(
            "few examples",
            tuple(few),
            f"{_names(few)}: {_count(len(few))} with {f'at most {most}' if most else 'no'} examples where others have "
            f"{usual:g}; retrieval by examples finds them less often",
        )


def _answer_words(schema: LabelSchema) -> Iterator[Finding]:
    for name in schema.names:
        if isinstance(name, str) and wording(name) in _ANSWERS:
            yield Finding(
                "called like an answer",
                (name,),
                f"{name!r} is also what a model may answer of its own accord; a name such as "
                f"{f'{name} of these' if wording(name) == 'none' else f'is {name}'!r} leaves no doubt",
            )


def _prefixes(schema: LabelSchema) -> Iterator[Finding]:
    """Yield each name with the longest other name that it begins with; in alphabetical order that one comes before."""
    if not isinstance(schema.names[0], str):
        return
    begun: list[tuple[str, Label]] = []
    for plain, name in sorted((wording(str(name)), name) for name in schema.names):
        while begun and not plain.startswith(begun[-1][0]):
            begun.pop()
        if begun and bare_name(begun[-1][1]) != bare_name(name):
            shorter = begun[-1][1]
            yield Finding(
                "prefix", (shorter, name), f"{name!r} begins with {shorter!r}; no harm, answers are read whole"
            )
        begun.append((plain, name))


def _alike(names: Iterable[Label], key: Callable[[Label], str]) -> Iterator[list[Label]]:
    groups: dict[str, list[Label]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return (group for group in groups.values() if len(group) > 1)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.replace("_", " ").casefold())


def _names(names: Iterable[Any]) -> str:
    return listed(map(repr, names), _LISTED)


def _count(number: int) -> str:
    return "1 label" if number == 1 else f"{number:,} labels"
