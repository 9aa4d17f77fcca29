"""`LogprobReader`: how likely each label was where a model wrote one, from the log-probabilities of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

from textclassify.core.scales import Method, Scale
from textclassify.llm.chat import ChatReply
from textclassify.llm.reading.elicitation import named_label, named_labels
from textclassify.llm.reading.label_beginnings import LabelBeginnings, is_control, unmarked
from textclassify.llm.reading.label_chances import ROUNDING, label_chances
from textclassify.llm.reading.label_reader import LabelReader, place_of, visible
from textclassify.llm.reading.readings import as_log_odds, as_log_probabilities
from textclassify.llm.reading.remembered import Remembered
from textclassify.llm.reading.reply_words import ENGLISH_REPLIES, ReplyWords

_CONSTANT = -1000.0
"""Log-probabilities below this are a server's word for "unknown": -9999 and the like."""

_Place = tuple[int | None, int]
"""A label that an answer names (None = it says "none"), and where in the answer its first character is."""


class LogprobReader:
    """Reads the probabilities of all labels where the reply writes one; the steps are those of `label_chances`.

    Single-label to log-probabilities: the place is where the text of the reply names its label, which may come after
    other words; the chances there are scaled to add up to 1, none below `SMALLEST_PROBABILITY`.

    Multi-label to log-odds: every place where a label is named counts (for "none": that place). Taken for independent
    chances to name it, P(label) = 1 - product over the places of (1 - P(label there)).

    Args:
        codes: label codes as in the prompt, schema order; none of them begins another.
        names: label names, schema order.
        multi_label: whether any number of labels may be named.
        words: of the language in which is asked.

    >>> from textclassify.llm.chat import TokenLogprob
    >>> token = TokenLogprob("B", -0.2231, (("B", -0.2231), ("A", -2.3026), ("b", -2.9957)))
    >>> reader = LogprobReader(["A", "B"], ["world", "sports"], multi_label=False)
    >>> [round(score, 2) for score in reader.read(ChatReply("B", logprobs=(token,)))]
    [-2.25, -0.11]

    """

    method: Final = Method.LOGPROBS

    def __init__(
        self, codes: Sequence[str], names: Sequence[str], *, multi_label: bool, words: ReplyWords = ENGLISH_REPLIES
    ) -> None:
        self.scale: Final = Scale.LOG_ODDS if multi_label else Scale.LOG_PROBABILITY
        self._multi_label = multi_label
        self._n_labels = len(codes)
        self._labels = LabelReader(codes, names, words)
        self._beginnings = LabelBeginnings(codes, names, may_say_none=multi_label, words=words)
        self._places: Remembered[list[_Place] | None] = Remembered(self._places_in)

    def read(self, reply: ChatReply) -> list[float] | None:
        """One score per label; None when the text names no label, or has no log-probabilities where it does."""
        if not reply.logprobs or (reply.cut_off and not self._is_whole(reply.content)):
            return None
        chances: list[list[float]] = []
        for label, place in self._places[reply.content] or ():
            at = _token_at(reply, place)
            here = None
            if at is not None:
                here = label_chances(reply.logprobs[at:], label, self._beginnings, self._n_labels)
            if here is None:
                return None
            chances.append(here)
        if self._multi_label:
            return as_log_odds(_at_any_place(chances)) if chances else None
        return as_log_probabilities(chances[0]) if chances else None

    def _is_whole(self, content: str) -> bool:
        """Whether an answer that lacks its end names its label all the same; the rest of a list is never known."""
        return not self._multi_label and named_label(content, self._labels, cut_off=True) is not None

    def _places_in(self, content: str) -> list[_Place] | None:
        """The labels that an answer names, and where; None when it names none clearly."""
        labels: tuple[int, ...] | None
        if self._multi_label:
            labels = named_labels(content, self._labels)
        else:
            label = named_label(content, self._labels)
            labels = None if label is None else (label,)
        if labels is None:
            return None
        answer = visible(content)
        start = content.rfind(answer)
        if not labels:
            words = [place_of(words, answer.lower()) for words in self._labels.words.no_label]
            return [(None, start + next((place for place in words if place is not None), 0))]
        places = [(label, self._labels.place(answer, label)) for label in labels]
        found: list[_Place] = [(label, start + place) for label, place in places if place is not None]
        return found if start >= 0 and len(found) == len(labels) else None


def usable_logprobs(reply: ChatReply) -> bool:
    """Whether a reply to a request with `top_logprobs` of 2 or more has log-probabilities that say something.

    Some servers leave them out or fill them with constants (0.0, -9999). Usable ones are finite and at most 0, they
    differ, at least one is the logarithm of a probability between 0 and 1, and some place has two different tokens.
    """
    values = [token.logprob for token in reply.logprobs]
    values += [logprob for token in reply.logprobs for _, logprob in token.alternatives]
    if not all(isfinite(value) and value <= ROUNDING for value in values):
        return False
    says_something = len(set(values)) > 1 and any(_CONSTANT < value < 0.0 for value in values)
    return says_something and any(len({text for text, _ in token.alternatives}) > 1 for token in reply.logprobs)


def _at_any_place(chances: Sequence[Sequence[float]]) -> list[float]:
    """P(a label is named at one place at least), from its chances at each."""
    nowhere = [1.0] * len(chances[0])
    for here in chances:
        nowhere = [before * (1.0 - min(p, 1.0)) for before, p in zip(nowhere, here, strict=True)]
    return [1.0 - p for p in nowhere]


def _token_at(reply: ChatReply, place: int) -> int | None:
    """Which token writes a character of the content; None when the tokens do not spell the content."""
    texts = [token.token for token in reply.logprobs]
    start = _start_of(reply.content, texts)
    if start is None:
        texts = [unmarked(text) for text in texts]
        start = _start_of(reply.content, texts)
    if start is None:
        return None
    end = 0
    for at, text in enumerate(texts):
        end += len(text)
        if end > start + place:
            return at
    return None


def _start_of(content: str, texts: Sequence[str]) -> int | None:
    """Where in the joined tokens the content begins: it ends them, but for control tokens, or else it begins them.

    Before it may stand thoughts, behind it what follows a stop word.
    """
    whole, core = "".join(texts), content.strip()
    end = len(whole)
    for text in reversed(texts):
        if not is_control(text):
            break
        end -= len(text)
    answer = whole[:end].rstrip()
    start = len(answer) - len(core) if answer.endswith(core) else len(whole) - len(whole.lstrip())
    return start - content.find(core) if whole.startswith(core, start) else None
