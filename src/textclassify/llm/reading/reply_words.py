"""`ReplyWords`: the words around labels in replies, by which a label is found, denied, or said to be missing."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ReplyWords:
    r"""What models write around labels in one language; all in lower case, patterns as `re` reads them.

    Args:
        no_label: whole answers that mean that no label applies.
        negations: alternatives of a pattern; an answer in words that holds one names no label.
        cues: alternatives of a pattern of what stands before a label, as in "The answer is B".
        links: alternatives of a pattern of what stands between a cue and its label.
        conjunctions: alternatives of a pattern that joins the last two labels of a list.
        keys: keys of a JSON object under which labels stand.
        score_keys: alternatives of a pattern of keys under which an object of scores stands.

    >>> bool(ENGLISH_REPLIES.negation.search("it is not sports"))
    True

    """

    no_label: tuple[str, ...]
    negations: str
    cues: str
    links: str
    conjunctions: str
    keys: tuple[str, ...]
    score_keys: str

    def beside(self, other: ReplyWords) -> ReplyWords:
        """Return the words of both languages, the other one's first."""
        return ReplyWords(
            no_label=(*other.no_label, *self.no_label),
            negations=f"{other.negations}|{self.negations}",
            cues=f"{other.cues}|{self.cues}",
            links=f"{other.links}|{self.links}",
            conjunctions=f"{other.conjunctions}|{self.conjunctions}",
            keys=(*other.keys, *self.keys),
            score_keys=f"{other.score_keys}|{self.score_keys}",
        )

    @functools.cached_property
    def negation(self) -> re.Pattern[str]:
        """What denies a label."""
        return re.compile(rf"\b({self.negations})\b|n['\u2019]t\b")

    @functools.cached_property
    def cue(self) -> str:
        """A pattern of what stands before a label."""
        return rf"(?i:\b(?:{self.cues})\b[\"'`*]*)"

    @functools.cached_property
    def linked(self) -> str:
        """A pattern of what stands between a cue and its label in a sentence."""
        return "|".join(f"{link}:?" for link in self.links.split("|")) + "|[:=]"

    @functools.cached_property
    def leading_cue(self) -> re.Pattern[str]:
        """A cue at the beginning of an answer, such as "Labels:"."""
        return re.compile(rf"^\s*{self.cue}\s*(?:{self.links}|[:=])\s*:?")

    @functools.cached_property
    def conjunction(self) -> re.Pattern[str]:
        """What joins the last two labels of a list."""
        return re.compile(rf"\b(?:{self.conjunctions})\b|&")

    @functools.cached_property
    def score_key(self) -> re.Pattern[str]:
        """A key under which an object of scores stands."""
        return re.compile(self.score_keys, re.IGNORECASE)


ENGLISH_REPLIES = ReplyWords(
    no_label=("none", "no label", "no labels", "none of these", "none of the above"),
    negations="not|no|none|neither|nor|never|cannot|except|without|unsure|unclear|nicht|kein\\w*|weder",
    cues="answer|labels?|category|categories|class|code|option|choice|topic|intent",
    links="is|are",
    conjunctions="and",
    keys=("label", "labels", "answer", "answers", "category", "categories", "class", "classes", "code", "codes"),
    score_keys="answers?|categories|classes|confidences?|distribution|labels?|likelihoods|probabilit(?:y|ies)|ratings|"
    "results?|scores",
)
"""English words; models that are asked in another language use them, too."""
