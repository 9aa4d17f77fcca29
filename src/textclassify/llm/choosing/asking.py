"""How a remote model is asked to choose between answers, or to write: requests, and what replies say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from textclassify.core.scales import Method, Scale
from textclassify.llm.chat import ChatReply, ChatRequest, Message
from textclassify.llm.logprob_decision import LogprobFinding, named_outright, says_usable
from textclassify.llm.model_traits import ModelTraits
from textclassify.llm.prompting.prompts import conversation
from textclassify.llm.prompting.texts_as_data import TEXT_SLOT
from textclassify.llm.prompting.wordings import WORDINGS
from textclassify.llm.reading.label_reader import visible
from textclassify.llm.reading.readings import HardReader
from textclassify.llm.reading.token_logprobs import LogprobReader

_READERS_REMEMBERED = 1024
_TOKENS_AROUND = 16
"""Room for what models write around an answer; a reply that needs more is asked for once more, at full length."""
_LONGEST_WRITTEN = 1_000_000


class AskedChoice(NamedTuple):
    """A question with its text as it leaves the process."""

    messages: tuple[Message, ...]
    text: str
    answers: tuple[str, ...]
    language: str = "en"

    def about(self, *, ending: str = "") -> tuple[Message, ...]:
        """Return the conversation with the text in its place, and with an ending."""
        *before, last = self.messages
        return (*before, replace(last, content=last.content.replace(TEXT_SLOT, self.text) + ending))

    def shown(self) -> str:
        """Return the conversation as a person reads it."""
        return conversation(self.about())


class ChosenAnswer(NamedTuple):
    """A log-probability for each answer, and how they were obtained."""

    values: list[float]
    method: Method


class AnswerReader:
    """Reads replies to questions with the same answers.

    Args:
        answers: those that count.
        language: the code of the questions'.

    """

    def __init__(self, answers: Sequence[str], language: str = "en") -> None:
        wording = WORDINGS[language]
        names = wording.other_words_for(answers)
        self._by_logprobs = LogprobReader(answers, names, multi_label=False, words=wording.replies)
        self._by_name = HardReader(answers, names, multi_label=False, words=wording.replies)
        self.notice = f"{wording.unusable} {wording.one_of_answers.format(answers=', '.join(answers))}"

    def says_usable(self, reply: ChatReply) -> bool | None:
        """Return whether a reply shows that the model's log-probabilities can be used; None when it does not tell."""
        return says_usable(reply, self._by_logprobs, self._by_name)

    def read(self, reply: ChatReply, *, by_logprobs: bool) -> ChosenAnswer | None:
        """Return what a reply says; where it names its answer without a probability, that counts."""
        values = self._by_logprobs.read(reply) if by_logprobs else None
        if values is not None:
            return ChosenAnswer(values, Method.LOGPROBS)
        votes = self._by_name.read(reply)
        return None if votes is None else ChosenAnswer(named_outright(votes, Scale.LOG_PROBABILITY), Method.HARD)


@dataclass(frozen=True, kw_only=True)
class AskingOptions:
    """How a remote model is asked; the options of `LLMClassifier` of the same names."""

    method: str = "auto"
    temperature: float | None = 0.0
    max_completion_tokens: int = 150


class ChoiceAsking:
    """Asks which of the answers is right, by the log-probabilities of its tokens where the model gives them.

    Whether it does is found out from its first telling reply, as `LLMClassifier` does with method "auto".

    Args:
        traits: what is known about the model.
        options: how it is asked.

    """

    def __init__(self, traits: ModelTraits, options: AskingOptions) -> None:
        self._traits = traits
        self._options = options
        self._reader = lru_cache(_READERS_REMEMBERED)(AnswerReader)
        self._finding: LogprobFinding | None = None
        if options.method != "hard" and traits.may_give_logprobs:
            self._finding = LogprobFinding(traits.gives_logprobs, traits.remember)

    @property
    def way(self) -> bool:
        """Whether log-probabilities are asked for."""
        return self._finding is not None and self._finding.made is not False

    def look_around(self) -> None:
        """Take over what others have found out about the model."""
        if self._finding is not None:
            self._finding.take_over()

    def requests(self, question: AskedChoice) -> list[ChatRequest]:
        """Return the request; while it is open whether log-probabilities come, the one without them, too."""
        request = self._request(question, question.about(), self._short(question))
        if self._finding is None or self._finding.made is not None:
            return [request]
        return [request, replace(request, top_logprobs=None)]

    def read(self, question: AskedChoice, reply: ChatReply) -> ChosenAnswer | None:
        """Return what a reply says; the first that tells decides how all are read."""
        reader = self._reader(question.answers, question.language)
        if self._finding is not None:
            self._finding.learn(reader.says_usable(reply))
        return reader.read(reply, by_logprobs=self.way)

    def again(self, question: AskedChoice) -> ChatRequest:
        """Return the same question with a notice which answers count; all before its end is as it was."""
        notice = self._reader(question.answers, question.language).notice
        messages = question.about(ending=f"\n\n{notice}")
        return self._request(question, messages, self._options.max_completion_tokens)

    def _request(self, question: AskedChoice, messages: tuple[Message, ...], max_tokens: int) -> ChatRequest:
        return ChatRequest(
            self._traits.chat.model,
            messages,
            temperature=self._options.temperature,
            max_tokens=max_tokens,
            top_logprobs=self._traits.alternatives(len(question.answers)) if self.way else None,
        )

    def _short(self, question: AskedChoice) -> int:
        """Return how long a reply may be: an answer, unless the model is known to think before it speaks."""
        longest = self._options.max_completion_tokens
        if self._traits.thinks_first:
            return longest
        return min(longest, _TOKENS_AROUND + max(map(len, question.answers)))


class WritingAsking:
    """Asks for free text.

    Args:
        traits: what is known about the model.
        options: how it is asked.
        max_tokens: longest reply.

    """

    way = None

    def __init__(self, traits: ModelTraits, options: AskingOptions, max_tokens: int) -> None:
        self._traits = traits
        self._options = options
        self._max_tokens = max_tokens

    def look_around(self) -> None:
        """Nothing about the model changes how it is asked."""

    def requests(self, question: tuple[Message, ...]) -> list[ChatRequest]:
        """Return the request."""
        model, temperature = self._traits.chat.model, self._options.temperature
        return [ChatRequest(model, question, temperature=temperature, max_tokens=self._max_tokens)]

    def read(self, question: tuple[Message, ...], reply: ChatReply) -> str | None:  # noqa: ARG002 - any text will do
        """Return the text without thinking aloud and code fences; None when nothing is left of it."""
        return visible(reply.content, longest=_LONGEST_WRITTEN) or None

    def again(self, question: tuple[Message, ...]) -> None:
        """Ask nothing more."""
