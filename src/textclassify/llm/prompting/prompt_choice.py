"""Which prompt a text is put into: one for all, with fixed examples, or one with the examples nearest to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textclassify.llm.prompting.demonstrations import Demonstration, NearestExamples
from textclassify.llm.prompting.prompts import Prompt


class SharedPrompts:
    """One prompt for all texts, with fixed examples; a text is never shown beside itself.

    Args:
        make: returns the prompt with some examples.
        demonstrations: the examples.

    """

    identity = ""

    def __init__(
        self, make: Callable[[Sequence[Demonstration]], Prompt], demonstrations: Sequence[Demonstration]
    ) -> None:
        self._demonstrations = demonstrations
        self._shown = {_wording(example.text) for example in demonstrations}
        self.plain = make(demonstrations)

    def of(self, texts: Sequence[str]) -> list[Prompt]:
        """Return the prompt of each text."""
        if not self._shown:
            return [self.plain] * len(texts)
        return [self._beside_others(text) if self.is_example(text) else self.plain for text in texts]

    def is_example(self, text: str) -> bool:
        """Return whether a text is one of the examples, in whatever case or white space."""
        return bool(self._shown) and _wording(text) in self._shown

    def _beside_others(self, text: str) -> Prompt:
        wording = _wording(text)
        return self.plain.with_examples(
            [example for example in self._demonstrations if _wording(example.text) != wording]
        )


class NearestPrompts:
    """A prompt for each text, with the examples of a pool that are most similar to it.

    Args:
        make: returns the prompt with some examples.
        nearest: the pool.

    """

    def __init__(self, make: Callable[[Sequence[Demonstration]], Prompt], nearest: NearestExamples) -> None:
        self._nearest = nearest
        self.plain = make(())
        self.identity = nearest.identity

    def of(self, texts: Sequence[str]) -> list[Prompt]:
        """Return the prompt of each text."""
        return [self.plain.with_examples(examples) for examples in self._nearest.for_texts(texts)]

    def is_example(self, text: str) -> bool:  # noqa: ARG002 - a text's examples are chosen without it
        """Return whether a text is one of the examples that all others are shown beside: there are none."""
        return False


def _wording(text: str) -> str:
    return " ".join(text.split()).casefold()
