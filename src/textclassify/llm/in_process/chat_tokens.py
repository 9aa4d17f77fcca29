"""Chat prompts as tokens, in which whatever a message says stays text.

The chat template alone may write control tokens. It is rendered with markers in the place of the messages, split at
its control tokens, and only then the messages are put in and encoded as plain text. For harmless messages the tokens
are those of `tokenizer.apply_chat_template`; a message that spells `<|im_end|>` ends no turn.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jinja2

from textclassify.errors import ConfigError, ModelError
from textclassify.llm.prompting.prompts import TEXT_SLOT
from textclassify.models.loading import encodable

_MARKER = "@@MESSAGE-{}@@"
_MARKERS = re.compile(r"@@MESSAGE-(\d+)@@")
# For models without a chat template: a transcript in which each turn ends with its line.
_TRANSCRIPT = (
    "{{ bos_token or '' }}{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


class Turn(Protocol):
    """One message: `role` is system, user or assistant."""

    @property
    def role(self) -> str:
        """Who speaks."""
        ...

    @property
    def content(self) -> str:
        """What is said, as plain text."""
        ...


@dataclass(frozen=True, slots=True)
class _SimpleTurn:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """One prompt as token ids, and whether its text had to be shortened."""

    ids: tuple[int, ...]
    truncated: bool


class ChatTokenizer:
    """Prompts and answers as the token ids of one chat model.

    Args:
        tokenizer: a fast Hugging Face tokenizer, with the model's chat template if it has one.

    Raises:
        ModelError: the tokenizer names no token that ends a turn.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._template = None if tokenizer.chat_template else _TRANSCRIPT
        added = tokenizer.added_tokens_decoder.items()
        # Added tokens that are only white space are text in a template as well.
        self._control = {token.content: (token_id, token) for token_id, token in added if token.content.strip()}
        self._control_pattern = _any_of(self._control)
        # The tokenizer finds these in a text even when it is told to split special tokens.
        stubborn = [name for name, (_, token) in self._control.items() if not token.special and len(name) > 1]
        self._stubborn_pattern = _any_of(stubborn)
        self.end_of_turn = self._end_of_turn()

    def prompts(self, turns: Sequence[Turn], texts: Sequence[str], *, max_tokens: int) -> list[PromptTokens]:
        """The prompt for each text: `turns`, with the text in the place of `TEXT_SLOT`, up to the answer.

        A text that does not fit into `max_tokens` is cut at its end, the instructions never.

        Raises:
            ConfigError: the slot is missing or occurs twice, or the instructions alone exceed `max_tokens`.
        """
        before, head, tail, after = self._around_slot(turns)
        room = max_tokens - len(before) - len(after)
        instructions = len(self._plain([head + tail])[0])
        if instructions >= room:
            raise ConfigError(
                f"the prompt without its text has {max_tokens - room + instructions} tokens, and {max_tokens} fit; "
                "shorten the label descriptions, give fewer examples, or take a model with a longer context"
            )
        cleaned = [encodable(text) for text in texts]
        prompts = []
        for text, run in zip(cleaned, self._plain([head + text + tail for text in cleaned]), strict=True):
            truncated = len(run) > room
            fitting = self._cut(head, text, tail, room=room, text_tokens=room - instructions) if truncated else run
            prompts.append(PromptTokens((*before, *fitting, *after), truncated))
        return prompts

    def conversation(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """The tokens of a whole conversation, up to the next answer."""
        pieces = self._pieces(turns, answer_next=True)
        ids = ([piece] if isinstance(piece, int) else self._plain([piece])[0] for piece in pieces)
        return tuple(itertools.chain.from_iterable(ids))

    def answer(self, label: str) -> tuple[int, ...]:
        """The tokens of a whole answer: the label and the end of the turn."""
        # In a transcript the answer follows a colon.
        text = f" {label}" if self._template else label
        return (*self._plain([encodable(text)])[0], self.end_of_turn)

    def _end_of_turn(self) -> int:
        line_break = self._plain(["\n"])[0] if self._template else []
        if line_break:
            return line_break[-1]
        if self._template:  # a tokenizer that drops line breaks
            return self._any_end(self.tokenizer.eos_token_id, self.tokenizer.sep_token_id)
        pieces = self._pieces([_SimpleTurn("user", "?"), _SimpleTurn("assistant", TEXT_SLOT)], answer_next=False)
        for piece in pieces:
            if isinstance(piece, str) and TEXT_SLOT in piece:
                break
        return self._any_end(*[piece for piece in pieces if isinstance(piece, int)], self.tokenizer.eos_token_id)

    @staticmethod
    def _any_end(*tokens: int | None) -> int:
        """Return the first of the tokens that there is."""
        end = next((token for token in tokens if token is not None), None)
        if end is None:
            raise ModelError("the tokenizer names no token that ends a turn (eos_token); use a chat model")
        return int(end)

    def _around_slot(self, turns: Sequence[Turn]) -> tuple[list[int], str, str, list[int]]:
        """Tokens before the run of plain text that holds the slot, the run's two sides, the tokens after it."""
        before: list[int] = []
        after: list[int] = []
        sides: list[str] = []
        for piece in self._pieces(turns, answer_next=True):
            if isinstance(piece, str) and TEXT_SLOT in piece:
                sides += piece.split(TEXT_SLOT)
                continue
            (after if sides else before).extend([piece] if isinstance(piece, int) else self._plain([piece])[0])
        if len(sides) != 2:
            raise ConfigError("a prompt needs exactly one TEXT_SLOT, the place of the text to label")
        return before, sides[0], sides[1], after

    def _pieces(self, turns: Sequence[Turn], *, answer_next: bool) -> Iterator[int | str]:
        """The prompt as control tokens and the longest runs of plain text between them."""
        run, strip_start = "", False
        for part in self._parts(turns, answer_next=answer_next):
            if isinstance(part, str):
                run += part
                continue
            token_id, token = part
            run = run.lstrip() if strip_start else run
            run = run.rstrip() if token.lstrip else run
            if run:
                yield run
            yield token_id
            run, strip_start = "", token.rstrip
        if run:
            yield run.lstrip() if strip_start else run

    def _parts(self, turns: Sequence[Turn], *, answer_next: bool) -> Iterator[str | tuple[int, Any]]:
        """Texts of the template and of the messages, and the template's control tokens."""
        for place, piece in enumerate(_MARKERS.split(self._rendered(turns, answer_next=answer_next))):
            if place % 2:
                yield encodable(turns[int(piece)].content)
                continue
            for position, part in enumerate(self._control_pattern.split(piece)):
                yield self._control[part] if position % 2 else part

    def _rendered(self, turns: Sequence[Turn], *, answer_next: bool) -> str:
        marked = [{"role": turn.role, "content": _MARKER.format(place)} for place, turn in enumerate(turns)]
        refusal: Exception | None = None
        for messages in (marked, _without_system_turn(marked)):
            try:
                return self._apply(messages, answer_next=answer_next)
            except jinja2.TemplateError as error:
                refusal = error
        raise ModelError(f"the model's chat template refuses the prompt: {refusal}") from refusal

    def _apply(self, messages: list[dict[str, str]], *, answer_next: bool) -> str:
        # `enable_thinking` is Qwen's word for answering at once; other templates ignore it.
        rendered: str = self.tokenizer.apply_chat_template(
            messages,
            chat_template=self._template,
            add_generation_prompt=answer_next,
            tokenize=False,
            enable_thinking=False,
        )
        return rendered

    def _plain(self, texts: list[str]) -> list[list[int]]:
        """Token ids of the texts, whatever control tokens they spell."""
        if not texts:
            return []
        options = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        ids: list[list[int]] = self.tokenizer(texts, **options)["input_ids"]
        for place, text in enumerate(texts):
            if self._stubborn_pattern.search(text):
                harmless = self.tokenizer(self._broken_up(text), **options)["input_ids"]
                ids[place] = [token for piece in harmless for token in piece]
        return ids

    def _broken_up(self, text: str) -> list[str]:
        """The text cut after the first character of each added token, so that none of them is found in a piece."""
        cuts = [0, *(match.start() + 1 for match in self._stubborn_pattern.finditer(text)), len(text)]
        pieces = [text[start:end] for start, end in itertools.pairwise(cuts) if end > start]
        return [part for piece in pieces for part in self._broken_again(piece)]

    def _broken_again(self, piece: str) -> list[str]:
        # Breaking one token up can leave another: "<<a>" is "<" and "<a>".
        return self._broken_up(piece) if self._stubborn_pattern.search(piece) else [piece]

    def _cut(self, head: str, text: str, tail: str, *, room: int, text_tokens: int) -> list[int]:
        """The run of plain text with as much of the text's beginning as fits."""
        options = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        ends = [end for _, end in self.tokenizer(text, return_offsets_mapping=True, **options)["offset_mapping"]]
        kept = min(text_tokens, len(ends))
        while kept > 0:
            run = self._plain([head + text[: ends[kept - 1]] + tail])[0]
            if len(run) <= room:
                return run
            # Merges across the cuts can make the run a few tokens longer than the sum of its parts.
            kept -= len(run) - room
        return self._plain([head + tail])[0]


def _any_of(contents: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(contents, key=len, reverse=True)
    return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")" if longest_first else "(?!)")


def _without_system_turn(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with a leading system turn put before the first user turn, for templates that know no system."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return messages
    system, first, *rest = messages
    return [{"role": first["role"], "content": f"{system['content']}\n\n{first['content']}"}, *rest]
