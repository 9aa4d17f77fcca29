"""`HoldsModel`: which language model a classifier asks, given as a classifier, as a chat or by its provider's name."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from textclassify.errors import ConfigError
from textclassify.llm.chat import AbsentChat, Chat
from textclassify.llm.chat_holding import absent
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.llm.money.limits import limited


class HoldsModel:
    """A classifier's language model; copies and clones share a chat, which may hold connections; pickles name it."""

    llm: LLMClassifier | Chat | None
    provider: str | None
    model: str | None
    cache_dir: str | Path | None
    _made: tuple[Any, LLMClassifier] | None = None

    @property
    def _has_model(self) -> bool:
        return self.llm is not None or self.provider is not None

    def _model(self) -> LLMClassifier | None:
        """Return the language model, the same object as long as nothing about it changes; None = there is none.

        Raises:
            ConfigError: it is given twice, or in part.

        """
        if self.llm is not None and (self.provider is not None or self.model is not None):
            given = f"provider={self.provider!r}" if self.provider is not None else f"model={self.model!r}"
            raise ConfigError(f"both llm= and {given} are given; the model of llm= is asked: leave the other out")
        if self.provider is None and self.model is not None:
            raise ConfigError(
                f"model={self.model!r} is given without a provider; add provider='local' for one on this machine"
            )
        if isinstance(self.llm, LLMClassifier):
            return self.llm
        if not self._has_model:
            return None
        if self.llm is not None and not isinstance(self.llm, Chat):
            raise ConfigError(
                f"llm is {self.llm!r:.60} ({type(self.llm).__name__}); pass an LLMClassifier, an object with the Chat "
                "protocol, or a provider's name as provider=..."
            )
        wanted = (id(self.llm), self.provider, self.model, self.cache_dir)
        if self._made is None or self._made[0] != wanted:
            options: dict[str, Any] = {"cache_dir": self.cache_dir, "model": self.model}
            options |= {"chat": self.llm} if self.llm is not None else {"provider": self.provider}
            self._made = (wanted, LLMClassifier(**options))
        return self._made[1]

    @contextmanager
    def _one_budget(self) -> Iterator[None]:
        """Have all that is asked inside cost no more than one call of the model may, however many rounds it takes."""
        model = self._model()
        with limited(max_cost=None if model is None else model.max_cost):
            yield

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment] # scikit-learn's is a dict
        return {**state, "_made": None, "llm": _kept(self.llm)}

    def __copy__(self) -> Self:
        return self._with_state(self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if self.llm is not None and not isinstance(self.llm, LLMClassifier):
            memo[id(self.llm)] = self.llm
        return self._with_state(copy.deepcopy({**self.__dict__, "_made": None}, memo))

    def __sklearn_clone__(self) -> Self:
        without = copy.copy(self)
        without.llm = None
        cloned: Self = super(HoldsModel, without).__sklearn_clone__()  # type: ignore[misc] # scikit-learn's
        cloned.llm = copy.deepcopy(self.llm) if isinstance(self.llm, LLMClassifier) else self.llm
        return cloned

    def _with_state(self, state: dict[str, Any]) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(state)
        return copied


def _kept(llm: LLMClassifier | Chat | None) -> LLMClassifier | Chat | None:
    """Return what a pickle holds in the place of a model."""
    return llm if llm is None or isinstance(llm, LLMClassifier) else _reworded(absent(llm))


def with_remedy(model: LLMClassifier) -> LLMClassifier:
    """Return a model that was read from a folder; where it lacks its chat, it says how this classifier gets it back."""
    if isinstance(model.chat, AbsentChat):
        model.chat = _reworded(model.chat)
    return model


def _reworded(chat: AbsentChat | None) -> AbsentChat | None:
    return None if chat is None else replace(chat, remedy="set_params(llm=...)")
