"""From a data file and a few answers to the commented configuration that `textclassify init` writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclassify.apps.options import given
from textclassify.core.columns import labelled_columns
from textclassify.core.files import HUB, read_hub, read_table
from textclassify.core.texts import listed
from textclassify.errors import DataError, StorageError
from textclassify.runs.config import Config

Ask = Callable[[str, str], str]
"""Asks a question with the answer that Enter gives, and returns what was answered."""
DEFAULTS: Mapping[str, Any] = {
    "test_size": 0.2,
    "ml_model": None,
    "linear": True,
    "similarity": True,
    "llm_provider": "local",
    "llm_model": None,
    "combiner": "auto",
    "output_dir": "textclassify_run",
    "random_state": 0,
}
"""What a new configuration says where nothing is given: so that the key is there to be changed."""
_FILES = ("data", "test_data", "labels")


@dataclass(frozen=True)
class Recognised:
    """What a data file seems to hold."""

    text_column: str
    label_columns: tuple[str, ...]
    labels: tuple[str, ...]
    multi_label: bool
    n_rows: int

    @property
    def settings(self) -> dict[str, Any]:
        """The keys of a configuration that say so."""
        columns = {"text_column": self.text_column, "label_columns": list(self.label_columns)}
        return {**columns, "multi_label": self.multi_label}


def recognise(data: str, settings: Mapping[str, Any]) -> Recognised:
    """Return what a file's columns are, as far as the settings do not say it.

    Raises:
        DataError: the file cannot be read, or what its columns are cannot be told.

    """
    frame = read_hub(data) if data.startswith(HUB) else read_table(data, text_column=settings.get("text_column"))
    if not len(frame):
        raise DataError(f"{data} has a header but no rows; add labelled texts")
    keys = ("text_column", "label_columns", "group_column", "multi_label")
    found = labelled_columns(frame, **{key: settings[key] for key in keys if key in settings})
    flat = found.schema.names if found.schema is not None else _names(found.answers)
    return Recognised(found.text, found.columns, tuple(map(str, flat)), found.multi_label, len(frame))


def _names(answers: Sequence[object]) -> list[str]:
    several = [list(one) if isinstance(one, list | tuple | set) else [one] for one in answers]
    return sorted({str(name) for names in several for name in names})


def in_words(found: Recognised) -> str:
    """Return what was recognised as a sentence."""
    kind = "several labels per text" if found.multi_label else "one label per text"
    return (
        f"{found.n_rows:,} rows; texts in {found.text_column!r}, labels in {listed(map(repr, found.label_columns), 3)} "
        f"({len(found.labels)}: {listed(found.labels, 4)}), {kind}"
    )


def asked(settings: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return the settings with the answers to questions about what they leave open; `data` is theirs already."""
    answers = dict(settings)
    if "llm_provider" not in answers:
        provider = ask("Language model (local, none, openai, deepseek, gemini, ...; several by commas)", "local")
        answers |= given(llm_provider=provider)
    if answers["llm_provider"] not in (None, "local"):
        if "llm_model" not in answers:
            answers |= given(llm_model=ask("Its model (Enter = the provider's default)", "") or None)
        if "max_cost" not in answers:
            cap = ask("US dollars that one training may cost at most (Enter = no cap)", "")
            answers |= {"max_cost": cap} if cap else {}
    if "ml_model" not in answers:
        model = ask("Encoder to fine-tune (Enter = roberta-base, or the embedded one without a hub)", "")
        answers |= given(ml_model=model or None)
    if "output_dir" not in answers:
        answers["output_dir"] = ask("Folder of the run", str(DEFAULTS["output_dir"]))
    return answers


def settings_to_write(settings: Mapping[str, Any], found: Recognised, config: Path) -> dict[str, Any]:
    """Return what a configuration file is to say: what is given, what was recognised, and usual keys to change.

    Args:
        settings: what is given.
        found: in the data.
        config: the file to write.

    Raises:
        ConfigError: a value is wrong.

    """
    return as_file_says({**DEFAULTS, **found.settings, **settings}, config)


def as_file_says(settings: Mapping[str, Any], config: Path) -> dict[str, Any]:
    """Return settings as plain values, the paths of files to read made to count from the configuration's folder.

    Raises:
        ConfigError: a value is wrong.

    """
    checked = Config.of(settings).model_dump(mode="json")
    named = {key: relative_to(str(settings[key]), config) for key in _FILES if settings.get(key) is not None}
    return {key: named.get(key, checked[key]) for key in settings}


def relative_to(file: str, config: Path) -> str:
    """Return a file's path as the configuration file has to name it."""
    if file.startswith(HUB) or Path(file).expanduser().is_absolute():
        return file
    return Path(os.path.relpath(file, config.parent)).as_posix()


def write_new(path: Path, content: str, *, overwrite: bool) -> None:
    """Write a text file that must not exist yet.

    Raises:
        StorageError: it exists, or cannot be written.

    """
    if path.exists() and not overwrite:
        raise StorageError(f"{str(path)!r} exists; pass --overwrite, or name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}; name a file that you may write to"
        ) from error
