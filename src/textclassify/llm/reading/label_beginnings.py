"""`LabelBeginnings`: which labels the tokens written so far may become."""

from __future__ import annotations

from collections.abc import Sequence

from textclassify.llm.reading.label_reader import EDGES, collapsed, folded
from textclassify.llm.reading.remembered import Remembered
from textclassify.llm.reading.reply_words import ENGLISH_REPLIES, ReplyWords

_MARKS = str.maketrans({"\u0120": " ", "\u2581": " ", "\u010a": "\n"})


class LabelBeginnings:
    """Finds the labels that a text begins, by their positions in the schema.

    Case, leading space, quotes and punctuation around a text do not count. A code wins over the beginning of a name.

    Args:
        codes: what the prompt calls the labels.
        names: what the user calls them, in the same order.
        may_say_none: whether "none" is an answer, so that its beginnings begin no label.
        words: of the language in which is asked.

    >>> labels = LabelBeginnings(["A", "B"], ["world", "sports"], may_say_none=False)
    >>> labels.after("", ' "b'), labels.after("", "sp"), labels.after("sp", "orts"), labels.after("", "x")
    ((1,), (1,), (1,), ())

    """

    def __init__(
        self,
        codes: Sequence[str],
        names: Sequence[str],
        *,
        may_say_none: bool,
        words: ReplyWords = ENGLISH_REPLIES,
    ) -> None:
        self._folded_codes = tuple(map(folded, codes))
        self._folded_names = tuple(map(folded, names))
        self._none = words.no_label if may_say_none else ()
        # A text that is longer than any label and what may stand around it begins none.
        self._longest = 100 + 4 * max(map(len, (*names, *codes)), default=0)
        self.begun = Remembered(self._begun)

    def after(self, written: str, token: str) -> tuple[int, ...]:
        """Labels that may be what is written when a token follows the beginning of a label ("" = nothing yet).

        A token that carries on no label and is no word ends it: it stands for the label that is already complete.
        """
        if not written:
            return self.begun[token]
        found = () if _ends_all(token) else self.begun[written + token]
        return found or (() if token[:1].isalnum() else self._complete(written))

    def of_token(self, written: str, token: str, label: int) -> tuple[int, ...]:
        """As `after`, where the whole answer says that the token is part of this label; () when it cannot be."""
        found = self.after(written, token)
        if label not in found:  # taken for a code or for "none", and a name after all
            found = self._any_begun(written + token)
        return found if label in found else ()

    def _begun(self, text: str) -> tuple[int, ...]:
        if len(text) > self._longest:
            return ()
        text = unmarked(text)
        whole = folded(text)
        if whole in self._folded_codes:
            return _beginning(whole, self._folded_codes)
        if _beginning(whole, self._none) and whole not in self._folded_names:
            return ()
        return _beginning(_open(text), self._folded_codes) or self._named(text)

    def _any_begun(self, text: str) -> tuple[int, ...]:
        if len(text) > self._longest:
            return ()
        text = unmarked(text)
        return tuple(sorted({*self._named(text), *_beginning(_open(text), self._folded_codes)}))

    def _named(self, text: str) -> tuple[int, ...]:
        """Labels whose names a text begins, or is as a whole when punctuation closes it."""
        return _beginning(_open(text), self._folded_names) or self._complete(text)

    def _complete(self, text: str) -> tuple[int, ...]:
        whole = folded(text)
        both = zip(self._folded_codes, self._folded_names, strict=True)
        return tuple(label for label, forms in enumerate(both) if whole in forms) if whole else ()


def unmarked(token: str) -> str:
    """A token with plain spaces, where a server shows its vocabulary's marks for them."""
    return token.translate(_MARKS)


def is_control(token: str) -> bool:
    """Whether a token is written for no reader, like `<|im_end|>` or an empty one."""
    return not token or (len(token) > 2 and token[0] == "<" and token[-1] == ">")


def _open(text: str) -> str:
    """A text as it compares, its end left open."""
    return collapsed(text).lstrip(EDGES)


def _beginning(start: str, forms: Sequence[str]) -> tuple[int, ...]:
    return tuple(label for label, form in enumerate(forms) if form.startswith(start)) if start else ()


def _ends_all(token: str) -> bool:
    return is_control(token) or "\n" in token or "\u010a" in token
