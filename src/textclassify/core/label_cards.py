"""What describes labels, before it is checked: label files, lists of names, and mappings that users write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textclassify.core.settings_files import read_settings_file
from textclassify.core.texts import did_you_mean
from textclassify.errors import LabelError


def cards_of(labels: Any) -> list[Any]:
    """Return names, or mappings with the key `name`, from a sequence or from {name: description}.

    Raises:
        LabelError: it is neither.

    """
    if isinstance(labels, Mapping):
        for name, text in labels.items():
            if isinstance(text, list | Mapping):
                raise LabelError(
                    f"the description of label {name!r} is {text!r:.60}, not a text{did_you_mean(name, ['labels'])}"
                )
        return [{"name": name, "description": text} for name, text in labels.items()]
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise LabelError(f"cannot read labels from {labels!r:.60} ({type(labels).__name__}); pass a list of names")
    return list(labels)


def stripped(text: Any) -> Any:
    """Return a text without white space around it, anything else as it is."""
    return text.strip() if isinstance(text, str) else text


def as_tuple(texts: Any) -> Any:
    """Return a list as a tuple, anything else as it is."""
    return tuple(texts) if isinstance(texts, list) else texts


def check_text(text: Any, what: str) -> None:
    """Refuse what is no text, such as a number that was not quoted.

    Raises:
        LabelError: it is none; the message says what it is.

    """
    if not isinstance(text, str):
        raise LabelError(f"{what} is {text!r:.60} ({type(text).__name__}), not a text; write it in quotes")


def check_texts(examples: Any, name: Any) -> None:
    """Refuse examples that are no sequence of texts.

    Raises:
        LabelError: they are none; the message says what they are.

    """
    if not isinstance(examples, list | tuple):
        raise LabelError(f"the examples of label {name!r} are {examples!r:.60}; write a list of texts: [...]")
    for text in examples:
        check_text(text, f"an example of label {name!r}")


def read_label_file(path: Path) -> Any:
    """Return what a label file holds, which is never another path.

    Raises:
        LabelError: there is no such file, or it is broken or empty.

    """
    try:
        content = read_settings_file(path)
    except FileNotFoundError:
        raise LabelError(f"no label file at {str(path)!r}; pass a YAML or JSON file, or a list of names") from None
    except (OSError, ValueError) as error:
        raise LabelError(f"label file {str(path)!r} cannot be read: {error}") from error
    if content is None or content == {"labels": None}:
        raise LabelError(f"label file {str(path)!r} is empty; list the labels under the key `labels`")
    if isinstance(content, str):
        raise LabelError(
            f"label file {str(path)!r} holds only the text {content!r:.60}; list the labels under `labels`"
        )
    return content
