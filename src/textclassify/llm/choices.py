"""`Choice`: one question with fixed answers about one text; `Chosen`: how likely a model finds each of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from textclassify.core.scales import Method, Status
from textclassify.errors import ConfigError
from textclassify.llm.chat import Message
from textclassify.llm.prompting.texts_as_data import TEXT_SLOT
from textclassify.llm.reading.label_reader import folded

_ANSWERS_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Choice:
    """One question with fixed answers about one text.

    Args:
        messages: the conversation, with `TEXT_SLOT` once, in the last message.
        text: what it is about.
        answers: what the model may reply, such as ("yes", "no") or the letters of listed options; case and punctuation
            do not tell them apart.
        language: the code of the one that it is asked in: by its words replies are read, and what cannot be read is
            asked again; its yes and no may also be answered in English.

    Raises:
        ConfigError: the place of the text is missing or not the only one, or two answers read alike.

    >>> asked = (Message("user", f"Is this text glad? {TEXT_SLOT}"),)
    >>> Choice(asked, "I won!", ("yes", "no")).answers
    ('yes', 'no')

    """

    messages: tuple[Message, ...]
    text: str
    answers: tuple[str, ...]
    language: str = "en"

    def __post_init__(self) -> None:
        places = [message.content.count(TEXT_SLOT) for message in self.messages]
        if not places or places[-1] != 1 or any(places[:-1]):
            raise ConfigError("a question needs exactly one TEXT_SLOT, the place of the text, in its last message")
        _check_answers(self.answers)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a model said to n questions with at most A answers.

    Args:
        values: (n, A) natural log-probabilities, normalised among the answers of a question; NaN beyond its answers,
            and where there is no reply that can be read.
        status: (n,) `Status`: OK, or why there are no values.
        method: (n,) `Method`: LIKELIHOOD, LOGPROBS, or HARD where a reply names its answer without a probability.
        cost: (n,) US dollars spent now; of equal questions the first one bears it. NaN = unknown price.
        truncated: (n,) whether the model was shown the text without its end.

    """

    values: NDArray[np.float64]
    status: NDArray[np.uint8]
    method: NDArray[np.uint8]
    cost: NDArray[np.float64]
    truncated: NDArray[np.bool_]

    @classmethod
    def nothing_yet(cls, choices: Sequence[Choice], method: Method) -> Chosen:
        """Return room for what is said to questions: not called, with no values."""
        n, width = len(choices), max((len(choice.answers) for choice in choices), default=0)
        return cls(
            values=np.full((n, width), np.nan),
            status=np.full(n, Status.NOT_CALLED, dtype=np.uint8),
            method=np.full(n, method, dtype=np.uint8),
            cost=np.zeros(n),
            truncated=np.zeros(n, dtype=np.bool_),
        )

    def __len__(self) -> int:
        """Number of questions, n."""
        return len(self.status)


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote in n conversations.

    Args:
        texts: (n,) its replies; None where there is none.
        status: (n,) `Status`: OK, or why there is no text.
        cost: (n,) US dollars spent now; of equal conversations the first one bears it. NaN = unknown price.

    """

    texts: list[str | None]
    status: NDArray[np.uint8]
    cost: NDArray[np.float64]

    @classmethod
    def nothing_yet(cls, n: int) -> Written:
        """Return room for n replies: not called, with no text."""
        return cls([None] * n, np.full(n, Status.NOT_CALLED, dtype=np.uint8), np.zeros(n))


@lru_cache(_ANSWERS_REMEMBERED)
def _check_answers(answers: tuple[str, ...]) -> None:
    if not answers:
        raise ConfigError("a question needs answers to choose from; name at least one")
    read_as = list(map(folded, answers))
    for place, form in enumerate(read_as):
        if not form or form in read_as[:place]:
            raise ConfigError(
                f"the answer {answers[place]!r} of {list(answers)!r:.200} cannot be told from another one or from "
                "nothing at all; write the answers so that they differ in letters or digits"
            )
