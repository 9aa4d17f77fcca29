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
from textclassify.core.labels import LabelSchema
from textclassify.core.settings_files import expanded
from textclassify.core.texts import listed
from textclassify.errors import ConfigError, DataError, StorageError
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


def check_files(settings: Mapping[str, Any], found: Recognised) -> None:
    """Make sure that the label file and the test data that settings name can be used.

    Raises:
        DataError: one of them cannot be read, or has other columns than the training data.

    """
    if settings.get("labels") is not None:
        LabelSchema.of(settings["labels"])
    if settings.get("test_data") is not None:
        recognise(settings["test_data"], {**found.settings, **settings})


def asked(settings: Mapping[str, Any], ask: Ask, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the settings with the answers to questions about what they leave open; `data` is theirs already.

    Args:
        settings: what is given.
        ask: called with a question; once more where the answer cannot be used.
        say: called with the reason.

    Raises:
        ConfigError: what is given is wrong already.

    """
    answers = dict(settings)
    _check_values(answers)

    def settle(key: str, question: str, default: str = "") -> None:
        settled = key in settings
        while not settled:
            answer = ask(question, default)
            answers[key] = given(**{key: answer})[key] if answer else None
            settled = _is_usable(answers, say)

    settle("llm_provider", "Language model (local, none, openai, deepseek, gemini, ...; several by commas)", "local")
    if answers["llm_provider"] not in (None, "local"):
        which = "Their models, by commas" if isinstance(answers["llm_provider"], list) else "Its model"
        settle("llm_model", f"{which} (Enter = the provider's default)")
        settle("max_cost", "US dollars that one training may cost at most (Enter = no cap)")
    settle("ml_model", "Encoder to fine-tune (Enter = roberta-base, or the embedded one without a hub)")
    settle("output_dir", "Folder of the run", str(DEFAULTS["output_dir"]))
    return answers


def _is_usable(settings: Mapping[str, Any], say: Callable[[str], None]) -> bool:
    """Return whether the values of settings are right, and say what is wrong with them."""
    try:
        _check_values(settings)
    except ConfigError as error:
        say(str(error))
        return False
    return True


def _check_values(settings: Mapping[str, Any]) -> None:
    Config.of({key: value for key, value in settings.items() if key not in _FILES})


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
        StorageError: the configuration would replace one of these files.

    """
    for key in _FILES:
        file = settings.get(key)
        if isinstance(file, str) and expanded(file).resolve() == config.resolve():
            raise StorageError(f"{str(config)!r} is {key} itself; name another file for the configuration")
    checked = Config.of(settings).model_dump(mode="json")
    named = {key: relative_to(str(settings[key]), config) for key in _FILES if settings.get(key) is not None}
    return {key: named.get(key, checked[key]) for key in settings}


def relative_to(file: str, config: Path) -> str:
    """Return a file's path as the configuration file has to name it."""
    if file.startswith(HUB) or Path(file).expanduser().is_absolute():
        return file
    return Path(os.path.relpath(file, config.parent)).as_posix()


def check_new(path: Path, *, overwrite: bool) -> None:
    """Raise a StorageError where a file cannot be written because it is a folder, or exists and may not be replaced."""
    if path.is_dir():
        raise StorageError(f"{str(path)!r} is a folder; name a file")
    if path.exists() and not overwrite:
        raise StorageError(f"{str(path)!r} exists; pass --overwrite, or name another file")


def write_new(path: Path, content: str, *, overwrite: bool) -> None:
    """Write a text file that must not exist yet.

    Raises:
        StorageError: it exists, or cannot be written.

    """
    check_new(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}; name a file that you may write to"
        ) from error
