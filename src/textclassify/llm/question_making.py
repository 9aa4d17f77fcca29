"""`QuestionMaker`: which prompt, parameters and reader belong to a way of asking a remote model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from textclassify.core.labels import LabelSchema
from textclassify.errors import ConfigError
from textclassify.llm.chat import Chat, ChatRequest
from textclassify.llm.logprob_decision import LogprobDecision
from textclassify.llm.model_traits import ModelTraits
from textclassify.llm.money.limits import Redaction
from textclassify.llm.prompting.demonstrations import Demonstration, NearestExamples
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.packs import pack_prompt
from textclassify.llm.prompting.prompt_choice import NearestPrompts, SharedPrompts
from textclassify.llm.prompting.prompts import choice_prompt, scores_prompt
from textclassify.llm.prompting.templates import Template
from textclassify.llm.prompting.texts_as_data import redacted
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.questions import Question
from textclassify.llm.reading.readings import HardReader
from textclassify.llm.reading.token_logprobs import LogprobReader
from textclassify.llm.reading.verbal_scores import VerbalReader, verbal_schema
from textclassify.llm.store.cache import ResponseCache

METHODS = ("auto", "logprobs", "votes", "verbal", "hard")
"""Ways of getting scores out of a remote model."""
VOTING_TEMPERATURE = 0.7
"""Of the samples of `votes` where no other is given, as in self-consistency (Wang et al. 2022)."""
_TOKENS_PER_SCORE = 12


@dataclass(frozen=True, kw_only=True)
class RemoteSettings:
    """How a remote model is asked; the options of `LLMClassifier` of the same names.

    `gives_logprobs` is what "auto" came to when something was learned from its scores; None = nothing was. `wording` is
    what prompts say.
    """

    method: str = "auto"
    n_samples: int = 5
    concurrency: int = 64
    temperature: float = 0.0
    max_completion_tokens: int = 150
    texts_per_request: int = 1
    redact: Redaction | None = None
    gives_logprobs: bool | None = None
    wording: Wording = ENGLISH

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"unknown method {self.method!r}; known: {', '.join(METHODS)}")
        if self.method == "votes" and self.n_samples < 2:
            raise ConfigError(f"n_samples {self.n_samples} is no vote; pass at least 2, or method='hard'")
        if self.concurrency < 1:
            raise ConfigError(f"concurrency {self.concurrency} must be at least 1")
        if self.texts_per_request < 1:
            raise ConfigError(f"texts_per_request {self.texts_per_request} must be at least 1")
        if self.texts_per_request > 1 and self.method not in {"hard", "votes"}:
            raise ConfigError(
                f"texts_per_request {self.texts_per_request} needs method='hard' or 'votes': a reply about several "
                f"texts has no scores for {self.method!r}"
            )


@dataclass(frozen=True)
class Examples:
    """What prompts show beside the text: fixed examples, or the nearest of a pool."""

    fixed: Sequence[Demonstration] = ()
    nearest: NearestExamples | None = None


class QuestionMaker:
    """Makes the `Question` of a remote model.

    Args:
        chat: the model.
        key: the cache's key of a request.
        schema: the labels.
        settings: how it is asked.
        examples: what its prompts show.
        template: of the prompt; None = the library's.
        cache: where it is known whether the model gives log-probabilities.

    """

    def __init__(
        self,
        chat: Chat,
        key: Callable[[ChatRequest], bytes],
        schema: LabelSchema,
        settings: RemoteSettings,
        examples: Examples,
        template: Template | None,
        cache: ResponseCache,
    ) -> None:
        self._chat = chat
        self._key = key
        self._traits = ModelTraits(chat, key, cache)
        self._schema = schema
        self._settings = settings
        self._examples = examples
        self._template = template

    def question(self) -> Question:
        """Return how the model is asked, as far as that is known before its first reply."""
        method = self._settings.method
        if method != "auto":
            return self._asking(method)
        if not self._traits.may_give_logprobs or self._gives_logprobs() is False:
            return self._asking("hard")
        return replace(self._asking("logprobs"), fallback=self._asking("hard"))

    def _gives_logprobs(self) -> bool | None:
        """Return whether the model gives usable log-probabilities, where anybody has found that out."""
        if self._settings.gives_logprobs is not None:
            return self._settings.gives_logprobs
        return self._traits.gives_logprobs()

    def _asking(self, method: str) -> Question:
        """Return how the model is asked by a method other than "auto"."""
        settings, prompts = self._settings, self._prompts(verbal=method == "verbal")
        codes, names = prompts.plain.codes, prompts.plain.names
        given: dict[str, Any] = {
            "prompts": prompts,
            "codes": codes,
            "names": names,
            "key": self._key,
            "temperature": settings.temperature,
            "max_tokens": settings.max_completion_tokens,
            "redact": settings.redact,
            "language": settings.wording.language,
        }
        read_as: dict[str, Any] = {"multi_label": self._schema.multi_label, "words": settings.wording.replies}
        if method == "verbal":
            given |= {
                "reader": VerbalReader(codes, names, **read_as),
                "max_tokens": max(settings.max_completion_tokens, _TOKENS_PER_SCORE * len(codes)),
                "response_schema": verbal_schema(codes, most_properties=self._traits.most_properties),
            }
        elif method == "logprobs":
            reader = LogprobReader(codes, names, **read_as)
            by_name = HardReader(codes, names, **read_as)
            given |= {
                "reader": reader,
                "top_logprobs": self._traits.alternatives(len(codes)),
                "decision": LogprobDecision(reader, by_name, self._gives_logprobs, self._traits.remember),
            }
        else:
            given |= {"reader": HardReader(codes, names, **read_as)} | self._packing()
        if method == "votes":
            given |= {"n_samples": settings.n_samples, "temperature": settings.temperature or VOTING_TEMPERATURE}
        return Question(self._chat.model, **given)

    def _packing(self) -> dict[str, Any]:
        """Return how several texts share a request, where they do."""
        size = self._settings.texts_per_request
        if size == 1:
            return {}
        if self._examples.nearest is not None or self._template is not None:
            raise ConfigError(f"texts_per_request {size} goes with neither nearest_examples nor a template")
        longest = max(self._settings.max_completion_tokens, _TOKENS_PER_SCORE * size)
        pack = partial(pack_prompt, self._schema, self._fixed(), wording=self._settings.wording)
        return {"texts_per_request": size, "pack": pack, "max_tokens": longest}

    def _prompts(self, *, verbal: bool) -> SharedPrompts | NearestPrompts:
        wording = self._settings.wording
        if self._template is not None:
            make = partial(self._template.prompt, self._schema, scores=verbal, wording=wording)
        else:
            make = partial(scores_prompt if verbal else choice_prompt, self._schema, wording=wording)
        if self._examples.nearest is not None:
            return NearestPrompts(make, self._examples.nearest, self._settings.redact)
        return SharedPrompts(make, self._fixed())

    def _fixed(self) -> list[Demonstration]:
        """Return the fixed examples as they leave the process."""
        redact = self._settings.redact
        if redact is None:
            return list(self._examples.fixed)
        return [replace(example, text=redacted(redact, example.text)) for example in self._examples.fixed]
