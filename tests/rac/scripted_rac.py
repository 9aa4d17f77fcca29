"""A retriever and a model whose answers are given, so that tests know what a `RACClassifier` makes of them."""

import re

from textclassify import RACClassifier
from textclassify.testing import FixedClassifier, ScriptedChat

DECISIONS = ("best", "first_yes", "listwise", "pairwise")
LABELS = ("bill", "delivery", "refund")
RETRIEVED = {
    "where is it": [0.6, 0.3, 0.1],
    "what does it cost": [0.2, 0.5, 0.3],
    "money back": [0.4, 0.25, 0.35],
    "unknown": None,
}
TEXTS = ["where is it", "what does it cost", "money back"]
KNOWN = {"where is it": "delivery", "what does it cost": "bill", "money back": "refund"}
ELSEWHERE = [0.5, 0.3, 0.2]
"""What retrieval says about any other text, such as those that a model's bias is learned from."""


def retriever(**options):
    return FixedClassifier(RETRIEVED, default=ELSEWHERE, **options)


def question(request):
    """Return the text that a request asks about, and the label of a yes/no question."""
    asked = request.messages[-1].content
    text = re.search(r"<text>\n?(.*?)\n?</text>", asked, re.DOTALL)[1].strip()
    label = re.search(r"\nLabel: \"?([^\n\":]*)", asked)
    return text, None if label is None else label[1]


def knows(answers=KNOWN, **others):
    """Return a chat that says yes to the label that `answers` holds for a text; `others` are replies by text."""

    def reply(request):
        text, label = question(request)
        if text in others:
            return others[text]
        known = answers.get(text, ())
        return "yes" if label in ([known] if isinstance(known, str) else known) else "no"

    return ScriptedChat(reply)


def always(words):
    return ScriptedChat(lambda _: words)


def texts_asked(chat):
    return [question(request)[0] for request in chat.asked]


def rac(folder, chat=None, **options):
    """Return a classifier whose retrieval is given, and whose replies are kept in a folder."""
    given = {"labels": list(LABELS), "retriever": retriever(), "cache_dir": folder / "replies", **options}
    return RACClassifier(llm=chat, **given)
