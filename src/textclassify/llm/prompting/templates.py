"""`Template`: a prompt in the user's own words, from a text file with placeholders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TypeAlias

from textclassify.core.labels import LabelSchema
from textclassify.core.settings_files import expanded
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError
from textclassify.llm.chat import Message
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.prompts import Prompt, labelled_block, turns
from textclassify.llm.prompting.texts_as_data import TEXT_SLOT, delimited
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.prompting.written_labels import WrittenLabels

PLACEHOLDERS = ("labels", "codes", "examples", "text")
"""What a template may ask for: `{labels}` and so on."""
_KNOWN = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
SEPARATOR = "---"
"""A line that holds nothing else stands between the system's part and the user's."""

Part: TypeAlias = tuple[tuple[str, str], ...]
"""Pieces of literal text, each with the placeholder that follows it (empty: none)."""


@dataclass(frozen=True, slots=True)
class Template:
    r"""A prompt in the user's own words.

    `{labels}` becomes the list of codes, names and descriptions, `{codes}` the codes alone, `{examples}` the examples
    with their codes (without it they become turns before the question), and `{text}` the text between its marks, in
    the last part. The part before a line of only `---` is the system's message; without such a line all is the user's.
    Literal braces are doubled. Nothing inside a text, a label or an example is taken for a placeholder.

    Args:
        content: the template as it is written.
        name: what messages call it.

    Raises:
        ConfigError: an unknown placeholder, a missing or second `{text}`, a single brace, or no content.

    >>> template = Template("Labels:\n{labels}\n\n{text}\nAnswer with a code.")
    >>> print(template.prompt(LabelSchema(("late", "lost"))).about("Where is it?")[-1].content)
    Labels:
    A: late
    B: lost
    <BLANKLINE>
    <text>
    Where is it?
    </text>
    Answer with a code.

    """

    content: str
    name: str = "the prompt template"

    def __post_init__(self) -> None:
        *before, last = self._parts()
        if len(before) > 1:
            raise ConfigError(
                f"{self.name} has {len(before)} lines of only {SEPARATOR!r}; keep one, after the system's"
            )
        if any(placeholder == "text" for part in before for _, placeholder in part):
            raise ConfigError(f"{self.name} has {{text}} before the line {SEPARATOR!r}; move it into the last part")
        times = [placeholder for _, placeholder in last].count("text")
        if times != 1:
            where = "last part" if before else "template"
            raise ConfigError(
                f"{self.name} has {{text}} {times} times; write it once, where the {where} shows the text"
            )

    def prompt(
        self,
        schema: LabelSchema,
        demonstrations: Sequence[Demonstration] = (),
        *,
        scores: bool = False,
        wording: Wording = ENGLISH,
    ) -> Prompt:
        """Return the prompt for a schema.

        Args:
            schema: labels with descriptions.
            demonstrations: examples in the order shown.
            scores: whether the template asks for a JSON object of scores: a repair question says so, too.
            wording: what is said beside the template: in front of the codes of examples, and in a repair question.

        Raises:
            ConfigError: examples of scores cannot become turns: the template has no `{examples}`.

        """
        labels, parts = WrittenLabels(schema, wording), self._parts()
        in_place = any(placeholder == "examples" for part in parts for _, placeholder in part)
        fixed = {"labels": labels.lines, "codes": ", ".join(labels.codes), "text": delimited(TEXT_SLOT), "": ""}

        def arranged(examples: Sequence[Demonstration]) -> tuple[Message, ...]:
            if scores and examples and not in_place:
                raise ConfigError(
                    f"{self.name} asks for scores and has no place for examples; write {{examples}} there"
                )
            values = fixed | {"examples": labelled_block(labels, examples)}
            *before, last = (_filled(part, values) for part in parts)
            system = [Message("system", content) for content in before if content]
            shown = [] if in_place else turns(examples, delimited, labels.answer)
            return (*system, *shown, Message("user", last))

        notice = labels.scores_notice if scores else labels.notice
        return Prompt(arranged(demonstrations), labels.codes, labels.names, labels.codes, notice, arranged, wording)

    def _parts(self) -> list[Part]:
        """Return the system's part, where there is one, and the user's."""
        if not self.content.strip():
            raise ConfigError(f"{self.name} is empty; write what to ask, with {{labels}} and {{text}}")
        parts: list[list[str]] = [[]]
        for line in self.content.splitlines():
            if line.strip() == SEPARATOR:
                parts.append([])
            else:
                parts[-1].append(line)
        return [self._pieces("\n".join(lines).strip()) for lines in parts]

    def _pieces(self, part: str) -> Part:
        try:
            found = list(Formatter().parse(part.replace(TEXT_SLOT, "")))
        except ValueError as error:
            raise ConfigError(
                f"{self.name} has a single brace ({error}); write literal braces as {{{{ and }}}}"
            ) from None
        for _, placeholder, form, conversion in found:
            if placeholder is not None and (placeholder not in PLACEHOLDERS or form or conversion):
                written = placeholder + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
                raise ConfigError(
                    f"{self.name} has the unknown placeholder {{{written}}}{did_you_mean(placeholder, PLACEHOLDERS)}; "
                    f"known: {_KNOWN}; write literal braces as {{{{ and }}}}"
                )
        return tuple((literal, placeholder or "") for literal, placeholder, *_ in found)


def load_template(path: str | Path) -> Template:
    """Return the template that a text file (UTF-8) holds.

    Raises:
        ConfigError: it cannot be read or is no template; the message names the file and the remedy.

    """
    name = f"the prompt template {str(path)!r}"
    try:
        content = expanded(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is no UTF-8 text; save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name} cannot be read ({error}); pass the path of a text file") from error
    return Template(content, name)


def _filled(part: Part, values: Mapping[str, str]) -> str:
    return "".join([literal + values[placeholder] for literal, placeholder in part])
