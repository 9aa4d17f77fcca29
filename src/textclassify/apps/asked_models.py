"""Which language models a classifier asks, and whether they are far away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textclassify.apps.failures import InterruptedRunError
from textclassify.core.contract import TextClassifier
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.errors import ConfigError
from textclassify.llm.chat_holding import LOCAL


def language_models(classifier: TextClassifier, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the classifiers in a classifier that ask a language model when it predicts, by their names.

    Raises:
        ConfigError: one of them has no `estimate`.

    """
    for path, one in _asking(classifier, name, evaluated=False):
        if not hasattr(one, "estimate"):
            raise ConfigError(
                f"{type(one).__name__} asks a language model and cannot say what that costs; give it a method "
                "`estimate(texts)` that returns an Estimate"
            )
        yield path, one


def runs_here(classifier: Any) -> bool:
    """Return whether a classifier's language model runs in this process."""
    asked = getattr(classifier, "llm", None) or classifier  # one that checks labels holds the model that it asks
    return getattr(asked, "provider", None) == LOCAL and getattr(asked, "chat", None) is None


def asks_remotely(classifier: TextClassifier, *, evaluated: bool = False) -> bool:
    """Return whether a classifier asks a language model elsewhere when it predicts, or when it is evaluated."""
    return any(not runs_here(one) for _, one in _asking(classifier, "", evaluated=evaluated))


@contextmanager
def resumable(asks: bool, what: str) -> Iterator[None]:  # noqa: FBT001 - the one thing that it depends on
    """Have Ctrl-C say that paid answers are kept, where a language model is asked inside the block.

    Args:
        asks: whether one is.
        what: how to go on, in words.

    Raises:
        InterruptedRunError: Ctrl-C.

    """
    try:
        yield
    except KeyboardInterrupt:
        if not asks:
            raise
        raise InterruptedRunError(
            f"answers of the language model are kept and will not be asked for again; {what}"
        ) from None


def _asking(classifier: TextClassifier, name: str, *, evaluated: bool) -> Iterator[tuple[str, Any]]:
    if hasattr(classifier, "estimate") and classifier.asks_llm:
        yield name or classifier.kind, classifier
    elif hasattr(classifier, "ensemble_"):
        yield from _asking(classifier.ensemble_, name, evaluated=evaluated)
    elif isinstance(classifier, FusionEnsemble):
        fusion = classifier.fusion_
        for source in fusion.llm_sources_ if evaluated else sorted(fusion.needs_):
            yield from _asking(classifier.sources_[source], _path(name, source), evaluated=evaluated)
    elif isinstance(classifier, FoldAverage):
        for number, member in enumerate(classifier.members_, start=1):
            yield from _asking(member, _path(name or classifier.kind, str(number)), evaluated=evaluated)
    elif classifier.asks_llm:
        yield name or classifier.kind, classifier


def _path(outer: str, inner: str) -> str:
    return f"{outer}, {inner}" if outer else inner
