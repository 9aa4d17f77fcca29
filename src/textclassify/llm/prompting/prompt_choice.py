"""Which prompt a text is put into: one for all, with fixed examples, or one with the examples nearest to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from textclassify.core.texts import wording
from textclassify.llm.prompting.demonstrations import Demonstration, NearestExamples
from textclassify.llm.prompting.prompts import Prompt
from textclassify.llm.prompting.texts_as_data import redacted


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
        self._shown = {wording(example.text) for example in demonstrations}
        self.plain = make(demonstrations)

    def of(self, texts: Sequence[str]) -> list[Prompt]:
        """Return the prompt of each text."""
        if not self._shown:
            return [self.plain] * len(texts)
        return [self._beside_others(text) if self.is_example(text) else self.plain for text in texts]

    def is_example(self, text: str) -> bool:
        """Return whether a text is one of the examples, in whatever case or white space."""
        return bool(self._shown) and wording(text) in self._shown

    def _beside_others(self, text: str) -> Prompt:
        others = [example for example in self._demonstrations if wording(example.text) != wording(text)]
        return self.plain.with_examples(others)


class NearestPrompts:
    """A prompt for each text, with the examples of a pool that are most similar to it.

    Args:
        make: returns the prompt with some examples.
        nearest: the pool.
        redact: what every example goes through before it is shown; None = nothing.

    """

    def __init__(
        self,
        make: Callable[[Sequence[Demonstration]], Prompt],
        nearest: NearestExamples,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        self._nearest = nearest
        self._redact = redact
        self.plain = make(())
        left = [] if redact is None else [redacted(redact, text) for text in nearest.texts]
        self.identity = nearest.identity + hashlib.sha256("\0".join(left).encode("utf-8", "surrogatepass")).hexdigest()

    def of(self, texts: Sequence[str]) -> list[Prompt]:
        """Return the prompt of each text."""
        found = zip(texts, self._nearest.for_texts(texts), strict=True)
        return [self.plain.with_examples(self._beside(text, examples)) for text, examples in found]

    def is_example(self, text: str) -> bool:  # noqa: ARG002 - a text's examples are chosen without it
        """Return whether a text is one of the examples that all others are shown beside: there are none."""
        return False

    def _beside(self, text: str, examples: Sequence[Demonstration]) -> Sequence[Demonstration]:
        """Return the examples as they leave the process, less the text itself, which a redaction may have disguised."""
        if self._redact is None:
            return examples
        shown = [Demonstration(redacted(self._redact, example.text), example.label) for example in examples]
        return [example for example in shown if wording(example.text) != wording(text)]
