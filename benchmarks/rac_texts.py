"""Texts whose true label is known from their number, for measuring checks apart from the quality of any model.

Labels are pairs of a matter and a thing, so that retrieval finds the right one often, and a near one otherwise.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema

_MATTERS = {
    "late delivery": ("has been on its way for three weeks", "was promised for Monday and is not here"),
    "broken part": ("fell to pieces on the second day", "has a crack right through the middle"),
    "refund": ("goes back to you and I want what I paid", "was returned and nothing came to my account"),
    "wrong colour": ("is green although I chose red", "does not look like the picture at all"),
    "missing manual": ("came without a word on how to use it", "has no booklet in the box"),
    "warranty": ("stopped after a year and I think you must mend it", "should be covered for two years"),
    "price": ("costs more on the bill than on your page", "was cheaper when I put it in the basket"),
    "spare part": ("needs a new screw that nobody sells", "lacks the small piece that I would like to order"),
}
_THINGS = (
    *("lamp", "kettle", "bicycle", "printer", "tent", "guitar"),
    *("blender", "camera", "sofa", "drill", "piano", "watch"),
)
_AROUND = (
    "It is not the same with {other}, for which I waited long and paid a lot.",
    "There was never anything wrong with {other}.",
    "I wrote to you about {other} last month, and got my money back.",
    "Please send {other} before the weekend.",
    "My father's birthday present was {other}, in red and with all its parts.",
)
PAIRS = [(matter, thing) for matter in _MATTERS for thing in _THINGS]
NAMES = tuple(f"{matter} of a {thing}" for matter, thing in PAIRS)
_MARK = re.compile(r"#T(\d+)")


def schema() -> LabelSchema:
    """Return the 96 labels."""
    return LabelSchema(NAMES)


def truth_of(number: int) -> int:
    """Return the code of a text's true label."""
    return (number * 2654435761 >> 16) % len(NAMES)


def text_of(number: int) -> str:
    """Return the text of a number; no two are equal."""
    matter, thing = PAIRS[truth_of(number)]
    said = _MATTERS[matter][number % 2]
    around = _AROUND[number % len(_AROUND)].format(other=f"the {_THINGS[number % len(_THINGS)]}")
    return f"Hello, the {thing} {said}. {around} #T{number}"


def gold_of(numbers: range) -> NDArray[np.int64]:
    """Return the codes of the true labels, (n,)."""
    return np.array([truth_of(number) for number in numbers], dtype=np.int64)


def asked_about(question: str) -> tuple[int | None, int | None]:
    """Return the number of the text that a question is about, and the code of the label; None = it names none.

    The label is looked for behind the text, where the text stands first, and of several the longest name counts.
    """
    mark = _MARK.search(question)
    rest = question if mark is None else question[mark.end() :]
    named = [name for name in NAMES if name in rest] or [name for name in NAMES if name in question]
    code = NAMES.index(max(named, key=len)) if named else None
    return (None if mark is None else int(mark.group(1))), code
